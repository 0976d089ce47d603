"""Which rows can be the lost submit, and how long the history is asked: driven by hand, time handed in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_runway.inputs.job_request import digest_of
from airflow_provider_runway.segmind.exchange import Received, Resumed, Send, Sleep
from airflow_provider_runway.segmind.history import HistoryRow
from airflow_provider_runway.segmind.http import BaseUrls, Response
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.retry import NO_RETRY
from airflow_provider_runway.submission import reconcile
from airflow_provider_runway.submission.decision import HistoryLookup
from airflow_provider_runway.submission.reconcile import (
    LookupResult,
    LostSubmit,
    candidates,
    failed_rows,
    find_lost_submit,
    incomplete_rows,
)

SENT_AT = 1_790_000_000.0
SETTLED_S = 90.0
BODY = {"promptText": "a lighthouse", "promptImage": "https://pictures.example/1.png", "seed": 7}
LOST = LostSubmit("runway-gen4-turbo", BODY, SENT_AT, SENT_AT + SETTLED_S)


def row(request_id: str = "ours", **changes: Any) -> HistoryRow:
    """Return the row of the lost submit, or of one that differs in ``changes``."""
    whole = HistoryRow(request_id, LOST.model, JobState.COMPLETED, body=BODY, created_at=SENT_AT + 1)
    return replace(whole, **changes)


@pytest.mark.parametrize(
    ("other", "ours"),
    [
        pytest.param(row(), True, id="the same body"),
        pytest.param(row(state=JobState.QUEUED), True, id="a living job"),
        pytest.param(row(state=JobState.UNKNOWN), True, id="a state that nobody documents"),
        pytest.param(row(state=JobState.FAILED), False, id="a failed job is not billed"),
        pytest.param(row(model="runway-gen4-turbo-2"), False, id="another model"),
        pytest.param(row(body={**BODY, "seed": 8}), False, id="another seed"),
        pytest.param(row(body={**BODY, "seed": "7", "ratio": "16:9"}), True, id="as the gateway writes it"),
        pytest.param(row(body=None), False, id="not landed"),
        pytest.param(row("taken"), False, id="another task's job"),
        pytest.param(row(created_at=None), True, id="without a time"),
        pytest.param(row(created_at=SENT_AT - reconcile.SKEW_S), True, id="a gateway's clock that is behind"),
        pytest.param(row(created_at=SENT_AT - reconcile.SKEW_S - 1), False, id="older than the submit"),
    ],
)
def test_a_row_can_be_ours(other: HistoryRow, ours: bool) -> None:
    assert candidates([other], replace(LOST, other_request_ids=frozenset({"taken"}))) == ([other] if ours else [])


def test_the_nearest_in_time_comes_first_and_then_the_id_decides() -> None:
    rows = [row("far", created_at=SENT_AT + 60), row("b"), row("before", created_at=SENT_AT - 5), row("a")]
    lost = ["a", "b", "before", "far"]
    assert [it.request_id for it in candidates(rows, LOST)] == lost
    assert [it.request_id for it in candidates(reversed(rows), LOST)] == lost


def test_failed_rows_count_only_with_our_body() -> None:
    rows = [
        row("one", state=JobState.FAILED),
        row("two", state=JobState.FAILED, body={**BODY, "seed": 8}),
        row("three"),
    ]
    assert [it.request_id for it in failed_rows(rows, LOST)] == ["one"]


@pytest.mark.parametrize(
    ("other", "lands"),
    [
        pytest.param(row(body=None), True, id="its body is missing"),
        pytest.param(row(body=None, model=None), True, id="everything is missing"),
        pytest.param(row(), False, id="it is whole"),
        pytest.param(row(body=None, model="runway-gen3-alphaturbo"), False, id="another model's"),
        pytest.param(row(body=None, created_at=SENT_AT - 1000), False, id="older than the submit"),
    ],
)
def test_a_row_that_says_too_little_is_still_landing(other: HistoryRow, lands: bool) -> None:
    assert incomplete_rows([other], LOST) == ([other] if lands else [])


class History:
    """Answers a look-up by hand. ``rows_at`` returns the rows at so many seconds after the submit."""

    def __init__(self, rows_at: Callable[[float], list[HistoryRow]], status: int = 200) -> None:
        self.rows_at = rows_at
        self.status = status
        self.looks: list[float] = []

    def drive(self, lost: LostSubmit = LOST, first_look_s: float = 0.0) -> LookupResult:
        now = SENT_AT + first_look_s
        flow = find_lost_submit(BaseUrls(), lost, NO_RETRY, now)
        step = next(flow)
        while True:
            try:
                if isinstance(step, Send):
                    first = dict(step.request.query)["page"] == "1"
                    if first:
                        self.looks.append(now - SENT_AT)
                    body = self._page(now - SENT_AT) if first else b'{"data": []}'
                    step = flow.send(Received(Response(self.status, {}, body, now)))
                else:
                    assert isinstance(step, Sleep)
                    now += step.seconds
                    step = flow.send(Resumed(now))
            except StopIteration as stop:
                return stop.value

    def _page(self, age_s: float) -> bytes:
        return json.dumps({"data": [_as_the_api_writes(it) for it in self.rows_at(age_s)]}).encode()


def _as_the_api_writes(it: HistoryRow) -> dict[str, Any]:
    return {
        "request_id": it.request_id,
        "model_name": it.model,
        "model_status": "PENDING" if it.state is JobState.QUEUED else it.state.value,
        "request_body": None if it.body is None else repr(dict(it.body)),
        "model_created": it.created_at,
    }


def test_a_row_that_is_there_is_found_with_one_look() -> None:
    history = History(lambda age_s: [row()])
    found = history.drive()
    assert (found.history, found.row and found.row.request_id) == (HistoryLookup.FOUND, "ours")
    assert history.looks == [0.0]


@pytest.mark.parametrize("lands_after_s", [0.5, 5, 40, 89, SETTLED_S])
def test_a_row_that_lands_late_is_found(lands_after_s: float) -> None:
    history = History(lambda age_s: [row()] if age_s >= lands_after_s else [])
    assert history.drive().history is HistoryLookup.FOUND


def test_a_row_whose_fields_land_late_is_found() -> None:
    history = History(lambda age_s: [row() if age_s > 30 else row(body=None)])
    assert history.drive().history is HistoryLookup.FOUND


def test_absence_is_believed_only_when_every_row_must_have_landed() -> None:
    history = History(lambda age_s: [])
    assert history.drive().history is HistoryLookup.ABSENT
    assert history.looks[-1] >= SETTLED_S
    assert history.looks[-2] < SETTLED_S, "a look after that moment is one too many"


def test_an_old_submit_needs_one_look() -> None:
    history = History(lambda age_s: [])
    assert history.drive(first_look_s=4000).history is HistoryLookup.ABSENT
    assert len(history.looks) == 1


def test_the_looks_become_rarer() -> None:
    """A busy account must not lose its requests a minute to one lost answer."""
    history = History(lambda age_s: [])
    history.drive()
    gaps = [later - earlier for earlier, later in zip(history.looks, history.looks[1:], strict=False)]
    assert gaps == sorted(gaps)
    assert len(history.looks) <= 10


def test_a_row_that_never_lands_leaves_it_open() -> None:
    found = History(lambda age_s: [row(body=None)]).drive()
    assert found.history is HistoryLookup.UNAVAILABLE
    assert "ours" in found.why


def test_a_row_that_never_lands_is_waited_for_so_long_and_no_longer() -> None:
    history = History(lambda age_s: [row(body=None)])
    history.drive()
    assert SETTLED_S + reconcile.LANDING_S <= history.looks[-1] < SETTLED_S + reconcile.LANDING_S + 60


def test_the_landing_rows_of_a_busy_account_leave_no_doubt_once_those_in_question_have_landed() -> None:
    """Each second another job's row comes in half empty, and is whole twenty seconds later, with another body."""

    def rows(age_s: float) -> list[HistoryRow]:
        seconds = range(max(int(age_s) - 60, 0), int(age_s) + 1)
        return [
            row(f"other-{at}", created_at=None, body={**BODY, "seed": 8} if age_s - at > 20 else None) for at in seconds
        ]

    history = History(rows)
    assert history.drive().history is HistoryLookup.ABSENT
    assert history.looks[-1] >= SETTLED_S


