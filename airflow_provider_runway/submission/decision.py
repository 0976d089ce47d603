"""What to do with a task's job, as one table. No I/O, no clock; nothing else in the package decides it.

The caller fills in what it knows, asks for what the table wants to know (``POLL_JOB``,
``ASK_HISTORY``), and comes back, until the table names something to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_runway.submission.journal import JournalEntry, Phase


class JournalState(StrEnum):
    """What the journal says."""

    OFF = "off"  # durable=False: the author wants no memory
    NONE = "none"  # there is no store: Airflow before 3.3
    EMPTY = "empty"  # there is one, and it has no entry, or a submit that came to nothing
    INTENT = "intent"
    SUBMITTED = "submitted"
    DELIVERED = "delivered"


class Attempt(StrEnum):
    """Which attempt of the task instance this is."""

    FIRST = "first"
    AGAIN = "again"  # a retry, a restart, a clear while it ran
    CLEARED = "cleared"  # somebody cleared it after the journal's entry


class Inputs(StrEnum):
    """The fingerprint against the journal's."""

    SAME = "same"
    CHANGED = "changed"


class RemoteState(StrEnum):
    """What the API says of the journal's job; its history is asked where the record is gone."""

    NOT_ASKED = "not asked"
    ALIVE = "alive"
    COMPLETED = "completed"
    FAILED = "failed"
    BLOCKED = "blocked"  # failed on its content
    GONE = "gone"  # neither a record nor a history row
    UNANSWERED = "unanswered"


class HistoryLookup(StrEnum):
    """What the account's history says of a submit whose id is not known."""

    NOT_ASKED = "not asked"
    FOUND = "found"
    ABSENT = "absent"  # surely: looked at until a record must have landed
    UNAVAILABLE = "unavailable"


class Action(StrEnum):
    """What to do next."""

    POLL_JOB = "ask the API about the journal's job"
    ASK_HISTORY = "look the submit up in the account's history"
    SUBMIT = "submit; nothing of this generation exists"
    SUBMIT_NEW_GENERATION = "submit the next generation"
    REATTACH = "wait for the job that exists"
    ADOPT = "take the job that the history shows"
    DELIVER = "hand on the finished job"
    REFUSE = "fail without retry: a job may exist that cannot be found"
    FAIL = "fail without retry: the job's end is final"


