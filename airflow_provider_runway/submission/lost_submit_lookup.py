"""Looks up a lost submit of a task in the account's history, after this try took over its intent in the journal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from airflow_provider_runway.exceptions import HistoryNotSettledError
from airflow_provider_runway.segmind.numbers_and_times import format_timestamp
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.submission.build_intent import (
    describe_lost_submit,
    get_accepted_until,
    presume_intent,
    take_over_intent,
)
from airflow_provider_runway.submission.find_lost_submit import LookupResult, LookupTimes, find_lost_submit

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.inputs.job_request import JobRequest
    from airflow_provider_runway.submission.journal import JournalEntry
    from airflow_provider_runway.submission.journal_session import JournalSession, TaskAttempt
    from airflow_provider_runway.transports.client_settings import Log

#: For so long the worker itself asks the history for a submit of its own; then it comes back later.
MAX_WORKER_WAIT_S = 15.0


#: Why a try is waited for that may have sent nothing at all.
_NO_JOURNAL_NOTE = (
    " There is no journal, so it is not known whether an earlier try has sent anything; with [runway] journal_path in "
    "airflow.cfg the next task need not wait for this."
)


class LostSubmitLookup:
    """Finds out what became of a submit without a response, for one try of a task.

    :param submit_ended_at: when the submit ended (epoch seconds), if this try sent it; else its intent's end counts.
    """

    def __init__(self, hook: RunwayHook, attempt: TaskAttempt, journal: JournalSession, log: Log) -> None:
        self._hook = hook
        self._attempt = attempt
        self._journal = journal
        self._log = log
        self.submit_ended_at: float | None = None

    def ask(self, request: JobRequest) -> LookupResult:
        """Ask the history what became of the intent in the journal, after this try has taken it over."""
        now = time.time()
        entry = self._take_over_intent(request, now)
        times = self._make_lookup_times(entry)
        lost = describe_lost_submit(
            request,
            entry,
            latest_row_at=times.settled_at,
            try_number=self._attempt.try_number,
            sibling_ids=self._attempt.sibling_request_ids(),
        )
        self._log.info(
            "An earlier submit to %s may have become a job: searching the account's history for it. If it is not "
            "there at %s, it was not accepted.%s",
            entry.model,
            format_timestamp(times.settled_at),
            "" if self._attempt.journal is not None else _NO_JOURNAL_NOTE,
        )
        transport = self._hook.get_conn()
        pauses_s = () if self.submit_ended_at is None else _list_worker_pauses_s()
        lookup = find_lost_submit(transport.settings.base_urls, lost, times, self._hook.policy, now, pauses_s)
        return transport.run(lookup, self._log)

    def _make_lookup_times(self, entry: JournalEntry) -> LookupTimes:
        """Return when the history can tell what became of the entry's submit."""
        accepted_until = (
            get_accepted_until(entry, self._hook.settings) if self.submit_ended_at is None else self.submit_ended_at
        )
        return LookupTimes.for_submit(entry.model, entry.sent_at, accepted_until)

    def _take_over_intent(self, request: JobRequest, now: float) -> JournalEntry:
        """Return the intent that is in doubt, after it was written down as this try's own.

        An earlier try that is still alive somewhere finds this, and stops. Where tries in between left no entry,
        or there is none at all, anything may have been sent until now.
        """
        if self._journal.entry is None:
            entry = presume_intent(
                request,
                try_number=self._attempt.try_number,
                max_tries=self._attempt.max_tries,
                earliest_submit_at=self._attempt.earliest_submit_at,
                now=now,
            )
        else:
            entry = take_over_intent(self._journal.entry, self._attempt.try_number, now)
        if entry != self._journal.entry:
            self._journal.write(entry)
        return entry

    def make_not_settled_error(self, lookup: LookupResult) -> HistoryNotSettledError:
        """Return the error that says when to ask the history again."""
        entry = self._journal.get_entry()
        times = self._make_lookup_times(entry)
        is_early = lookup.asked_at < times.settled_at
        until = f"before {format_timestamp(times.settled_at)}" if is_early else "until it does"
        return HistoryNotSettledError(
            f"A submit of model {entry.model} may have become a job, and the account's history does not tell yet: "
            f"{lookup.why.rstrip('.')}. Nothing is sent {until}.",
            retry_at=times.next_lookup_at(lookup.asked_at),
        )


def _list_worker_pauses_s() -> tuple[float, ...]:
    """Return the pauses that a worker itself waits for the row of its own submit."""
    pauses: list[float] = []
    for pause_s in get_timing().history_pauses_s:
        if sum(pauses) + pause_s <= MAX_WORKER_WAIT_S:
            pauses.append(pause_s)
    return tuple(pauses)
