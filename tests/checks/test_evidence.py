"""The questions of an account check, asked of the emulator on both transports: GETs only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runway.checks.evidence import AccountEvidence, collect_evidence
from airflow_provider_runway.checks.findings import Answer, decide_lost_submit, list_findings
from airflow_provider_runway.checks.transcript import make_transcript
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.segmind import endpoints
from airflow_provider_runway.segmind.exchange import execute
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.retry import NO_RETRY, RetryPolicy
from airflow_provider_runway.transports.client_settings import ClientSettings
from airflow_provider_runway.transports.requests_transport import RequestsTransport

Run = Callable[..., Any]
POLICY = RetryPolicy(attempts=2, max_elapsed_s=1.0, first_pause_s=0.01)
BODY = {"promptImage": "https://images.segmind.com/a.png", "promptText": "a cat", "seed": 7}


def submit(settings: ClientSettings) -> str:
    with RequestsTransport(settings) as transport:
        call = endpoints.make_submit_call(settings.base_urls, "runway-gen3-alphaturbo", BODY)
        return transport.run(execute(call, NO_RETRY)).request_id


def check(run: Run, settings: ClientSettings, **options: Any) -> AccountEvidence:
    evidence: AccountEvidence = run(settings, collect_evidence(settings.base_urls, POLICY, **options))
    return evidence


def test_an_account_with_a_finished_job(run: Run, gateway: Emulator, settings: ClientSettings) -> None:
    request_id = submit(settings)
    gateway.advance(120)
    before = len(gateway.requests())
    evidence = check(run, settings)
    calls = gateway.requests()[before:]
    assert {entry["method"] for entry in calls} == {"GET"}
    assert len(calls) == 4
    assert evidence.credits is not None
    assert evidence.page is not None
    assert [row.request_id for row in evidence.page.rows] == [request_id]
    assert evidence.lookup_row is not None
    assert evidence.model_filter == "runway-gen3-alphaturbo"
    assert evidence.raw_rows[0]["request_id"] == request_id
    assert decide_lost_submit(evidence).answer is Answer.YES


def test_the_short_form_asks_for_balance_and_history_only(
    run: Run, gateway: Emulator, settings: ClientSettings
) -> None:
    submit(settings)
    before = len(gateway.requests())
    check(run, settings, is_short=True)
    assert [entry["call"] for entry in gateway.requests()[before:]] == ["credits", "history"]


def test_a_bad_key_ends_the_check(run: Run, gateway: Emulator, settings: ClientSettings) -> None:
    gateway.add_fault("credits:refuse_auth:times=0")
    evidence = check(run, settings)
    assert evidence.credits_problem is not None
    assert [entry["call"] for entry in gateway.requests()] == ["credits"]


@pytest.mark.parametrize(
    "fault", ["history:server_error:times=0", "history:html_200:times=0", "history:forbidden:times=0"]
)
def test_an_unreadable_history_is_reported(run: Run, gateway: Emulator, settings: ClientSettings, fault: str) -> None:
    gateway.add_fault(fault)
    evidence = check(run, settings)
    assert evidence.page is None
    assert evidence.history_problem is not None
    assert decide_lost_submit(evidence).answer is Answer.NO


def test_a_clock_that_is_off_is_measured(run: Run, settings: ClientSettings) -> None:
    evidence = check(run, settings)
    assert evidence.clock_offset_s == pytest.approx(0, abs=3)


def test_the_row_of_a_running_job_is_compared_with_its_record(
    run: Run, gateway: Emulator, settings: ClientSettings
) -> None:
    gateway.add_fault("submit:job_latency:seconds=600")
    request_id = submit(settings)
    evidence = check(run, settings, request_id=request_id)
    assert evidence.job_status is not None
    (finding,) = (each for each in list_findings(evidence) if each.name == "job")
    assert request_id in finding.text
    assert check(run, settings, request_id="never-was").job_status is None


FORMS: dict[str, tuple[dict[str, Any], Answer]] = {
    "plain": ({}, Answer.YES),
    "object, local time, text seed": ({"body": "object", "times": "local_naive", "seed": "text"}, Answer.YES),
    "nested json, epoch": ({"body": "json", "nesting": "input.parameters", "times": "epoch_seconds"}, Answer.YES),
    "no seed": ({"seed": "missing"}, Answer.YES),
    "no body": ({"body": "missing"}, Answer.NO),
    "no times": ({"times": "missing"}, Answer.NO),
    "no ids": ({"request_id": "missing"}, Answer.NO),
    "never": ({"appears": "never"}, Answer.UNKNOWN),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_transcript_replays_the_form_of_the_history(tmp_path: Path, form: str) -> None:
    """The verdict on the emulator that replays a transcript is the verdict on the account that was recorded."""
    values, answer = FORMS[form]
    recorded = _check_emulator(**{f"history_{name}": value for name, value in values.items()})
    assert decide_lost_submit(recorded).answer is answer
    path = tmp_path / "transcript.json"
    path.write_text(json.dumps(make_transcript(recorded)))
    assert decide_lost_submit(_check_emulator(replay=path)).answer is answer


def _check_emulator(**options: Any) -> AccountEvidence:
    with Emulator(time_scale=0.01, **options) as gateway:
        base_urls = BaseUrls(gateway.url, gateway.storage_url, gateway.history_url)
        settings = ClientSettings(gateway.test_key, base_urls)
        submit(settings)
        gateway.advance(300)
        with RequestsTransport(settings) as transport:
            return transport.run(collect_evidence(base_urls, POLICY))
