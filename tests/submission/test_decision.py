"""The decision tables against the promises that they must keep, over every combination of what can be known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from airflow_provider_runway.submission.classify_earlier_submit import EARLIER_SUBMIT_RULES, classify_earlier_submit
from airflow_provider_runway.submission.decision import RULES, decide
from airflow_provider_runway.submission.decision_input import (
    Action,
    Attempt,
    DecisionInput,
    EarlierSubmitResult,
    HistoryLookup,
    Inputs,
    JournalState,
    OnOrphanedIntent,
    RemoteState,
    classify_attempt,
    classify_journal_entry,
)
from airflow_provider_runway.submission.journal import JournalEntry, Phase

EVERYTHING = [
    DecisionInput(*values)
    for values in product(JournalState, Attempt, Inputs, RemoteState, HistoryLookup, OnOrphanedIntent)
]
SUBMITS = {Action.SUBMIT, Action.SUBMIT_NEW_GENERATION}
HAS_ID = {JournalState.SUBMITTED, JournalState.DELIVERED, JournalState.KEPT}
NO_ENTRY = {JournalState.EMPTY, JournalState.NONE}


def may_have_sent(known: DecisionInput) -> bool:
    """Can an earlier POST of this logical job have been accepted, without its id being known?"""
    wants_another_job = known.attempt is Attempt.CLEARED and known.inputs is Inputs.CHANGED
    return (
        (known.journal is JournalState.INTENT and not wants_another_job)
        or (known.journal in NO_ENTRY and known.attempt is not Attempt.FIRST)
        or known.journal is JournalState.UNREADABLE
    )


def may_replace_lost_job(known: DecisionInput) -> bool:
    return known.attempt is Attempt.CLEARED and known.on_orphaned_intent is OnOrphanedIntent.RESUBMIT


def wants_known_job(known: DecisionInput) -> bool:
    """Is the job's id known, and is it this job that is wanted?"""
    if known.journal not in HAS_ID:
        return False
    if known.attempt is not Attempt.CLEARED:
        return True
    return known.journal in {JournalState.SUBMITTED, JournalState.KEPT} and known.inputs is Inputs.SAME


#: Promise -> (what it is about, the actions that keep it). Written without the tables.
PROMISES: dict[str, tuple[Callable[[DecisionInput], bool], set[Action]]] = {
    "nothing is sent again before the history proved that the first POST was not accepted": (
        lambda known: (
            may_have_sent(known)
            and known.history is not HistoryLookup.ABSENT
            and known.on_orphaned_intent is OnOrphanedIntent.FAIL
        ),
        set(Action) - SUBMITS,
    ),
    "whoever asked for resubmit pays again only after the history could not tell": (
        lambda known: may_have_sent(known) and known.history not in (HistoryLookup.ABSENT, HistoryLookup.UNCLEAR),
        set(Action) - SUBMITS,
    ),
    "where the history cannot tell, the task is refused": (
        lambda known: (
            may_have_sent(known)
            and known.history is HistoryLookup.UNCLEAR
            and known.on_orphaned_intent is OnOrphanedIntent.FAIL
        ),
        {Action.REFUSE},
    ),
    "where the history cannot tell and the author asked for it, a new job is submitted": (
        lambda known: (
            may_have_sent(known)
            and known.history is HistoryLookup.UNCLEAR
            and known.on_orphaned_intent is OnOrphanedIntent.RESUBMIT
        ),
        {Action.SUBMIT_NEW_GENERATION},
    ),
    "what the history shows is adopted": (
        lambda known: may_have_sent(known) and known.history is HistoryLookup.FOUND,
        {Action.ADOPT},
    ),
    "what was surely not accepted is submitted with the same seed": (
        lambda known: may_have_sent(known) and known.history is HistoryLookup.ABSENT,
        {Action.SUBMIT},
    ),
    "the history is asked first": (
        lambda known: may_have_sent(known) and known.history is HistoryLookup.NOT_ASKED,
        {Action.ASK_HISTORY},
    ),
    "a row that may still appear is waited for": (
        lambda known: may_have_sent(known) and known.history is HistoryLookup.NOT_SETTLED,
        {Action.COME_BACK_LATER},
    ),
    "a known job is polled first": (
        lambda known: wants_known_job(known) and known.remote is RemoteState.NOT_ASKED,
        {Action.POLL_JOB},
    ),
    "a running job, or one that does not respond, is waited for": (
        lambda known: wants_known_job(known) and known.remote in (RemoteState.ALIVE, RemoteState.UNANSWERED),
        {Action.REATTACH},
    ),
    "a finished job is delivered": (
        lambda known: wants_known_job(known) and known.remote is RemoteState.COMPLETED,
        {Action.DELIVER},
    ),
    "after a failed job, which is not billed, a new one is submitted": (
        lambda known: wants_known_job(known) and known.remote is RemoteState.FAILED,
        {Action.SUBMIT_NEW_GENERATION},
    ),
    "a content block is final until a person clears the task": (
        lambda known: (
            wants_known_job(known) and known.remote is RemoteState.BLOCKED and known.attempt is not Attempt.CLEARED
        ),
        {Action.FAIL},
    ),
    "a content block makes room for a new job once a person cleared the task": (
        lambda known: (
            wants_known_job(known) and known.remote is RemoteState.BLOCKED and known.attempt is Attempt.CLEARED
        ),
        {Action.SUBMIT_NEW_GENERATION},
    ),
    "a job that is gone is not paid for again by itself": (
        lambda known: wants_known_job(known) and known.remote is RemoteState.GONE and not may_replace_lost_job(known),
        {Action.FAIL},
    ),
    "a job that is gone is replaced where a person cleared the task and the author says so": (
        lambda known: wants_known_job(known) and known.remote is RemoteState.GONE and may_replace_lost_job(known),
        {Action.SUBMIT_NEW_GENERATION},
    ),
    "a clear of a delivered task asks for a new job": (
        lambda known: known.journal is JournalState.DELIVERED and known.attempt is Attempt.CLEARED,
        {Action.SUBMIT_NEW_GENERATION},
    ),
    "changed inputs make a new job after a clear": (
        lambda known: (
            known.journal in HAS_ID | {JournalState.INTENT}
            and known.attempt is Attempt.CLEARED
            and known.inputs is Inputs.CHANGED
        ),
        {Action.SUBMIT_NEW_GENERATION},
    ),
    "where nothing was accepted, the job is submitted": (
        lambda known: (
            known.journal in (JournalState.OFF, JournalState.NOT_ACCEPTED)
            or (known.journal in NO_ENTRY and known.attempt is Attempt.FIRST)
        ),
        {Action.SUBMIT},
    ),
}


