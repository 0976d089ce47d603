"""How long the history is asked for a lost submit, and what its rows prove: driven by hand, time handed in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from airflow_provider_runway.inputs.job_request import make_digest
from airflow_provider_runway.segmind.exchange import Received, Resumed, SendStep
from airflow_provider_runway.segmind.http import BaseUrls, Response
from airflow_provider_runway.segmind.jobs import RECORD_LIFETIME_S
from airflow_provider_runway.segmind.models import MODELS
from airflow_provider_runway.segmind.retry import NO_RETRY
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.submission.decision_input import HistoryLookup
from airflow_provider_runway.submission.find_lost_submit import (
    LATE_LATENCY_FACTOR,
    LookupResult,
    LookupTimes,
    find_lost_submit,
    max_latency_s,
)
from airflow_provider_runway.submission.row_matching import LostSubmit, make_prompt_digest

MODEL = "runway-gen4-turbo"
SENT_AT = 1_790_000_000.0
ACCEPTED_UNTIL = SENT_AT + 100
TIMES = LookupTimes.for_submit(MODEL, SENT_AT, ACCEPTED_UNTIL)
SETTLED_S = TIMES.settled_at - SENT_AT
GIVE_UP_S = TIMES.give_up_at - SENT_AT
LOST = LostSubmit(
    model=MODEL,
    sent_from=SENT_AT,
    latest_row_at=TIMES.settled_at,
    seeds=frozenset({7}),
    prompt="a lighthouse",
    prompt_digest=make_prompt_digest("a lighthouse"),
    image_digest=make_digest("https://pictures.example/1.png"),
)


def make_row(request_id: str | None = "ours", age_s: float = 2.0, **fields: Any) -> dict[str, Any]:
    """Return a row of the history; it is the lost submit's unless ``fields`` say otherwise."""
    body = {"promptText": "a lighthouse", "promptImage": "https://pictures.example/1.png", "seed": 7}
    return {
        "request_id": request_id,
        "model_name": MODEL,
        "model_status": "COMPLETED",
        "request_body": repr(body | fields.pop("body", {})),
        "model_created": SENT_AT + age_s,
        **fields,
    }


ANOTHER_JOB = make_row("another", body={"seed": 8})
HALF_LANDED = make_row("half", request_body=None)


class History:
    """A history whose rows depend on the time. ``rows_at`` returns them at so many seconds after the submit."""

    def __init__(
        self,
        rows_at: Callable[[float], list[Any]],
        status: int = 200,
        clock_ahead_s: float = 0.0,
        ignores_pages: bool = False,
        first_page: int = 1,
    ) -> None:
        self.rows_at = rows_at
        self.ignores_pages = ignores_pages
        self.first_page = str(first_page)
        self.status = status
        self.clock_ahead_s = clock_ahead_s
        self.asked_at: list[float] = []

    def ask(self, age_s: float, lost: LostSubmit = LOST, pauses_s: tuple[float, ...] = ()) -> LookupResult:
        """Ask once (and after each pause), so many seconds after the submit."""
        now = SENT_AT + age_s
        flow = find_lost_submit(BaseUrls(), lost, TIMES, NO_RETRY, now, pauses_s)
        step = next(flow)
        while True:
            try:
                if isinstance(step, SendStep):
                    step = flow.send(Received(self._respond(step, now)))
                else:
                    now += getattr(step, "seconds", 0.0)
                    step = flow.send(Resumed(now))
            except StopIteration as stop:
                result: LookupResult = stop.value
                return result

    def _respond(self, step: SendStep, now: float) -> Response:
        is_first_page = dict(step.request.query)["page"] == self.first_page
        if is_first_page:
            self.asked_at.append(now - SENT_AT)
        rows = self.rows_at(now - SENT_AT) if is_first_page or self.ignores_pages else []
        headers = {"date": formatdate(now + self.clock_ahead_s, usegmt=True), "content-type": "application/json"}
        return Response(self.status, headers, json.dumps({"data": rows}).encode(), now)


def ask_once(rows: list[Any], age_s: float, **options: Any) -> LookupResult:
    return History(lambda _: rows).ask(age_s, **options)


def test_a_row_that_is_there_is_found_at_once() -> None:
    found = ask_once([ANOTHER_JOB, make_row()], age_s=1)
    assert found.history is HistoryLookup.FOUND
    assert found.row is not None
    assert found.row.request_id == "ours"


