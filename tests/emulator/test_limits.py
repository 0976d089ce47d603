"""The request budget: by itself with the time handed in, and over the wire."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
import requests

from airflow_provider_runway.emulator.limits import Limits, reset_text


def test_a_window_begins_with_its_first_request_and_holds_so_many():
    limits = Limits(2, 60)
    seen = [limits.spend("a", now) for now in (100, 101, 102, 159, 160, 161, 162)]
    assert seen == [None, None, 160, 160, None, None, 220]


def test_accounts_do_not_share_a_window():
    limits = Limits(1, 60)
    assert [limits.spend(account, 0) for account in "aba"] == [None, None, 60]


def test_no_limit_is_no_limit():
    limits = Limits(0, 60)
    assert {limits.spend("a", 0) for _ in range(1000)} == {None}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        pytest.param("iso", "2026-11-22T18:00:00.251Z", id="iso"),
        pytest.param("iso-naive", "2026-11-22T18:00:00.251", id="no zone"),
        pytest.param("iso-space", "2026-11-22 18:00:00.251", id="a space for the T"),
        pytest.param("epoch", "1795370401", id="epoch seconds, rounded up"),
    ],
)
def test_a_reset_is_written_as_asked_and_never_early(form, text):
    instant = datetime(2026, 11, 22, 18, 0, 0, 250_100, UTC).timestamp()
    assert reset_text(instant, form) == text


def test_every_call_with_the_key_counts_and_the_rest_does_not(open_api):
    api = open_api(requests_per_minute=5)
    request_id = api.submit()
    api.gateway.advance(50)
    url = api.result(request_id).json()["output"]
    for path in ("/v1/get-user-credits", f"/v2/requests/{request_id}/status", api.gateway.history_url):
        assert api.get(path).status_code == 200
    refused = api.status(request_id)
    assert refused.status_code == 429
    assert refused.json() == {"error": "rate_limit_exceeded"}
    assert "retry-after" not in refused.headers
    reset = datetime.fromisoformat(refused.headers["x-rate-limit-reset-at-utc"]).timestamp()
    assert 5 < reset - time.time() < 11
    assert requests.get(url, timeout=10).status_code == 200
    assert api.gateway.url in requests.get(f"{api.gateway.url}/_emulator/health", timeout=10).text
    assert api.status("x").status_code == 429
    other = {"x-api-key": "SG_ffffffffffffffff"}
    assert api.get("/v1/get-user-credits", headers=other).status_code == 200
    api.gateway.advance(11)
    assert api.status(request_id).status_code == 200


def test_whoever_waits_until_the_reset_is_let_in(open_api):
    api = open_api(requests_per_minute=1, rate_window=0.5, retry_after=True)
    api.submit()
    refused = api.post()
    assert refused.headers["retry-after"] == "1"
    reset = datetime.fromisoformat(refused.headers["x-rate-limit-reset-at-utc"]).timestamp()
    time.sleep(max(0.0, reset - time.time()) + 0.01)
    assert api.post().status_code == 200
    assert api.gateway.ledger()["posts"] == 3
    assert api.gateway.ledger()["accepted"] == 2


def test_a_refused_post_makes_no_job_and_no_fault_is_spent_on_it(open_api):
    api = open_api(requests_per_minute=1, faults=["submit:cut_after:skip=1"])
    api.submit()
    assert api.post().status_code == 429
    assert api.gateway.ledger()["accepted"] == 1
    assert api.gateway.faults()[0]["hits"] == 0
