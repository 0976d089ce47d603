"""The request history: what a row contains, when it appears, and how it is queried."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta

import pytest

DAY = 86400


def days_ago(days: int = 0) -> str:
    """Return the date some days ago."""
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()


def test_a_row_has_cost_inputs_and_output(api, gateway):
    request_id = api.submit_finished(seed=5)
    (row,) = api.list_rows()
    assert row["request_id"] == request_id
    assert row["model_name"] == "runway-gen3-alphaturbo"
    assert row["model_status"] == "COMPLETED"
    assert row["credits_deduction"] == 0.5
    assert ast.literal_eval(row["request_body"])["seed"] == 5
    assert row["generation_url"] == api.get_result(request_id).json()["output"]
    assert row["latency_ms"] == pytest.approx(1000 * api.get_result(request_id).json()["metrics"]["total_time"], abs=2)
    assert row["error"] is None
    assert datetime.fromisoformat(row["model_created"]).tzinfo
    assert api.get(f"{gateway.history_url}/{request_id}").json() == row


def test_running_and_failed_jobs_have_rows_too(api):
    api.submit(ratio="bad")
    api.gateway.advance(100)
    api.submit()
    running, failed = api.list_rows()
    assert (running["model_status"], running["credits_deduction"], running["generation_url"]) == ("PENDING", 0.0, None)
    assert (failed["model_status"], failed["credits_deduction"]) == ("FAILED", 0.0)
    assert "ratio" in failed["error"]


def test_a_row_outlives_its_record(api, gateway):
    request_id = api.submit_finished()
    gateway.advance(40 * DAY)
    assert api.get_status(request_id).status_code == 404
    assert api.list_rows() == []
    row = api.get(f"{gateway.history_url}/{request_id}").json()
    assert row["credits_deduction"] == 0.5
    assert row["generation_url"]


def test_a_late_row_is_missing_then_empty_then_complete(start_api):
    api = start_api(history_lag="20-40")
    request_id = api.submit()
    path = f"{api.gateway.history_url}/{request_id}"
    seen = []
    for _ in range(9):
        rows, one = api.list_rows(), api.get(path)
        stage = "missing" if not rows else "complete" if rows[0]["request_body"] else "empty"
        assert one.status_code == (404 if stage == "missing" else 200)
        if stage == "empty":
            assert rows[0]["request_id"] == request_id
            assert rows[0]["model_status"] is rows[0]["credits_deduction"] is rows[0]["latency_ms"] is None
        seen.append(stage)
        api.gateway.advance(5)
    assert list(dict.fromkeys(seen)) == ["missing", "empty", "complete"]
    assert 2 <= seen.count("missing") <= 4
    assert 2 <= seen.count("empty") <= 4


def test_filters_sorting_and_paging(api):
    for model in ("b-model", "a-model", "c-thing"):
        api.post(f"/v2/{model}", {"x": 1})
        api.gateway.advance(100)
    api.post("/v2/a-model", {"x": 1})
    assert [row["model_name"] for row in api.list_rows()] == ["a-model", "c-thing", "a-model", "b-model"]
    assert [row["model_name"] for row in api.list_rows(sort_order="asc")] == [
        "b-model",
        "a-model",
        "c-thing",
        "a-model",
    ]
    by_name = api.list_rows(sort_by="model_name", sort_order="asc")
    assert [row["model_name"] for row in by_name] == ["a-model", "a-model", "b-model", "c-thing"]
    assert len(api.list_rows(model_name="model")) == 3
    assert len(api.list_rows(status="PENDING")) == 1
    page = api.get(api.gateway.history_url, params={"per_page": 3, "page": 2}).json()
    assert [page[name] for name in ("page", "per_page", "total", "total_pages")] == [2, 3, 4, 2]
    assert [row["model_name"] for row in page["data"]] == ["b-model"]


def test_dates_are_inclusive_and_default_to_the_last_week(api, gateway):
    api.submit()
    gateway.advance(8 * DAY)
    assert api.list_rows() == []
    assert len(api.list_rows(from_date=days_ago(8), to_date=days_ago(8))) == 1
    assert len(api.list_rows(from_date=days_ago(30))) == 1
    assert api.list_rows(from_date=days_ago(7)) == []


def test_an_invalid_query_is_refused(api):
    for query in (
        {"per_page": 101},
        {"page": 0},
        {"page": "x"},
        {"from_date": "22.11.2026"},
        {"from_date": days_ago(31)},
        {"from_date": days_ago(1), "to_date": days_ago(2)},
        {"status": "DONE"},
        {"sort_by": "prompt"},
        {"sort_order": "down"},
    ):
        response = api.get(api.gateway.history_url, params=query)
        assert response.status_code == 400, query
        assert response.json()["error"]


def test_an_account_sees_only_its_own_rows(api, gateway):
    request_id = api.submit()
    other = {"x-api-key": "SG_ffffffffffffffff"}
    assert api.get(gateway.history_url, headers=other).json()["data"] == []
    assert api.get(f"{gateway.history_url}/{request_id}", headers=other).status_code == 404