def test_a_row_that_lands_during_the_pauses_is_found() -> None:
    history = History(lambda age_s: [make_row()] if age_s >= 4 else [])
    assert history.ask(1, pauses_s=(1.0, 2.0, 4.0)).history is HistoryLookup.FOUND
    assert history.asked_at == [1.0, 2.0, 4.0]


def test_a_history_whose_pages_begin_with_zero_is_read_whole() -> None:
    assert History(lambda _: [ANOTHER_JOB, make_row()], first_page=0).ask(1).history is HistoryLookup.FOUND


def test_absence_counts_only_after_late_latency_and_landing_time() -> None:
    assert ask_once([ANOTHER_JOB], SETTLED_S - 1).history is HistoryLookup.NOT_SETTLED
    assert ask_once([ANOTHER_JOB], SETTLED_S).history is HistoryLookup.ABSENT
    late_s = LATE_LATENCY_FACTOR * MODELS[MODEL].latency_s
    assert pytest.approx(100 + late_s + get_timing().history_lag_s) == SETTLED_S


def test_a_model_that_is_not_known_has_the_records_hour() -> None:
    assert max_latency_s("some-slug") == RECORD_LIFETIME_S


def test_what_cannot_be_read_or_matched_is_waited_for_and_never_proves_absence(subtests: pytest.Subtests) -> None:
    for case, rows, why in (
        ("no row at all", [], "no complete row"),
        ("no times", [make_row("other", body={"seed": 8}, model_created=None)], "no complete row"),
        ("a row that is none", [ANOTHER_JOB, "text"], "1 rows cannot be read"),
        ("a row without a body", [ANOTHER_JOB, HALF_LANDED], "half"),
        ("another prompt", [ANOTHER_JOB, make_row(body={"promptText": "a city at night"})], "ours"),
    ):
        with subtests.test(case):
            assert ask_once(rows, SETTLED_S).history is HistoryLookup.NOT_SETTLED
            given_up = ask_once(rows, GIVE_UP_S)
            assert given_up.history is HistoryLookup.UNCLEAR
            assert why in given_up.why


def test_rows_of_other_jobs_that_still_run_are_waited_for_until_those_have_ended() -> None:
    """A busy account always has such rows. A lookup that comes late and meets one must not fail the task for good."""

    def ask_with_row_of(row_age_s: float, asked_at_s: float, **fields: Any) -> HistoryLookup:
        young = make_row("young", row_age_s, request_body=None, model_status="PROCESSING", **fields)
        return ask_once([ANOTHER_JOB, young], asked_at_s).history

    landed_after_s = SETTLED_S - 100
    assert ask_with_row_of(SETTLED_S + 30, GIVE_UP_S + 60) is HistoryLookup.NOT_SETTLED
    assert ask_with_row_of(SETTLED_S + 30, SETTLED_S + 29 + landed_after_s) is HistoryLookup.NOT_SETTLED
    assert ask_with_row_of(SETTLED_S + 30, SETTLED_S + 31 + landed_after_s) is HistoryLookup.UNCLEAR
    assert ask_with_row_of(SETTLED_S + 700, GIVE_UP_S + 800) is HistoryLookup.ABSENT, "too young to be of the submit"
    assert ask_with_row_of(5, GIVE_UP_S) is HistoryLookup.UNCLEAR
    assert ask_with_row_of(0, GIVE_UP_S, model_created=None) is HistoryLookup.UNCLEAR
    alone = make_row("young", SETTLED_S + 30, request_body=None)
    assert ask_once([alone], GIVE_UP_S).history is HistoryLookup.UNCLEAR, "this history may never tell more"


@pytest.mark.parametrize("clock_ahead_s", [-300.0, 300.0])
def test_a_row_is_as_old_as_the_clock_of_the_api_says(clock_ahead_s: float) -> None:
    young = make_row("young", SETTLED_S + clock_ahead_s, request_body=None)
    history = History(lambda _: [ANOTHER_JOB, young], clock_ahead_s=clock_ahead_s)
    assert history.ask(2 * SETTLED_S - 100 - 1).history is HistoryLookup.NOT_SETTLED
    assert history.ask(2 * SETTLED_S - 100 + 1).history is HistoryLookup.UNCLEAR


def test_a_history_that_may_hold_more_rows_than_it_sends_never_proves_absence() -> None:
    history = History(lambda _: [ANOTHER_JOB], ignores_pages=True)
    assert history.ask(SETTLED_S).history is HistoryLookup.NOT_SETTLED
    assert history.ask(GIVE_UP_S).history is HistoryLookup.UNCLEAR
    assert History(lambda _: [make_row()], ignores_pages=True).ask(1).history is HistoryLookup.FOUND


