"""The sensor that waits for a job that another task submitted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.airflow_errors import to_airflow_error
from airflow_provider_runway.compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    BaseSensorOperator,
    PokeReturnValue,
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
from airflow_provider_runway.links.runway import RunwayConsoleLink, RunwayVideoLink
from airflow_provider_runway.segmind.http import safe_path_segment
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import RECORD_LIFETIME_S
from airflow_provider_runway.segmind.user_messages import job_still_running
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome, stopped_outcome, timed_out_outcome
from airflow_provider_runway.triggers.runway import RunwayJobTrigger
from airflow_provider_runway.waiting import (
    MAX_TRIGGER_FAILURES,
    TRIGGER_FAILED,
    TRIGGER_GRACE_S,
    count_trigger_failures,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class _NeverSkipped(BaseException):
    """A bad key, a bad id, a lost output, a fault of ours: whatever happens, no skip.

    A ``BaseException``, for Airflow's sensor turns any ``AirflowException`` into a skip under
    ``soft_fail``, and any ``Exception`` into another poke under ``silent_fail``.
    """

    def __init__(self, error: RunwayError) -> None:
        super().__init__(str(error))
        self.verdict = to_airflow_error(error)


class RunwayJobSensor(BaseSensorOperator):
    """Wait for a job on Segmind, and return the XCom contract with its output URLs.

    Waiting costs nothing, and a sensor never submits: it is the way to pick up any job whose id is
    known, also one that another program submitted with the same key.

    :param request_id: the job. (templated)
    :param runway_conn_id: a connection of the account that submitted it. (templated)
    :param model: the job's slug, if known: the first look then comes when it is worth one. (templated)
    :param deferrable: wait in the triggerer, without a worker slot; False: poke or reschedule, by ``mode``.
    :param timeout: seconds; the record's hour unless given.
    """

    template_fields: Sequence[str] = ("request_id", "runway_conn_id", "model")
    operator_extra_links = (RunwayVideoLink(), RunwayConsoleLink())
    ui_color = "#e9e4ff"

    def __init__(
        self,
        *,
        request_id: str,
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
        self._seen = ""

    def execute(self, context: Context) -> Any:
        """Defer, or poke in the worker."""
        with self._never_skipped():
            report = self._report()
            if not self.deferrable:
                return super().execute(context)
            self._defer(report)
        return None

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the job once. No usable answer is no end: the next poke looks again."""
        from airflow_provider_runway.polling.poll import poll_once  # a DAG file that is parsed needs none

        report = self._report()
        try:
            with RunwayHook(self.runway_conn_id) as hook:
                transport = hook.get_conn()
                looked = transport.run(poll_once(transport.settings.base_urls, report), self.log)
        except NoUsableResponseError as problem:
            self.log.warning("Job %s: %s Looking again until the timeout.", report.request_id, problem)
            return PokeReturnValue(is_done=False)
        except RunwayError as problem:
            raise self._verdict(problem) from problem
        if isinstance(looked, WaitOutcome):
            return PokeReturnValue(is_done=True, xcom_value=self._end(looked, context))
        if looked.raw_status != self._seen:
            self._seen = looked.raw_status
            self.log.info("Job %s: %s", report.request_id, looked.raw_status)
        return PokeReturnValue(is_done=False)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Take the trigger's event, and hand on the output's URL."""
        report = self._report()
        try:
            ending = WaitOutcome.from_event(event)
        except ValueError as problem:
            raise _NeverSkipped(BadInputError(f"Task {self.task_id!r}: {problem}")) from None
        if ending.job.request_id != report.request_id:
            raise _NeverSkipped(
                WaitTimeoutError(
                    f"The event speaks of job {ending.job.request_id}, and this sensor waits for "
                    f"{report.request_id}: a stale event, refused. Run the sensor again; that costs nothing."
                )
            )
        return self._end(ending, context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after the deferral. Where the trigger brought no event, look at the job once more."""
        with self._never_skipped():
            if next_method == TRIGGER_FAILED:
                reason = (next_kwargs or {}).get("error", "no reason given")
                self.log.warning(
                    "Job %s: the trigger brought no event (%s); looking once more.", self.request_id, reason
                )
                next_method, next_kwargs = "execute_complete", {"event": self._last_look(context).to_event()}
            return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Say that the job goes on: the API has no cancel."""
        why = "the sensor was ended, and the API has no cancel"
        self.log.warning("%s", job_still_running(self.request_id, None, why))

    def _report(self) -> JobSummary:
        try:
            return JobSummary(safe_path_segment("request_id", self.request_id), model=self.model)
        except BadInputError as problem:
            raise _NeverSkipped(problem) from problem

    def _defer(self, report: JobSummary) -> None:
        self.log.info(
            "Job %s: waiting in the triggerer, without a worker slot, for at most %.0f s.",
            report.request_id,
            self.timeout,
        )
        self.defer(
            trigger=RunwayJobTrigger(
                request_id=report.request_id,
                runway_conn_id=self.runway_conn_id,
                model=self.model,
                deadline=time.time() + self.timeout,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + TRIGGER_GRACE_S),
        )

    def _last_look(self, context: Context) -> WaitOutcome:
        """Return how the job ended; a job that is alive is waited for again, a few times at most."""
        from airflow_provider_runway.polling.poll import poll_once

        report = self._report()
        try:
            with RunwayHook(self.runway_conn_id) as hook:
                transport = hook.get_conn()
                looked = transport.run(poll_once(transport.settings.base_urls, report, hook.policy), self.log)
        except NoUsableResponseError as problem:
            self.log.warning("Job %s: %s", report.request_id, problem)
        except RunwayError as problem:
            return stopped_outcome(report, problem)
        else:
            if isinstance(looked, WaitOutcome):
                return looked
        if count_trigger_failures(context, self.task_id) <= MAX_TRIGGER_FAILURES:
            self._defer(report)
        return timed_out_outcome(report)

    def _end(self, ending: WaitOutcome, context: Context) -> dict[str, Any]:
        if (error := ending.to_error()) is not None:
            raise self._verdict(error) from error
        outcome = ending.job.to_json()
        self.log.info("Job %s: COMPLETED, cost %s USD.", ending.job.request_id, ending.job.cost)
        for key in ("request_id", "output_url", "output_urls"):
            context["ti"].xcom_push(key=key, value=outcome[key])
        return outcome

    @staticmethod
    def _verdict(error: RunwayError) -> BaseException:
        """Return what to raise: ``soft_fail`` may skip for the job's own end and for lateness, for nothing else."""
        if isinstance(error, WaitTimeoutError):
            return AirflowSensorTimeout(str(error))
        if isinstance(error, JobFailedError):
            return AirflowFailException(f"{error} The sensor cannot submit it again; the task that did can.")
        return _NeverSkipped(error)

    @contextmanager
    def _never_skipped(self) -> Iterator[None]:
        """Turn what ``soft_fail`` must not skip into a failure, outside Airflow's own handling of it."""
        try:
            yield
        except _NeverSkipped as problem:
            raise problem.verdict from problem
