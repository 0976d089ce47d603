"""Pages of the account's history instead of single polls: what they save, and that unclear rows end nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pending_jobs import get_kinds, submit_jobs, wait_for_all
from submits import count_requests, set_connection_extra

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.history.rows import parse_row
from airflow_provider_runway.polling import history_page_policy
from airflow_provider_runway.segmind import timing
from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.triggers.history_pages import group_rows_by_job_state, has_single_output, make_outcome

pytestmark = pytest.mark.usefixtures("connection", "quick")

JOBS = 20


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """A gateway whose jobs take about four seconds."""
    with Emulator(time_scale=0.15) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def _scarce_requests(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five requests a second for all, and pages as often as they may be."""
    set_connection_extra(monkeypatch, requests_per_minute=300)
    short = replace(timing.get_timing(), latency_scale=0.15)
    monkeypatch.setattr(timing, "_current", short)
    monkeypatch.setattr(history_page_policy, "MIN_PAGE_INTERVAL_S", 0.5)


async def test_pages_settle_most_jobs_with_few_requests(gateway: Emulator) -> None:
    outcomes = await wait_for_all(submit_jobs(gateway, JOBS))
    assert get_kinds(outcomes) == {"completed"}
    assert 0 < count_requests(gateway, "history") < 15
    assert (
        count_requests(gateway, "status") + count_requests(gateway, "result") < 1.5 * JOBS
    )  # single polls take 2.2 a job and more
    by_id = {job["request_id"]: job for job in gateway.ledger()["jobs"]}
    for outcome in outcomes:
        assert outcome.job.output_url == by_id[outcome.job.request_id]["output_url"]
        assert outcome.job.cost is not None


async def test_pages_settle_hundreds_of_jobs_with_few_requests_more(gateway: Emulator) -> None:
    jobs = submit_jobs(gateway, 350)
    outcomes = await wait_for_all(jobs, timeout_s=60)
    assert get_kinds(outcomes) == {"completed"}
    assert count_requests(gateway, "history", "status", "result") < len(jobs) / 2


@pytest.mark.parametrize(
    "faults",
    [
        ["submit:history_late:times=0,seconds=60"],
        ["history:history_down:times=0"],
        ["history:forbidden:times=0"],
        ["history:html_200:times=0"],
    ],
    ids=["late", "down", "forbidden", "unreadable"],
)
async def test_where_pages_do_not_pay_jobs_are_polled_singly(gateway: Emulator, faults: list[str]) -> None:
    for fault in faults:
        gateway.add_fault(fault)
    assert get_kinds(await wait_for_all(submit_jobs(gateway, JOBS), timeout_s=60)) == {"completed"}
    assert count_requests(gateway, "history") <= history_page_policy.MAX_TRIES
    assert count_requests(gateway, "result") == JOBS


async def test_failed_jobs_are_confirmed_singly(gateway: Emulator) -> None:
    gateway.add_fault("submit:job_fails:times=0,error=out of memory")
    outcomes = await wait_for_all(submit_jobs(gateway, JOBS), timeout_s=60)
    assert get_kinds(outcomes) == {"failed"}
    assert all("out of memory" in str(outcome.error) for outcome in outcomes)


def make_row(**fields: Any) -> Any:
    row = {"request_id": "r-1", "model_status": "COMPLETED", "credits_deduction": 0.5, "generation_url": "https://a/b"}
    return parse_row(row | fields)


def test_rows_are_sorted_by_what_they_say(subtests: pytest.Subtests) -> None:
    for fields, kind in (
        ({}, "completed"),
        ({"generation_url": None}, "ended"),
        ({"credits_deduction": None}, "ended"),
        ({"model_status": "FAILED", "generation_url": None, "error": "x"}, "ended"),
        ({"model_status": "PENDING", "generation_url": None}, "running"),
        ({"model_status": "SOMETHING", "generation_url": None}, "unclear"),
        ({"model_status": None, "generation_url": None}, "unclear"),
    ):
        with subtests.test(fields=fields, kind=kind):
            rows = group_rows_by_job_state([make_row(**fields)])
            found = [name for name in ("completed", "ended", "running") if "r-1" in getattr(rows, name)]
            assert found == ([] if kind == "unclear" else [kind])


def test_fields_that_a_row_lacks_or_that_cannot_be_right_are_left_out(subtests: pytest.Subtests) -> None:
    for latency_ms, metrics in ((27_000, {"total_time": 27.0}), (27, None), (27_000_000, None), (None, {})):
        with subtests.test(latency_ms=latency_ms, metrics=metrics):
            summary = JobSummary("r-1", submitted_at=1000.0)
            outcome = make_outcome(summary, make_row(latency_ms=latency_ms), seen_at=1030.0)
            assert outcome.job.metrics == metrics
            assert (outcome.job.cost, outcome.job.remaining_credits) == (0.5, None)


def test_only_a_known_video_model_surely_has_one_output(subtests: pytest.Subtests) -> None:
    for model, is_single in (
        ("runway-gen3-alphaturbo", True),
        ("runway-gen4-image", False),
        ("another-model", False),
        (None, False),
    ):
        with subtests.test(model=model, is_single=is_single):
            assert has_single_output(model) is is_single
