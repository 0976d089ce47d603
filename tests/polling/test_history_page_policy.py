"""When pages of the history are worth reading, and when they are left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_runway.history.rows import HistoryRow
from airflow_provider_runway.polling.history_page_policy import (
    FIRST_BACKOFF_S,
    MAX_LANDING_S,
    MAX_POLLS_WAIT_S,
    MAX_TRIES,
    MIN_JOBS,
    MIN_JOBS_WHILE_TRUSTED,
    MIN_PRODUCTIVE_INTERVAL_S,
    PRODUCTIVE_JOBS,
    HistoryPaging,
    is_clearly_completed,
)
from airflow_provider_runway.segmind.jobs import JobState

#: A minute's rate of 60, and jobs of half a minute.
RATE, LATENCY_S = 1.0, 27.0
ROW = HistoryRow("r-1", state=JobState.COMPLETED, cost=0.5, output_urls=("https://images.segmind.com/a.mp4",))


def test_pages_are_read_where_many_jobs_wait_and_requests_are_scarce(subtests: pytest.Subtests) -> None:
    for case, jobs, rate, may_read in (
        ("many jobs, scarce requests", MIN_JOBS, RATE, True),
        ("few jobs", MIN_JOBS - 1, RATE, False),
        ("enough requests", 40, 1000 / 60, False),
        ("thousands of jobs at the largest plan", 4000, 1000 / 60, True),
    ):
        with subtests.test(case):
            assert HistoryPaging().may_read(0.0, jobs, LATENCY_S, rate) is may_read


def test_pages_that_pay_are_read_until_few_jobs_are_left() -> None:
    paging = HistoryPaging(is_trusted=True)
    assert [paging.may_read(0.0, jobs, LATENCY_S, RATE) for jobs in (9, MIN_JOBS_WHILE_TRUSTED, 2)] == [
        True,
        True,
        False,
    ]
    assert not paging.may_read(0.0, 9, LATENCY_S, 1000 / 60)


def test_the_first_page_waits_until_a_job_may_have_ended() -> None:
    assert HistoryPaging().next_read_at(100.0, LATENCY_S, RATE) == pytest.approx(100 + 0.75 * LATENCY_S)


def test_pages_take_a_fifth_of_the_rate_at_most() -> None:
    paging = HistoryPaging()
    paging.on_read(1000.0)
    assert paging.next_read_at(100.0, LATENCY_S, 1.0) == 1005.0
    assert paging.next_read_at(100.0, LATENCY_S, 0.1) == 1050.0
    assert paging.next_read_at(100.0, LATENCY_S, 100.0) == 1003.0


def test_a_page_that_settles_many_jobs_is_soon_followed_by_the_next_and_polls_wait_for_it() -> None:
    paging = HistoryPaging()
    paging.on_read(1000.0)
    paging.on_page(1001.0, set(), settled_jobs=PRODUCTIVE_JOBS)
    assert paging.next_read_at(100.0, LATENCY_S, 100.0) == 1000.0 + MIN_PRODUCTIVE_INTERVAL_S
    assert paging.next_read_at(100.0, LATENCY_S, RATE) == 1005.0  # still a fifth of the rate at most
    assert paging.makes_polls_wait(1001.0)
    assert not paging.makes_polls_wait(1000.0 + MAX_POLLS_WAIT_S)  # a page that does not come stops no poll


def test_polls_go_on_after_a_page_that_settles_few_jobs_or_fails(subtests: pytest.Subtests) -> None:
    for case in ("few jobs", "failure"):
        paging = HistoryPaging(is_trusted=True, is_productive=True)
        paging.on_read(1000.0)
        if case == "failure":
            paging.on_failure(1001.0)
        else:
            paging.on_page(1001.0, set(), settled_jobs=PRODUCTIVE_JOBS - 1)
        with subtests.test(case):
            assert not paging.makes_polls_wait(1001.0)


def test_a_job_that_ended_long_ago_is_not_judged() -> None:
    paging = HistoryPaging(is_trusted=True)
    paging.on_single_end("r-1", 100.0)
    paging.on_page(300.0, set(), settled_jobs=0)
    assert paging.is_trusted


def test_a_page_that_settles_a_job_is_trusted() -> None:
    paging = HistoryPaging()
    paging.on_page(0.0, {"r-1"}, settled_jobs=1)
    assert paging.is_trusted


def test_a_page_that_shows_a_job_that_just_ended_is_trusted_and_its_delay_is_measured() -> None:
    paging = HistoryPaging()
    paging.on_single_end("r-1", 100.0)
    paging.on_page(106.0, {"r-1"}, settled_jobs=0)
    assert (paging.is_trusted, paging.landing_s, paging.completed_but_unlisted_ids) == (True, 6.0, set())


def test_late_rows_leave_pages_alone_for_a_while_that_doubles() -> None:
    paging, now = HistoryPaging(is_trusted=True), 1000.0
    for backoff_s in (FIRST_BACKOFF_S, 2 * FIRST_BACKOFF_S):
        paging.on_single_end("r-1", now - MAX_LANDING_S - 1)
        paging.on_page(now, set(), settled_jobs=0)
        assert not paging.is_trusted
        assert not paging.may_read(now + backoff_s - 1, 40, LATENCY_S, RATE)
        assert paging.may_read(now + backoff_s, 40, LATENCY_S, RATE)
        now += backoff_s


def test_pages_that_show_nothing_are_tried_a_few_times() -> None:
    paging = HistoryPaging()
    for _ in range(MAX_TRIES):
        assert paging.may_read(0.0, 40, LATENCY_S, RATE)
        paging.on_page(0.0, set(), settled_jobs=0)
    assert not paging.may_read(1.0, 40, LATENCY_S, RATE)


def test_a_refused_page_leaves_pages_alone() -> None:
    paging = HistoryPaging(is_trusted=True)
    paging.on_failure(0.0)
    assert not paging.is_trusted
    assert not paging.may_read(1.0, 40, LATENCY_S, RATE)


def test_only_a_row_with_everything_is_clear(subtests: pytest.Subtests) -> None:
    for row, is_clear in (
        (ROW, True),
        (replace(ROW, state=JobState.PROCESSING), False),
        (replace(ROW, state=JobState.UNKNOWN), False),
        (replace(ROW, output_urls=()), False),
        (replace(ROW, cost=None), False),
        (replace(ROW, error="something went wrong"), False),
        (replace(ROW, request_id=None), False),
    ):
        with subtests.test(row=row, is_clear=is_clear):
            assert is_clearly_completed(row) is is_clear
