"""The trigger that waits for one job and yields its outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow_provider_runway.compat import BaseTrigger, TriggerEvent
from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.hooks.connection import DEFAULT_CONN_ID
from airflow_provider_runway.segmind.billing_advice import describe_running_job
from airflow_provider_runway.segmind.jobs import RECORD_LIFETIME_S, JobSummary
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.segmind.wait_outcome import stopped_outcome


class RunwayJobTrigger(BaseTrigger):
    """Waits for a job and yields one event: how the job ended, or why the wait did.

    The event is ``{"status", "request_id", "job", "error"}``. Its status is completed, failed, timeout, expired or
    error; its job holds the fields of the XCom contract. All values are JSON types.

    :param request_id: the job. :param runway_conn_id: a connection to the account that submitted it.
    :param model: its slug, for the expected latency.
    :param submitted_at: epoch seconds; None if unknown.
    :param deadline: epoch seconds by the wall clock, because another process may resume the trigger.
        None: an hour from now, which is how long a record lives.
    """

    def __init__(
        self,
        request_id: str,
        runway_conn_id: str = DEFAULT_CONN_ID,
        model: str | None = None,
        submitted_at: float | None = None,
        deadline: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.request_id = request_id
        self.runway_conn_id = runway_conn_id
        self.model = model
        self.submitted_at = submitted_at
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another process needs to continue the wait; no key, prompt or image."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "request_id": self.request_id,
                "runway_conn_id": self.runway_conn_id,
                "model": self.model,
                "submitted_at": self.submitted_at,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield exactly one event. A cancellation (restart, rebalancing) passes through and yields none."""
        from airflow_provider_runway.triggers.poller import get_poller  # parsing a DAG file must not import it

        started_at = time.monotonic()
        summary = JobSummary(self.request_id, model=self.model, submitted_at=self.submitted_at)
        deadline = time.time() + RECORD_LIFETIME_S if self.deadline is None else self.deadline
        try:
            outcome = await get_poller(self.runway_conn_id).wait(summary, deadline, self.log)
        except RunwayError as error:
            outcome = stopped_outcome(summary, error)
        except Exception as bug:
            # An exception that leaves a trigger resumes the task as ``__fail__`` and without our kwargs.
            self.log.exception("Job %s: the trigger failed", self.request_id)
            outcome = stopped_outcome(summary, RunwayError(f"an error in this package ({type(bug).__name__})"))
        # The scheduler can fail a task whose event comes before its worker has exited (apache/airflow#72716).
        await asyncio.sleep(started_at + get_timing().min_wait_s - time.monotonic())
        yield TriggerEvent(outcome.to_event())  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Log that the job goes on. Airflow 3.3 and later call this when a person ends the task."""
        why = "the task was ended, and the API has no cancel"
        self.log.warning("%s", describe_running_job(self.request_id, self.submitted_at, why))
