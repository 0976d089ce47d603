"""What one execution of a batch's task does for its rows: look for lost submits, end rows, submit, store videos."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.batch.lost_rows import LostRow, LostRowFinder
from airflow_provider_runway.batch.output_paths import get_output_path
from airflow_provider_runway.batch.results import RowResult, RowStatus, get_row_status
from airflow_provider_runway.batch.row_decision import BatchTry, RowDecision, RowStep, decide_row
from airflow_provider_runway.batch.row_state import RowState, format_result
from airflow_provider_runway.batch.row_storage import FinishedJob, QuietLog, store_videos
from airflow_provider_runway.batch.wave_submitter import BuildRequest, WaveResult, WaveSubmitter, list_used_seeds
from airflow_provider_runway.exceptions import RunwayError, SubmitOutcomeUnknownError
from airflow_provider_runway.segmind.billing_advice import describe_possible_job
from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.submission.decision_input import HistoryLookup
from airflow_provider_runway.submission.journal import Phase, make_summary
from airflow_provider_runway.submission.submitter import MAX_UNANSWERED_SUBMITS

if TYPE_CHECKING:
    from airflow_provider_runway.batch.atomic_record_files import GrowingFile
    from airflow_provider_runway.batch.batch_journal import BatchJournal, JournalContent
    from airflow_provider_runway.batch.batch_rows import BatchRow
    from airflow_provider_runway.batch.survey import Survey
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.submission.journal_session import TaskAttempt
    from airflow_provider_runway.transports.client_settings import Log

#: Failures of rows that are logged one by one. The others are counted, and stand in the table.
MAX_LOGGED_FAILURES = 20


@dataclass(frozen=True, slots=True)
class WaveSettings:
    """The operator's arguments that a wave needs.

    :param result_path: the folder of the videos that have no ``output_path``.
    """

    result_path: str
    max_output_bytes: int


@dataclass(slots=True)
class WaveCounts:
    """What a wave did, for its line in the log."""

    submitted: int = 0
    in_doubt: int = 0
    adopted: int = 0
    stored: int = 0
    failed: int = 0
    logged_failures: int = 0
    parts: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """Return what was done, as a part of a sentence."""
        numbers = (
            (self.submitted, "submitted"),
            (self.in_doubt, "without a response"),
            (self.adopted, "found again"),
            (self.stored, "stored"),
            (self.failed, "ended without a video"),
        )
        return ", ".join(f"{number} {what}" for number, what in numbers if number) or "nothing to do yet"


class Wave:
    """One wave over the rows that a survey found. It changes the states and the survey's counts as it goes."""

    def __init__(
        self,
        settings: WaveSettings,
        hook: RunwayHook,
        journal: BatchJournal,
        content: JournalContent,
        survey: Survey,
        attempt: TaskAttempt,
        current: BatchTry,
        build_request: BuildRequest,
        log: Log,
        is_killed: Callable[[], bool],
        logged_failures: int,
    ) -> None:
        self.counts = WaveCounts(logged_failures=logged_failures)
        self.survey = survey
        self.journal_folder = journal.folder.folder
        self._settings = settings
        self._hook = hook
        self._journal = journal
        self._content = content
        self._attempt = attempt
        self._current = current
        self._build_request = build_request
        self._log = log
        self._is_killed = is_killed
        self._lock = threading.Lock()
        self._results: GrowingFile | None = None
        self._submitter: WaveSubmitter | None = None

    def count_out(self) -> int:
        """Return how many jobs are out by now, from any thread or signal handler."""
        running = 0 if self._submitter is None else self._submitter.result.submitted
        return len(self.survey.waiting) + running

    def write_presumed_intents(self) -> None:
        """Write down that anything may have been sent for the rows of a journal that is lost or damaged.

        :raises NoUsableResponseError: the storage did not respond; nothing is sent then.
        """
        is_damaged = bool(self._content.damaged)
        rows = [
            (row, state)
            for row, state in self.survey.to_ask
            if is_damaged or state.entry is None or state.request_id is not None
        ]
        if rows:
            self._log.warning(
                "It is not known what earlier tries sent for %d rows. The account's history is asked, before "
                "anything is sent for them.",
                len(rows),
            )
            self._make_finder().write_presumed_intents(rows)

    def look_up_lost(self) -> float | None:
        """Ask the history for the rows in doubt. Return when it is to be asked again, where it does not tell yet."""
        survey, rows = self.survey, []
        for row, state in survey.to_ask:
            if self._has_too_many_unanswered(state):
                self._refuse(row, state, f"{MAX_UNANSWERED_SUBMITS} submits of this try had no usable response")
            else:
                rows.append((row, state))
        survey.to_ask = []
        if not rows:
            return None
        retry_at = [found.retry_at for found in self._make_finder().find(rows) if self._take_lookup(found)]
        self._close_results()
        return min(retry_at, default=None)

    def record_rows_without_video(self) -> None:
        """Write the results of the rows whose jobs ended without a video, or cannot be found."""
        for row, state, decision in self.survey.to_end:
            if decision.step is RowStep.REFUSE:
                self._refuse(row, state, decision.why)
            else:
                self._end_with_job(row, state, decision)
        self.survey.to_end = []
        self._close_results()

    def submit(self, size: int) -> WaveResult:
        """Submit the next rows, at most so many.

        :raises NoUsableResponseError: the journal's storage did not respond, or another execution took over.
        """
        survey = self.survey
        chosen, survey.to_submit = survey.to_submit[:size], survey.to_submit[size:]
        submitter = WaveSubmitter(
            self._hook,
            self._journal,
            self._attempt,
            self._build_request,
            list_used_seeds(self._content.rows.values()),
            self._log,
            self._is_killed,
        )
        self._submitter = submitter
        result = submitter.submit(chosen)
        self._submitter = None
        failed = {row.custom_id for row, _ in result.failed}
        for each in chosen:
            phase = None if each.state.entry is None else each.state.entry.phase
            was_sent_now = each.state.entry is not None and each.state.entry.try_number == self._attempt.try_number
            if each.row.custom_id in failed:
                continue
            if phase is Phase.SUBMITTED and was_sent_now and each.state.outcome is None:
                survey.waiting[each.row.custom_id] = each.state
                survey.to_submit_count -= 1
            elif phase is Phase.INTENT and was_sent_now:
                survey.waiting_for_history += 1
                survey.to_submit_count -= 1
        for row, error in result.failed:
            survey.to_submit_count -= 1
            self._record_result(row, self._content.rows[row.custom_id], get_row_status(error), None, error)
        self._close_results()
        self.counts.submitted, self.counts.in_doubt = result.submitted, result.in_doubt
        return result

    def store(self) -> None:
        """Store the videos of the jobs that completed, several at a time, and write each result."""
        survey = self.survey
        if not survey.to_store:
            return
        jobs = [
            FinishedJob(row, _describe_job(state), get_output_path(row, self._settings.result_path))
            for row, state in survey.to_store
        ]

        def on_result(each: FinishedJob, job: JobSummary, error: RunwayError | None) -> None:
            self._record_result(each.row, self._content.rows[each.row.custom_id], get_row_status(error), job, error)

        try:
            store_videos(
                jobs,
                self._hook.settings,
                self._settings.max_output_bytes,
                QuietLog(self._log.warning),
                on_result,
                self._is_killed,
            )
        finally:
            self._close_results()
        survey.to_store = [
            (row, state) for row, state in survey.to_store if not state.has_result_of(self._attempt.try_number)
        ]

    def _make_finder(self) -> LostRowFinder:
        states = self._content.rows.values()
        known = {state.request_id for state in states if state.request_id is not None}
        for state in states:
            if state.entry is not None:
                known.update(state.entry.previous_request_ids)
        return LostRowFinder(self._hook, self._journal, self._attempt, self._build_request, known, self._log)

    def _has_too_many_unanswered(self, state: RowState) -> bool:
        entry = state.entry
        is_of_this_try = entry is not None and entry.try_number == self._attempt.try_number
        return entry is not None and is_of_this_try and entry.unanswered_submits >= MAX_UNANSWERED_SUBMITS

    def _take_lookup(self, found: LostRow) -> bool:
        """Apply what the history says of a row; return whether it is to be asked again."""
        survey, history = self.survey, found.lookup.history
        if history is HistoryLookup.FOUND:
            survey.waiting[found.row.custom_id] = found.state
            self.counts.adopted += 1
            return False
        decision = decide_row(found.state, self._current, history=history)
        if decision.step is RowStep.REFUSE:
            self._refuse(found.row, found.state, found.lookup.why or decision.why)
        elif decision.step is RowStep.WAIT_FOR_HISTORY:
            survey.waiting_for_history += 1
            return True
        else:
            survey.add(found.row, found.state, decision)
        return False

    def _refuse(self, row: BatchRow, state: RowState, why: str) -> None:
        """End a row that may have a job which cannot be found."""
        entry = state.entry
        model = entry.model if entry else str(row.arguments.get("model"))
        text = describe_possible_job(
            model,
            entry.fingerprint if entry else "",
            entry.sent_at if entry else self._attempt.earliest_submit_at,
            why,
        )
        self._record_result(row, state, RowStatus.UNKNOWN, None, SubmitOutcomeUnknownError(text))

    def _end_with_job(self, row: BatchRow, state: RowState, decision: RowDecision) -> None:
        """End a row with the error of its job: as its wait saw it, or as an earlier try wrote it down."""
        if state.outcome is not None:
            error = state.outcome.outcome.to_error() or RunwayError(decision.why)
            self._record_result(row, state, get_row_status(error), _describe_job(state), error)
        elif state.result is not None:
            self._repeat(row, state)
        else:
            self._record_result(row, state, RowStatus.ERROR, _describe_job(state), RunwayError(decision.why))

    def _repeat(self, row: BatchRow, state: RowState) -> None:
        """Give a row the final result of an earlier try again, as a result of this one."""
        if state.result is None:
            return
        result = state.result.to_row_result(row)
        error = RunwayError(result.error or "no reason given")
        self._write(row, state, result, error, state.result.code)

    def _record_result(
        self, row: BatchRow, state: RowState, status: RowStatus, job: JobSummary | None, error: RunwayError | None
    ) -> None:
        if job is None and state.request_id is not None:
            job = _describe_job(state)
        result = RowResult.from_job(row, status, job, None if error is None else str(error))
        self._write(row, state, result, error, None if error is None else error.code)

    def _write(
        self, row: BatchRow, state: RowState, result: RowResult, error: RunwayError | None, code: str | None
    ) -> None:
        line = format_result(row.custom_id, result, self._attempt.try_number, code)
        with self._lock:
            if self._results is None:
                self._results = self._journal.start_file("results")
                self._results.start_writer_thread()
            record: Mapping[str, Any] = json.loads(line)
            state.add(record)
            self._results.set_lines({row.custom_id: line})
            self.survey.cost += result.cost or 0.0
            if error is None:
                self.survey.succeeded += 1
                self.counts.stored += 1
                return
            self.survey.failed += 1
            self.counts.failed += 1
            self._log_failure(row, result.status, error)

    def _log_failure(self, row: BatchRow, status: RowStatus, error: RunwayError) -> None:
        self.counts.logged_failures += 1
        if self.counts.logged_failures <= MAX_LOGGED_FAILURES:
            self._log.warning("%s: %s. %s", row.label.capitalize(), status.value, error)
        if self.counts.logged_failures == MAX_LOGGED_FAILURES:
            self._log.warning("Further rows without a video are counted, and stand in the table with their reasons.")

    def _close_results(self) -> None:
        with self._lock:
            results, self._results = self._results, None
        if results is not None and not results.close():
            self._log.warning(
                "The batch's journal did not take all results. Nothing is lost: the next wave stores them again."
            )


def get_first_lookup_at(now: float) -> float:
    """Return when the history is first asked for a submit that had no response (epoch seconds)."""
    return now + get_timing().history_pauses_s[-1]


def _describe_job(state: RowState) -> JobSummary:
    """Return all that is known of a row's job."""
    if state.entry is None or state.entry.request_id is None:
        raise LookupError("a job was to be described whose id was not written down")
    submitted = make_summary(state.entry)
    return submitted if state.outcome is None else submitted.merged_with(state.outcome.outcome.job)
