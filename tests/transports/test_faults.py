"""What the gateway may do to a request, on both shells: a billable one is sent once wherever it could have arrived."""

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
from airflow_provider_runway.segmind import endpoints
from airflow_provider_runway.segmind.exchange import execute
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.retry import NO_RETRY, RetryPolicy
from airflow_provider_runway.transports.client_settings import ClientSettings

Run = Callable[..., Any]
MODEL = "runway-gen3-alphaturbo"
BODY = {"promptImage": "https://images.segmind.com/a.png", "promptText": "a cat", "seed": 7}
QUICK = RetryPolicy(attempts=3, max_elapsed_s=10.0, first_pause_s=0.01, max_pause_s=0.02)

#: Faults after which a submit may have become a job, and whether it did.
AMBIGUOUS = [
    pytest.param("cut_before", {}, 0, id="cut before"),
    pytest.param("cut_after", {}, 1, id="cut after"),
    pytest.param("cut_body", {}, 1, id="cut in the body"),
    pytest.param("html_200", {}, 1, id="HTML 200, accepted"),
    pytest.param("html_200", {"accepted": False}, 0, id="HTML 200, not accepted"),
    pytest.param("empty_body", {}, 1, id="empty 200"),
    *(pytest.param("nonsense_json", {"body": form}, 1, id=f"nonsense: {form}") for form in ("list", "types", "broken")),
    pytest.param("missing_request_id", {}, 1, id="no id"),
    *(pytest.param("server_error", {"status": status}, 0, id=str(status)) for status in (500, 502, 503, 504)),
    *(pytest.param("error_after_accept", {"status": status}, 1, id=f"{status}, accepted") for status in (500, 504)),
    pytest.param("slow", {"seconds": 1.0}, 1, id="read timeout, accepted"),
]
#: Noise that a look gets over.
NOISE = [
    *(
        pytest.param({"fault": fault, **params}, id=f"{fault}{list(params.values()) or ''}")
        for fault, params in (
            ("cut_before", {}),
            ("cut_body", {}),
            ("html_200", {}),
            ("empty_body", {}),
            ("server_error", {"status": 500}),
            ("server_error", {"status": 503, "body": "html"}),
            ("slow", {"seconds": 1.0}),
            ("nonsense_json", {"body": "broken"}),
        )
    ),
]


def posts(gateway: Emulator) -> int:
    """Submits that reached the gateway."""
    return sum(entry["call"] == "submit" for entry in gateway.requests())


@pytest.mark.parametrize(("fault", "params", "accepted"), AMBIGUOUS)
def test_a_submit_whose_fate_is_unknown_is_on_the_wire_once(
    run: Run, gateway: Emulator, settings: ClientSettings, fault: str, params: dict[str, Any], accepted: int
) -> None:
    gateway.add_fault({"call": "submit", "fault": fault, "times": 0, **params})
    impatient = replace(settings, read_timeout_s=0.3)
    with pytest.raises(SubmitOutcomeUnknownError):
        run(impatient, execute(endpoints.make_submit_call(settings.base_urls, MODEL, BODY), QUICK))
    assert posts(gateway) == gateway.ledger()["posts"] == 1
    assert gateway.ledger()["accepted"] == accepted


@pytest.mark.parametrize("rule", NOISE)
def test_a_look_gets_over_noise(run: Run, gateway: Emulator, settings: ClientSettings, rule: dict[str, Any]) -> None:
    job = run(settings, execute(endpoints.make_submit_call(settings.base_urls, MODEL, BODY), QUICK))
    gateway.add_fault({"call": "status", "times": 2, **rule})
    impatient = replace(settings, read_timeout_s=0.3)
    found = run(impatient, execute(endpoints.make_status_call(settings.base_urls, job.request_id), QUICK))
    assert found.state in JobState
    assert [entry["call"] for entry in gateway.requests()] == ["submit", "status", "status", "status"]


