"""The image-to-video example in a real Airflow 3.3: deferral, XCom keys, stored video, and no key in any file."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, Run
from local_airflow.emulator_process import TEST_KEY

ROOT = Path(__file__).resolve().parents[2]
TASKS = ("generate", "wait", "one_task")
#: Tests of other files, which share the emulator, run DAGs with the example's own prompt.
PROMPT = "The camera circles a windmill while the sun goes down"
XCOM_KEYS = {
    "request_id",
    "status",
    "model",
    "output_url",
    "output_urls",
    "output_path",
    "output_paths",
    "last_frame_url",
    "prompt_text",
    "cost",
    "remaining_credits",
    "metrics",
    "seed",
    "submitted_at",
    "completed_at",
    "record_expires_at",
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the DAG stores its video in."""
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def run(airflow: LocalAirflow, emulator: Emulator, videos: Path) -> Run:
    """A finished run of the example with the repository's image, slow enough to be seen deferred."""
    emulator.add_fault(call="submit", fault="job_latency", match=PROMPT, times=0, seconds=6)
    image = ROOT / "demo" / "sunflowers.jpg"
    params = {"prompt_text": PROMPT, "prompt_image": str(image), "output_path": f"{videos}/"}
    run = airflow.trigger("runway_image_to_video", params, "example")
    airflow.wait_for_task(run, "wait", "deferred", timeout_s=60)
    airflow.wait_for_task(run, "one_task", "deferred", "success", timeout_s=60)
    assert airflow.wait_for_run(run, timeout_s=120) == "success"
    return run


def test_the_task_that_only_submits_returns_all_keys_without_an_output(airflow: LocalAirflow, run: Run) -> None:
    submitted = airflow.get_xcom(run, "generate")
    assert set(submitted) == XCOM_KEYS
    assert (submitted["status"], submitted["output_url"]) == ("QUEUED", None)
    assert airflow.get_xcom(run, "generate", key="request_id") == submitted["request_id"]


@pytest.mark.parametrize("task_id", ["wait", "one_task"])
def test_the_task_that_finishes_a_job_returns_all_keys_with_the_output(
    airflow: LocalAirflow, run: Run, emulator: Emulator, task_id: str
) -> None:
    result = airflow.get_xcom(run, task_id)
    assert set(result) == XCOM_KEYS
    assert (result["status"], result["cost"]) == ("COMPLETED", 0.5)
    jobs = {job["request_id"]: job for job in emulator.ledger()["jobs"]}
    assert result["output_url"] == jobs[result["request_id"]]["output_url"]
    for key in ("request_id", "output_url", "output_urls"):
        assert airflow.get_xcom(run, task_id, key=key) == result[key]


def test_the_url_reaches_the_task_downstream(airflow: LocalAirflow, run: Run) -> None:
    assert airflow.get_xcom(run, "show_url") == airflow.get_xcom(run, "wait")["output_url"]


def test_the_stored_video_plays(airflow: LocalAirflow, run: Run, videos: Path) -> None:
    result = airflow.get_xcom(run, "one_task")
    path = Path(result["output_path"])
    assert path == videos / f"{result['request_id']}.mp4"
    assert list(videos.iterdir()) == [path]
    with av.open(str(path)) as video:
        assert sum(1 for _ in video.decode(video=0)) > 10
        assert video.duration == pytest.approx(5_000_000, rel=0.1)


@pytest.mark.parametrize("task_id", ["wait", "one_task"])
def test_the_log_names_the_job_before_and_after_the_deferral(airflow: LocalAirflow, run: Run, task_id: str) -> None:
    request_id, log = airflow.get_xcom(run, task_id)["request_id"], airflow.get_task_log(run, task_id)
    waiting, completed = f"Job {request_id}: waiting in the triggerer", f"Job {request_id}: COMPLETED, "
    assert waiting in log
    assert completed in log
    assert log.index(waiting) < log.index(completed)


def test_the_example_pays_for_its_two_jobs_and_no_more(airflow: LocalAirflow, run: Run, emulator: Emulator) -> None:
    ids = {airflow.get_xcom(run, task_id)["request_id"] for task_id in TASKS}
    made = [job["request_id"] for job in emulator.ledger()["jobs"] if job["body"]["promptText"] == PROMPT]
    assert sorted(made) == sorted(ids)


def test_no_key_is_in_logs_xcoms_rendered_fields_or_the_database(airflow: LocalAirflow, run: Run) -> None:
    files = {str(file): file.read_bytes() for file in airflow.home.rglob("*") if file.is_file()}
    assert any(name.endswith("airflow.db") for name in files)
    assert [name for name, content in files.items() if TEST_KEY.encode() in content] == []
    for task_id in TASKS:
        assert TEST_KEY not in json.dumps(airflow.get_xcom(run, task_id))
