"""What Airflow's OpenLineage provider gets from a task: its own files, the author's in- and outlets, and the cost."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset
from airflow_runtime import TaskInstance, run_task
from batches import make_batch, make_rows
from submits import get_only_job_id
from tasks import make_operator, make_sensor

from airflow_provider_runway.compat import AirflowException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.media_handlers import read_sample_file

pytest.importorskip("airflow.providers.openlineage", reason="the extra `openlineage` is not installed: make env")
from airflow.providers.openlineage.extractors.base import DefaultExtractor
from openlineage.client.serde import Serde

pytestmark = pytest.mark.usefixtures("connection", "quick")

SIGNED_IMAGE = "https://user:s3cret@images.example/in.png?X-Amz-Signature=s3cret"


def name_all(datasets: Any) -> list[tuple[str, str]]:
    return [(each.namespace, each.name) for each in datasets]


class Task:
    """An operator that runs to its end; the instance that ended is the one that Airflow asks for its lineage."""

    def __init__(self, make: Any) -> None:
        self.make = make
        self.last: Any = None

    def __call__(self) -> Any:
        self.last = self.make()
        return self.last

    def extract(self, state: str) -> Any:
        """Return what the provider's own extractor gets at a state of the task."""
        extractor, ti = DefaultExtractor(self.last), SimpleNamespace()
        return extractor.extract() if state == "start" else getattr(extractor, f"extract_on_{state}")(ti)


def test_a_completed_task_reports_image_video_cost_and_request_id(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path
) -> None:
    task = Task(partial(make_operator, prompt_image=SIGNED_IMAGE, output_path=f"{tmp_path}/a.mp4"))
    run_task(task, ti)
    lineage = task.extract("complete")
    assert name_all(lineage.inputs) == [("https://images.example", "in.png")]
    assert name_all(lineage.outputs) == [("file", f"{tmp_path}/a.mp4")]
    statistics = lineage.outputs[0].outputFacets["outputStatistics"]
    assert (statistics.size, statistics.fileCount) == (len(read_sample_file("05s-16x9.mp4")), 1)
    facet = lineage.run_facets["runway"]
    request_id = get_only_job_id(gateway)
    assert (facet.request_id, facet.cost, facet.status) == (request_id, 0.5, "COMPLETED")
    assert lineage.run_facets["externalQuery"].externalQueryId == request_id


def test_the_authors_own_inlets_and_outlets_are_reported_too_and_each_dataset_once(ti: TaskInstance) -> None:
    task = Task(
        partial(
            make_operator,
            prompt_image="https://images.example/in.png",
            inlets=[Asset("s3://shots/list.csv")],
            outlets=[Asset("s3://videos/daily.mp4"), Asset("file:///videos/daily.mp4")],
        )
    )
    result = run_task(task, ti)
    lineage = task.extract("complete")
    assert name_all(lineage.inputs) == [("https://images.example", "in.png"), ("s3://shots", "list.csv")]
    output_server, _, output_name = result["output_url"].partition("/outputs/")
    assert name_all(lineage.outputs) == [
        (output_server, f"outputs/{output_name}"),
        ("s3://videos", "daily.mp4"),
        ("file", "/videos/daily.mp4"),
    ]


def test_an_outlet_that_is_the_stored_file_is_one_dataset(ti: TaskInstance, tmp_path: Path) -> None:
    path = f"{tmp_path}/a.mp4"
    task = Task(partial(make_operator, output_path=path, outlets=[Asset(f"file://{path}")]))
    run_task(task, ti)
    (output,) = task.extract("complete").outputs
    assert "outputStatistics" in output.outputFacets, "ours says the most"


def test_at_the_start_only_the_input_is_known(ti: TaskInstance) -> None:
    task = Task(partial(make_operator, prompt_image="https://images.example/in.png"))
    task()
    lineage = task.extract("start")
    assert (name_all(lineage.inputs), lineage.outputs, lineage.run_facets) == (
        [("https://images.example", "in.png")],
        [],
        {},
    )


def test_a_failed_task_reports_the_job_that_may_be_billed(gateway: Emulator, ti: TaskInstance, tmp_path: Path) -> None:
    gateway.add_fault("output:cut_body:times=0")
    task = Task(partial(make_operator, output_path=f"{tmp_path}/a.mp4"))
    with pytest.raises(AirflowException, match="paid for"):
        run_task(task, ti)
    facet = task.extract("failure").run_facets["runway"]
    assert (facet.request_id, facet.cost) == (get_only_job_id(gateway), 0.5)


def test_the_sensor_reports_its_job(gateway: Emulator, ti: TaskInstance) -> None:
    run_task(partial(make_operator, wait_for_completion=False), ti)
    task = Task(partial(make_sensor, get_only_job_id(gateway)))
    result = run_task(task, ti)
    lineage = task.extract("complete")
    assert lineage.run_facets["runway"].cost == 0.5
    assert [name for _, name in name_all(lineage.outputs)] == [result["output_url"].split("/", 3)[3]]


def test_a_batch_reports_the_file_of_its_rows_its_table_and_its_counts(ti: TaskInstance, tmp_path: Path) -> None:
    rows = tmp_path / "shots.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in make_rows(3)))
    task = Task(partial(make_batch, tmp_path / "out", None, requests_path=str(rows)))
    manifest = run_task(task, ti)
    lineage = task.extract("complete")
    assert name_all(lineage.inputs) == [("file", str(rows))]
    assert name_all(lineage.outputs) == [("file", f"{tmp_path}/out/results.jsonl")]
    assert lineage.outputs[0].outputFacets["outputStatistics"].rowCount == 3
    facet = lineage.run_facets["runway"]
    assert (facet.request_count, facet.counts["success"], facet.cost) == (3, 3, manifest["cost"])


@pytest.mark.parametrize("state", ["start", "complete", "failure"])
def test_no_event_has_a_key_a_signature_or_the_prompt(gateway: Emulator, ti: TaskInstance, state: str) -> None:
    task = Task(partial(make_operator, prompt_image=SIGNED_IMAGE, prompt_text="a prompt that is private"))
    run_task(task, ti)
    lineage = task.extract(state)
    text = "".join(Serde.to_json(each) for each in (*lineage.inputs, *lineage.outputs, *lineage.run_facets.values()))
    assert "images.example" in text
    assert [secret for secret in (gateway.test_key, "s3cret", "private") if secret in text] == []
