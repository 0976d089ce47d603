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

    airflow: LocalAirflow
    events: Path
    video: Path

    def name_all(datasets: list[dict[str, Any]]) -> list[str]:
    return sorted(f"{each['namespace']} {each['name']}" for each in datasets)


def test_a_dag_runs_when_a_video_is_there_and_lineage_says_what_it_cost(
    listener: Listener, emulator: Emulator
) -> None:
    airflow, video = listener.airflow, listener.video
    airflow.unpause("following_videos")
    run = airflow.trigger("making_videos")
    assert airflow.wait_for_run(run) == "success"
    result = airflow.get_xcom(run, "animate")

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
