"""What an earlier submit of a task may have left behind: a table by the journal, which comes before ``decision``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from airflow_provider_runway.submission.decision_input import (
    Attempt,
    DecisionInput,
    EarlierSubmitResult,
    Inputs,
    JournalState,
    any_of,
)


@dataclass(frozen=True, slots=True)
class EarlierSubmitRule:
    """One row of the table: the journal, attempts and inputs that it covers, what follows, and why."""

    journal: frozenset[JournalState]
    earlier: EarlierSubmitResult
    why: str
    attempt: frozenset[Attempt] = frozenset(Attempt)
    inputs: frozenset[Inputs] = frozenset(Inputs)

    def covers(self, known: DecisionInput) -> bool:
        """Does this row apply?"""
        return known.journal in self.journal and known.attempt in self.attempt and known.inputs in self.inputs


_NOT_CLEARED = any_of(Attempt.FIRST, Attempt.AGAIN)
_CLEARED = any_of(Attempt.CLEARED)
_CHANGED, _SAME = any_of(Inputs.CHANGED), any_of(Inputs.SAME)

#: Every combination of journal, attempt and inputs is covered by exactly one row (a test walks them all).
EARLIER_SUBMIT_RULES: tuple[EarlierSubmitRule, ...] = (
    EarlierSubmitRule(
        any_of(JournalState.OFF), EarlierSubmitResult.NOTHING, "durable=False: earlier tries are not asked about"
    ),
    EarlierSubmitRule(
        any_of(JournalState.NOT_ACCEPTED), EarlierSubmitResult.NOTHING, "the journal shows that no submit was accepted"
    ),
    EarlierSubmitRule(
        any_of(JournalState.EMPTY, JournalState.NONE),
        EarlierSubmitResult.NOTHING,
        "this is the first try of the task instance",
        attempt=any_of(Attempt.FIRST),
    ),
    EarlierSubmitRule(
        any_of(JournalState.EMPTY, JournalState.NONE),
        EarlierSubmitResult.UNKNOWN,
        "an earlier try may have submitted, and nothing is written down",
        attempt=any_of(Attempt.AGAIN, Attempt.CLEARED),
    ),
    EarlierSubmitRule(
        any_of(JournalState.UNREADABLE),
        EarlierSubmitResult.UNKNOWN,
        "the journal's entry cannot be read, so it may say anything",
    ),
    EarlierSubmitRule(
        any_of(JournalState.INTENT),
        EarlierSubmitResult.UNKNOWN,
        "an earlier submit may have become a job",
        attempt=_NOT_CLEARED,
    ),
    EarlierSubmitRule(
        any_of(JournalState.INTENT),
        EarlierSubmitResult.UNKNOWN,
        "an earlier submit may have become a job, and the task was cleared with the same inputs",
        attempt=_CLEARED,
        inputs=_SAME,
    ),
    EarlierSubmitRule(
        any_of(JournalState.SUBMITTED, JournalState.DELIVERED),
        EarlierSubmitResult.JOB,
        "an earlier try submitted this job",
        attempt=_NOT_CLEARED,
    ),
    EarlierSubmitRule(
        any_of(JournalState.SUBMITTED),
        EarlierSubmitResult.JOB,
        "an earlier try submitted this job, and nothing was delivered before the clear",
        attempt=_CLEARED,
        inputs=_SAME,
    ),
    EarlierSubmitRule(
        any_of(JournalState.INTENT, JournalState.SUBMITTED),
        EarlierSubmitResult.OLD_JOB,
        "the task was cleared and its inputs changed; the earlier job, if there is one, is billed too",
        attempt=_CLEARED,
        inputs=_CHANGED,
    ),
    EarlierSubmitRule(
        any_of(JournalState.DELIVERED),
        EarlierSubmitResult.OLD_JOB,
        "the last job was delivered and the task was cleared since",
        attempt=_CLEARED,
    ),
    EarlierSubmitRule(
        any_of(JournalState.KEPT),
        EarlierSubmitResult.JOB,
        "the row succeeded, and a clear of its batch keeps it",
        inputs=_SAME,
    ),
    EarlierSubmitRule(
        any_of(JournalState.KEPT),
        EarlierSubmitResult.JOB,
        "the row succeeded before this retry",
        attempt=_NOT_CLEARED,
        inputs=_CHANGED,
    ),
    EarlierSubmitRule(
        any_of(JournalState.KEPT),
        EarlierSubmitResult.OLD_JOB,
        "the row succeeded, and its inputs changed before the batch was cleared",
        attempt=_CLEARED,
        inputs=_CHANGED,
    ),
)


def classify_earlier_submit(known: DecisionInput) -> EarlierSubmitResult:
    """Return what an earlier submit may have left behind, by the table."""
    return find_earlier_submit_rule(known).earlier


@cache
def find_earlier_submit_rule(known: DecisionInput) -> EarlierSubmitRule:
    """Return the row of the table that applies.

    :raises LookupError: no row applies, which the test of the table excludes.
    """
    for rule in EARLIER_SUBMIT_RULES:
        if rule.covers(known):
            return rule
    raise LookupError(f"no rule covers {known}")
