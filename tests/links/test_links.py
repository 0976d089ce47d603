"""The buttons on a task's page: a value when there is one, and "" when there is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, TaskDeferred
from airflow.serialization import serialized_objects
from airflow_runtime import TaskInstance, run_task
from tasks import generate, sense

from airflow_provider_runway.compat import BaseOperatorLink
from airflow_provider_runway.emulator import Emulator
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


@pytest.mark.parametrize("map_index", [-1, 0, 3], ids=["unmapped", "first", "fourth"])
def test_a_mapped_tasks_link_leads_to_its_own_video(
    ti: TaskInstance, connection: str, quick: None, map_index: int
) -> None:
    ti.map_index = map_index
    ti.xcoms["generate", 7, "output_url"] = '"https://another.example/7.mp4"'
    outcome = run_task(generate, ti)
    assert RunwayVideoLink().get_link(generate(), ti_key=ti) == outcome["output_url"]  # type: ignore[arg-type]


def test_the_sensors_video_link_is_the_videos_address(ti: TaskInstance, connection: str, quick: None) -> None:
    request_id = run_task(lambda: generate(wait_for_completion=False), ti)["request_id"]
    other = TaskInstance(map_index=2)
    outcome = run_task(lambda: sense(request_id), other)
    assert RunwayVideoLink().get_link(sense(request_id), ti_key=other) == outcome["output_url"]  # type: ignore[arg-type]


def test_while_a_task_is_deferred_the_video_is_empty_and_the_console_is_there(
    gateway: Emulator, ti: TaskInstance, connection: str, quick: None
) -> None:
    """Airflow 3 stores the links whenever a worker lets go of a task, also at a deferral."""
    with pytest.raises(TaskDeferred):
        generate().execute(ti.context())
    assert [link().get_link(generate(), ti_key=ti) for link in LINKS] == ["", CONSOLE_URL]  # type: ignore[arg-type, abstract]


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


@pytest.mark.parametrize("mapped", [False, True], ids=["unmapped", "mapped"])
@pytest.mark.parametrize(
    ("task", "fixed", "each"),
    [
        (RunwayGenerateOperator, {"prompt_text": "a"}, {"prompt_image": ["https://a.example/1.png"]}),
        (RunwayJobSensor, {}, {"request_id": ["0b1c"]}),
    ],
    ids=["operator", "sensor"],
)
def test_the_links_survive_a_dags_serialisation(
    task: Any, fixed: dict[str, Any], each: dict[str, list[str]], mapped: bool
) -> None:
    """A webserver has the serialised DAG only; 2.11 rebuilds our links from it, 3 its own by the XComs' keys."""
    serialization = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    with DAG("videos", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        if mapped:
            task.partial(task_id="one", **fixed).expand(**each)
        else:
            task(task_id="one", **fixed, **{name: values[0] for name, values in each.items()})
    found = serialization.from_dict(json.loads(json.dumps(serialization.to_dict(dag))))
    assert set(found.get_task("one").extra_links) == {link.name for link in LINKS}


def test_the_provider_names_every_link() -> None:
    named = set(get_provider_info()["extra-links"])
    assert named == {f"{link.__module__}.{link.__qualname__}" for link in LINKS}