def test_a_look_that_gives_up_says_what_it_heard(run: Run, gateway: Emulator, settings: ClientSettings) -> None:
    gateway.add_fault("credits:cut_before:times=0")
    with pytest.raises(
        NoUsableResponseError, match=r"credits: \w+ at 127.0.0.1:\d+\. The request may have arrived"
    ) as caught:
        run(settings, execute(endpoints.make_credits_call(settings.base_urls), NO_RETRY))
    assert settings.api_key not in str(caught.value)


@pytest.mark.parametrize("reset_format", ["iso", "epoch"])
def test_a_429_is_waited_out_and_the_submit_sent_again(
    run: Run, gateway: Emulator, settings: ClientSettings, reset_format: str
) -> None:
    gateway.add_fault(call="submit", fault="rate_limited", window=0.2, reset_format=reset_format, hold=True)
    job = run(settings, execute(endpoints.make_submit_call(settings.base_urls, MODEL, BODY), QUICK))
    ledger = gateway.ledger()
    assert (ledger["posts"], ledger["accepted"]) == (2, 1)
    assert ledger["jobs"][0]["request_id"] == job.request_id


def test_a_429_beyond_the_patience_is_throttled(run: Run, gateway: Emulator, settings: ClientSettings) -> None:
    gateway.add_fault("submit:rate_limited:window=60")
    began = time.time()
    with pytest.raises(ThrottledError) as caught:
        run(settings, execute(endpoints.make_submit_call(settings.base_urls, MODEL, BODY), QUICK))
    assert caught.value.reset_at == pytest.approx(began + 60, abs=5)
    assert posts(gateway) == 1


@pytest.mark.parametrize(
    "host",
    [pytest.param("http://127.0.0.1:{port}", id="refused"), pytest.param("http://nowhere.invalid", id="no such")],
)
def test_a_host_that_is_not_there_got_nothing(run: Run, pointed: Run, dead_port: int, host: str) -> None:
    settings = pointed(host.format(port=dead_port))
    with pytest.raises(UnreachableError, match="Nothing was sent"):
        run(settings, execute(endpoints.make_submit_call(settings.base_urls, MODEL, BODY), QUICK))


def test_connecting_and_reading_have_timeouts_of_their_own(run: Run, pointed: Run, full_port: int) -> None:
    settings = pointed(f"http://127.0.0.1:{full_port}", connect_timeout_s=0.2, read_timeout_s=60.0)
    began = time.monotonic()
    with pytest.raises(UnreachableError):
        run(settings, execute(endpoints.make_submit_call(settings.base_urls, MODEL, BODY), NO_RETRY))
    assert time.monotonic() - began < 5


def test_the_blocking_call_may_think_for_long(run: Run, gateway: Emulator, settings: ClientSettings) -> None:
    gateway.add_fault("sync:job_latency:seconds=0.6")
    found = run(
        replace(settings, read_timeout_s=0.3),
        execute(endpoints.make_sync_call(settings.base_urls, MODEL, BODY), NO_RETRY),
    )
    assert found.content_type == "video/mp4"
    assert found.cost == 0.5


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_key_stays_home(
    run: Run, gateway: Emulator, settings: ClientSettings, recorder: Any, status: int
) -> None:
    gateway.add_fault(fault="redirect", to=f"{recorder.url}/steal", status=status, times=0)
    for call, error in (
        (endpoints.make_submit_call(settings.base_urls, MODEL, BODY), SubmitOutcomeUnknownError),
        (endpoints.make_credits_call(settings.base_urls), BadRequestError),
    ):
        with pytest.raises(error, match="redirects are not followed"):
            run(settings, execute(call, QUICK))
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
def test_a_refusal_is_heard_once(run: Run, gateway: Emulator, settings: ClientSettings, rule: str, error: str) -> None:
    gateway.add_fault(f"submit:{rule}:times=0")
    with pytest.raises(RunwayError) as caught:
        run(settings, execute(endpoints.make_submit_call(settings.base_urls, MODEL, BODY), QUICK))
    assert caught.value.code == error
    assert posts(gateway) == 1
