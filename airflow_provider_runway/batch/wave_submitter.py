"""Submits the rows of a wave, several at a time: their intents in one write, then the POSTs, then their ids."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.batch.row_state import RowState, format_entry
from airflow_provider_runway.batch.wave_size_and_timing import MAX_INTENTS_PER_FILE
from airflow_provider_runway.exceptions import (
    BadInputError,
    NoUsableResponseError,
    OutOfCreditsError,
    RunwayError,
    SpendLimitError,
    StoppedBeforeSendingError,
    SubmitOutcomeUnknownError,
    ThrottledError,
    UnauthorizedError,
)
from airflow_provider_runway.inputs.job_request import MAX_SEED
from airflow_provider_runway.spending.estimate import PricedJob
from airflow_provider_runway.spending.task_cost_limit import add_job_to_spent
from airflow_provider_runway.submission.build_intent import build_intent
from airflow_provider_runway.submission.send_intent import send_intent

if TYPE_CHECKING:
    from airflow_provider_runway.batch.atomic_record_files import GrowingFile
    from airflow_provider_runway.batch.batch_journal import BatchJournal
    from airflow_provider_runway.batch.batch_rows import BatchRow
    from airflow_provider_runway.batch.row_decision import RowDecision
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.inputs.job_request import JobRequest
    from airflow_provider_runway.submission.journal import JournalEntry
    from airflow_provider_runway.submission.journal_session import TaskAttempt
    from airflow_provider_runway.transports.client_settings import Log

#: POSTs under way at once.
THREAD_COUNT = 8
#: So many POSTs in a row without a usable response end the wave: each may be a job that is billed.
MAX_UNANSWERED_IN_A_ROW = 5
#: Refusals that concern the account and not the row, so that no further row is sent.
ACCOUNT_ERRORS = (OutOfCreditsError, SpendLimitError, UnauthorizedError)

#: Builds the checked request of a row, with the hook of the thread that it is called in.
BuildRequest = Callable[["RunwayHook", "BatchRow"], "JobRequest"]


@dataclass(frozen=True, slots=True)
class RowToSubmit:
    """A row whose job is to be submitted, and the decision that says so."""

    row: BatchRow
    state: RowState
    decision: RowDecision


@dataclass(slots=True)
class WaveResult:
    """What came of a wave. The states of its rows have their new entries.

    :param submitted: jobs whose ids are known. :param in_doubt: submits without a usable response.
    :param failed: rows whose request was refused, for good, with why.
    :param throttled: the 429 that ended the wave. :param unreachable: what ended it where the API does not respond.
    :param account_error: the refusal that concerns the account.
    """

    submitted: int = 0
    in_doubt: int = 0
    failed: list[tuple[BatchRow, RunwayError]] = field(default_factory=list)
    throttled: ThrottledError | None = None
    unreachable: RunwayError | None = None
    account_error: RunwayError | None = None

    @property
    def must_stop(self) -> bool:
        """Is no further row to be sent in this wave?"""
        return self.throttled is not None or self.unreachable is not None or self.account_error is not None


@dataclass(frozen=True, slots=True)
class _PreparedRow:
    row: BatchRow
    state: RowState
    request: JobRequest
    body: Mapping[str, Any]
    intent: JournalEntry


class WaveSubmitter:
    """Submits rows for one execution of a batch's task.

    :param used_seeds: the seeds of all jobs of the batch; a derived one is never used twice.
    :param is_killed: says whether the task is being ended, so that nothing more is sent.
    """

    def __init__(
        self,
        hook: RunwayHook,
        journal: BatchJournal,
        attempt: TaskAttempt,
        build_request: BuildRequest,
        used_seeds: set[int],
        log: Log,
        is_killed: Callable[[], bool],
    ) -> None:
        self._hook = hook
        self._journal = journal
        self._attempt = attempt
        self._build_request = build_request
        self._used_seeds = used_seeds
        self._log = log
        self._is_killed = is_killed
        self._lock = threading.Lock()
        self._unanswered_in_a_row = 0
        self._begun: set[str] = set()
        self.result = WaveResult()

    def submit(self, rows: Sequence[RowToSubmit]) -> WaveResult:
        """Submit rows in their order, until all are sent or something ends the wave.

        :raises NoUsableResponseError: the journal's storage did not respond, or another execution took over. Nothing
            was sent after that.
        """
        result = self.result
        self._hook.get_conn()  # before any intent: what fails here leaves no doubt
        for start in range(0, len(rows), MAX_INTENTS_PER_FILE):
            if result.must_stop or self._is_killed():
                break
            self._submit_some(rows[start : start + MAX_INTENTS_PER_FILE], result)
        return result

    def _submit_some(self, rows: Sequence[RowToSubmit], result: WaveResult) -> None:
        prepared = self._prepare(rows, result)
        if not prepared:
            return
        file = self._journal.start_file("wave")
        file.set_lines({each.row.custom_id: format_entry(each.row.custom_id, each.intent) for each in prepared})
        file.write()
        # An execution that takes the batch over from here on sees the intents. One that did so before is seen here.
        self._journal.check_owner()
        file.start_writer_thread()
        try:
            with self._start_threads() as (pool, get_hook):
                list(pool.map(lambda each: self._send(each, get_hook, file, result), prepared))
        finally:
            for each in prepared:  # an exception that ends the task leaves rows that no thread has taken
                if each.row.custom_id not in self._begun:
                    self._set_entry(each, file, _make_not_sent(each.intent))
            if not file.close():
                ids = [each.state.request_id for each in prepared if each.state.request_id]
                self._log.warning(
                    "The batch's journal did not take the ids of these jobs, which are billed when they complete: %s. "
                    "The next try looks for them in the account's history.",
                    ", ".join(ids),
                )

    def _prepare(self, rows: Sequence[RowToSubmit], result: WaveResult) -> list[_PreparedRow]:
        """Check the inputs again, upload local images, and build the bodies. What fails here leaves no doubt."""
        with self._start_threads() as (pool, get_hook):
            built = list(pool.map(lambda each: self._build(each, get_hook), rows))
        prepared: list[_PreparedRow] = []
        for each, outcome in zip(rows, built, strict=True):
            if isinstance(outcome, ThrottledError):
                result.throttled = result.throttled or outcome
            elif isinstance(outcome, ACCOUNT_ERRORS):
                result.account_error = outcome
            elif isinstance(outcome, RunwayError):
                result.failed.append((each.row, outcome))
            elif not result.must_stop:
                prepared.append(self._make_intent(each, outcome))
        return prepared

    def _build(self, each: RowToSubmit, get_hook: Callable[[], RunwayHook]) -> tuple[JobRequest, Any] | RunwayError:
        try:
            request = self._build_request(get_hook(), each.row)
            return request, request.build_body_with_seed(None, sending=True)
        except RunwayError as error:
            return error

    def _make_intent(self, each: RowToSubmit, built: tuple[JobRequest, Any]) -> _PreparedRow:
        request, body = built
        last = each.state.entry
        generation = 0 if last is None else last.generation + each.decision.is_new_generation
        seed = request.seed
        if request.derives_seed:
            seed = self._choose_seed(request, last, generation)
            body = request.build_body_with_seed(seed, sending=True)  # its image is uploaded already
        spent_usd: float | None = 0.0
        if last is not None:
            may_be_billed = each.decision.earlier_may_be_billed
            spent_usd = add_job_to_spent(last.spent_usd, last.reserved_usd, may_be_billed=may_be_billed)
        intent = build_intent(
            request,
            body,
            last,
            generation=generation,
            seed=seed,
            try_number=self._attempt.try_number,
            max_tries=self._attempt.max_tries,
            now=time.time(),
            spent_usd=spent_usd,
            reserved_usd=PricedJob.from_body(request.model, body).price_usd,
        )
        return _PreparedRow(each.row, each.state, request, body, intent)

    def _choose_seed(self, request: JobRequest, last: JournalEntry | None, generation: int) -> int:
        """Return the seed of a row: that of its last submit where this repeats it, else one that no other row has."""
        if last is not None and last.generation == generation and last.seed is not None:
            return last.seed
        seed = request.identity.seed(generation)
        while seed in self._used_seeds and len(self._used_seeds) < MAX_SEED:  # rows may have changed their places
            seed = seed % MAX_SEED + 1
        self._used_seeds.add(seed)
        return seed

    def _send(
        self, each: _PreparedRow, get_hook: Callable[[], RunwayHook], file: GrowingFile, result: WaveResult
    ) -> None:
        if result.must_stop or self._is_killed():
            self._set_entry(each, file, _make_not_sent(each.intent))
            return
        self._begun.add(each.row.custom_id)
        sent = send_intent(get_hook(), each.intent, each.body)
        error = sent.error
        entry = sent.entry
        if isinstance(error, SubmitOutcomeUnknownError):  # nothing of it can be accepted later than now
            entry = replace(entry, expires_at=min(entry.expires_at or sent.ended_at, sent.ended_at))
        self._set_entry(each, file, entry)
        with self._lock:
            self._unanswered_in_a_row = 0 if error is None else self._unanswered_in_a_row + 1
            if error is None:
                result.submitted += 1
            elif isinstance(error, SubmitOutcomeUnknownError):
                result.in_doubt += 1
                if self._unanswered_in_a_row >= MAX_UNANSWERED_IN_A_ROW:
                    result.unreachable = error
            elif isinstance(error, ThrottledError):
                result.throttled = result.throttled or error
            elif isinstance(error, ACCOUNT_ERRORS):
                result.account_error = error
            elif isinstance(error, NoUsableResponseError) or (
                isinstance(error, StoppedBeforeSendingError) and not isinstance(error, BadInputError)
            ):
                result.unreachable = result.unreachable or error
            else:
                result.failed.append((each.row, error))

    def _set_entry(self, each: _PreparedRow, file: GrowingFile, entry: JournalEntry) -> None:
        each.state.entry = entry
        each.state.outcome = each.state.result = None
        file.set_lines({each.row.custom_id: format_entry(each.row.custom_id, entry)})

    @contextmanager
    def _start_threads(self) -> Iterator[tuple[ThreadPoolExecutor, Callable[[], RunwayHook]]]:
        with start_threads_with_hooks(self._hook, THREAD_COUNT) as threads:
            yield threads


@contextmanager
def start_threads_with_hooks(
    hook: RunwayHook, count: int
) -> Iterator[tuple[ThreadPoolExecutor, Callable[[], RunwayHook]]]:
    """Start threads, each of which gets a hook of its own: a session is not for several threads at once."""
    local = threading.local()
    hooks: list[RunwayHook] = []

    def get_hook() -> RunwayHook:
        if not hasattr(local, "hook"):
            local.hook = hook.copy_for_thread()
            hooks.append(local.hook)
        own: RunwayHook = local.hook
        return own

    try:
        with ThreadPoolExecutor(count, thread_name_prefix="runway-batch") as pool:
            yield pool, get_hook
    finally:
        for each in hooks:
            each.close()


def list_used_seeds(states: Iterable[RowState]) -> set[int]:
    """Return the seeds of all submits of a batch."""
    return {state.entry.seed for state in states if state.entry is not None and state.entry.seed is not None}


def _make_not_sent(intent: JournalEntry) -> JournalEntry:
    from airflow_provider_runway.submission.journal import Phase

    return replace(intent, phase=Phase.NOT_ACCEPTED)
