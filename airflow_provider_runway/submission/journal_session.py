"""One try of a task and its session with the submit journal: reads and writes the entry, unless a later try has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.exceptions import NoUsableResponseError, RunwayError
from airflow_provider_runway.segmind.billing_advice import how_to_resume
from airflow_provider_runway.spending.task_cost_limit import add_job_to_spent
from airflow_provider_runway.submission.decision_input import JournalState, classify_journal_entry
from airflow_provider_runway.submission.journal import Journal, JournalEntry, Phase, UnreadableEntryError

if TYPE_CHECKING:
    from airflow_provider_runway.transports.client_settings import Log


@dataclass(frozen=True, slots=True)
class TaskAttempt:
    """One try of a task instance.

    :param earliest_submit_at: epoch seconds before which no try of this run can have submitted anything.
    :param journal: the task instance's journal; None where nothing survives a retry.
    :param sibling_request_ids: returns the request ids of mapped siblings; called only while reconciling.
    :param carried_entry: without a journal, the entry that this try carried through a deferral.
    """

    try_number: int
    max_tries: int
    earliest_submit_at: float
    journal: Journal | None = field(default=None, repr=False)
    sibling_request_ids: Callable[[], Iterable[str]] = field(default=tuple, repr=False)
    carried_entry: Mapping[str, Any] | None = None


class JournalSession:
    """Reads and writes the entry of one task instance for one of its tries.

    :param entry: the last entry that was read or written. Where nothing survives a retry it is all that is known,
        and a deferral carries it.
    """

    def __init__(self, attempt: TaskAttempt, log: Log, *, durable: bool) -> None:
        self._attempt = attempt
        self._log = log
        self._durable = durable
        self._journal = attempt.journal if durable else None
        self.entry: JournalEntry | None = None
        if self._journal is None and attempt.carried_entry is not None:
            self.entry = JournalEntry.from_json(attempt.carried_entry)

    def read(self) -> JournalState:
        """Read the entry, and return what it says.

        :raises NoUsableResponseError: the store did not respond; nothing was sent.
        """
        if self._journal is None and self.entry is not None:  # this try has sent something already
            return classify_journal_entry(self.entry)
        if self._journal is None:
            return JournalState.NONE if self._durable else JournalState.OFF
        self.entry = None
        try:
            self.entry = self._journal.read()
        except UnreadableEntryError as problem:
            self._log.warning("What an earlier try wrote is lost: %s.", problem)
            return JournalState.UNREADABLE
        except Exception as problem:
            raise NoUsableResponseError(
                f"The submit journal did not respond ({type(problem).__name__}: {problem}). Nothing was sent."
            ) from problem
        return classify_journal_entry(self.entry)

    def get_entry(self) -> JournalEntry:
        """Return the entry of a submit.

        :raises LookupError: there is none, although the decision rests on one.
        """
        if self.entry is None:
            raise LookupError("the decision needs an entry that was not written down")
        return self.entry

    def get_entry_with_id(self) -> JournalEntry:
        """Return the entry of a job whose id is known.

        :raises LookupError: there is none, although the decision rests on one.
        """
        if self.entry is None or self.entry.request_id is None:
            raise LookupError("the decision needs a job whose id was not written down")
        return self.entry

    def get_carried_entry(self) -> dict[str, Any] | None:
        """Return what a deferral has to carry, where there is no journal that keeps it."""
        return self.entry.to_json() if self.entry is not None and self._journal is None else None

    def write(self, entry: JournalEntry) -> None:
        """Replace the journal's entry, unless a later try has written since it was read.

        :raises NoUsableResponseError: it could not be written; the caller has sent nothing on its account.
        """
        if self._journal is not None:
            try:
                current = self._read_current()
                if current != self.entry and (current is None or current.try_number >= self._attempt.try_number):
                    raise NoUsableResponseError(
                        "Another try of this task has written to the submit journal since this one read it. "
                        "So this one stops."
                    )
                self._journal.write(entry)
            except RunwayError:
                raise
            except Exception as problem:
                raise NoUsableResponseError(
                    f"The submit journal cannot be written ({type(problem).__name__}: {problem})."
                ) from problem
        self.entry = entry

    def try_to_write(self, entry: JournalEntry) -> None:
        """Write an entry about what has happened already. Where that fails, the log says what the journal does not."""
        try:
            self.write(entry)
        except NoUsableResponseError as problem:
            self.entry = entry
            job = "" if entry.request_id is None else how_to_resume(entry.request_id, entry.sent_at)
            self._log.warning("%s The next try will ask the account's history. %s", problem, job)

    def get_spent_usd(self, *, earlier_may_be_billed: bool) -> float | None:
        """Return what the task has spent so far, in USD; None: not known.

        :param earlier_may_be_billed: whether the entry's own job counts, too.
        """
        if self.entry is None:  # on the first try an empty journal means that nothing was sent
            return 0.0 if self._attempt.try_number <= 1 else None
        return add_job_to_spent(self.entry.spent_usd, self.entry.reserved_usd, may_be_billed=earlier_may_be_billed)

    def write_start(self) -> None:
        """On the first try, write down that nothing was sent yet. A later try then need not ask the history."""
        if self._journal is None or self._attempt.try_number != 1:
            return
        try:
            if self._journal.read() is None:
                self.entry = None
                start = JournalEntry(Phase.STARTED, "", "", 0, None, 1, self._attempt.max_tries, time.time())
                self.write(replace(start, spent_usd=0.0))
        except Exception as problem:  # nothing is lost by it: a later try has to ask the history
            self._log.warning("The journal did not take the start of the task (%s).", type(problem).__name__)

    def write_delivery(self, request_id: str, cost_usd: float | None) -> None:
        """Write down that the task hands this job on: a later clear then asks for a new one.

        The job may be another than the journal's own: the author may have named one whose id was lost.

        :param cost_usd: what it cost; None where that is not known, so that its price counts.
        """
        if self._journal is None:
            return
        try:
            entry = self._journal.read()
            if entry is None or entry.try_number > self._attempt.try_number:
                return
            self.entry = entry
            self.write(
                replace(
                    entry,
                    phase=Phase.DELIVERED,
                    request_id=request_id,
                    max_tries=self._attempt.max_tries,
                    reserved_usd=entry.reserved_usd if cost_usd is None else cost_usd,
                )
            )
        except Exception as problem:  # the result is there, and a later clear finds this job again
            self._log.warning(
                "Job %s: the journal did not take its delivery (%s). If this task is cleared, it may return this "
                "job again instead of a new one.",
                request_id,
                type(problem).__name__,
            )

    def _read_current(self) -> JournalEntry | None:
        try:
            return self._journal.read() if self._journal is not None else None
        except UnreadableEntryError:
            return None
