"""Finds out from the account's history which rows became jobs: one reading for all whose ids are not known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_runway.batch.row_state import RowState, format_entry
from airflow_provider_runway.batch.wave_submitter import THREAD_COUNT, BuildRequest, start_threads_with_hooks
from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.submission.build_intent import (
    adopt_row,
    describe_lost_submit,
    get_accepted_until,
    presume_intent,
    take_over_intent,
)
from airflow_provider_runway.submission.decision_input import HistoryLookup
from airflow_provider_runway.submission.find_lost_submit import LookupResult, LookupTimes, find_lost_submits
from airflow_provider_runway.submission.row_matching import LostSubmit

if TYPE_CHECKING:
    from airflow_provider_runway.batch.batch_journal import BatchJournal
    from airflow_provider_runway.batch.batch_rows import BatchRow
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.inputs.job_request import JobRequest
    from airflow_provider_runway.submission.journal_session import TaskAttempt
    from airflow_provider_runway.transports.client_settings import Log

T = TypeVar("T")

#: The history answers for 31 days. A submit that is older is looked up alone, so that it does not hold up the others.
MAX_COMMON_AGE_S = 28 * 86_400.0


@dataclass(frozen=True, slots=True)
class LostRow:
    """A row whose submit is in doubt, and what the history says of it.

    :param lookup: ``history`` says what follows; ``row`` is the job where it was found.
    :param retry_at: epoch seconds at which the history is to be asked again, where it does not tell yet.
    """

    row: BatchRow
    state: RowState
    lookup: LookupResult
    retry_at: float


class LostRowFinder:
    """Looks for the lost submits of one execution of a batch's task.

    :param known_ids: the ids of all jobs of the batch that are known: they are other rows' jobs.
    """

    def __init__(
        self,
        hook: RunwayHook,
        journal: BatchJournal,
        attempt: TaskAttempt,
        build_request: BuildRequest,
        known_ids: Iterable[str],
        log: Log,
    ) -> None:
        self._hook = hook
        self._journal = journal
        self._attempt = attempt
        self._build_request = build_request
        self._known_ids = tuple(known_ids)
        self._log = log

    def find(self, rows: Sequence[tuple[BatchRow, RowState]]) -> list[LostRow]:
        """Ask the history, and return what it says of each row. The entries of jobs that are found are adopted.

        :raises NoUsableResponseError: the journal's storage did not respond.
        """
        self._take_over(rows)
        with start_threads_with_hooks(self._hook, THREAD_COUNT) as (pool, get_hook):
            requests = list(pool.map(lambda each: self._try_to_build(get_hook(), each[0]), rows))
        now = time.time()
        found: list[LostRow] = []
        described: list[tuple[BatchRow, RowState, JobRequest, LostSubmit, LookupTimes]] = []
        for (row, state), request in zip(rows, requests, strict=True):
            if isinstance(request, RunwayError):
                why = f"its inputs cannot be read any more, and without them it is not recognised: {request}"
                found.append(LostRow(row, state, LookupResult(HistoryLookup.UNCLEAR, why=why, asked_at=now), now))
            else:
                described.append((row, state, request, *self._describe(state, request)))
        for group in _split_by_age(described, lambda each: each[4].sent_from, now):
            self._log.info(
                "The submits of %d rows may have become jobs: looking for them in the account's history.", len(group)
            )
            found += self._look_up(group, now)
        self._write_adopted(found)
        return found

    def _take_over(self, rows: Sequence[tuple[BatchRow, RowState]]) -> None:
        """Write the intents in doubt down as this try's own; where there are none, what they may have been.

        An earlier try that is still alive somewhere no longer owns the journal, and what it sent expires.
        """
        now, lines = time.time(), {}
        for row, state in rows:
            entry = state.entry
            if entry is None:
                continue
            taken = take_over_intent(entry, self._attempt.try_number, now)
            if taken != entry:
                state.entry = taken
                lines[row.custom_id] = format_entry(row.custom_id, taken)
        self._journal.write_lines("taken-over", lines)

    def write_presumed_intents(self, rows: Sequence[tuple[BatchRow, RowState]]) -> None:
        """Write down for rows that anything may have been sent for them until now, after what is known of them.

        :raises NoUsableResponseError: the journal's storage did not respond.
        """
        lines = {}
        with start_threads_with_hooks(self._hook, THREAD_COUNT) as (pool, get_hook):
            requests = list(pool.map(lambda each: self._try_to_build(get_hook(), each[0]), rows))
        for (row, state), request in zip(rows, requests, strict=True):
            if isinstance(request, RunwayError):
                raise request
            state.entry = presume_intent(
                request,
                try_number=self._attempt.try_number,
                max_tries=self._attempt.max_tries,
                earliest_submit_at=self._attempt.earliest_submit_at,
                now=time.time(),
                last=state.entry,
            )
            state.outcome = state.result = None
            lines[row.custom_id] = format_entry(row.custom_id, state.entry)
        self._journal.write_lines("presumed", lines)

    def _try_to_build(self, hook: RunwayHook, row: BatchRow) -> JobRequest | RunwayError:
        try:
            return self._build_request(hook, row)
        except RunwayError as error:
            return error

    def _describe(self, state: RowState, request: JobRequest) -> tuple[LostSubmit, LookupTimes]:
        entry = state.entry
        if entry is None:
            raise LookupError("a submit in doubt was not written down")
        times = LookupTimes.for_submit(entry.model, entry.sent_at, get_accepted_until(entry, self._hook.settings))
        lost = describe_lost_submit(
            request,
            entry,
            latest_row_at=times.settled_at,
            try_number=self._attempt.try_number,
            sibling_ids=self._known_ids,
        )
        return lost, times

    def _look_up(
        self, group: Sequence[tuple[BatchRow, RowState, JobRequest, LostSubmit, LookupTimes]], now: float
    ) -> list[LostRow]:
        transport = self._hook.get_conn()
        submits = [(lost, times) for *_, lost, times in group]
        lookups = transport.run(
            find_lost_submits(transport.settings.base_urls, submits, self._hook.policy, now), self._log
        )
        found = []
        for (row, state, request, _, times), lookup in zip(group, lookups, strict=True):
            if lookup.row is not None and state.entry is not None:
                state.entry = adopt_row(
                    state.entry,
                    lookup.row,
                    request,
                    try_number=self._attempt.try_number,
                    max_tries=self._attempt.max_tries,
                )
                state.outcome = state.result = None
                if lookup.others:
                    self._log.warning(
                        "%s: the history has %d more jobs of it: %s. They are billed, too, if they completed.",
                        row.label,
                        len(lookup.others),
                        ", ".join(lookup.others),
                    )
            is_settled = lookup.history is not HistoryLookup.NOT_SETTLED
            retry_at = now if is_settled else times.next_lookup_at(lookup.asked_at)
            found.append(LostRow(row, state, lookup, retry_at))
        return found

    def _write_adopted(self, found: Sequence[LostRow]) -> None:
        adopted = {
            each.row.custom_id: format_entry(each.row.custom_id, each.state.entry)
            for each in found
            if each.lookup.history is HistoryLookup.FOUND and each.state.entry is not None
        }
        if adopted:
            self._log.info("%d of them are jobs, which are adopted. Nothing is paid again for them.", len(adopted))
        self._journal.write_lines("adopted", adopted)


def _split_by_age(items: Sequence[T], get_time: Callable[[T], float], now: float) -> list[list[T]]:
    """Return the items that one query of the history can cover, and each older one alone."""
    common = [item for item in items if now - get_time(item) <= MAX_COMMON_AGE_S]
    return [*([common] if common else []), *([item] for item in items if now - get_time(item) > MAX_COMMON_AGE_S)]
