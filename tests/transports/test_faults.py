"""Faults of the gateway, on both transports: a billable request is never sent twice where it may have arrived."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import (
    BadRequestError,
    NoUsableResponseError,
    RunwayError,
    SubmitOutcomeUnknownError,
    ThrottledError,
    UnreachableError,
)
from airflow_provider_runway.segmind import api_calls
from airflow_provider_runway.segmind.exchange import execute
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.retry import NO_RETRY, RetryPolicy
from airflow_provider_runway.transports.client_settings import ClientSettings

Run = Callable[..., Any]
MODEL = "runway-gen3-alphaturbo"
BODY = {"promptImage": "https://images.segmind.com/a.png", "promptText": "a cat", "seed": 7}
THREE_ATTEMPTS = RetryPolicy(attempts=3, max_elapsed_s=10.0, first_pause_s=0.01, max_pause_s=0.02)

#: Faults after which a submit may have become a job, and how many jobs it became.
AMBIGUOUS = [
    pytest.param("cut_before", {}, 0, id="cut before"),
    pytest.param("cut_after", {}, 1, id="cut after"),
    pytest.param("cut_body", {}, 1, id="cut in the body"),
    pytest.param("html_200", {}, 1, id="HTML 200, accepted"),
    pytest.param("html_200", {"accepted": False}, 0, id="HTML 200, not accepted"),
    pytest.param("empty_body", {}, 1, id="empty 200"),
    pytest.param("nonsense_json", {"body": "types"}, 1, id="JSON of another shape"),
    pytest.param("missing_request_id", {}, 1, id="no id"),
    pytest.param("server_error", {"status": 503}, 0, id="503"),
    pytest.param("error_after_accept", {"status": 504}, 1, id="504, accepted"),
    pytest.param("slow", {"seconds": 1.0}, 1, id="read timeout, accepted"),
]
#: Faults that a poll is retried after.
TEMPORARY = [
    *(
        pytest.param({"fault": fault, **params}, id=f"{fault}{list(params.values()) or ''}")
        for fault, params in (
            ("cut_before", {}),
            ("cut_body", {}),
            ("html_200", {}),
            ("empty_body", {}),
            ("server_error", {"status": 503, "body": "html"}),
            ("slow", {"seconds": 1.0}),
            ("nonsense_json", {"body": "broken"}),
        )
    ),
]


def count_posts(gateway: Emulator) -> int:
    """Return how many submits reached the gateway."""
    return sum(entry["call"] == "submit" for entry in gateway.http_requests())


@pytest.mark.parametrize(("fault", "params", "accepted"), AMBIGUOUS)
def test_a_submit_that_may_have_been_accepted_is_sent_once(
    run: Run, gateway: Emulator, settings: ClientSettings, fault: str, params: dict[str, Any], accepted: int
) -> None:
    gateway.add_fault({"call": "submit", "fault": fault, "times": 0, **params})
    short_timeout = replace(settings, read_timeout_s=0.3)
    with pytest.raises(SubmitOutcomeUnknownError):
        run(short_timeout, execute(api_calls.make_submit_call(settings.base_urls, MODEL, BODY), THREE_ATTEMPTS))
    assert count_posts(gateway) == gateway.ledger()["posts"] == 1
    assert gateway.ledger()["accepted"] == accepted


@pytest.mark.parametrize("rule", TEMPORARY)
def test_a_poll_is_retried_after_a_temporary_fault(
    run: Run, gateway: Emulator, settings: ClientSettings, rule: dict[str, Any]
) -> None:
    job = run(settings, execute(api_calls.make_submit_call(settings.base_urls, MODEL, BODY), THREE_ATTEMPTS))
    gateway.add_fault({"call": "status", "times": 2, **rule})
    short_timeout = replace(settings, read_timeout_s=0.3)
    found = run(short_timeout, execute(api_calls.make_status_call(settings.base_urls, job.request_id), THREE_ATTEMPTS))
    assert found.state in JobState
    assert [entry["call"] for entry in gateway.http_requests()] == ["submit", "status", "status", "status"]


def test_a_call_that_gives_up_names_the_last_failure(run: Run, gateway: Emulator, settings: ClientSettings) -> None:
    gateway.add_fault("credits:cut_before:times=0")
    with pytest.raises(
        NoUsableResponseError, match=r"credits: \w+ at 127.0.0.1:\d+\. The request may have arrived"
    ) as caught:
        run(settings, execute(api_calls.make_credits_call(settings.base_urls), NO_RETRY))
    assert settings.api_key not in str(caught.value)


@pytest.mark.parametrize("reset_format", ["iso", "epoch"])
def test_a_429_is_waited_out_and_the_submit_sent_again(
    run: Run, gateway: Emulator, settings: ClientSettings, reset_format: str
) -> None:
    gateway.add_fault(call="submit", fault="rate_limited", window=0.2, reset_format=reset_format, hold=True)
    job = run(settings, execute(api_calls.make_submit_call(settings.base_urls, MODEL, BODY), THREE_ATTEMPTS))
    ledger = gateway.ledger()
    assert (ledger["posts"], ledger["accepted"]) == (2, 1)
    assert ledger["jobs"][0]["request_id"] == job.request_id


def test_a_429_beyond_the_policy_is_raised_as_throttled(run: Run, gateway: Emulator, settings: ClientSettings) -> None:
    gateway.add_fault("submit:rate_limited:window=60")
    began = time.time()
    with pytest.raises(ThrottledError) as caught:
        run(settings, execute(api_calls.make_submit_call(settings.base_urls, MODEL, BODY), THREE_ATTEMPTS))
    assert caught.value.reset_at == pytest.approx(began + 60, abs=5)
    assert count_posts(gateway) == 1


@pytest.mark.parametrize(
    "host",
    [pytest.param("http://127.0.0.1:{port}", id="refused"), pytest.param("http://nowhere.invalid", id="no such")],
)
def test_an_unreachable_host_was_sent_nothing(run: Run, pointed: Run, dead_port: int, host: str) -> None:
    settings = pointed(host.format(port=dead_port))
    with pytest.raises(UnreachableError, match="Nothing was sent"):
        run(settings, execute(api_calls.make_submit_call(settings.base_urls, MODEL, BODY), THREE_ATTEMPTS))


def test_the_connect_timeout_is_separate_from_the_read_timeout(run: Run, pointed: Run, full_port: int) -> None:
    settings = pointed(f"http://127.0.0.1:{full_port}", connect_timeout_s=0.2, read_timeout_s=60.0)
    began = time.monotonic()
    with pytest.raises(UnreachableError):
        run(settings, execute(api_calls.make_submit_call(settings.base_urls, MODEL, BODY), NO_RETRY))
    assert time.monotonic() - began < 5


def test_the_blocking_call_has_a_longer_read_timeout(run: Run, gateway: Emulator, settings: ClientSettings) -> None:
    gateway.add_fault("sync:job_latency:seconds=0.6")
    found = run(
        replace(settings, read_timeout_s=0.3),
        execute(api_calls.make_sync_call(settings.base_urls, MODEL, BODY), NO_RETRY),
    )
    assert found.content_type == "video/mp4"
    assert found.cost == 0.5


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_of_the_api_is_not_followed(
    run: Run, gateway: Emulator, settings: ClientSettings, recorder: Any, status: int
) -> None:
    gateway.add_fault(fault="redirect", to=f"{recorder.url}/steal", status=status, times=0)
    for call, error in (
        (api_calls.make_submit_call(settings.base_urls, MODEL, BODY), SubmitOutcomeUnknownError),
        (api_calls.make_credits_call(settings.base_urls), BadRequestError),
    ):
        with pytest.raises(error, match="redirects are not followed"):
            run(settings, execute(call, THREE_ATTEMPTS))
    assert recorder.seen == []
    assert gateway.ledger()["posts"] == 1


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        pytest.param("refuse_auth", "unauthorized", id="401"),
        pytest.param("forbidden", "forbidden", id="403"),
        pytest.param("not_found", "not_found", id="404"),
        pytest.param("out_of_credits", "out_of_credits", id="406, credits"),
        pytest.param("team_limit", "spend_limit", id="406, limit"),
        pytest.param("bad_parameter", "bad_request", id="406, parameter"),
        pytest.param("retired", "retired", id="410"),
    ],
)
def test_a_refused_submit_is_sent_once(
    run: Run, gateway: Emulator, settings: ClientSettings, rule: str, error: str
) -> None:
    gateway.add_fault(f"submit:{rule}:times=0")
    with pytest.raises(RunwayError) as caught:
        run(settings, execute(api_calls.make_submit_call(settings.base_urls, MODEL, BODY), THREE_ATTEMPTS))
    assert caught.value.code == error
    assert count_posts(gateway) == 1


def test_a_response_that_comes_in_drips_is_cut_after_a_total_time(run: Run, serve: Run, pointed: Run) -> None:
    """Each byte arrives within the read timeout, so only a total time ends it."""
    with serve(seconds_between_bytes=0.1) as server:
        settings = pointed(server.url, connect_timeout_s=0.2, read_timeout_s=0.3)
        started_at = time.monotonic()
        with pytest.raises(NoUsableResponseError, match=r"Time\w* at 127\.0\.0\.1"):
            run(settings, execute(api_calls.make_credits_call(settings.base_urls), NO_RETRY))
    total_s = settings.get_total_timeout_s(api_calls.make_credits_call(settings.base_urls).request)
    assert total_s == pytest.approx(0.8)
    assert 0.7 < time.monotonic() - started_at < 5


def test_a_submit_whose_response_is_cut_may_have_been_accepted(run: Run, serve: Run, pointed: Run) -> None:
    with serve(seconds_between_bytes=0.1) as server:
        settings = pointed(server.url, connect_timeout_s=0.2, read_timeout_s=0.3)
        with pytest.raises(SubmitOutcomeUnknownError):
            run(settings, execute(api_calls.make_submit_call(settings.base_urls, MODEL, BODY), THREE_ATTEMPTS))
        assert server.methods == ["POST"]