def test_failed_jobs_neither_count_as_ours_nor_stand_in_the_way() -> None:
    rows = [make_row("failed", model_status="FAILED"), ANOTHER_JOB]
    assert ask_once(rows, SETTLED_S).history is HistoryLookup.ABSENT
    assert ask_once([*rows, make_row()], 5).history is HistoryLookup.FOUND


def test_a_row_that_matches_but_has_no_id_is_waited_for() -> None:
    rows = [make_row(None), ANOTHER_JOB]
    assert ask_once(rows, 5).history is HistoryLookup.NOT_SETTLED
    assert ask_once(rows, SETTLED_S).history is HistoryLookup.NOT_SETTLED
    assert ask_once(rows, GIVE_UP_S).history is HistoryLookup.UNCLEAR


def test_prompt_and_image_identify_the_only_row_that_has_them() -> None:
    lost = replace(LOST, seeds=frozenset(), has_derived_seed=False)
    twin = make_row("twin", age_s=9)
    assert ask_once([make_row()], 5, lost=lost).history is HistoryLookup.FOUND
    assert ask_once([make_row(), twin], GIVE_UP_S, lost=lost).history is HistoryLookup.UNCLEAR
    known = replace(lost, other_request_ids=frozenset({"twin"}))
    found = ask_once([make_row(), twin], 5, lost=known)
    assert found.row is not None
    assert found.row.request_id == "ours"


def test_without_a_journal_a_row_with_another_prompt_prevents_a_submit_but_no_adoption() -> None:
    lost = replace(LOST, seeds=frozenset(), has_derived_seed=False, is_as_sent=False)
    other = make_row("other", body={"promptText": "a city at night"})
    assert ask_once([other], GIVE_UP_S, lost=lost).history is HistoryLookup.UNCLEAR
    assert ask_once([other, make_row()], 5, lost=lost).history is HistoryLookup.FOUND


def test_more_jobs_with_our_own_seed_are_named() -> None:
    found = ask_once([make_row("older"), make_row("newer", age_s=30)], 60)
    assert found.row is not None
    assert found.row.request_id == "newer"
    assert found.others == ("older",)


def test_a_history_that_refuses_is_given_up_and_one_that_is_down_is_waited_for(subtests: pytest.Subtests) -> None:
    for status, at_settled in (
        (401, HistoryLookup.UNCLEAR),
        (404, HistoryLookup.NOT_SETTLED),
        (429, HistoryLookup.NOT_SETTLED),
        (503, HistoryLookup.NOT_SETTLED),
    ):
        with subtests.test(status=status, at_settled=at_settled):
            history = History(lambda _: [], status)
            assert history.ask(5).history is HistoryLookup.NOT_SETTLED, "the first try may still be alive"
            assert history.ask(SETTLED_S).history is at_settled
            given_up = history.ask(GIVE_UP_S)
            assert given_up.history is HistoryLookup.UNCLEAR
            assert str(status) in given_up.why


@pytest.mark.parametrize("clock_ahead_s", [-300.0, 300.0])
def test_times_are_those_of_the_api(clock_ahead_s: float) -> None:
    """A row that is 700 s older than the submit by the API's clock is excluded, one that is 500 s older is not."""

    def ask(age_s: float) -> HistoryLookup:
        row = make_row("old", age_s=age_s + clock_ahead_s, request_body=None)
        history = History(lambda _: [row, ANOTHER_JOB | {"model_created": SENT_AT + clock_ahead_s}], 200, clock_ahead_s)
        return history.ask(GIVE_UP_S).history

    assert ask(-700) is HistoryLookup.ABSENT
    assert ask(-500) is HistoryLookup.UNCLEAR


def test_the_history_is_asked_less_and_less_often_and_when_it_settles() -> None:
    """A busy account must not lose its requests a minute to one lost response."""
    now, times = ACCEPTED_UNTIL, []
    while now < TIMES.give_up_at:
        now = TIMES.next_lookup_at(now)
        times.append(now)
    assert TIMES.settled_at in times
    assert times[-1] == TIMES.give_up_at
    assert len(times) <= 12
    assert times[0] - ACCEPTED_UNTIL == get_timing().history_pauses_s[-1]
    assert TIMES.next_lookup_at(now + 1) > now + 1, "a lookup that ends after the last milestone has a next one, too"


def test_an_old_submit_is_searched_in_its_own_days_only() -> None:
    """The history gives at most 31 days; a submit of two months ago must not be out of reach."""
    assert ask_once([make_row()], 60 * 86_400).history is HistoryLookup.FOUND
