"""The approval example in a real Airflow 3.3: a person sees price and sample; only their word pays for the rest."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from bucket import Bucket

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, Run
from local_airflow.wait_until import wait_until

IMAGE = "https://example.com/image.png"
#: A person needs longer to read. An answer before the scheduler has processed the worker's exit fails the try, and the
#: next one asks again (apache/airflow#72716).
READING_S = 10.0


def start(airflow: LocalAirflow, folder: str, name: str) -> tuple[Run, list[str]]:
    """Start a run of the example, and wait until it asks; return it with its prompts."""
    prompts = [f"approval {name} {number}" for number in range(3)]
    run = airflow.trigger("runway_approval", {"prompts": prompts, "prompt_image": IMAGE, "videos": folder})
    airflow.wait_for_task(run, "approve", "awaiting_input", "deferred", timeout_s=150)
    return run, prompts


def respond(airflow: LocalAirflow, run: Run, option: str) -> dict[str, Any]:
    """Answer through the REST API, as the page of required actions does; return what was asked."""
    path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/approve/-1/hitlDetails"
    call = airflow.client.call
    asked: dict[str, Any] = wait_until(
        lambda: call("GET", path, missing_ok=True), timeout_s=30, what="the request for an approval"
    )
    time.sleep(READING_S)
    call("PATCH", path, json={"chosen_options": [option]})
    return asked


def list_prompts_of_jobs(emulator: Emulator, name: str) -> list[str]:
    """Return the prompts of the accepted jobs of a run, sorted."""
    jobs = emulator.ledger()["jobs"]
    return sorted(text for job in jobs if (text := str(job["body"]["promptText"])).startswith(f"approval {name} "))


@pytest.mark.timeout(400)
def test_the_rest_is_submitted_once_a_person_has_approved(
    airflow: LocalAirflow, emulator: Emulator, bucket: Bucket
) -> None:
    run, prompts = start(airflow, f"{bucket.url}/approved", "yes")
    assert list_prompts_of_jobs(emulator, "yes") == prompts[:1], "before the answer there is the sample only"
    sample = airflow.get_xcom(run, "sample")
    asked = respond(airflow, run, "Approve")
    assert asked["subject"] == "Make 2 more videos?"
    assert "All 3 videos cost" in asked["body"]
    assert "**USD 1.50**" in asked["body"]
    assert sample["output_url"] in asked["body"]
    assert airflow.wait_for_run(run, timeout_s=200) == "success"
    assert list_prompts_of_jobs(emulator, "yes") == prompts
    manifest = airflow.get_xcom(run, "others")
    assert (manifest["request_count"], manifest["cost"]) == (2, 1.0)
    folder = f"approved/{run.run_id}"
    assert "sample.mp4" in bucket.names(folder)
    assert {name for name in bucket.names(f"{folder}/others") if name.endswith(".mp4")} == {
        "row-000000.mp4",
        "row-000001.mp4",
    }


@pytest.mark.timeout(400)
def test_a_rejection_costs_no_more_than_the_sample(airflow: LocalAirflow, emulator: Emulator, tmp_path: Path) -> None:
    run, prompts = start(airflow, str(tmp_path), "no")
    respond(airflow, run, "Reject")
    assert airflow.wait_for_run(run, timeout_s=120) == "success"
    assert airflow.get_task_states(run)["others"] == "skipped"
    assert list_prompts_of_jobs(emulator, "no") == prompts[:1]
