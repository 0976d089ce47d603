"""The request history: what a row holds, when it lands, and how it is asked for."""

from __future__ import annotations

import ast
import json
from datetime import UTC, datetime, timedelta

import pytest

DAY = 86400


def day(ago: int = 0) -> str:
    """Return a date some days ago."""
    return (datetime.now(UTC) - timedelta(days=ago)).date().isoformat()


def test_a_row_tells_cost_inputs_and_output(api, gateway):
    request_id = api.done(seed=5)
    (row,) = api.rows()
    assert row["request_id"] == request_id
    assert row["model_name"] == "runway-gen3-alphaturbo"
    assert row["model_status"] == "COMPLETED"
    assert row["credits_deduction"] == 0.5
    assert ast.literal_eval(row["request_body"])["seed"] == 5
    assert row["generation_url"] == api.result(request_id).json()["output"]
    assert row["latency_ms"] == pytest.approx(1000 * api.result(request_id).json()["metrics"]["total_time"], abs=2)
    assert row["error"] is None
    assert datetime.fromisoformat(row["model_created"]).tzinfo
    assert api.get(f"{gateway.history_url}/{request_id}").json() == row


@pytest.mark.parametrize(
    ("form", "read"),
    [
        pytest.param("python", ast.literal_eval, id="the text of a Python dict"),
        pytest.param("json", json.loads, id="JSON text"),
        pytest.param("object", dict, id="an object"),
    ],
)
def test_the_inputs_come_in_the_form_that_was_chosen(open_api, form, read):
    api = open_api(history_body=form)
    api.submit(promptText='it\'s a "test"')
    assert read(api.rows()[0]["request_body"])["promptText"] == 'it\'s a "test"'


def test_running_and_failed_jobs_have_rows_too(api):
    api.submit(ratio="bad")
    api.gateway.advance(100)
    api.submit()
    running, failed = api.rows()
    assert (running["model_status"], running["credits_deduction"], running["generation_url"]) == ("PENDING", 0.0, None)
    assert (failed["model_status"], failed["credits_deduction"]) == ("FAILED", 0.0)
    assert "ratio" in failed["error"]


def test_a_row_outlives_its_record(api, gateway):
    request_id = api.done()
    gateway.advance(40 * DAY)
    assert api.status(request_id).status_code == 404
    assert api.rows() == []
    row = api.get(f"{gateway.history_url}/{request_id}").json()
    assert row["credits_deduction"] == 0.5
    assert row["generation_url"]


def test_a_late_row_is_missing_then_empty_then_whole(open_api):
    api = open_api(history_lag="20-40")
    request_id = api.submit()
    path = f"{api.gateway.history_url}/{request_id}"
    seen = []
    for _ in range(9):
        rows, one = api.rows(), api.get(path)
        stage = "missing" if not rows else "whole" if rows[0]["request_body"] else "empty"
        assert one.status_code == (404 if stage == "missing" else 200)
        if stage == "empty":
            assert rows[0]["request_id"] == request_id
            assert rows[0]["model_status"] is rows[0]["credits_deduction"] is rows[0]["latency_ms"] is None
        seen.append(stage)
        api.gateway.advance(5)
    assert list(dict.fromkeys(seen)) == ["missing", "empty", "whole"]
    assert 2 <= seen.count("missing") <= 4
    assert 2 <= seen.count("empty") <= 4


def test_filters_sorting_and_paging(api):
    for model in ("b-model", "a-model", "c-thing"):
        api.post(f"/v2/{model}", {"x": 1})
        api.gateway.advance(100)
    api.post("/v2/a-model", {"x": 1})
    assert [row["model_name"] for row in api.rows()] == ["a-model", "c-thing", "a-model", "b-model"]
    assert [row["model_name"] for row in api.rows(sort_order="asc")] == ["b-model", "a-model", "c-thing", "a-model"]
    by_name = api.rows(sort_by="model_name", sort_order="asc")
    assert [row["model_name"] for row in by_name] == ["a-model", "a-model", "b-model", "c-thing"]
    assert len(api.rows(model_name="model")) == 3
    assert len(api.rows(status="PENDING")) == 1
    page = api.get(api.gateway.history_url, params={"per_page": 3, "page": 2}).json()
    assert [page[name] for name in ("page", "per_page", "total", "total_pages")] == [2, 3, 4, 2]
    assert [row["model_name"] for row in page["data"]] == ["b-model"]


def test_dates_are_inclusive_and_the_last_week_is_the_default(api, gateway):
    api.submit()
    gateway.advance(8 * DAY)
    assert api.rows() == []
    assert len(api.rows(from_date=day(8), to_date=day(8))) == 1
    assert len(api.rows(from_date=day(30))) == 1
    assert api.rows(from_date=day(7)) == []


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"per_page": 0}, id="no rows a page"),
        pytest.param({"per_page": 101}, id="too many rows a page"),
        pytest.param({"page": 0}, id="page zero"),
        pytest.param({"page": "x"}, id="no number"),
        pytest.param({"from_date": "22.11.2026"}, id="another form of date"),
        pytest.param({"from_date": day(31)}, id="more than 31 days"),
        pytest.param({"from_date": day(1), "to_date": day(2)}, id="backwards"),
        pytest.param({"status": "DONE"}, id="no such status"),
        pytest.param({"sort_by": "prompt"}, id="no such column"),
        pytest.param({"sort_order": "down"}, id="no such order"),
    ],
)
def test_a_query_that_cannot_be_is_400(api, query):
    answer = api.get(api.gateway.history_url, params=query)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_an_account_sees_its_own_rows_only(api, gateway):
    request_id = api.submit()
    other = {"x-api-key": "SG_ffffffffffffffff"}
    assert api.get(gateway.history_url, headers=other).json()["data"] == []
    assert api.get(f"{gateway.history_url}/{request_id}", headers=other).status_code == 404
