"""The events of a task's outlets carry what the job made, for the DAGs that are scheduled on them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias
from airflow_runtime import TaskInstance, run_task
from batches import make_batch, make_rows
from submits import get_only_job_id
from tasks import make_operator, make_sensor

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.media_handlers import read_sample_file

pytestmark = pytest.mark.usefixtures("connection", "quick")

CLIP_BYTES = len(read_sample_file("05s-16x9.mp4"))
FACTS = {"request_id", "model", "cost", "seed", "size", "content_type"}


def read_alias_events(accessor: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the URI and the facts of each event of an alias, from either major's accessor."""
    if hasattr(accessor, "dataset_alias_events"):  # Airflow 2
        return [(event["dest_dataset_uri"], event["extra"]) for event in accessor.dataset_alias_events]
    return [(event.dest_asset_key.uri, event.extra) for event in accessor.asset_alias_events]


def test_an_alias_gets_an_event_for_a_stored_file(
    gateway: Emulator, ti: TaskInstance, outlet_events: Any, tmp_path: Path
) -> None:
    ti.outlet_events, videos = outlet_events, AssetAlias("videos")
    result = run_task(partial(make_operator, output_path=f"{tmp_path}/a.mp4", outlets=[videos]), ti)
    ((uri, facts),) = read_alias_events(outlet_events[videos])
    assert uri == f"file://{tmp_path}/a.mp4"
    assert set(facts) == FACTS
    assert facts == {
        **{name: result[name] for name in ("request_id", "model", "cost", "seed")},
        "size": CLIP_BYTES,
        "content_type": "video/mp4",
    }
    assert facts["cost"] == 0.5


def test_an_alias_gets_an_event_for_each_of_several_files(
    gateway: Emulator, ti: TaskInstance, outlet_events: Any, tmp_path: Path
) -> None:
    gateway.add_fault("submit:output_shape:shape=images,count=3")
    ti.outlet_events, images = outlet_events, AssetAlias("images")
    result = run_task(partial(make_operator, output_path=f"{tmp_path}/{{index}}/", outlets=[images]), ti)
    assert [uri for uri, _ in read_alias_events(outlet_events[images])] == [
        f"file://{p}" for p in result["output_paths"]
    ]


def test_the_one_event_of_a_fixed_asset_gets_the_facts(ti: TaskInstance, outlet_events: Any, tmp_path: Path) -> None:
    ti.outlet_events, videos = outlet_events, Asset("s3://videos/daily")
    outlet_events[videos].extra["theirs"] = "stays"
    result = run_task(partial(make_operator, output_path=f"{tmp_path}/", outlets=[videos]), ti)
    facts = outlet_events[videos].extra
    assert set(facts) == FACTS | {"uris", "theirs"}
    assert (facts["request_id"], facts["size"]) == (result["request_id"], CLIP_BYTES)
    assert facts["uris"] == [f"file://{result['output_path']}"]


def test_an_output_that_is_not_stored_is_named_by_its_url(ti: TaskInstance, outlet_events: Any) -> None:
    ti.outlet_events, videos = outlet_events, AssetAlias("videos")
    result = run_task(partial(make_operator, outlets=[videos]), ti)
    ((uri, facts),) = read_alias_events(outlet_events[videos])
    assert (uri, facts["size"]) == (result["output_url"], None)


def test_a_task_that_only_submits_has_no_file_to_report(ti: TaskInstance, outlet_events: Any) -> None:
    ti.outlet_events, alias, fixed = outlet_events, AssetAlias("videos"), Asset("s3://videos/daily")
    result = run_task(partial(make_operator, wait_for_completion=False, outlets=[alias, fixed]), ti)
    assert read_alias_events(outlet_events[alias]) == []
    assert (outlet_events[fixed].extra["request_id"], outlet_events[fixed].extra["uris"]) == (result["request_id"], [])


def test_the_sensor_reports_the_output_of_its_job(gateway: Emulator, ti: TaskInstance, outlet_events: Any) -> None:
    run_task(partial(make_operator, wait_for_completion=False), ti)
    ti.outlet_events, videos = outlet_events, AssetAlias("videos")
    result = run_task(partial(make_sensor, get_only_job_id(gateway), outlets=[videos]), ti)
    ((uri, facts),) = read_alias_events(outlet_events[videos])
    assert (uri, facts["cost"]) == (result["output_url"], 0.5)


def test_a_batch_has_one_event_for_its_table(
    gateway: Emulator, ti: TaskInstance, outlet_events: Any, tmp_path: Path
) -> None:
    gateway.add_fault("submit:job_fails:times=1")
    ti.outlet_events, tables = outlet_events, AssetAlias("tables")
    manifest = run_task(partial(make_batch, tmp_path, make_rows(3), outlets=[tables]), ti)
    ((uri, facts),) = read_alias_events(outlet_events[tables])
    assert uri == f"file://{tmp_path}/results.jsonl"
    assert (facts["request_count"], facts["cost"], facts["status"]) == (3, manifest["cost"], "partial")
    assert {status: count for status, count in facts["counts"].items() if count} == {"success": 2, "error": 1}


def test_an_event_that_cannot_be_filled_loses_nothing_that_is_paid_for(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, logged: Any
) -> None:
    class Broken(dict[Any, Any]):
        def __getitem__(self, key: Any) -> Any:
            raise RuntimeError("the API server does not know this asset")

    ti.outlet_events = Broken()
    make = partial(make_operator, output_path=f"{tmp_path}/a.mp4", outlets=[AssetAlias("videos")])
    assert run_task(make, ti)["status"] == "COMPLETED"
    assert "does not know this asset" in logged()
