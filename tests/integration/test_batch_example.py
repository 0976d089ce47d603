"""The batch example and every way of giving rows to a batch, in a real Airflow 3.3 and a real 2.11."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from bucket import Bucket

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, Run

# The first test waits for the run. On SQLite, Airflow 2.11 runs one task at a time.
pytestmark = pytest.mark.timeout(400)

COUNT = 6
FAILED = 4


class ExampleRun:
    """A run of the example over products whose pictures are in a bucket."""

    def __init__(self, airflow: LocalAirflow, emulator: Emulator, bucket: Bucket) -> None:
        self.airflow, self.emulator, self.bucket = airflow, emulator, bucket
        self.folder = f"batch{airflow.version[0]}"
        self.run: Run
        self.manifests: list[dict[str, Any]] = []
        self.tables: list[list[dict[str, Any]]] = []
        self.paid: list[list[str]] = []

    def prepare(self) -> None:
        """Put the pictures and the CSV into the bucket."""
        picture = (Path(__file__).resolve().parents[2] / "demo" / "sunflowers.jpg").read_bytes()
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["custom_id", "prompt_image", "prompt_text", "seed"])
        for index in range(COUNT):
            self.bucket.write(f"{self.folder}/pictures/{index}.jpg", picture + bytes([index]))
            image = f"{self.bucket.url}/{self.folder}/pictures/{index}.jpg"
            writer.writerow([f"product-{index}", image, f'{self.folder}, "product" {index}', index + 1])
        self.bucket.write(f"{self.folder}/products.csv", text.getvalue().encode())

    def start(self) -> None:
        """Trigger the run."""
        url = f"{self.bucket.url}/{self.folder}"
        self.run = self.airflow.trigger("runway_batch", {"products": f"{url}/products.csv", "clips": f"{url}/clips"})

    def finish(self) -> None:
        """Wait for the run's end, and record what it left."""
        assert self.airflow.wait_for_run(self.run, timeout_s=300) == "success", self.airflow.get_task_states(self.run)
        self.manifests.append(dict(self.airflow.get_xcom(self.run, "animate")))
        table = self.bucket.read(f"{self.folder}/clips/{self.run.run_id}/results.jsonl")
        self.tables.append([json.loads(line) for line in table.splitlines()])
        jobs = [job for job in self.emulator.ledger()["jobs"] if self.folder in job["body"]["promptText"]]
        self.paid.append([job["body"]["promptText"] for job in jobs if job["billable"]])


@pytest.fixture(scope="module")
def example(airflow_major: LocalAirflow, emulator: Emulator, bucket: Bucket) -> ExampleRun:
    """A run in which one job failed, and what it is after a clear of its tasks."""
    example = ExampleRun(airflow_major, emulator, bucket)
    example.prepare()
    emulator.add_fault(call="submit", fault="job_fails", match=f'{example.folder}, \\"product\\" {FAILED}', times=1)
    example.start()
    example.finish()
    airflow_major.clear(example.run, None, only_failed=False)
    example.finish()
    return example


def test_each_row_but_the_failed_one_has_its_video(example: ExampleRun) -> None:
    manifest, table = example.manifests[0], example.tables[0]
    assert [row["custom_id"] for row in table] == [f"product-{index}" for index in range(COUNT)]
    assert [row["seed"] for row in table] == list(range(1, COUNT + 1))
    statuses = ["error" if index == FAILED else "success" for index in range(COUNT)]
    assert [row["status"] for row in table] == statuses
    assert (manifest["request_count"], manifest["counts"]["success"], manifest["counts"]["error"]) == (
        COUNT,
        COUNT - 1,
        1,
    )
    assert manifest["terminal_reason"] == "partial"
    for row in table:
        if row["status"] == "success":
            key = f"{example.folder}/clips/{example.run.run_id}/{row['custom_id']}.mp4"
            assert row["output_path"] == f"{example.bucket.url}/{key}"
            assert example.bucket.read(key)[4:8] == b"ftyp"


def test_a_clear_pays_for_the_failed_row_alone(example: ExampleRun) -> None:
    prompts = [f'{example.folder}, "product" {index}' for index in range(COUNT)]
    assert sorted(example.paid[0]) == [prompt for index, prompt in enumerate(prompts) if index != FAILED]
    assert sorted(example.paid[1]) == prompts
    assert example.manifests[1]["counts"]["success"] == COUNT
    assert example.manifests[1]["terminal_reason"] == "succeeded"
    kept = [row for row in example.tables[0] if row["status"] == "success"]
    assert all(row in example.tables[1] for row in kept)


def test_the_tasks_after_it_read_the_table_and_map_over_its_videos(example: ExampleRun) -> None:
    assert example.airflow.get_xcom(example.run, "report") == {}
    published = [example.airflow.get_xcom(example.run, "publish", map_index=index) for index in range(COUNT)]
    assert published == [f"product-{index}" for index in range(COUNT)]


def test_the_manifest_in_xcom_is_small(example: ExampleRun) -> None:
    assert len(json.dumps(example.manifests[0])) < 2000
    assert example.manifests[0]["result_uri"].endswith("/results.jsonl")


@pytest.fixture(scope="module")
def batching(airflow_major: LocalAirflow, tmp_path_factory: pytest.TempPathFactory) -> tuple[LocalAirflow, Run]:
    """A finished run of the DAG ``batching``."""
    folder = tmp_path_factory.mktemp("batching")
    run = airflow_major.trigger("batching", {"label": f"batching{airflow_major.version[0]}", "folder": str(folder)})
    assert airflow_major.wait_for_run(run, timeout_s=300) == "success", airflow_major.get_task_states(run)
    return airflow_major, run


def test_rows_come_from_another_task_without_rendering(batching: tuple[LocalAirflow, Run]) -> None:
    airflow, run = batching
    label = f"batching{airflow.version[0]}"
    expected = [f"{label} xcom {{{{ no jinja }}}} {index}" for index in range(2)]
    assert airflow.get_xcom(run, "list_prompts") == expected


def test_a_mapped_batch_has_a_list_for_each_task_instance(batching: tuple[LocalAirflow, Run]) -> None:
    airflow, run = batching
    counts = [airflow.get_xcom(run, "mapped", map_index=index)["request_count"] for index in range(2)]
    assert counts == [1, 2]


def test_a_decorated_function_gives_the_rows(batching: tuple[LocalAirflow, Run]) -> None:
    airflow, run = batching
    label = f"batching{airflow.version[0]}"
    assert airflow.get_xcom(run, "list_decorated") == [f"{label} decorated {run.run_id}"]
