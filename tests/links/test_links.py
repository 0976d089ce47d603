"""The buttons on a task's page: a value when there is one, and "" when there is none."""

from __future__ import annotations

from typing import Any

import pytest
from airflow_runtime import TaskInstance, run_task
from tasks import generate

from airflow_provider_runway.compat import BaseOperatorLink
from airflow_provider_runway.get_provider_info import get_provider_info
from airflow_provider_runway.links.runway import CONSOLE_URL, RunwayConsoleLink, RunwayVideoLink
from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor

LINKS = [RunwayVideoLink, RunwayConsoleLink]


def _airflows_xcom() -> Any:
    """Return the class that a link asks: on the worker on Airflow 3, in the webserver on Airflow 2."""
    try:
        from airflow.sdk.execution_time.xcom import XCom
    except ImportError:
        from airflow.models.xcom import XCom
    return XCom


@pytest.fixture(autouse=True)
def stored(ti: TaskInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Airflow's XCom table be the task instance's: the table itself needs a database or a supervisor."""

    def get_value(*, ti_key: TaskInstance, key: str) -> Any:
        return ti_key.xcom(key)

    monkeypatch.setattr(_airflows_xcom(), "get_value", get_value)


def test_the_video_link_is_the_videos_address(ti: TaskInstance, connection: str, quick: None) -> None:
    outcome = run_task(generate, ti)
    assert RunwayVideoLink().get_link(generate(), ti_key=ti) == outcome["output_url"]  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, 7, ["https://a.example"], {}], ids=repr)
def test_the_video_link_is_empty_where_there_is_no_video(ti: TaskInstance, value: Any) -> None:
    if value is not None:
        ti.xcom_push("output_url", value)
    assert RunwayVideoLink().get_link(generate(), ti_key=ti) == ""  # type: ignore[arg-type]


def test_the_console_link_needs_no_job(ti: TaskInstance) -> None:
    assert RunwayConsoleLink().get_link(generate(), ti_key=ti) == CONSOLE_URL  # type: ignore[arg-type]
    assert CONSOLE_URL.startswith("https://")


def test_the_keys_under_which_airflow_keeps_the_links_stay() -> None:
    assert {link().xcom_key for link in LINKS} == {"_link_runway_video", "_link_runway_console"}


def test_each_link_has_a_name_of_its_own() -> None:
    assert len({link.name for link in LINKS}) == len(LINKS)
    assert all(issubclass(link, BaseOperatorLink) for link in LINKS)


@pytest.mark.parametrize("task", [RunwayGenerateOperator, RunwayJobSensor])
def test_a_tasks_links_stand_on_its_class(task: type) -> None:
    """Airflow reads them from the class; a property would be lost when the DAG is serialised."""
    links = vars(task)["operator_extra_links"]
    assert isinstance(links, tuple)
    assert [type(link) for link in links] == LINKS


def test_the_provider_names_every_link() -> None:
    named = set(get_provider_info()["extra-links"])
    assert named == {f"{link.__module__}.{link.__qualname__}" for link in LINKS}
