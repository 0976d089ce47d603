"""Decides what a task does about its job, by two tables. No I/O and no clock; nothing else in the package decides it.

:data:`EARLIER_SUBMIT_RULES` says what an earlier submit of the task instance may have left behind.
:data:`RULES` says what to do then. The caller fills in what it knows, asks what the table wants to know
(``POLL_JOB``, ``ASK_HISTORY``), and decides again, until the table names a step that ends the matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TypeVar

from airflow_provider_runway.submission.decision_input import (
    Action,
    Attempt,
    DecisionInput,
    EarlierSubmit,
    HistoryLookup,
    Inputs,
    JournalState,
    OnOrphanedIntent,
    RemoteState,
)

T = TypeVar("T", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class EarlierSubmitRule:
    """One row of the first table: the journal, attempts and inputs that it covers, what follows, and why."""

    journal: frozenset[JournalState]
    earlier: EarlierSubmit
    why: str
    attempt: frozenset[Attempt] = frozenset(Attempt)
    inputs: frozenset[Inputs] = frozenset(Inputs)

    def covers(self, known: DecisionInput) -> bool:
        """Does this row apply?"""
        return known.journal in self.journal and known.attempt in self.attempt and known.inputs in self.inputs


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the second table: what it covers, the action, and why.

    :param earlier_may_be_billed: where the action submits: whether the earlier job may cost money besides the new one.
    """

    earlier: EarlierSubmit
    action: Action
    why: str
    remote: frozenset[RemoteState] = frozenset(RemoteState)
    history: frozenset[HistoryLookup] = frozenset(HistoryLookup)
    attempt: frozenset[Attempt] = frozenset(Attempt)
    on_orphaned_intent: frozenset[OnOrphanedIntent] = frozenset(OnOrphanedIntent)
    earlier_may_be_billed: bool = False

    def covers(self, known: DecisionInput) -> bool:
        """Does this row apply?"""
        return (
            classify_earlier_submit(known) is self.earlier
            and known.remote in self.remote
            and known.history in self.history
            and known.attempt in self.attempt
            and known.on_orphaned_intent in self.on_orphaned_intent
        )


def _any_of(*values: T) -> frozenset[T]:
    return frozenset(values)


_NOT_CLEARED = _any_of(Attempt.FIRST, Attempt.AGAIN)
_CLEARED = _any_of(Attempt.CLEARED)
_CHANGED, _SAME = _any_of(Inputs.CHANGED), _any_of(Inputs.SAME)

#: Every combination of journal, attempt and inputs is covered by exactly one row (a test walks them all).
EARLIER_SUBMIT_RULES: tuple[EarlierSubmitRule, ...] = (
    EarlierSubmitRule(
        _any_of(JournalState.OFF), EarlierSubmit.NOTHING, "durable=False: earlier tries are not asked about"
    ),
    EarlierSubmitRule(
        _any_of(JournalState.NOT_ACCEPTED), EarlierSubmit.NOTHING, "the journal shows that no submit was accepted"
    ),
    EarlierSubmitRule(
        _any_of(JournalState.EMPTY, JournalState.NONE),
        EarlierSubmit.NOTHING,
        "this is the first try of the task instance",
        attempt=_any_of(Attempt.FIRST),
    ),
    EarlierSubmitRule(
        _any_of(JournalState.EMPTY, JournalState.NONE),
        EarlierSubmit.UNKNOWN,
        "an earlier try may have submitted, and nothing is written down",
        attempt=_any_of(Attempt.AGAIN, Attempt.CLEARED),
    ),
    EarlierSubmitRule(
        _any_of(JournalState.UNREADABLE),
        EarlierSubmit.UNKNOWN,
        "the journal's entry cannot be read, so it may say anything",
    ),
    EarlierSubmitRule(
        _any_of(JournalState.INTENT),
        EarlierSubmit.UNKNOWN,
        "an earlier submit may have become a job",
        attempt=_NOT_CLEARED,
    ),
    EarlierSubmitRule(
        _any_of(JournalState.INTENT),
        EarlierSubmit.UNKNOWN,
        "an earlier submit may have become a job, and the task was cleared with the same inputs",
        attempt=_CLEARED,
        inputs=_SAME,
    ),
    EarlierSubmitRule(
        _any_of(JournalState.SUBMITTED, JournalState.DELIVERED),
        EarlierSubmit.JOB,
        "an earlier try submitted this job",
        attempt=_NOT_CLEARED,
    ),
    EarlierSubmitRule(
        _any_of(JournalState.SUBMITTED),
        EarlierSubmit.JOB,
        "an earlier try submitted this job, and nothing was delivered before the clear",
        attempt=_CLEARED,
        inputs=_SAME,
    ),
    EarlierSubmitRule(
        _any_of(JournalState.INTENT, JournalState.SUBMITTED),
        EarlierSubmit.OLD_JOB,
        "the task was cleared and its inputs changed; the earlier job, if there is one, is billed too",
        attempt=_CLEARED,
        inputs=_CHANGED,
    ),
    EarlierSubmitRule(
        _any_of(JournalState.DELIVERED),
        EarlierSubmit.OLD_JOB,
        "the last job was delivered and the task was cleared since, so a new job is wanted",
        attempt=_CLEARED,
    ),
    EarlierSubmitRule(
        _any_of(JournalState.KEPT),
        EarlierSubmit.JOB,
        "the row succeeded, and a clear of its batch keeps it",
        inputs=_SAME,
    ),
    EarlierSubmitRule(
        _any_of(JournalState.KEPT),
        EarlierSubmit.JOB,
        "the row succeeded before this retry",
        attempt=_NOT_CLEARED,
        inputs=_CHANGED,
    ),
    EarlierSubmitRule(
        _any_of(JournalState.KEPT),
        EarlierSubmit.OLD_JOB,
        "the row succeeded, and its inputs changed before the batch was cleared, so a new job is wanted",
        attempt=_CLEARED,
        inputs=_CHANGED,
    ),
)

