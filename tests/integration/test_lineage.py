"""A DAG scheduled on the videos' asset runs, and OpenLineage's events say what a video cost, on both majors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, wait_until

pytestmark = pytest.mark.timeout(400)

ROOT = Path(__file__).resolve().parents[2]
VENVS = {"3.3": ROOT / ".venv", "2.11": ROOT / ".venv-2.11"}


@dataclass(frozen=True)
class Listener:
    """An Airflow whose OpenLineage provider writes each event as a line of a file."""

    version: str
    airflow: LocalAirflow
    events: Path
    video: Path

    def read_events(self, job_name: str) -> dict[str, dict[str, Any]]:
        """Return the last event of each type that the provider wrote for a task."""
        lines = self.events.read_text().splitlines() if self.events.exists() else []
        return {event["eventType"]: event for event in map(json.loads, lines) if event["job"]["name"] == job_name}


@pytest.fixture(scope="module", params=list(VENVS))
def listener(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, runway_default: str
) -> Iterator[Listener]:
    venv = VENVS[request.param]
    if not list(venv.glob("lib/python*/site-packages/airflow/providers/openlineage")):
        pytest.skip(f"no OpenLineage provider in {venv.name}: `make env` installs it where there is a Python for it")
    folder = tmp_path_factory.mktemp(f"lineage-{request.param}")
    (folder / "dags").mkdir()
    shutil.copy(Path(__file__).parent / "dags" / "lineage.py", folder / "dags")
    transport = {"type": "file", "log_file_path": str(folder / "events.jsonl"), "append": True}
    env = {
        "AIRFLOW_CONN_RUNWAY_DEFAULT": runway_default,
        "AIRFLOW_VAR_VIDEO_FOLDER": str(folder / "videos"),
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
    }
    home = tmp_path_factory.mktemp(f"airflow-lineage-{request.param}")
    with LocalAirflow(home, folder / "dags", venv=venv, env=env, heartbeat_timeout_s=60) as airflow:
        yield Listener(request.param, airflow, folder / "events.jsonl", folder / "videos" / "video.mp4")


def name_all(datasets: list[dict[str, Any]]) -> list[str]:
    return sorted(f"{each['namespace']} {each['name']}" for each in datasets)


def test_a_dag_runs_when_a_video_is_there_and_lineage_says_what_it_cost(listener: Listener, emulator: Emulator) -> None:
    airflow, video = listener.airflow, listener.video
    airflow.unpause("following_videos")
    run = airflow.trigger("making_videos")
    assert airflow.wait_for_run(run) == "success"
    result = airflow.get_xcom(run, "animate")

    if listener.version == "2.11":  # there, a parsed DAG keeps the assets that its alias had when the file was parsed
        airflow.run_command("airflow dags reserialize")
    (follower,) = wait_until(
        lambda: airflow.list_runs("following_videos"), timeout_s=90, what="a run that the video's asset starts"
    )
    assert airflow.wait_for_run(follower) == "success"
    facts = {name: result[name] for name in ("request_id", "model", "cost", "seed")}
    assert airflow.get_xcom(follower, "read_events") == [
        {**facts, "size": video.stat().st_size, "content_type": "video/mp4"}
    ]

    events = wait_until(
        lambda: (found := listener.read_events("making_videos.animate")).get("COMPLETE") and found,
        timeout_s=60,
        what="OpenLineage's last event of the task",
    )
    assert name_all(events["START"]["inputs"]) == ["https://images.example in.png", "s3://shots list.csv"]
    done = events["COMPLETE"]
    assert name_all(done["inputs"]) == ["https://images.example in.png", "s3://shots list.csv"]
    assert name_all(done["outputs"]) == [f"file {video}"]
    assert done["outputs"][0]["outputFacets"]["outputStatistics"]["size"] == video.stat().st_size
    facet = done["run"]["facets"]["runway"]
    assert {name: facet[name] for name in facts} == facts
    assert done["run"]["facets"]["externalQuery"]["externalQueryId"] == result["request_id"]
    text = json.dumps(events)
    assert [secret for secret in (emulator.test_key, "s3cret", "private") if secret in text] == []