def test_the_tables_keep_the_promise_that(subtests: pytest.Subtests) -> None:
    for promise in PROMISES:
        with subtests.test(promise=promise):
            is_about, kept_by = PROMISES[promise]
            cases = [known for known in EVERYTHING if is_about(known)]
            assert cases, "the promise is about nothing"
            assert [known for known in cases if decide(known).action not in kept_by] == []


def test_the_promises_name_one_action_for_every_combination() -> None:
    """So the promises are the whole table, said a second time."""
    exact = [is_about for is_about, kept_by in PROMISES.values() if len(kept_by) == 1]
    assert [known for known in EVERYTHING if not any(is_about(known) for is_about in exact)] == []


def test_every_combination_is_covered_by_exactly_one_rule_of_each_table() -> None:
    for known in EVERYTHING:
        assert sum(rule.covers(known) for rule in EARLIER_SUBMIT_RULES) == 1, known
        assert sum(rule.covers(known) for rule in RULES) == 1, known


def test_every_rule_of_both_tables_applies_somewhere() -> None:
    for rules in (EARLIER_SUBMIT_RULES, RULES):
        for rule in rules:
            assert any(rule.covers(known) for known in EVERYTHING), rule.why


def test_a_question_that_was_answered_is_not_asked_again() -> None:
    for known in EVERYTHING:
        if decide(known).action is Action.POLL_JOB:
            assert known.remote is RemoteState.NOT_ASKED
        if decide(known).action is Action.ASK_HISTORY:
            assert known.history is HistoryLookup.NOT_ASKED


def test_changed_inputs_change_nothing_on_an_automatic_retry() -> None:
    for known in EVERYTHING:
        if known.attempt is not Attempt.CLEARED:
            same = DecisionInput(known.journal, known.attempt, Inputs.SAME)
            changed = DecisionInput(known.journal, known.attempt, Inputs.CHANGED)
            assert classify_earlier_submit(same) is classify_earlier_submit(changed)


def test_an_unreadable_entry_proves_nothing_even_on_the_first_try() -> None:
    known = DecisionInput(JournalState.UNREADABLE, Attempt.FIRST)
    assert classify_earlier_submit(known) is EarlierSubmitResult.UNKNOWN


def make_entry(phase: Phase = Phase.SUBMITTED, max_tries: int = 2) -> JournalEntry:
    return JournalEntry(phase, "0123", "model", 0, 7, 1, max_tries, 1e9)


def test_a_clear_is_told_from_a_retry_by_max_tries(subtests: pytest.Subtests) -> None:
    for case, entry, try_number, max_tries, attempt in (
        ("first try", None, 1, 2, Attempt.FIRST),
        ("a later try without an entry", None, 2, 2, Attempt.AGAIN),
        ("the same try again: a restart", make_entry(), 1, 2, Attempt.AGAIN),
        ("a retry", make_entry(), 2, 2, Attempt.AGAIN),
        ("a clear after the first try", make_entry(), 2, 3, Attempt.CLEARED),
        ("a retry after the clear", make_entry(max_tries=3), 3, 3, Attempt.AGAIN),
        ("a clear while it ran leaves max_tries", make_entry(), 2, 2, Attempt.AGAIN),
        ("a clear of a task without retries", make_entry(max_tries=0), 2, 1, Attempt.CLEARED),
        ("a clear that empties the store", None, 3, 4, Attempt.AGAIN),
    ):
        with subtests.test(case):
            assert classify_attempt(entry, try_number, max_tries) is attempt


def test_a_journal_entry_is_read_as_a_state(subtests: pytest.Subtests) -> None:
    for entry, state in (
        (None, JournalState.EMPTY),
        (make_entry(Phase.STARTED), JournalState.NOT_ACCEPTED),
        (make_entry(Phase.NOT_ACCEPTED), JournalState.NOT_ACCEPTED),
        (make_entry(Phase.INTENT), JournalState.INTENT),
        (make_entry(Phase.SUBMITTED), JournalState.SUBMITTED),
        (make_entry(Phase.DELIVERED), JournalState.DELIVERED),
    ):
        with subtests.test(entry=entry, state=state):
            assert classify_journal_entry(entry) is state
