"""The questions of an account check, asked of the emulator on both transports: GETs only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runway.checks.account_evidence import AccountEvidence, collect_evidence
from airflow_provider_runway.checks.account_findings import Answer, decide_if_lost_submit_can_be_found, list_findings
from airflow_provider_runway.checks.redacted_transcript import make_transcript
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.history_forms import HISTORY_FORMS
from airflow_provider_runway.segmind import api_calls
from airflow_provider_runway.segmind.exchange import execute
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.retry import NO_RETRY, RetryPolicy
from airflow_provider_runway.submission.row_matching import LostSubmit, RowMatch, classify_row, make_prompt_digest
from airflow_provider_runway.transports.client_settings import ClientSettings
from airflow_provider_runway.transports.requests_transport import RequestsTransport

Run = Callable[..., Any]
POLICY = RetryPolicy(attempts=2, max_elapsed_s=1.0, first_pause_s=0.01)
LOST_SUBMIT = LostSubmit(
    model="runway-gen3-alphaturbo",
    sent_from=0.0,
    latest_row_at=4e9,
    seeds=frozenset({7}),
    prompt="a cat",
    prompt_digest=make_prompt_digest("a cat"),
)
BODY = {"promptImage": "https://images.segmind.com/a.png", "promptText": "a cat", "seed": 7}


def submit(settings: ClientSettings) -> str:
    with RequestsTransport(settings) as transport:
        call = api_calls.make_submit_call(settings.base_urls, "runway-gen3-alphaturbo", BODY)
        return transport.run(execute(call, NO_RETRY)).request_id


def check(run: Run, settings: ClientSettings, **options: Any) -> AccountEvidence:
    evidence: AccountEvidence = run(settings, collect_evidence(settings.base_urls, POLICY, **options))
    return evidence


def test_an_account_with_a_finished_job(run: Run, gateway: Emulator, settings: ClientSettings) -> None:
    request_id = submit(settings)
    gateway.advance(120)
    before = len(gateway.http_requests())
    evidence = check(run, settings)
    calls = gateway.http_requests()[before:]
    assert {entry["method"] for entry in calls} == {"GET"}
    assert len(calls) == 4
    assert evidence.credits is not None
    assert evidence.page is not None
    assert [row.request_id for row in evidence.page.rows] == [request_id]
    assert evidence.lookup_row is not None
    assert evidence.model_filter == "runway-gen3-alphaturbo"
    assert evidence.raw_rows[0]["request_id"] == request_id
    assert decide_if_lost_submit_can_be_found(evidence).answer is Answer.YES


def test_the_short_form_asks_for_balance_and_history_only(
    run: Run, gateway: Emulator, settings: ClientSettings
) -> None:
    submit(settings)
    before = len(gateway.http_requests())
    check(run, settings, is_short=True)
    assert [entry["call"] for entry in gateway.http_requests()[before:]] == ["credits", "history"]


def test_a_bad_key_ends_the_check(run: Run, gateway: Emulator, settings: ClientSettings) -> None:
    gateway.add_fault("credits:refuse_auth:times=0")
    evidence = check(run, settings)
    assert evidence.credits_problem is not None
    assert [entry["call"] for entry in gateway.http_requests()] == ["credits"]


@pytest.mark.parametrize(
    "fault", ["history:server_error:times=0", "history:html_200:times=0", "history:forbidden:times=0"]
)
def test_an_unreadable_history_is_reported(run: Run, gateway: Emulator, settings: ClientSettings, fault: str) -> None:
    gateway.add_fault(fault)
    evidence = check(run, settings)
    assert evidence.page is None
    assert evidence.history_problem is not None
    assert decide_if_lost_submit_can_be_found(evidence).answer is Answer.NO


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


def test_the_verdict_agrees_with_the_search_for_lost_submits(subtests: pytest.Subtests, tmp_path: Path) -> None:
    """For each form of the history: "yes" only where the search would find the job, and the same after a replay."""
    for form in HISTORY_FORMS:
        with subtests.test(form):
            evidence = check_emulator(history_form=form)
            answer = decide_if_lost_submit_can_be_found(evidence).answer
            rows = evidence.page.rows if evidence.page else []
            found = {classify_row(row, LOST_SUBMIT) for row in rows if row.request_id}
            is_found = bool(found & {RowMatch.OURS, RowMatch.OURS_IF_ALONE})
            assert (answer is Answer.YES) <= is_found
            assert (answer is Answer.NO) <= (not is_found)
            path = tmp_path / "transcript.json"
            path.write_text(json.dumps(make_transcript(evidence)))
            if evidence.page is not None:
                assert decide_if_lost_submit_can_be_found(check_emulator(replay=path)).answer is answer


def test_the_verdict_on_some_forms() -> None:
    forms = {"plain": "yes", "seed_missing": "yes", "body_missing": "no", "id_missing": "no", "empty": "unknown"}
    assert {
        form: decide_if_lost_submit_can_be_found(check_emulator(history_form=form)).answer for form in forms
    } == forms


def check_emulator(**options: Any) -> AccountEvidence:
    """Check the account of an emulator that has one finished job."""
    with Emulator(time_scale=0.01, **options) as gateway:
        base_urls = BaseUrls(gateway.url, gateway.storage_url, gateway.history_url)
        settings = ClientSettings(gateway.test_key, base_urls)
        submit(settings)
        gateway.advance(900)
        with RequestsTransport(settings) as transport:
            return transport.run(collect_evidence(base_urls, POLICY))
