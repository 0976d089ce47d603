"""Decides what a task does about its job, by a table. No I/O and no clock; nothing else in the package decides it.

``classify_earlier_submit`` says what an earlier submit of the task instance may have left behind, and :data:`RULES`
what to do then. The caller fills in what it knows, asks what the table wants to know (``POLL_JOB``, ``ASK_HISTORY``),
and decides again, until the table names a step that ends the matter. The messages about a decision are below the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from airflow_provider_runway.exceptions import (
    NoUsableResponseError,
    OutputMissingError,
    RecordExpiredError,
    RunwayError,
    SubmitOutcomeUnknownError,
)
from airflow_provider_runway.segmind.billing_advice import describe_possible_job
from airflow_provider_runway.segmind.numbers_and_times import format_timestamp
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.submission.classify_earlier_submit import (
    classify_earlier_submit,
    find_earlier_submit_rule,
)
from airflow_provider_runway.submission.decision_input import (
    Action,
    Attempt,
    DecisionInput,
    EarlierSubmitResult,
    HistoryLookup,
    OnOrphanedIntent,
    RemoteState,
    any_of,
)
from airflow_provider_runway.submission.journal import JournalEntry


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: what it covers, the action, and why.

    :param earlier_may_be_billed: where the action submits: whether the earlier job may cost money besides the new one.
    """

    earlier: EarlierSubmitResult
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


_NOT_CLEARED = any_of(Attempt.FIRST, Attempt.AGAIN)
_CLEARED = any_of(Attempt.CLEARED)

#: Every combination is covered by exactly one row (a test walks them all).
RULES: tuple[Rule, ...] = (
    Rule(EarlierSubmitResult.NOTHING, Action.SUBMIT, "no earlier submit was accepted"),
    Rule(
        EarlierSubmitResult.OLD_JOB,
        Action.SUBMIT_NEW_GENERATION,
        "a new job is wanted",
        earlier_may_be_billed=True,
    ),
    Rule(
        EarlierSubmitResult.UNKNOWN,
        Action.ASK_HISTORY,
        "only the history can tell whether a job exists",
        history=any_of(HistoryLookup.NOT_ASKED),
    ),
    Rule(
        EarlierSubmitResult.UNKNOWN,
        Action.ADOPT,
        "the account's history shows the job",
        history=any_of(HistoryLookup.FOUND),
    ),
    Rule(
        EarlierSubmitResult.UNKNOWN,
        Action.SUBMIT,
        "the account's history shows that no job came of it",
        history=any_of(HistoryLookup.ABSENT),
    ),
    Rule(
        EarlierSubmitResult.UNKNOWN,
        Action.COME_BACK_LATER,
        "the job's history row may still appear",
        history=any_of(HistoryLookup.NOT_SETTLED),
    ),
    Rule(
        EarlierSubmitResult.UNKNOWN,
        Action.REFUSE,
        "the account's history cannot tell whether a job exists",
        history=any_of(HistoryLookup.UNCLEAR),
        on_orphaned_intent=any_of(OnOrphanedIntent.FAIL),
    ),
    Rule(
        EarlierSubmitResult.UNKNOWN,
        Action.SUBMIT_NEW_GENERATION,
        'a job may exist that cannot be found, and on_orphaned_intent="resubmit" says to pay again',
        history=any_of(HistoryLookup.UNCLEAR),
        on_orphaned_intent=any_of(OnOrphanedIntent.RESUBMIT),
        earlier_may_be_billed=True,
    ),
    Rule(
        EarlierSubmitResult.JOB,
        Action.POLL_JOB,
        "only the API can tell what became of the job",
        remote=any_of(RemoteState.NOT_ASKED),
    ),
    Rule(EarlierSubmitResult.JOB, Action.REATTACH, "the job is alive", remote=any_of(RemoteState.ALIVE)),
    Rule(
        EarlierSubmitResult.JOB,
        Action.REATTACH,
        "the API did not respond; the wait asks again",
        remote=any_of(RemoteState.UNANSWERED),
    ),
    Rule(
        EarlierSubmitResult.JOB, Action.DELIVER, "the job is done, and paid for", remote=any_of(RemoteState.COMPLETED)
    ),
    Rule(
        EarlierSubmitResult.JOB,
        Action.SUBMIT_NEW_GENERATION,
        "the job failed, which is not billed",
        remote=any_of(RemoteState.FAILED),
    ),
    Rule(
        EarlierSubmitResult.JOB,
        Action.FAIL,
        "the content was refused, and a retry would be refused again",
        remote=any_of(RemoteState.BLOCKED),
        attempt=_NOT_CLEARED,
    ),
    Rule(
        EarlierSubmitResult.JOB,
        Action.SUBMIT_NEW_GENERATION,
        "the content was refused, which is not billed, and the task was cleared since",
        remote=any_of(RemoteState.BLOCKED),
        attempt=_CLEARED,
    ),
    Rule(
        EarlierSubmitResult.JOB,
        Action.SUBMIT_NEW_GENERATION,
        'the job is gone, the task was cleared since, and on_orphaned_intent="resubmit" says to pay again',
        remote=any_of(RemoteState.GONE),
        attempt=_CLEARED,
        on_orphaned_intent=any_of(OnOrphanedIntent.RESUBMIT),
        earlier_may_be_billed=True,
    ),
    Rule(
        EarlierSubmitResult.JOB,
        Action.FAIL,
        "the job's record and history row are gone; it may have been billed",
        remote=any_of(RemoteState.GONE),
        on_orphaned_intent=any_of(OnOrphanedIntent.FAIL),
    ),
    Rule(
        EarlierSubmitResult.JOB,
        Action.FAIL,
        "the job's record and history row are gone, and the task was not cleared since",
        remote=any_of(RemoteState.GONE),
        attempt=_NOT_CLEARED,
        on_orphaned_intent=any_of(OnOrphanedIntent.RESUBMIT),
    ),
)


