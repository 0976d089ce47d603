"""Runs one execution of a batch's task: take the journal over, do a wave, and wait for the next one or end.

Only a running task imports this module, so that its imports do not slow down the parsing of DAG files.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.batch.batch_journal import BatchJournal, JournalContent
from airflow_provider_runway.batch.batch_rows import BatchRow
from airflow_provider_runway.batch.check_rows import check_rows
from airflow_provider_runway.batch.end_batch import BatchEnd, end_batch
from airflow_provider_runway.batch.row_decision import BatchTry, lost_connection
from airflow_provider_runway.batch.survey import Survey, digest_inputs, survey_rows
from airflow_provider_runway.batch.waiting_jobs_file import make_waiting_job, read_waiting_jobs, write_waiting_jobs
from airflow_provider_runway.batch.wave_execution import Wave, WaveSettings, get_first_lookup_at
from airflow_provider_runway.batch.wave_size_and_timing import (
    Progress,
    WorkSoFar,
    compute_next_wave_at,
    compute_wave_size,
)
from airflow_provider_runway.batch.wave_submitter import WaveResult
from airflow_provider_runway.compat import make_storage_path, run_in_thread
from airflow_provider_runway.exceptions import (
    BadConnectionError,
    NoUsableResponseError,
    ThrottledError,
    omit_nothing_was_sent,
)
from airflow_provider_runway.inputs.build_request import JOB_ARGUMENTS, build_request
from airflow_provider_runway.inputs.job_request import JobIdentity, JobRequest, make_digest
from airflow_provider_runway.inputs.prompt_image_upload import UploadCache
from airflow_provider_runway.lineage.hook_lineage import report_hook_lineage
from airflow_provider_runway.lineage.outlet_events import fill_outlet_events
from airflow_provider_runway.operators.batch_rows_and_estimate import make_row_source, read_result_path
from airflow_provider_runway.operators.batch_spending import BatchSpending, WaveAllowance
from airflow_provider_runway.operators.spending_check import SpendingCheck
from airflow_provider_runway.segmind.retry import compute_resubmit_delay_s
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.submission.decision_input import read_orphan_policy
from airflow_provider_runway.task_deferral import MAX_TRIGGER_FAILURES, TRIGGER_GRACE_S
from airflow_provider_runway.triggers.batch import RunwayBatchTrigger

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator
    from airflow_provider_runway.task_context import TaskContext

_STATE_KEY = "runway_batch"


@dataclass(frozen=True, slots=True)
class BatchRunState:
    """What goes from one execution of a try to the next, in small numbers. Times are epoch seconds.

    :param wave: waves so far. :param last_accepted_at: when a submit was last accepted, or the try began.
    :param ask_history_at: before which the history is not asked again. :param stopped: why no more is submitted.
    :param has_estimate: the estimate is logged and checked. :param is_blocked: a limit is reached for as long as jobs
        are out.
    :param busy_s: how long the waves kept a worker busy. :param handled_rows: how often they submitted or stored one.
    """

    started_at: float
    wave: int = 0
    last_wave_at: float | None = None
    last_accepted_at: float = 0.0
    throttle_count: int = 0
    ask_history_at: float = 0.0
    logged_failures: int = 0
    trigger_failures: int = 0
    stopped: str | None = None
    stop_text: str | None = None
    has_estimate: bool = False
    is_blocked: bool = False
    busy_s: float = 0.0
    handled_rows: int = 0


class BatchExecution:
    """One execution of the operator's task, with an open hook.

    :param operator: for its rendered arguments, its log, and to defer.
    """

    def __init__(self, operator: RunwayGenerateBatchOperator, hook: RunwayHook, task: TaskContext) -> None:
        self.operator = operator
        self.hook = hook
        self.task = task
        self.log = operator.log
        self._began_at = time.time()
        self._result_path = read_result_path(operator.result_path)
        self._orphan_policy = read_orphan_policy(operator.on_orphaned_intent)
        self._journal = self._make_journal()
        self._source = make_row_source(operator)
        self._spending = BatchSpending(
            SpendingCheck(hook, self.log),
            operator.cost_limit,
            operator.cost_limit_policy,
            knows_earlier_tries=operator.durable or task.attempt.try_number <= 1,
        )
        self._uploads: list[dict[str, Any]] = []

    def start(self) -> dict[str, Any]:
        """Check all rows before any money moves, and do the first wave."""
        content = self._journal.open()
        count = check_rows(self._source, self._result_path)
        self.task.push_xcom("result_path", self._result_path)
        self.log.info("Batch of %d rows: checked. Results go to %s.", count, self._result_path)
        state = BatchRunState(started_at=self._began_at, last_accepted_at=self._began_at)
        return self._run(content, state)

    def resume(self, state: Mapping[str, Any] | None, event: Any) -> dict[str, Any]:
        """Go on after a deferral.

        :param state: what :class:`BatchRunState` had; None: the deferral lost it, and an XCom has it.
        """
        known = state or self.task.pull_xcom(_STATE_KEY) or {"started_at": self._began_at}
        before = BatchRunState(**known)
        if isinstance(event, Mapping) and event.get("status") == "error":
            self.log.warning("Batch: %s The jobs are waited for again.", event.get("error"))
            before = self._count_trigger_failure(before)
        return self._run(self._journal.open(), before)

    def _run(self, content: JournalContent, state: BatchRunState) -> dict[str, Any]:
        while True:
            wave, state, wake_at = self._do_wave(content, state)
            self._check_not_killed(wave)
            if self._is_over(wave.survey, state):
                return self._end(content, state, wave.survey)
            self._wait(wave.survey, state, wake_at)
            self._check_not_killed(wave)
            self._began_at = time.time()
            content = self._journal.open()

    def _count_trigger_failure(self, state: BatchRunState) -> BatchRunState:
        state = replace(state, trigger_failures=state.trigger_failures + 1)
        if state.trigger_failures > MAX_TRIGGER_FAILURES:
            self.log.warning("Batch: triggers failed repeatedly; polling in the worker instead.")
            self.operator.deferrable = False
        return state

    def _check_connection(self, survey: Survey, state: BatchRunState) -> BatchRunState:
        """Check that the connection can still be used, before any row ends for the lack of it.

        :raises BadConnectionError: it cannot; the message says what is out, and what was paid for.
        """
        if survey.is_over:
            return state
        try:
            self.hook.get_conn()
        except BadConnectionError as problem:
            if not (text := survey.describe_jobs()):
                raise
            why = omit_nothing_was_sent(problem)
            raise BadConnectionError(
                f"{why} Of the batch, {text}. Its journal in {self._journal.folder.folder} keeps their ids. Restore "
                "the connection, then let the task retry, or clear it: nothing is paid again, and the rows that were "
                "not sent are submitted.",
                **{**problem.facts, "jobs_out": len(survey.waiting)},
            ) from None
        stopped = sum(lost_connection(each, self.task.attempt.try_number) for each in survey.waiting.values())
        if not stopped:
            return state
        self.log.warning(
            "The triggerer could not use the connection %r for %d jobs. This worker can: they are waited for again.",
            self.hook.runway_conn_id,
            stopped,
        )
        return self._count_trigger_failure(state)

    def _check_not_killed(self, wave: Wave) -> None:
        """End a task that was ended while its process goes on, as Airflow 3 leaves it, before it waits or writes more.

        :raises NoUsableResponseError: it was.
        """
        if self.operator.is_killed:
            raise NoUsableResponseError(
                f"The task was ended, so nothing more is submitted or stored. About {wave.count_out()} jobs are out, "
                f"and are billed when they complete. The batch's journal in {wave.journal_folder} keeps their "
                "ids: a retry or a clear has their videos, and submits the other rows."
            )

    def _do_wave(self, content: JournalContent, state: BatchRunState) -> tuple[Wave, BatchRunState, float]:
        """Do all that can be done now; return the wave, what it leaves, and when the next one is due."""
        current = BatchTry(
            try_number=self.task.attempt.try_number,
            max_tries=self.task.attempt.max_tries,
            had_journal=not content.is_new or not self.operator.durable,
            is_damaged=bool(content.damaged),
            damaged_at=content.damaged_at if self.operator.durable else None,
            on_orphaned_intent=self._orphan_policy,
        )
        survey = survey_rows(self._source, content.rows, current, self.hook.runway_conn_id)
        self._log_survey(survey, state)
        state = self._check_connection(survey, state)
        identity = self._make_identity(content.epoch)
        wave = Wave(
            WaveSettings(self._result_path, self.operator.max_output_bytes),
            self.hook,
            self._journal,
            content,
            survey,
            self.task.attempt,
            replace(current, had_journal=True, is_damaged=False),
            lambda hook, row: self._build_request(hook, row, identity),
            self.log,
            lambda: self.operator.is_killed,
            state.logged_failures,
        )
        self.operator.wave = wave
        wave.write_presumed_intents()
        self._journal.delete_damaged(content)
        self._journal.write_start(content)
        now = time.time()
        ask_history_at = state.ask_history_at
        if survey.to_ask and now >= ask_history_at:
            ask_history_at = wave.look_up_lost() or 0.0
        else:
            survey.waiting_for_history += len(survey.to_ask)
            survey.to_ask = []
        wave.record_rows_without_video()
        state, result = self._submit(wave, content, state)
        if result.in_doubt:
            first_lookup_at = get_first_lookup_at(time.time())
            ask_history_at = min(ask_history_at, first_lookup_at) if ask_history_at > now else first_lookup_at
        wave.store()
        state = replace(
            state,
            wave=state.wave + 1,
            ask_history_at=ask_history_at,
            logged_failures=wave.counts.logged_failures,
            last_wave_at=now if result.submitted else state.last_wave_at,
            busy_s=state.busy_s + time.time() - self._began_at,
            handled_rows=state.handled_rows + wave.counts.submitted + wave.counts.stored,
        )
        self.log.info(
            "Wave %d: %s. Batch: %s.",
            state.wave,
            wave.counts.describe(),
            survey.describe_progress(state.started_at).describe(time.time()),
        )
        return wave, state, self._compute_wake_at(survey, state, result)

    def _submit(self, wave: Wave, content: JournalContent, state: BatchRunState) -> tuple[BatchRunState, WaveResult]:
        """Submit as many rows as may be submitted now."""
        survey, now = wave.survey, time.time()
        if state.stopped is None and self._has_failed_enough(survey):
            text = f"{survey.failed} rows had no video, and stop_after_failures={self.operator.stop_after_failures}"
            state = replace(state, stopped="stop_after_failures", stop_text=text)
            self.log.warning("Nothing more is submitted: %s. What is out is waited for.", text)
        if state.stopped is not None or not survey.to_submit_count:
            return state, WaveResult()
        since_s = None if state.last_wave_at is None else now - state.last_wave_at
        size = compute_wave_size(
            survey.to_submit_count, len(survey.waiting), self.hook.settings.requests_per_minute, since_s
        )
        survey.to_submit.sort(key=lambda each: each.row.index)  # rows that the history released come last otherwise
        allowance = WaveAllowance()
        if size:
            allowance = self._spending.limit_wave(survey, content.rows.values(), size, is_first=not state.has_estimate)
            state = replace(state, has_estimate=True, is_blocked=allowance.is_blocked)
        if allowance.stop is not None:
            stopped, text = allowance.stop
            self.log.warning("Nothing more is submitted: %s. What is out is waited for.", text.rstrip("."))
            return replace(state, stopped=stopped, stop_text=text.rstrip(".")), WaveResult()
        result = wave.submit(allowance.size) if allowance.problem is None else WaveResult(unreachable=allowance.problem)
        if result.submitted:
            state = replace(state, last_accepted_at=time.time(), throttle_count=0)
        if result.throttled is not None and not result.submitted:
            state = replace(state, throttle_count=state.throttle_count + 1)
        if result.account_error is not None:
            self.log.error("Nothing more is submitted: %s", result.account_error)
            state = replace(state, stopped=result.account_error.code, stop_text=str(result.account_error))
        elif (problem := result.throttled or result.unreachable) is not None:
            self.log.info("%s Further rows are submitted later.", problem)
            if time.time() - state.last_accepted_at > self.operator.timeout:
                text = f"no submit was accepted within the timeout of {self.operator.timeout:g} s: {problem}"
                self.log.error("Nothing more is submitted: %s", text)
                state = replace(state, stopped="not_accepted", stop_text=text)
        return state, result

    def _compute_wake_at(self, survey: Survey, state: BatchRunState, result: WaveResult) -> float:
        """Return when a worker finds enough to do again, although not all has ended."""
        now, throttled_until = time.time(), 0.0
        if isinstance(result.throttled, ThrottledError):
            delay_s = compute_resubmit_delay_s(result.throttled, state.throttle_count, now, random.random())
            throttled_until = now + delay_s
        work = WorkSoFar(state.started_at, state.wave, state.busy_s, state.handled_rows)
        may_submit = bool(survey.to_submit_count) and state.stopped is None
        next_rows = len(survey.waiting)
        if may_submit:
            next_rows += compute_wave_size(survey.to_submit_count, 0, self.hook.settings.requests_per_minute)
        wake_at = compute_next_wave_at(now, work, next_rows, throttled_until, scale=get_timing().latency_scale)
        if survey.waiting_for_history:
            return min(wake_at, state.ask_history_at) if may_submit else max(state.ask_history_at, now)
        return wake_at

    def _is_over(self, survey: Survey, state: BatchRunState) -> bool:
        if state.stopped is None:
            return survey.is_over
        return not (survey.waiting or survey.to_store or survey.to_end or survey.waiting_for_history)

    def _has_failed_enough(self, survey: Survey) -> bool:
        limit = self.operator.stop_after_failures
        return limit is not None and survey.failed >= limit

    # Waiting.

    def _wait(self, survey: Survey, state: BatchRunState, wake_at: float) -> None:
        """Wait until there is enough to do: in the triggerer, or here where it is not deferrable."""
        jobs = [make_waiting_job(name, row, self.operator.timeout) for name, row in survey.waiting.items()]
        write_waiting_jobs(self._journal.folder, jobs)
        outcomes_file = self._journal.make_file_name("outcomes")
        progress = survey.describe_progress(state.started_at)
        if state.stopped is not None or state.is_blocked:
            progress = replace(progress, to_go=survey.waiting_for_history)
        if not self.operator.deferrable:
            self._wait_here(progress, outcomes_file, wake_at)
            return
        values = asdict(state)
        self.task.push_xcom(_STATE_KEY, values)  # a trigger failure loses the arguments of the deferral
        last_at = max((job.deadline for job in jobs), default=wake_at)
        self.operator.defer(
            trigger=RunwayBatchTrigger(
                self.operator.runway_conn_id,
                self._journal.folder.folder,
                outcomes_file,
                self.task.attempt.try_number,
                wake_at,
                progress.to_json(),
            ),
            method_name="continue_batch",
            kwargs={"state": values},
            timeout=timedelta(seconds=max(last_at, wake_at) - time.time() + TRIGGER_GRACE_S),
        )

    def _wait_here(self, progress: Progress, outcomes_file: str, wake_at: float) -> None:
        from airflow_provider_runway.triggers.wave_wait import WaveWait

        folder, lines = self._journal.folder, dict[str, bytes]()

        async def save(new_lines: dict[str, bytes]) -> None:
            lines.update(new_lines)
            await run_in_thread(folder.write, outcomes_file, b"".join(lines.values()))

        async def wait() -> None:
            jobs = await run_in_thread(read_waiting_jobs, folder, outcomes_file)
            conn_id, try_number = self.operator.runway_conn_id, self.task.attempt.try_number
            await WaveWait(conn_id, jobs, progress, wake_at, try_number, save, self.log).run()

        asyncio.run(wait())

    # What the batch is made of.

    def _make_journal(self) -> BatchJournal:
        identity = self.task.identity
        owner = {
            "dag_id": identity.dag_id,
            "task_id": identity.task_id,
            "run_id": identity.run_id,
            "map_index": identity.map_index,
            "deployment_id": identity.deployment_id,
            "region_id": identity.region_id,
        }
        return BatchJournal(
            self._result_path,
            make_storage_path,
            owner,
            self.task.attempt,
            self.log,
            durable=self.operator.durable,
        )

    def _make_identity(self, epoch: int) -> JobIdentity:
        return replace(self.task.identity, batch_id=f"{make_digest(self._result_path)}.{epoch}")

    def _build_request(self, hook: RunwayHook, row: BatchRow, identity: JobIdentity) -> JobRequest:
        arguments = row.arguments
        request = build_request(
            hook,
            replace(identity, row_id=row.custom_id, row_index=row.index),
            UploadCache(lambda: self._uploads, self._uploads.append),
            model=arguments["model"],
            arguments={name: arguments[name] for name in JOB_ARGUMENTS},
            extra=arguments["model_params"],
            image_conn_id=arguments["image_conn_id"],
        )
        return replace(request, fingerprint=digest_inputs(hook.runway_conn_id, row))

    # The end, and what is said on the way.

    def _end(self, content: JournalContent, state: BatchRunState, survey: Survey) -> dict[str, Any]:
        end = BatchEnd(
            self._result_path,
            self.task.attempt.try_number,
            state.stopped,
            state.stop_text,
            fail_on_partial_error=self.operator.fail_on_partial_error,
        )
        manifest, error = end_batch(end, self._source, content.rows, survey)
        self.log.info(
            "Batch: the table is at %s: %s.",
            manifest["result_uri"],
            ", ".join(f"{count} {status}" for status, count in manifest["counts"].items() if count),
        )
        self.operator.manifest = manifest
        lineage = self.operator.describe_lineage()
        report_hook_lineage(self.hook, lineage, self.log)
        if error is not None:
            self.task.push_xcom("return_value", manifest)
            raise error
        fill_outlet_events(self.task.outlet_events, self.operator.outlets, lineage, self.log)
        return manifest

    def _log_survey(self, survey: Survey, state: BatchRunState) -> None:
        """Log, once a try, what earlier tries left."""
        if state.wave > 0:
            return
        if survey.kept:
            self.log.info("%d rows have their videos already; nothing is paid for them.", survey.kept)
        if survey.waiting or survey.to_store:
            self.log.info("%d jobs of earlier tries are resumed.", len(survey.waiting) + len(survey.to_store))
        if survey.changed:
            self.log.warning(
                "%d rows changed since they were submitted, and the task was cleared: each gets a new job, which is "
                "billed, too.",
                survey.changed,
            )
        if survey.changed_resumed:
            self.log.warning(
                "%d rows changed since an earlier try submitted them (a presigned URL or a time in the prompt does "
                "that). Their earlier jobs count, and nothing is paid again. To get jobs with the new inputs, clear "
                "the task.",
                survey.changed_resumed,
            )
        if survey.removed:
            self.log.info("%d rows of earlier tries are no longer in the batch. They are left alone.", survey.removed)