def test_a_row_from_after_the_submit_is_not_its_own() -> None:
    lost = replace(LOST, sent_until=SENT_AT + 60)
    late = SENT_AT + 60 + reconcile.SKEW_S + 1
    assert candidates([row(created_at=late)], lost) == []
    assert incomplete_rows([row(created_at=late, body=None)], lost) == []
    assert History(lambda age_s: [row(created_at=late, body=None)]).drive(lost, 4000).history is HistoryLookup.ABSENT


def test_an_old_submit_is_looked_for_in_its_own_days_only() -> None:
    """The history gives at most 31 days; a submit of two months ago must not be out of reach."""
    lost = replace(LOST, sent_until=SENT_AT + 60)
    assert History(lambda age_s: [row()]).drive(lost, 60 * 86_400).history is HistoryLookup.FOUND


def test_jobs_that_differ_in_their_picture_alone_are_told_apart() -> None:
    ours = "https://images.segmind.com/assets/ours.png"
    lost = replace(LOST, ignoring=frozenset({"promptImage"}), image=("promptImage", digest_of(ours)))
    rows = [row("other"), row("mine", body={**BODY, "promptImage": ours})]
    assert [it.request_id for it in candidates(rows, lost)] == ["mine"]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_history_that_is_not_to_be_had_leaves_it_open(status: int) -> None:
    found = History(lambda age_s: [], status).drive()
    assert found.history is HistoryLookup.UNAVAILABLE
    assert str(status) in found.why


def test_two_jobs_with_our_body_are_named_both_and_one_is_taken() -> None:
    rows = [row("later", created_at=SENT_AT + 9), row("nearer")]
    for order in (rows, rows[::-1]):
        found = History(lambda age_s, order=order: order).drive()
        assert found.row is not None
        assert (found.row.request_id, found.others) == ("nearer", ("later",))


@pytest.mark.parametrize(
    ("failures", "history_lookup"),
    [pytest.param(1, HistoryLookup.ABSENT, id="all"), pytest.param(2, HistoryLookup.ABSENT, id="one short")],
)
def test_failed_jobs_that_account_for_every_try_spare_the_waiting(failures: int, history_lookup: HistoryLookup) -> None:
    history = History(lambda age_s: [row(state=JobState.FAILED)])
    assert history.drive(replace(LOST, failures=failures)).history is history_lookup
    assert (len(history.looks) == 1) is (failures == 1)


def test_a_failed_job_does_not_stand_for_a_lost_answer() -> None:
    """One failed row can be the submit before; with a journal the lost one is waited for."""
    history = History(lambda age_s: [row("before", state=JobState.FAILED), *([row()] if age_s > 20 else [])])
    assert history.drive().history is HistoryLookup.FOUND