@cache
def decide(known: DecisionInput) -> Rule:
    """Return the row of the table that applies.

    :raises LookupError: no row applies, which the test of the table excludes.
    """
    for rule in RULES:
        if rule.covers(known):
            return rule
    raise LookupError(f"no rule covers {known}")


def describe_decision(entry: JournalEntry | None, known: DecisionInput, why: str, what_follows: str) -> str | None:
    """Return the log line of what becomes of an earlier submit; None where there was none."""
    if entry is None or classify_earlier_submit(known) is EarlierSubmitResult.NOTHING:
        return None
    earlier = f"Job {entry.request_id} of an earlier submit" if entry.request_id else "An earlier submit without an id"
    reason = find_earlier_submit_rule(known).why
    return f"{earlier} (model {entry.model}, {format_timestamp(entry.sent_at)}): {reason}; {why}. {what_follows}."


def make_unanswered_error(model: str, count: int) -> NoUsableResponseError:
    """Return the error of a try whose submits had no usable response.

    It is worth a retry: the next try asks the history first, because the intent is in the journal.
    """
    return NoUsableResponseError(
        f"{count} submits of this try had no usable response, so it sends no more. One job of model "
        f"{model} may exist and be billed when it completes. A retry, or a clear of the task, asks the "
        "account's history before anything is sent."
    )


def make_refusal(model: str, fingerprint: str, sent_at: float, why: str) -> SubmitOutcomeUnknownError:
    """Return the error where a job may exist that cannot be found, so that nothing more is sent."""
    return SubmitOutcomeUnknownError(describe_possible_job(model, fingerprint, sent_at, why), fingerprint=fingerprint)


def make_final_error(request_id: str | None, outcome: WaitOutcome | None, why: str) -> RunwayError:
    """Return the error of a job whose outcome is final."""
    error = outcome.to_error() if outcome else None
    if error is None:
        return RunwayError(f"Job {request_id}: {why}.")
    if isinstance(error, RecordExpiredError | OutputMissingError):
        way_out = (
            'To have a new job, which is billed again: set on_orphaned_intent="resubmit" on the operator and '
            "clear the task."
        )
        return type(error)(f"{error} {way_out}", **error.facts)
    return error
