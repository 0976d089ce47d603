"""The pipeline example in a real Airflow 3.3: a folder of images becomes videos in a bucket and a manifest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from bucket import Bucket

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, Run

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("a.jpg", "b.jpg", "c.PNG", "d.jpeg")
PROMPT = "the pipeline's own prompt"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images, two of them with the same bytes, and a text file."""
    folder = tmp_path_factory.mktemp("images")
    for name in NAMES[:2]:
        shutil.copyfile(ROOT / "demo" / "sunflowers.jpg", folder / name)
    for number, name in enumerate(NAMES[2:]):
        head = b"\x89PNG\r\n\x1a\n" if name.endswith("PNG") else b"\xff\xd8\xff\xe0"
        (folder / name).write_bytes(head + bytes([number] * 100))
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture(scope="module")
def run(airflow: LocalAirflow, images: Path, bucket: Bucket) -> Run:
    """A finished run of the example."""
    conf = {"images": str(images), "videos": f"{bucket.url}/pipeline", "prompt_text": PROMPT}
    started = airflow.trigger("runway_pipeline", conf)
    assert airflow.wait_for_run(started, timeout_s=200) == "success"
    return started


@pytest.fixture(scope="module")
def manifest(run: Run, bucket: Bucket) -> list[dict[str, Any]]:
    """The rows that the last task wrote."""
    return list(json.loads(bucket.read("pipeline/manifest.json")))


def test_each_image_has_one_job(run: Run, manifest: list[dict[str, Any]], images: Path, emulator: Emulator) -> None:
    assert [row["image"] for row in manifest] == [str(images / name) for name in NAMES]
    jobs = {job["request_id"]: job for job in emulator.ledger()["jobs"] if job["body"]["promptText"] == PROMPT}
    assert sorted(jobs) == sorted(row["request_id"] for row in manifest)
    assert len({job["body"]["seed"] for job in jobs.values()}) == len(NAMES)
    for row in manifest:
        assert row["error"] is None
        assert (row["url"], row["cost"]) == (jobs[row["request_id"]]["output_url"], jobs[row["request_id"]]["cost"])


def test_the_bucket_holds_the_videos_that_the_manifest_names(manifest: list[dict[str, Any]], bucket: Bucket) -> None:
    assert bucket.names("pipeline") == sorted(["manifest.json", *(f"{row['request_id']}.mp4" for row in manifest)])
    for row in manifest:
        assert row["stored"] == f"{bucket.url}/pipeline/{row['request_id']}.mp4"
        assert bucket.read(f"pipeline/{row['request_id']}.mp4")[4:8] == b"ftyp"


def test_each_mapped_task_links_to_its_own_video(
    airflow: LocalAirflow, run: Run, manifest: list[dict[str, Any]]
) -> None:
    for index, row in enumerate(manifest):
        assert airflow.get_links(run, "animate", index)["Video"] == row["url"]


@pytest.mark.parametrize(
    "dag_id",
    [
        "runway_image_to_video",
        "runway_scheduled",
        "runway_pipeline",
        "runway_backfill",
        "runway_approval",
        "runway_chained_clips",
        "runway_batch",
    ],
)
def test_each_example_says_what_it_does_and_costs(airflow: LocalAirflow, dag_id: str) -> None:
    airflow.wait_for_dag(dag_id)
    call = airflow.client.call
    assert "USD 0.50" in call("GET", f"/dags/{dag_id}/details")["doc_md"]
    tasks = call("GET", f"/dags/{dag_id}/tasks")["tasks"]
    assert [task["task_id"] for task in tasks if not (task["doc_md"] or "").strip()] == []
    for task in tasks:
        assert ("USD 0.50" in task["doc_md"]) == ("Costs nothing" not in task["doc_md"])
