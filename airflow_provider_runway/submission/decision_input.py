"""What a decision about a task's job depends on, as values, and how they are read from the journal. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.submission.journal import JournalEntry, Phase

T = TypeVar("T", bound=StrEnum)


class JournalState(StrEnum):
    """What the task instance's journal says."""

    OFF = "off"  # durable=False: the author wants no journal
    NONE = "none"  # there is no store: Airflow before 3.3, without [runway] journal_path
    EMPTY = "empty"  # there is a store, and it has no entry
    UNREADABLE = "unreadable"  # there is an entry, and it cannot be read
    NOT_ACCEPTED = "not accepted"  # nothing was sent, or it was refused
    INTENT = "intent"  # a POST was about to be sent
    SUBMITTED = "submitted"  # the job's id is known
    DELIVERED = "delivered"  # a task handed the job's result on
    KEPT = "kept"  # a row of a batch succeeded, and its result is among the batch's results


class Attempt(StrEnum):
    """Which attempt of the task instance this is."""

    FIRST = "first"
    AGAIN = "again"  # a retry, a restart, a clear of a running task
    CLEARED = "cleared"  # a person cleared the task after the journal's entry


class Inputs(StrEnum):
    """The request's fingerprint against the journal's."""

    SAME = "same"
    CHANGED = "changed"


class EarlierSubmitResult(StrEnum):
    """What an earlier submit of this task instance may have left behind."""

    NOTHING = "nothing was accepted"
    UNKNOWN = "a job may exist, its id is not known"
    JOB = "a job exists, its id is known"
    OLD_JOB = "whatever exists is not wanted any more"


class RemoteState(StrEnum):
    """What the API says of the job whose id is known."""

    NOT_ASKED = "not asked"
    ALIVE = "alive"
    COMPLETED = "completed"
    FAILED = "failed"
    BLOCKED = "blocked"  # failed, because its content was refused
    GONE = "gone"  # neither a record nor a history row
    UNANSWERED = "unanswered"


class HistoryLookup(StrEnum):
    """What the account's history says of a submit whose job id is not known."""

    NOT_ASKED = "not asked"
    FOUND = "found"
    ABSENT = "surely absent"
    NOT_SETTLED = "not settled"  # its row may still appear
    UNCLEAR = "unclear"  # the history cannot be read, or has rows that may be ours


class OnOrphanedIntent(StrEnum):
    """What the author wants where a job may exist that cannot be found."""

    FAIL = "fail"
    RESUBMIT = "resubmit"


class Action(StrEnum):
    """What to do next."""

    POLL_JOB = "ask the API about the job"
    ASK_HISTORY = "look for the submit in the account's history"
    SUBMIT = "submit"
    SUBMIT_NEW_GENERATION = "submit a new job, with another seed"
    REATTACH = "wait for the job that exists"
    ADOPT = "take over the job that the history shows"
    DELIVER = "hand on the finished job"
    COME_BACK_LATER = "ask the history again later, without a worker slot"
    REFUSE = "fail without a retry, and say what may be billed and how to go on"
    FAIL = "fail without a retry: the job's outcome is final"


@dataclass(frozen=True, slots=True)
class DecisionInput:
    """Everything that a decision depends on."""

    journal: JournalState
    attempt: Attempt
    inputs: Inputs = Inputs.SAME
    remote: RemoteState = RemoteState.NOT_ASKED
    history: HistoryLookup = HistoryLookup.NOT_ASKED
    on_orphaned_intent: OnOrphanedIntent = OnOrphanedIntent.FAIL


def classify_journal_entry(entry: JournalEntry | None) -> JournalState:
    """Return what a store with this entry says."""
    if entry is None:
        return JournalState.EMPTY
    return {
        Phase.STARTED: JournalState.NOT_ACCEPTED,
        Phase.NOT_ACCEPTED: JournalState.NOT_ACCEPTED,
        Phase.INTENT: JournalState.INTENT,
        Phase.SUBMITTED: JournalState.SUBMITTED,
        Phase.DELIVERED: JournalState.DELIVERED,
    }[entry.phase]


def classify_attempt(entry: JournalEntry | None, try_number: int, max_tries: int) -> Attempt:
    """Return which attempt this is. A clear raises ``max_tries``; a retry does not.

    Source: ``clear_task_instances`` of Airflow 2.11.2 and 3.3.2 sets ``max_tries = try_number +
    retries``, except for a task that is running at that time.
    """
    if entry is not None and max_tries > entry.max_tries:
        return Attempt.CLEARED
    return Attempt.FIRST if try_number <= 1 and entry is None else Attempt.AGAIN


def any_of(*values: T) -> frozenset[T]:
    """Return the values that a row of a decision table covers."""
    return frozenset(values)


def read_orphan_policy(value: str) -> OnOrphanedIntent:
    """Return what the argument ``on_orphaned_intent`` asks for.

    :raises BadInputError: it is neither "fail" nor "resubmit".
    """
    try:
        return OnOrphanedIntent(value)
    except ValueError:
        raise BadInputError(
            f'on_orphaned_intent is {str(value)[:40]!r}; allowed: "fail", "resubmit". Nothing was sent.'
        ) from None
