"""The scheduled example in a real Airflow 3.3: its schedule makes the run, and the bucket gets the day's video."""

from __future__ import annotations

import json
from datetime import date

from bucket import Bucket

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, wait_until

DAG_ID = "runway_scheduled"


def test_the_schedule_makes_one_run_one_job_and_one_video(
    airflow: LocalAirflow, emulator: Emulator, bucket: Bucket
) -> None:
    airflow.unpause(DAG_ID)
    wait_until(lambda: airflow.list_runs(DAG_ID), timeout_s=60, what="a run by the schedule")
    runs = airflow.list_runs(DAG_ID)
    assert [airflow.wait_for_run(run, timeout_s=200) for run in runs] == ["success"] * len(runs)
    airflow.client.set_paused(DAG_ID, True)
    days = [run.run_id.removeprefix("scheduled__")[:10] for run in runs]
    assert all(run.run_id.startswith("scheduled__") for run in runs)
    assert set(bucket.names("daily")) >= {f"{day}.mp4" for day in days}
    assert bucket.read(f"daily/{days[0]}.mp4")[4:8] == b"ftyp"
    made = {job["request_id"]: job["body"] for job in emulator.ledger()["jobs"] if "light as a" in json.dumps(job)}
    for run, day in zip(runs, days, strict=True):
        result = airflow.get_xcom(run, "video_of_the_day")
        assert result["output_path"] == f"{bucket.url}/daily/{day}.mp4"
        body = made.pop(result["request_id"])
        assert body["promptText"].endswith(date.fromisoformat(day).strftime("%A"))
    assert made == {}, "a job that belongs to no run"
