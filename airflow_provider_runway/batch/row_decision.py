"""Decides what is to be done for one row of a batch now. It asks the tables of single jobs; no I/O and no clock.

What a batch adds to the tables: a row that succeeded is kept after a clear, a job that is alive is waited for together
with the others, and a job of this try that failed is not replaced before the next try.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_runway.batch.row_state import RowState
from airflow_provider_runway.exceptions import (
    BadConnectionError,
    ContentBlockedError,
    JobFailedError,
    OutputMissingError,
    RecordExpiredError,
)
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind
from airflow_provider_runway.submission.classify_earlier_submit import classify_earlier_submit
from airflow_provider_runway.submission.decision import decide
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


class RowStep(StrEnum):
    """What is to be done for a row now."""

    NOTHING = "nothing: it has its result"
    STORE = "store the video of its finished job"
    WAIT = "wait for its job"
    SUBMIT = "submit it"
    ASK_HISTORY = "look for its submit in the account's history"
    WAIT_FOR_HISTORY = "ask the account's history again later"
    REFUSE = "end it as unknown: a job may exist, and cannot be found"
    FAIL = "end it with the error of its job"


@dataclass(frozen=True, slots=True)
class RowDecision:
    """A step, and why.

    :param is_new_generation: the row gets a new job, with another seed.
    :param earlier_may_be_billed: there may be a bill for the job that it replaces.
    """

    step: RowStep
    why: str = ""
    is_new_generation: bool = False
    earlier_may_be_billed: bool = True


@dataclass(frozen=True, slots=True)
class BatchTry:
    """What a decision about a row depends on beside the row itself.

    :param had_journal: the batch's journal was there when this try began, so that a row without a line was not sent.
    :param is_damaged: a file of the journal cannot be read, so that it may say anything of any row.
    :param damaged_at: when this was last so (epoch seconds). A row whose known submits are older may have had one more.
    """

    try_number: int
    max_tries: int
    had_journal: bool
    is_damaged: bool = False
    damaged_at: float | None = None
    on_orphaned_intent: OnOrphanedIntent = OnOrphanedIntent.FAIL


_REMOTE_BY_CODE = {
    None: RemoteState.COMPLETED,
    JobFailedError.code: RemoteState.FAILED,
    ContentBlockedError.code: RemoteState.BLOCKED,
    RecordExpiredError.code: RemoteState.GONE,
    OutputMissingError.code: RemoteState.GONE,
}
_STEPS = {
    Action.ASK_HISTORY: RowStep.ASK_HISTORY,
    Action.SUBMIT: RowStep.SUBMIT,
    Action.SUBMIT_NEW_GENERATION: RowStep.SUBMIT,
    Action.POLL_JOB: RowStep.WAIT,
    Action.REATTACH: RowStep.WAIT,
    Action.DELIVER: RowStep.STORE,
    Action.COME_BACK_LATER: RowStep.WAIT_FOR_HISTORY,
    Action.REFUSE: RowStep.REFUSE,
    Action.FAIL: RowStep.FAIL,
}


def decide_row(
    state: RowState,
    current: BatchTry,
    *,
    is_same: bool = True,
    history: HistoryLookup = HistoryLookup.NOT_ASKED,
) -> RowDecision:
    """Return what to do for a row.

    :param is_same: whether its inputs are those of its last submit.
    :param history: what the account's history said of its submit in this execution.
    """
    known = describe_row(state, current, is_same=is_same, history=history)
    earlier = classify_earlier_submit(known)
    if earlier is EarlierSubmitResult.JOB and state.has_result_of(current.try_number):
        return RowDecision(RowStep.NOTHING, "it has its result")
    if earlier is not EarlierSubmitResult.OLD_JOB and not state.is_success and state.has_result_of(current.try_number):
        return RowDecision(RowStep.NOTHING, "it has its result of this try")
    if earlier is EarlierSubmitResult.JOB and _ended_in_this_try(state, current):
        return RowDecision(RowStep.FAIL, "its job ended in this try")
    rule = decide(known)
    if history is HistoryLookup.NOT_ASKED and _STEPS[rule.action] is RowStep.SUBMIT and _may_have_newer(state, current):
        return RowDecision(RowStep.ASK_HISTORY, "a file that could not be read may have had a newer submit")
    is_new_generation = rule.action is Action.SUBMIT_NEW_GENERATION
    return RowDecision(_STEPS[rule.action], rule.why, is_new_generation, rule.earlier_may_be_billed)


def describe_row(
    state: RowState, current: BatchTry, *, is_same: bool = True, history: HistoryLookup = HistoryLookup.NOT_ASKED
) -> DecisionInput:
    """Return what the tables want to know of a row."""
    attempt = classify_attempt(state.entry, current.try_number, current.max_tries)
    if state.is_success:
        journal = JournalState.KEPT
    elif state.request_id is None and (current.is_damaged or _may_have_newer(state, current)):
        journal = JournalState.UNREADABLE
    elif state.entry is None and current.had_journal:
        journal, attempt = JournalState.NOT_ACCEPTED, Attempt.AGAIN
    else:
        journal = classify_journal_entry(state.entry)
    return DecisionInput(
        journal=journal,
        attempt=attempt,
        inputs=Inputs.SAME if is_same else Inputs.CHANGED,
        remote=find_remote_state(state, current.try_number),
        history=history,
        on_orphaned_intent=current.on_orphaned_intent,
    )


def find_remote_state(state: RowState, try_number: int) -> RemoteState:
    """Return what is known of the row's job beyond the journal of its submit. A wait that ended early says nothing."""
    if state.is_success:
        return RemoteState.COMPLETED
    if state.outcome is not None and (code := state.outcome.outcome.code) in _REMOTE_BY_CODE:
        return _REMOTE_BY_CODE[code]
    if state.result is not None and state.result.try_number < try_number:
        code = state.result.code
        return _REMOTE_BY_CODE.get(code, RemoteState.NOT_ASKED) if code is not None else RemoteState.NOT_ASKED
    return RemoteState.NOT_ASKED


def _may_have_newer(state: RowState, current: BatchTry) -> bool:
    """May there have been a submit after the last that is known, of which a damaged file had the only line?"""
    if current.damaged_at is None or (state.entry is not None and state.request_id is None):
        return False
    return state.entry is None or state.entry.sent_at < current.damaged_at


def lost_connection(state: RowState, try_number: int) -> bool:
    """Did this try's wait for the job end because its process could not use the connection?"""
    seen = state.outcome
    return seen is not None and seen.try_number == try_number and seen.outcome.code == BadConnectionError.code


def _ended_in_this_try(state: RowState, current: BatchTry) -> bool:
    """Did the wait of this try end without a video, in a way that another job would not change in this try?"""
    seen = state.outcome
    if seen is None or seen.outcome.kind is OutcomeKind.COMPLETED or seen.try_number != current.try_number:
        return False
    if lost_connection(state, current.try_number):
        return False
    was_submitted_now = state.entry is not None and state.entry.try_number == current.try_number
    return was_submitted_now or seen.outcome.code not in _REMOTE_BY_CODE
