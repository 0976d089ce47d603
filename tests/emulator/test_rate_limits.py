"""The rate limit of an account: its counting alone, and through the API."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import requests

from airflow_provider_runway.emulator.options import RESET_FORMATS
from airflow_provider_runway.emulator.rate_limits import RateLimits, format_reset_time


def test_a_window_begins_with_its_first_request():
    limits = RateLimits(2, 60)
    resets = [limits.count_request("a", now) for now in (100, 101, 102, 159, 160, 161, 162)]
    assert resets == [None, None, 160, 160, None, None, 220]


def test_each_account_has_its_own_window_and_zero_means_no_limit():
    limits = RateLimits(1, 60)
    assert [limits.count_request(account, 0) for account in "aba"] == [None, None, 60]
    unlimited = RateLimits(0, 60)
    assert {unlimited.count_request("a", 0) for _ in range(1000)} == {None}


def test_a_reset_time_is_rounded_up():
    timestamp = datetime(2026, 11, 22, 18, 0, 0, 250_100, UTC).timestamp()
    assert {name: format_reset_time(timestamp, name) for name in RESET_FORMATS} == {
        "iso": "2026-11-22T18:00:00.251Z",
        "iso-naive": "2026-11-22T18:00:00.251",
        "iso-space": "2026-11-22 18:00:00.251",
        "epoch": "1795370401",
    }


def test_every_call_with_a_key_counts(start_api):
    api = start_api(requests_per_minute=5)
    request_id = api.submit()
    api.gateway.advance(50)
    url = api.get_result(request_id).json()["output"]
    for path in ("/v1/get-user-credits", f"/v2/requests/{request_id}/status", api.gateway.history_url):
        assert api.get(path).status_code == 200
    refused = api.get_status(request_id)
    assert refused.status_code == 429
    assert refused.json() == {"error": "rate_limit_exceeded"}
    assert "retry-after" not in refused.headers
    reset = datetime.fromisoformat(refused.headers["x-rate-limit-reset-at-utc"]).timestamp()
    assert 5 < reset - time.time() < 11
    assert requests.get(url, timeout=10).status_code == 200, "outputs do not count"
    assert requests.get(f"{api.gateway.url}/_emulator/health", timeout=10).status_code == 200, "nor does control"
    other = {"x-api-key": "SG_ffffffffffffffff"}
    assert api.get("/v1/get-user-credits", headers=other).status_code == 200
    api.gateway.advance(11)
    assert api.get_status(request_id).status_code == 200


def test_a_client_that_waits_for_the_reset_is_accepted(start_api):
    api = start_api(requests_per_minute=1, rate_window=0.5, retry_after=True)
    api.submit()
    refused = api.post()
    assert refused.headers["retry-after"] == "1"
    reset = datetime.fromisoformat(refused.headers["x-rate-limit-reset-at-utc"]).timestamp()
    time.sleep(max(0.0, reset - time.time()) + 0.01)
    assert api.post().status_code == 200
    ledger = api.gateway.ledger()
    assert (ledger["posts"], ledger["accepted"]) == (3, 2)


def test_a_refused_post_uses_up_no_fault(start_api):
    api = start_api(requests_per_minute=1, faults=["submit:cut_after:skip=1"])
    api.submit()
    assert api.post().status_code == 429
    assert api.gateway.ledger()["accepted"] == 1
    assert api.gateway.faults()[0]["hits"] == 0
