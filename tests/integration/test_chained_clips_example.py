"""The example of a longer scene in a real Airflow 3.3: each clip begins with the last frame of the one before it."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow

FIRST_IMAGE = "https://images.example/first.png"


def test_each_clip_begins_where_the_one_before_it_ends(
    airflow: LocalAirflow, emulator: Emulator, tmp_path: Path
) -> None:
    run = airflow.trigger("runway_chained_clips", {"prompt_image": FIRST_IMAGE, "videos": str(tmp_path)})
    assert airflow.wait_for_run(run, timeout_s=200) == "success"
    results = [airflow.get_xcom(run, f"clip_{number}") for number in (1, 2, 3)]
    jobs = {job["request_id"]: job["body"] for job in emulator.ledger()["jobs"]}
    images = [jobs[result["request_id"]]["promptImage"] for result in results]
    assert images == [FIRST_IMAGE, results[0]["last_frame_url"], results[1]["last_frame_url"]]
    assert len(set(images)) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip-1.mp4", "clip-2.mp4", "clip-3.mp4"]
