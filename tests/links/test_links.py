"""The link buttons on a task's page: which links a task has, and where they lead."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, TaskDeferred
from airflow.serialization import serialized_objects
from airflow_runtime import TaskInstance, run_task
from link_xcoms import IS_AIRFLOW_3
from tasks import make_operator, make_sensor

from airflow_provider_runway.compat import AirflowFailException, BaseOperatorLink, has_plugin_pages
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.get_provider_info import get_provider_info
from airflow_provider_runway.links.batch import RunwayResultsLink
from airflow_provider_runway.links.runway import (
    CONSOLE_URL,
    RunwayConsoleLink,
    RunwayVideoLink,
    RunwayVideosPageLink,
    add_links_for_xcom,
    hide_links,
)
from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor

pytestmark = pytest.mark.usefixtures("xcom_reads")

#: The links of a task on this Airflow; the provider info names the last one on every Airflow.
LINKS = [RunwayVideoLink, RunwayConsoleLink, *([RunwayVideosPageLink] if has_plugin_pages() else [])]


def list_links(task: Any, ti: TaskInstance) -> dict[str, str]:
    """Return what Airflow 3 stores when a worker leaves a task: the answer of each of the operator's links, by key."""
    links = {link.xcom_key: link.get_link(task, ti_key=ti) for link in task.operator_extra_links}
    links.pop("_link_runway_videos_page", None)  # has tests of its own
    return links


def test_a_finished_task_has_both_links(ti: TaskInstance, connection: str, quick: None) -> None:
    """The console's link is stored when the task is deferred, the video's when it has finished."""
    tasks: list[Any] = []
    result = run_task(lambda: tasks.append(make_operator()) or tasks[-1], ti)
    before_deferral, after_deferral = (list_links(task, ti) for task in tasks)
    assert before_deferral == {"_link_runway_console": CONSOLE_URL}
    assert after_deferral == {"_link_runway_video": result["output_url"]}


def test_a_finished_sensor_has_both_links(ti: TaskInstance, connection: str, quick: None) -> None:
    request_id = run_task(lambda: make_operator(wait_for_completion=False), ti)["request_id"]
    tasks, sensor_ti = [], TaskInstance(map_index=2)
    result = run_task(lambda: tasks.append(make_sensor(request_id)) or tasks[-1], sensor_ti)
    assert list_links(tasks[-1], sensor_ti)["_link_runway_video"] == result["output_url"]


def test_a_deferred_task_has_the_console_link_only(
    gateway: Emulator, ti: TaskInstance, connection: str, quick: None, xcom_reads: list[str]
) -> None:
    task = make_operator()
    with pytest.raises(TaskDeferred):
        task.execute(ti.context())
    assert list_links(task, ti) == {"_link_runway_console": CONSOLE_URL}
    assert xcom_reads == []


def test_a_task_without_a_job_has_no_links_and_reads_no_xcom(
    gateway: Emulator, ti: TaskInstance, connection: str, quick: None, xcom_reads: list[str]
) -> None:
    gateway.add_fault("submit:forbidden")
    task = make_operator()
    with pytest.raises(AirflowFailException):
        task.execute(ti.context())
    assert list_links(task, ti) == {}
    assert xcom_reads == []


def test_a_links_url_replaces_an_earlier_one() -> None:
    task = make_operator()
    hide_links(task)
    for url in ("https://a.example/1.mp4", "https://a.example/2.mp4", None, ""):
        add_links_for_xcom(task, "output_url", url)
    assert [link.url for link in task.operator_extra_links] == ["https://a.example/2.mp4"]


@pytest.mark.skipif(IS_AIRFLOW_3, reason="Airflow 3 asks no link in its server")
@pytest.mark.parametrize("map_index", [-1, 3], ids=["unmapped", "mapped"])
def test_airflow_2_reads_the_links_from_the_xcoms_of_the_task(ti: TaskInstance, map_index: int) -> None:
    ti.map_index = map_index
    ti.xcoms["generate", 7, "output_url"] = '"https://another.example/7.mp4"'
    assert list_links(make_operator(), ti) == {"_link_runway_video": "", "_link_runway_console": ""}
    ti.xcom_push("request_id", "0b1c")
    assert list_links(make_operator(), ti) == {"_link_runway_video": "", "_link_runway_console": CONSOLE_URL}
    ti.xcom_push("output_url", "https://images.example/a.mp4")
    assert list_links(make_operator(), ti)["_link_runway_video"] == "https://images.example/a.mp4"


@pytest.mark.skipif(not IS_AIRFLOW_3, reason="Airflow 2 reads XComs in its webserver")
def test_airflow_3_reads_no_xcom_for_a_link(ti: TaskInstance, xcom_reads: list[str]) -> None:
    """There a link is asked on the worker, and reading an XCom that does not exist logs an error."""
    ti.xcom_push("output_url", "https://images.example/a.mp4")
    assert list_links(make_operator(), ti) == {"_link_runway_video": "", "_link_runway_console": ""}
    assert xcom_reads == []


def test_the_xcom_keys_of_the_links_are_unchanged() -> None:
    links = (RunwayVideoLink(), RunwayConsoleLink(), RunwayVideosPageLink())
    assert [link.xcom_key for link in links] == [
        "_link_runway_video",
        "_link_runway_console",
        "_link_runway_videos_page",
    ]


def test_the_names_of_the_links_are_unique() -> None:
    assert len({link.name for link in LINKS}) == len(LINKS)
    assert all(issubclass(link, BaseOperatorLink) for link in LINKS)


def test_the_links_are_attributes_of_the_class(subtests: pytest.Subtests) -> None:
    for task in (RunwayGenerateOperator, RunwayJobSensor):
        with subtests.test(task=task):
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
def test_the_links_survive_the_serialisation_of_a_dag(
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


def test_the_provider_info_names_every_link() -> None:
    named = set(get_provider_info()["extra-links"])
    assert named == {
        f"{link.__module__}.{link.__qualname__}" for link in {*LINKS, RunwayVideosPageLink, RunwayResultsLink}
    }


@pytest.mark.skipif(not has_plugin_pages(), reason="this Airflow does not show the pages")
def test_a_task_with_a_job_links_to_its_videos_page(ti: TaskInstance, connection: str, quick: None) -> None:
    task = make_operator(wait_for_completion=False)
    task.execute(ti.context())
    assert "Videos page" in {link.name for link in task.operator_extra_links}


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        pytest.param("https://airflow.example/team/", "https://airflow.example/team/runway-videos/", id="base_url"),
        pytest.param("", "runway-videos/", id="relative to Airflow's pages"),
    ],
)
def test_the_videos_page_link_leads_to_the_task_instance(
    ti: TaskInstance, base_url: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    ti.run_id, ti.map_index = "manual__2026-11-27T02:00:00+00:00", 3
    link = RunwayVideosPageLink().get_link(None, ti_key=ti)
    run = "manual__2026-11-27T02%3A00%3A00%2B00%3A00"
    assert link == f"{expected}dags/{ti.dag_id}/runs/{run}/tasks/{ti.task_id}/3"