#: Every combination is covered by exactly one row (a test walks them all).
RULES: tuple[Rule, ...] = (
    Rule(EarlierSubmit.NOTHING, Action.SUBMIT, "no earlier submit was accepted"),
    Rule(EarlierSubmit.OLD_JOB, Action.SUBMIT_NEW_GENERATION, "a new job is wanted", earlier_may_be_billed=True),
    Rule(
        EarlierSubmit.UNKNOWN,
        Action.ASK_HISTORY,
        "only the history can tell whether a job exists",
        history=_any_of(HistoryLookup.NOT_ASKED),
    ),
    Rule(
        EarlierSubmit.UNKNOWN,
        Action.ADOPT,
        "the account's history shows the job",
        history=_any_of(HistoryLookup.FOUND),
    ),
    Rule(
        EarlierSubmit.UNKNOWN,
        Action.SUBMIT,
        "the account's history shows that no job came of it",
        history=_any_of(HistoryLookup.ABSENT),
    ),
    Rule(
        EarlierSubmit.UNKNOWN,
        Action.COME_BACK_LATER,
        "the job's history row may still appear",
        history=_any_of(HistoryLookup.NOT_SETTLED),
    ),
    Rule(
        EarlierSubmit.UNKNOWN,
        Action.REFUSE,
        "the account's history cannot tell whether a job exists",
        history=_any_of(HistoryLookup.UNCLEAR),
        on_orphaned_intent=_any_of(OnOrphanedIntent.FAIL),
    ),
    Rule(
        EarlierSubmit.UNKNOWN,
        Action.SUBMIT_NEW_GENERATION,
        'a job may exist that cannot be found, and on_orphaned_intent="resubmit" says to pay again',
        history=_any_of(HistoryLookup.UNCLEAR),
        on_orphaned_intent=_any_of(OnOrphanedIntent.RESUBMIT),
        earlier_may_be_billed=True,
    ),
    Rule(
        EarlierSubmit.JOB,
        Action.POLL_JOB,
        "only the API can tell what became of the job",
        remote=_any_of(RemoteState.NOT_ASKED),
    ),
    Rule(EarlierSubmit.JOB, Action.REATTACH, "the job is alive", remote=_any_of(RemoteState.ALIVE)),
    Rule(
        EarlierSubmit.JOB,
        Action.REATTACH,
        "the API did not respond; the wait asks again",
        remote=_any_of(RemoteState.UNANSWERED),
    ),
    Rule(EarlierSubmit.JOB, Action.DELIVER, "the job is done, and paid for", remote=_any_of(RemoteState.COMPLETED)),
    Rule(
        EarlierSubmit.JOB,
        Action.SUBMIT_NEW_GENERATION,
        "the job failed, which is not billed",
        remote=_any_of(RemoteState.FAILED),
    ),
    Rule(
        EarlierSubmit.JOB,
        Action.FAIL,
        "the content was refused, and a retry would be refused again",
        remote=_any_of(RemoteState.BLOCKED),
        attempt=_NOT_CLEARED,
    ),
    Rule(
        EarlierSubmit.JOB,
        Action.SUBMIT_NEW_GENERATION,
        "the content was refused, which is not billed, and the task was cleared since",
        remote=_any_of(RemoteState.BLOCKED),
        attempt=_CLEARED,
    ),
    Rule(
        EarlierSubmit.JOB,
        Action.SUBMIT_NEW_GENERATION,
        'the job is gone, the task was cleared since, and on_orphaned_intent="resubmit" says to pay again',
        remote=_any_of(RemoteState.GONE),
        attempt=_CLEARED,
        on_orphaned_intent=_any_of(OnOrphanedIntent.RESUBMIT),
        earlier_may_be_billed=True,
    ),
    Rule(
        EarlierSubmit.JOB,
        Action.FAIL,
        "the job's record and history row are gone; it may have been billed",
        remote=_any_of(RemoteState.GONE),
        on_orphaned_intent=_any_of(OnOrphanedIntent.FAIL),
    ),
    Rule(
        EarlierSubmit.JOB,
        Action.FAIL,
        "the job's record and history row are gone, and the task was not cleared since",
        remote=_any_of(RemoteState.GONE),
        attempt=_NOT_CLEARED,
        on_orphaned_intent=_any_of(OnOrphanedIntent.RESUBMIT),
    ),
)


def classify_earlier_submit(known: DecisionInput) -> EarlierSubmit:
    """Return what an earlier submit may have left behind, by the first table."""
    return find_earlier_submit_rule(known).earlier


@cache
def find_earlier_submit_rule(known: DecisionInput) -> EarlierSubmitRule:
    """Return the row of the first table that applies.

    :raises LookupError: no row applies, which the test of the table excludes.
    """
    for rule in EARLIER_SUBMIT_RULES:
        if rule.covers(known):
            return rule
    raise LookupError(f"no rule covers {known}")


@cache
def decide(known: DecisionInput) -> Rule:
    """Return the row of the second table that applies.

    :raises LookupError: no row applies, which the test of the table excludes.
    """
    for rule in RULES:
        if rule.covers(known):
            return rule
    raise LookupError(f"no rule covers {known}")
