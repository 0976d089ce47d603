"""The decision table against the promises that it must keep, over every situation there is."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from airflow_provider_runway.submission.decision import (
    TABLE,
    Action,
    Attempt,
    DecisionInput,
    HistoryLookup,
    Inputs,
    JournalState,
    RemoteState,
    attempt_of,
    decide,
    journal_state_of,
)
from airflow_provider_runway.submission.journal import JournalEntry, Phase

ALL_INPUTS = [DecisionInput(*parts) for parts in product(JournalState, Attempt, Inputs, RemoteState, HistoryLookup)]
SUBMITS = {Action.SUBMIT, Action.SUBMIT_NEW_GENERATION}
ASKS = {Action.POLL_JOB, Action.ASK_HISTORY}
KNOWN = {JournalState.SUBMITTED, JournalState.DELIVERED}


def _maybe_accepted(it: DecisionInput) -> bool:
    """A POST of these inputs may have been accepted, and its id is not known."""
    intent = it.journal is JournalState.INTENT and it.inputs is Inputs.SAME
    return intent or (it.journal is JournalState.NONE and it.attempt is not Attempt.FIRST)


def _wants_the_old_job(it: DecisionInput) -> bool:
    """The id is known, the inputs are the same, and nobody asked for a new job."""
    asked_anew = it.journal is JournalState.DELIVERED and it.attempt is Attempt.CLEARED
    return it.journal in KNOWN and it.inputs is Inputs.SAME and not asked_anew


#: promise -> (the situations it speaks of, the steps that keep it). Said without a look at the table.
PROMISES: dict[str, tuple[Callable[[DecisionInput], bool], set[Action]]] = {
    "a POST that may have been accepted is never sent again before the history proved that it was not": (
        lambda it: _maybe_accepted(it) and it.history is not HistoryLookup.ABSENT,
        set(Action) - SUBMITS,
    ),
    "where the history cannot tell, nothing is sent and nothing is retried": (
        lambda it: _maybe_accepted(it) and it.history is HistoryLookup.UNAVAILABLE,
        {Action.REFUSE},
    ),
    "what the history shows is adopted": (
        lambda it: _maybe_accepted(it) and it.history is HistoryLookup.FOUND,
        {Action.ADOPT},
    ),
    "what surely came to nothing is submitted, once more and with the same seed": (
        lambda it: _maybe_accepted(it) and it.history is HistoryLookup.ABSENT,
        {Action.SUBMIT},
    ),
    "the history is asked before anything is decided about a lost answer": (
        lambda it: _maybe_accepted(it) and it.history is HistoryLookup.NOT_ASKED,
        {Action.ASK_HISTORY},
    ),
    "a known job is asked about before anything is decided": (
        lambda it: _wants_the_old_job(it) and it.remote is RemoteState.NOT_ASKED,
        {Action.POLL_JOB},
    ),
    "a living job is waited for": (
        lambda it: _wants_the_old_job(it) and it.remote is RemoteState.ALIVE,
        {Action.REATTACH},
    ),
    "no answer is no death": (
        lambda it: _wants_the_old_job(it) and it.remote is RemoteState.UNANSWERED,
        {Action.REATTACH},
    ),
    "a finished job is delivered": (
        lambda it: _wants_the_old_job(it) and it.remote is RemoteState.COMPLETED,
        {Action.DELIVER},
    ),
    "a failed job, which is not billed, makes room for another generation": (
        lambda it: _wants_the_old_job(it) and it.remote is RemoteState.FAILED,
        {Action.SUBMIT_NEW_GENERATION},
    ),
    "a content block is final, until somebody clears the task": (
        lambda it: _wants_the_old_job(it) and it.remote is RemoteState.BLOCKED and it.attempt is not Attempt.CLEARED,
        {Action.FAIL},
    ),
    "a lost job is never paid for again by itself": (
        lambda it: _wants_the_old_job(it) and it.remote is RemoteState.GONE,
        {Action.FAIL},
    ),
    "a cleared task whose job was delivered gets a new one": (
        lambda it: it.journal is JournalState.DELIVERED and it.attempt is Attempt.CLEARED,
        {Action.SUBMIT_NEW_GENERATION},
    ),
    "changed inputs make a new job": (
        lambda it: it.journal in KNOWN | {JournalState.INTENT} and it.inputs is Inputs.CHANGED,
        {Action.SUBMIT_NEW_GENERATION},
    ),
    "an empty journal means a first job": (lambda it: it.journal is JournalState.EMPTY, {Action.SUBMIT}),
    "durable=False asks nobody": (lambda it: it.journal is JournalState.OFF, {Action.SUBMIT}),
    "the first try without a store submits at once": (
        lambda it: (
            it.journal is JournalState.NONE and it.attempt is Attempt.FIRST and it.history is HistoryLookup.NOT_ASKED
        ),
        {Action.SUBMIT},
    ),
    "the API is not asked about a job that nobody knows": (
        lambda it: it.journal not in KNOWN,
        set(Action) - {Action.POLL_JOB, Action.REATTACH, Action.DELIVER, Action.FAIL},
    ),
    "only a look into the history leads to an adoption or a refusal": (
        lambda it: it.history is HistoryLookup.NOT_ASKED,
        set(Action) - {Action.ADOPT, Action.REFUSE},
    ),
}


@pytest.mark.parametrize("promise", PROMISES)
def test_the_table_keeps_the_promise_that(promise: str) -> None:
    speaks_of, keeping = PROMISES[promise]
    spoken_of = [it for it in ALL_INPUTS if speaks_of(it)]
    assert spoken_of, "the promise speaks of nothing"
    assert [it for it in spoken_of if decide(it).action not in keeping] == []


def test_every_situation_is_spoken_of_by_a_promise_that_names_one_step() -> None:
    """So the promises above are the whole table, said a second time."""
    narrow = [speaks_of for speaks_of, keeping in PROMISES.values() if len(keeping) == 1]
    unspoken = {
        (it.journal, it.attempt, it.remote, it.history) for it in ALL_INPUTS if not any(told(it) for told in narrow)
    }
    # What is left cannot come about, or is a clear after a content block.
    blocked = {(note, Attempt.CLEARED, RemoteState.BLOCKED) for note in KNOWN}
    first = {key for key in unspoken if key[0] is JournalState.NONE and key[1] is Attempt.FIRST}
    assert {key[:3] for key in unspoken - first} <= blocked


def test_every_situation_is_decided() -> None:
    assert {decide(it).action for it in ALL_INPUTS} == set(Action)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.why)
def test_every_row_decides_something(row: object) -> None:
    assert any(decide(it) is row for it in ALL_INPUTS)


def test_every_question_has_an_end() -> None:
    """Once the answer is filled in, the same question is not asked again."""
    for it in ALL_INPUTS:
        if decide(it).action is Action.POLL_JOB:
            assert it.remote is RemoteState.NOT_ASKED
        if decide(it).action is Action.ASK_HISTORY:
            assert it.history is HistoryLookup.NOT_ASKED


def test_a_clear_after_a_content_block_asks_again() -> None:
    it = DecisionInput(JournalState.SUBMITTED, Attempt.CLEARED, remote=RemoteState.BLOCKED)
    assert decide(it).action is Action.SUBMIT_NEW_GENERATION


def make_entry(phase: Phase = Phase.SUBMITTED, max_tries: int = 2) -> JournalEntry:
    return JournalEntry(phase, "0123", "model", 0, 7, 1, max_tries, 1e9)


@pytest.mark.parametrize(
    ("entry", "try_number", "max_tries", "attempt"),
    [
        pytest.param(None, 1, 2, Attempt.FIRST, id="first try"),
        pytest.param(None, 2, 2, Attempt.AGAIN, id="a later try that finds nothing"),
        pytest.param(make_entry(), 1, 2, Attempt.AGAIN, id="the same try again: a restart"),
        pytest.param(make_entry(), 2, 2, Attempt.AGAIN, id="a retry"),
        pytest.param(make_entry(), 2, 3, Attempt.CLEARED, id="a clear after the first try"),
        pytest.param(make_entry(max_tries=3), 3, 3, Attempt.AGAIN, id="a retry after the clear"),
        pytest.param(make_entry(), 2, 2, Attempt.AGAIN, id="a clear while it ran leaves max_tries"),
        pytest.param(make_entry(max_tries=0), 2, 1, Attempt.CLEARED, id="a clear of a task without retries"),
        pytest.param(None, 3, 4, Attempt.AGAIN, id="a clear that finds no journal"),
    ],
)
def test_a_clear_is_told_from_a_retry_by_max_tries(
    entry: JournalEntry | None, try_number: int, max_tries: int, attempt: Attempt
) -> None:
    assert attempt_of(entry, try_number, max_tries) is attempt


@pytest.mark.parametrize(
    ("entry", "journal"),
    [
        pytest.param(None, JournalState.EMPTY, id="nothing"),
        pytest.param(make_entry(Phase.NOT_ACCEPTED), JournalState.EMPTY, id="withdrawn"),
        pytest.param(make_entry(Phase.INTENT), JournalState.INTENT, id="intent"),
        pytest.param(make_entry(Phase.SUBMITTED), JournalState.SUBMITTED, id="submitted"),
        pytest.param(make_entry(Phase.DELIVERED), JournalState.DELIVERED, id="delivered"),
    ],
)
def test_the_journal_is_read_as_a_state(entry: JournalEntry | None, journal: JournalState) -> None:
    assert journal_state_of(entry) is journal