@dataclass(frozen=True, slots=True)
class DecisionInput:
    """Everything the decision depends on."""

    journal: JournalState
    attempt: Attempt
    inputs: Inputs = Inputs.SAME
    remote: RemoteState = RemoteState.NOT_ASKED
    history: HistoryLookup = HistoryLookup.NOT_ASKED


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: sets of what it covers (None: anything), the step, and why."""

    journal: frozenset[JournalState]
    action: Action
    why: str
    attempt: frozenset[Attempt] | None = None
    inputs: Inputs | None = None
    remote: RemoteState | None = None
    history: HistoryLookup | None = None

    def covers(self, known: DecisionInput) -> bool:
        """Does this row speak of the known?"""
        return (
            known.journal in self.journal
            and (self.attempt is None or known.attempt in self.attempt)
            and (self.inputs is None or known.inputs is self.inputs)
            and (self.remote is None or known.remote is self.remote)
            and (self.history is None or known.history is self.history)
        )


def _notes(*notes: JournalState) -> frozenset[JournalState]:
    return frozenset(notes)


_KNOWN = _notes(JournalState.SUBMITTED, JournalState.DELIVERED)
_AMBIGUOUS = _notes(JournalState.INTENT, JournalState.NONE)
_FIRST, _AGAIN, _CLEARED = (frozenset({attempt}) for attempt in Attempt)

#: Read from the top; the first row that covers the known decides. Every known is covered
#: (a test walks them all).
TABLE: tuple[Rule, ...] = (
    # Nothing can exist.
    Rule(_notes(JournalState.OFF), Action.SUBMIT, "durable=False: no earlier try is asked about"),
    Rule(
        _notes(JournalState.EMPTY), Action.SUBMIT, "the journal shows that nothing was accepted for this task instance"
    ),
    Rule(
        _notes(JournalState.NONE),
        Action.SUBMIT,
        "the first try of this task instance",
        attempt=_FIRST,
        history=HistoryLookup.NOT_ASKED,
    ),
    # A POST may have been accepted, and its id is not known.
    Rule(
        _notes(JournalState.INTENT),
        Action.SUBMIT_NEW_GENERATION,
        "the inputs changed since a submit whose outcome is not known; that one may be billed, too",
        inputs=Inputs.CHANGED,
    ),
    Rule(_AMBIGUOUS, Action.ASK_HISTORY, "an earlier submit may have become a job", history=HistoryLookup.NOT_ASKED),
    Rule(_AMBIGUOUS, Action.ADOPT, "the account's history shows the job", history=HistoryLookup.FOUND),
    Rule(_AMBIGUOUS, Action.SUBMIT, "the account's history shows that no job came of it", history=HistoryLookup.ABSENT),
    Rule(
        _AMBIGUOUS,
        Action.REFUSE,
        "the account's history cannot tell whether a job exists",
        history=HistoryLookup.UNAVAILABLE,
    ),
    # The job's id is known.
    Rule(_KNOWN, Action.SUBMIT_NEW_GENERATION, "the inputs changed since the last job", inputs=Inputs.CHANGED),
    Rule(
        _notes(JournalState.DELIVERED),
        Action.SUBMIT_NEW_GENERATION,
        "the last job was delivered, and the task was cleared since: a new one is wanted",
        attempt=_CLEARED,
    ),
    Rule(_KNOWN, Action.POLL_JOB, "an earlier try submitted this job", remote=RemoteState.NOT_ASKED),
    Rule(_KNOWN, Action.REATTACH, "the job is alive", remote=RemoteState.ALIVE),
    Rule(_KNOWN, Action.DELIVER, "the job is done, and paid for", remote=RemoteState.COMPLETED),
    Rule(_KNOWN, Action.SUBMIT_NEW_GENERATION, "the job failed, which is not billed", remote=RemoteState.FAILED),
    Rule(
        _KNOWN,
        Action.SUBMIT_NEW_GENERATION,
        "the content was refused, which is not billed, and the task was cleared since",
        attempt=_CLEARED,
        remote=RemoteState.BLOCKED,
    ),
    Rule(
        _KNOWN,
        Action.FAIL,
        "the content was refused, and the same inputs would be refused again",
        remote=RemoteState.BLOCKED,
    ),
    Rule(
        _KNOWN,
        Action.FAIL,
        "the job's record and history row are gone; it may have been billed",
        remote=RemoteState.GONE,
    ),
    Rule(
        _KNOWN,
        Action.REATTACH,
        "the API did not answer; the job's trigger will ask again",
        remote=RemoteState.UNANSWERED,
    ),
)


def decide(known: DecisionInput) -> Rule:
    """Return the row that decides.

    :raises LookupError: no row covers the known, which the test of the table excludes.
    """
    for row in TABLE:
        if row.covers(known):
            return row
    raise LookupError(f"no row covers {known}")


def journal_state_of(entry: JournalEntry | None) -> JournalState:
    """Return what an existing store says."""
    if entry is None or entry.phase is Phase.NOT_ACCEPTED:
        return JournalState.EMPTY
    return JournalState(entry.phase.value)


def attempt_of(entry: JournalEntry | None, try_number: int, max_tries: int) -> Attempt:
    """Return which attempt this is. A clear raises ``max_tries``; a retry does not.

    Source: ``clear_task_instances`` of Airflow 2.11.2 and 3.3.2 sets ``max_tries = try_number +
    retries``, except for a task that is running at that moment.
    """
    if entry is not None and max_tries > entry.max_tries:
        return Attempt.CLEARED
    return Attempt.FIRST if try_number <= 1 and entry is None else Attempt.AGAIN
