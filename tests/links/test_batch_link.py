"""The Results link of a batch's task: where it leads for each storage, and where each Airflow has it from."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, TaskDeferred
from airflow.serialization import serialized_objects
from airflow_runtime import TaskInstance, run_task
from batches import make_batch, make_rows
from link_xcoms import IS_AIRFLOW_3

from airflow_provider_runway.compat import AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.links.batch import RunwayResultsLink, make_console_url
from airflow_provider_runway.links.runway import CONSOLE_URL
from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator

pytestmark = pytest.mark.usefixtures("xcom_reads")


def list_links(task: Any, ti: TaskInstance) -> dict[str, str]:
    """Return what Airflow 3 stores when a worker leaves a task, without the page of videos."""
    links = {link.xcom_key: link.get_link(task, ti_key=ti) for link in task.operator_extra_links}
    links.pop("_link_runway_videos_page", None)
    return links


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("s3://shots/a/b", "https://s3.console.aws.amazon.com/s3/buckets/shots?prefix=a/b/"),
        ("s3a://aws_conn@shots/a/b/", "https://s3.console.aws.amazon.com/s3/buckets/shots?prefix=a/b/"),
        ("s3://shots", "https://s3.console.aws.amazon.com/s3/buckets/shots?prefix="),
        (
            "s3://shots/manual__2026-11-27T02:00:00+00:00",
            "https://s3.console.aws.amazon.com/s3/buckets/shots?prefix=manual__2026-11-27T02%3A00%3A00%2B00%3A00/",
        ),
        ("gs://google@shots/a b", "https://console.cloud.google.com/storage/browser/shots/a%20b/"),
        ("gcs://shots/", "https://console.cloud.google.com/storage/browser/shots/"),
        ("/data/results", "/data/results"),
        ("file:///data/results", "file:///data/results"),
        ("abfs://shots/a", "abfs://shots/a"),
    ],
)
def test_the_link_leads_to_the_folder_in_the_console_of_its_storage(path: str, url: str) -> None:
    assert make_console_url(path) == url


def test_the_link_is_there_from_the_first_wave_on_and_the_end_leaves_it_as_it_is(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, connection: str, quick: None, xcom_reads: list[str]
) -> None:
    tasks: list[Any] = []
    run_task(lambda: tasks.append(make_batch(tmp_path, make_rows(3))) or tasks[-1], ti)
    first, *others = (list_links(task, ti) for task in tasks)
    assert first == {"_link_runway_results": str(tmp_path), "_link_runway_console": CONSOLE_URL}
    assert others
    assert all(links == {} for links in others)
    assert xcom_reads == []


def test_a_batch_whose_rows_are_refused_has_no_link(
    ti: TaskInstance, tmp_path: Path, connection: str, quick: None, xcom_reads: list[str]
) -> None:
    task = make_batch(tmp_path, make_rows(1, duration=7))
    with pytest.raises(AirflowFailException):
        task.execute(ti.context())
    assert list_links(task, ti) == {}
    assert xcom_reads == []


@pytest.mark.skipif(IS_AIRFLOW_3, reason="Airflow 3 asks no link in its server")
@pytest.mark.parametrize("map_index", [-1, 3], ids=["unmapped", "mapped"])
def test_airflow_2_reads_the_link_from_the_xcom_of_the_task(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, connection: str, quick: None, map_index: int
) -> None:
    ti.map_index = map_index
    ti.xcoms["generate", 7, "result_path"] = '"s3://another/folder"'
    link = RunwayResultsLink()
    assert link.get_link(None, ti_key=ti) == ""
    with pytest.raises(TaskDeferred):
        make_batch(tmp_path, make_rows(1)).execute(ti.context())
    assert link.get_link(None, ti_key=ti) == str(tmp_path)
    ti.xcom_push("result_path", "s3://shots/a")
    assert link.get_link(None, ti_key=ti) == make_console_url("s3://shots/a")


@pytest.mark.skipif(not IS_AIRFLOW_3, reason="Airflow 2 reads XComs in its webserver")
def test_airflow_3_reads_no_xcom_for_the_link(ti: TaskInstance, xcom_reads: list[str]) -> None:
    ti.xcom_push("result_path", "s3://shots/a")
    assert RunwayResultsLink().get_link(None, ti_key=ti) == ""
    assert xcom_reads == []


@pytest.mark.parametrize("is_mapped", [False, True], ids=["unmapped", "mapped"])
def test_the_link_survives_the_serialisation_of_a_dag(is_mapped: bool) -> None:
    serialization = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    rows = [{"prompt_text": "a"}]
    with DAG("videos", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        if is_mapped:
            RunwayGenerateBatchOperator.partial(task_id="one", result_path="/r/{{ ti.map_index }}").expand(
                requests=[rows]
            )
        else:
            RunwayGenerateBatchOperator(task_id="one", result_path="/r", requests=rows)
    found = serialization.from_dict(json.loads(json.dumps(serialization.to_dict(dag))))
    assert "Results" in found.get_task("one").extra_links
    assert RunwayResultsLink().xcom_key == "_link_runway_results"
