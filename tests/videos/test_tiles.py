"""What a tile says about a job, and that whatever is in an XCom stays data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.task_context import JOB_XCOM_KEY
from airflow_provider_runway.videos.airflow_api import WAITING_JOB_KEY
from airflow_provider_runway.videos.tiles import (
    FAILED,
    SUBMITTED,
    SUCCESS,
    WAITING,
    Output,
    TaskKey,
    make_row_tile,
    make_tile,
    merge_tiles,
    read_url,
)

DAY_S = 86400.0
DONE_AT = datetime(2026, 11, 27, 12, tzinfo=UTC)


def task(task_id: str = "task", state: str = "success", **fields: Any) -> dict[str, Any]:
    """Return a task instance as the REST API has it."""
    row = {"dag_id": "dag", "dag_run_id": "run", "task_id": task_id, "map_index": -1, "state": state, "try_number": 2}
    return row | {"end_date": DONE_AT.isoformat(), "rendered_fields": {"ratio": "16:9", "duration": "5"}} | fields


def result(**changes: Any) -> dict[str, Any]:
    """Return what the operator returns for a job that is done."""
    job = JobSummary(
        "id-1",
        status="COMPLETED",
        model="runway-gen3-alphaturbo",
        output_urls=("https://cdn.example/a.mp4", "https://cdn.example/b.mp4"),
        output_paths=("/videos/a.mp4", "/videos/b.mp4"),
        cost=0.5,
        seed=7,
        completed_at=DONE_AT.timestamp(),
    )
    return job.to_xcom("A harbour") | changes


def test_a_finished_job_shows_all_that_its_task_returned() -> None:
    tile = make_tile(task(), result())
    assert (tile.state, tile.prompt, tile.model, tile.seed, tile.cost) == (
        SUCCESS, "A harbour", "runway-gen3-alphaturbo", 7, 0.5,
    )  # fmt: skip
    assert (tile.ratio, tile.duration, tile.request_id, tile.completed_at) == ("16:9", "5", "id-1", DONE_AT.timestamp())
    assert tile.outputs == (
        Output("/videos/a.mp4", "https://cdn.example/a.mp4"),
        Output("/videos/b.mp4", "https://cdn.example/b.mp4"),
    )
    assert tile.are_urls_alive(DONE_AT.timestamp() + 6.9 * DAY_S)
    assert not tile.are_urls_alive(DONE_AT.timestamp() + 7.1 * DAY_S)


def test_a_job_without_a_video_shows_its_state_and_what_its_task_asked_for(subtests: pytest.Subtests) -> None:
    for airflow_state, state in (
        ("deferred", WAITING),
        ("running", WAITING),
        ("up_for_retry", WAITING),
        ("queued", WAITING),
        ("failed", FAILED),
    ):
        with subtests.test(airflow_state=airflow_state, state=state):
            fields = {"prompt_text": "A glacier", "model": "m", "seed": "9", "ratio": None, "duration": 10}
            pushed = {
                "request_id": "id-1",
                "model": "m",
                "seed": 5,
                "submitted_at": DONE_AT.isoformat(),
                "deadline": 1.0,
            }
            tile = make_tile(task(state=airflow_state, rendered_fields=fields), pushed)
            assert (tile.state, tile.airflow_state, tile.prompt, tile.seed) == (state, airflow_state, "A glacier", 5)
            assert (tile.request_id, tile.shown_at, tile.outputs) == ("id-1", DONE_AT.timestamp(), ())
            assert make_tile(task(state=airflow_state, rendered_fields=fields), None).request_id is None


def test_the_pages_read_what_a_waiting_task_pushes() -> None:
    assert WAITING_JOB_KEY == JOB_XCOM_KEY


def test_a_job_submitted_by_one_task_and_awaited_by_another_is_one_tile() -> None:
    submitted = JobSummary("id-1", seed=7).to_xcom("A train")
    tiles = [
        make_tile(task("submit"), submitted),
        make_tile(task("wait", rendered_fields={}), result(prompt_text=None, seed=None)),
        make_tile(task("submit_only"), JobSummary("id-2").to_xcom("Another")),
        make_tile(task("wait_again"), result()),
    ]
    merged = merge_tiles(tiles)
    assert [(tile.key.task_id, tile.state) for tile in merged] == [
        ("wait", SUCCESS), ("submit_only", SUBMITTED), ("wait_again", SUCCESS),
    ]  # fmt: skip
    assert (merged[0].prompt, merged[0].seed, merged[0].ratio, merged[0].cost) == ("A train", 7, "16:9", 0.5)
    assert [tile.key.task_id for tile in merge_tiles(reversed(tiles))] == ["wait_again", "submit_only", "wait"]


def test_a_task_that_only_estimated_the_cost_has_no_tile() -> None:
    assert merge_tiles([make_tile(task(), {"job_count": 1, "estimated_cost": 0.5})]) == []


def test_a_batch_shows_its_counts() -> None:
    manifest = {
        "result_uri": "/videos/results.jsonl",
        "request_count": 12,
        "counts": {"success": 10, "blocked": 2},
        "cost": 5,
    }
    tile = make_tile(task(), manifest)
    assert tile.batch is not None
    assert (tile.batch.request_count, tile.batch.counts, tile.cost) == (12, {"success": 10, "blocked": 2}, 5.0)


def test_a_row_of_a_batch_is_a_tile_with_its_own_reason() -> None:
    key = TaskKey("dag", "run", "task")
    row = {"custom_id": "shot-3", "status": "blocked", "error": "The prompt was refused.", "prompt_text": "x"}
    tile = make_row_tile(key, 3, row)
    assert (tile.key.row, tile.label, tile.state, tile.airflow_state) == (3, "shot-3", FAILED, "blocked")
    assert tile.reason == "The prompt was refused."
    assert make_row_tile(key, 0, {"status": "success", "output_path": "/videos/a.mp4"}).outputs == (
        Output("/videos/a.mp4"),
    )
    assert make_row_tile(key, 0, {}).state == FAILED


def test_no_value_of_an_xcom_breaks_a_tile(subtests: pytest.Subtests) -> None:
    for value in (
        None,
        7,
        "text",
        "{broken",
        [1],
        {"output_urls": 7, "output_paths": {"a": 1}, "output_url": ["x"], "cost": True},
        {"model": {}, "seed": [], "request_id": 1, "prompt_text": b"x", "submitted_at": "9" * 400, "cost": "1e999"},
        {"result_uri": 7, "counts": [1]},
        {"result_uri": "x", "counts": {"success": "many", "a": -1, "b": 1.5}},
    ):
        with subtests.test(value=value):
            tile = make_tile(task(), value)
            assert tile.outputs == ()
            assert tile.cost is None
            assert tile.batch is None or tile.batch.counts == {}


def test_an_address_that_is_no_plain_http_url_is_dropped(subtests: pytest.Subtests) -> None:
    for url in (
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//host/x",
        "https://user@host/x",
        "https://a;b/x",
        "https://a b/x",
        "https://host\r\nX: 1/x",
        "https://hôst/x",
        "http://[::1;x]/",
        7,
        None,
        "https://h/" + "x" * 5000,
    ):
        with subtests.test(url=url):
            assert read_url(url) is None


def test_what_could_end_a_header_or_an_attribute_is_encoded_in_a_url() -> None:
    assert read_url("https://cdn.example/a.mp4?x=\"'<>") == "https://cdn.example/a.mp4?x=%22'%3C%3E"
    assert read_url("https://cdn.example:8443/a%20b.mp4") == "https://cdn.example:8443/a%20b.mp4"


def test_control_characters_and_endless_texts_are_cut() -> None:
    tile = make_tile(task(), result(prompt_text="a\x00\x1b[31m\u202eb" + "x" * 9000))
    assert tile.prompt is not None
    assert tile.prompt.startswith("a  [31m b")
    assert len(tile.prompt) == 4001


def test_a_tile_is_found_by_what_it_shows(subtests: pytest.Subtests) -> None:
    for text in ("harbour", "gen3", "id-1", "/videos/b", "run", "task", "7"):
        with subtests.test(text=text):
            assert make_tile(task(), result()).matches(text)
            assert not make_tile(task(), result()).matches("lighthouse")
