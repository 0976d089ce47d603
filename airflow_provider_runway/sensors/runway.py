"""The sensor that waits for a job that another task submitted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.airflow_errors import attach_error, to_airflow_error
from airflow_provider_runway.compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    get_first_reschedule_at,
)
from airflow_provider_runway.exceptions import (
    BadInputError,
    JobFailedError,
    NoUsableResponseError,
    RunwayError,
    WaitTimeoutError,
)
from airflow_provider_runway.hooks.connection import DEFAULT_CONN_ID
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.lineage.openlineage_methods import OpenLineageMethods
from airflow_provider_runway.lineage.outlet_events import fill_outlet_events
from airflow_provider_runway.lineage.task_lineage import TaskLineage, describe_job_lineage
from airflow_provider_runway.links.runway import TASK_LINKS, hide_links
from airflow_provider_runway.polling.wait_state import may_be_too_new
from airflow_provider_runway.segmind.billing_advice import describe_completed
from airflow_provider_runway.segmind.jobs import OUTPUT_KEYS, RECORD_LIFETIME_S, JobSummary
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome, stopped_outcome, timed_out_outcome
from airflow_provider_runway.task_context import TaskContext
from airflow_provider_runway.task_deferral import (
    MAX_TRIGGER_FAILURES,
    TRIGGER_FAILED,
    count_trigger_failure,
    defer_until_done,
    log_kill,
    log_trigger_failure,
    poll_last_time,
    pull_job,
    push_job,
    read_event,
    read_job,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class _NotSkippable(BaseException):
    """An error that must never become a skip, such as a bad key, a bad id or a missing output.

    It is a ``BaseException``, for Airflow's sensor turns any ``AirflowException`` into a skip under
    ``soft_fail``, and any ``Exception`` into another poke under ``silent_fail``.
    """

    def __init__(self, error: RunwayError) -> None:
        super().__init__(str(error))
        self.error = error


class RunwayJobSensor(OpenLineageMethods, BaseSensorOperator):
    """Wait for a job on Segmind, and return the XCom contract with its output URLs.

    Waiting costs nothing, and a sensor never submits. It can wait for any job whose id is known, also for one
    that another program submitted with the same key.

    :param request_id: the job's id; or the whole result of the task that submitted it (``submit.output``), so that
        its seed, model and submission time are in the sensor's result, too. (templated)
    :param runway_conn_id: a connection of the account that submitted it. (templated)
    :param model: the job's slug, if known; it says when polling is worthwhile. (templated)
    :param deferrable: wait in the triggerer, without a worker slot; False: poke or reschedule, by ``mode``.
    :param timeout: seconds from the start of the sensor; by default the hour that a record lives.
    """

    template_fields: Sequence[str] = ("request_id", "runway_conn_id", "model")
    operator_extra_links = TASK_LINKS
    ui_color = "#e9e4ff"

    def __init__(
        self,
        *,
        request_id: str | Mapping[str, Any],
        runway_conn_id: str = DEFAULT_CONN_ID,
        model: str | None = None,
        deferrable: bool = True,
        timeout: timedelta | float = RECORD_LIFETIME_S,
        poke_interval: timedelta | float = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, poke_interval=poke_interval, **kwargs)
        self.request_id = request_id
        self.runway_conn_id = runway_conn_id
        self.model = model
        self.deferrable = deferrable
        self._last_status = ""
        self._started_at = 0.0
        self._finished_job: JobSummary | None = None

    def execute(self, context: Context) -> Any:
        """Defer, or poke in the worker."""
        hide_links(self)
        with self._no_skip_for_errors():
            job = self._job()
            self._started_at = time.time()
            if not self.deferrable:
                if self.reschedule:
                    self._started_at = get_first_reschedule_at(context, self.retries) or self._started_at
                return super().execute(context)
            deadline = self._started_at + self.timeout
            push_job(TaskContext.from_airflow(context, self), job, deadline)
            defer_until_done(self, self.runway_conn_id, job, deadline)
        return None

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll the job once. Without a usable response the next poke polls again."""
        from airflow_provider_runway.hooks.price_warnings import warn_of_contradicted_price
        from airflow_provider_runway.polling.poll_and_wait_exchanges import poll_once  # not needed to parse a DAG file
        from airflow_provider_runway.triggers.metrics import count_completed_job

        job = self._job()
        try:
            with RunwayHook(self.runway_conn_id) as hook:
                transport = hook.get_conn()
                polled = transport.run(poll_once(transport.settings.base_urls, job), self.log)
        except NoUsableResponseError as problem:
            self.log.warning("Job %s: %s Polling again until the timeout.", job.request_id, problem)
            return PokeReturnValue(is_done=False)
        except RunwayError as problem:
            raise self._sensor_error(stopped_outcome(job, problem).to_error() or problem) from None
        if isinstance(polled, WaitOutcome):
            if self._is_too_early(polled, job):
                self.log.info("Job %s: no record yet. Polling again.", job.request_id)
                return PokeReturnValue(is_done=False)
            if polled.kind is OutcomeKind.COMPLETED:  # in the triggerer the poller counts it
                count_completed_job(self.runway_conn_id, job.merged_with(polled.job))
                warn_of_contradicted_price(self.log, polled.job.model, polled.job.cost)
            result = self._finish(polled, job, TaskContext.from_airflow(context, self))
            return PokeReturnValue(is_done=True, xcom_value=result)
        if polled.raw_status != self._last_status:
            self._last_status = polled.raw_status
            self.log.info("Job %s: %s", job.request_id, polled.raw_status)
        return PokeReturnValue(is_done=False)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Take the trigger's event, and return the finished job."""
        job = self._job()
        try:
            outcome = read_event(event, self.task_id, job)
        except RunwayError as problem:
            raise _NotSkippable(problem) from None
        return self._finish(outcome, job, TaskContext.from_airflow(context, self))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. After a trigger failure, poll the job once more."""
        hide_links(self)
        with self._no_skip_for_errors():
            if next_method == TRIGGER_FAILED:
                log_trigger_failure(self.log, self._job(), next_kwargs)
                outcome = self._poll_after_trigger_failure(TaskContext.from_airflow(context, self))
                next_method, next_kwargs = "execute_complete", {"event": outcome.to_event()}
            return super().resume_execution(next_method, next_kwargs, context)

    def describe_lineage(self) -> TaskLineage:
        """Return the output URLs as the output. The image is known to the task that submitted the job."""
        try:
            return describe_job_lineage(None, self._finished_job or self._job())
        except _NotSkippable:  # the id is no id; the task's own error says so
            return TaskLineage()

    def on_kill(self) -> None:
        """Log that the job goes on: the API has no cancel."""
        log_kill(self.log, self._job())

    def _job(self) -> JobSummary:
        try:
            return read_job(self.request_id, self.model)
        except BadInputError as problem:
            raise _NotSkippable(problem) from None

    def _poll_after_trigger_failure(self, task: TaskContext) -> WaitOutcome:
        """Return the outcome of the job; defer again, a few times at most, while it has none."""
        job = self._job()
        pushed = pull_job(task)
        deadline = time.time() + self.timeout if pushed is None else pushed[1]
        self._started_at = deadline - self.timeout
        try:
            with RunwayHook(self.runway_conn_id) as hook:
                outcome = poll_last_time(hook, job, self.log)
        except RunwayError as problem:
            return stopped_outcome(job, problem)
        if outcome is not None and not self._is_too_early(outcome, job):
            return outcome
        if deadline > time.time() and count_trigger_failure(task) <= MAX_TRIGGER_FAILURES:
            defer_until_done(self, self.runway_conn_id, job, deadline)
        return outcome or timed_out_outcome(job)

    def _is_too_early(self, outcome: WaitOutcome, job: JobSummary) -> bool:
        """Is the record missing, but perhaps only because the job is new? Not on the last poke before the timeout."""
        now = time.time()
        is_last_poke = now - self._started_at + self.poke_interval >= self.timeout
        return may_be_too_new(outcome, job.submitted_at or self._started_at, now) and not is_last_poke

    def _finish(self, outcome: WaitOutcome, job: JobSummary, task: TaskContext) -> dict[str, Any]:
        """Return the completed job, or raise the error that the outcome means."""
        done = self._finished_job = job.merged_with(outcome.job)
        if (error := outcome.to_error()) is not None:
            raise self._sensor_error(error) from None
        self.log.info("%s", describe_completed(done))
        prompt_text = self.request_id.get("prompt_text") if isinstance(self.request_id, Mapping) else None
        result = done.to_xcom(prompt_text)
        task.push_xcom("request_id", done.request_id)
        for key in OUTPUT_KEYS:
            if result[key]:
                task.push_xcom(key, result[key])
        fill_outlet_events(task.outlet_events, self.outlets, self.describe_lineage(), self.log)
        return result

    def _sensor_error(self, error: RunwayError) -> BaseException:
        """Return the error to raise. ``soft_fail`` may skip a failed job and a timeout, and nothing else."""
        if isinstance(error, WaitTimeoutError):
            return attach_error(AirflowSensorTimeout(str(to_airflow_error(error, self.log))), error)
        if isinstance(error, JobFailedError):  # a retry of the sensor cannot help
            return attach_error(AirflowFailException(str(to_airflow_error(error, self.log))), error)
        return _NotSkippable(error)

    @contextmanager
    def _no_skip_for_errors(self) -> Iterator[None]:
        """Raise errors that must not be skipped outside of Airflow's own ``soft_fail`` handling."""
        try:
            yield
        except _NotSkippable as problem:
            raise to_airflow_error(problem.error, self.log) from None
