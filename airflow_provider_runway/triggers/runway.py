"""The trigger that waits for one job."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from airflow_provider_runway.compat import BaseTrigger, TriggerEvent
from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.hooks.connection import DEFAULT_CONN_ID
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import RECORD_LIFETIME_S
from airflow_provider_runway.segmind.user_messages import job_still_running
from airflow_provider_runway.segmind.wait_outcome import stopped_outcome


class RunwayJobTrigger(BaseTrigger):
    """Wait for a job, and yield one event: how it ended, or why the wait did.

    The event is ``{"status", "request_id", "job", "error"}``: status is completed, failed, timeout,
    expired or error; job holds the fields of the XCom contract; JSON types only.

    :param request_id: the job. :param runway_conn_id: the connection whose account made it.
    :param model: its slug, from which the expected latency is taken.
    :param submitted_at: epoch seconds; None when not known.
    :param deadline: epoch seconds, wall clock, because the trigger may be resumed by another process;
        None: an hour (a record's life) from now.
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
        """Return what another process needs to go on waiting; no key, prompt or image."""
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
        """Yield exactly one event. A cancellation (restart, rebalancing) passes and leaves none."""
        from airflow_provider_runway.triggers.poller import poller_for  # a DAG file that is parsed needs none

        report = JobSummary(self.request_id, model=self.model, submitted_at=self.submitted_at)
        deadline = time.time() + RECORD_LIFETIME_S if self.deadline is None else self.deadline
        try:
            ending = await poller_for(self.runway_conn_id).wait(report, deadline, self.log)
        except RunwayError as error:
            ending = stopped_outcome(report, error)
        except Exception as bug:
            # The border: what gets out here comes back as ``__fail__`` without our kwargs.
            self.log.exception("Job %s: the trigger broke", self.request_id)
            ending = stopped_outcome(report, RunwayError(f"a fault in this package ({type(bug).__name__})"))
        yield TriggerEvent(ending.to_event())  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Say that the job goes on. Airflow 3.3 and later call this when a person ends the task."""
        why = "the task was ended, and the API has no cancel"
        self.log.warning("%s", job_still_running(self.request_id, self.submitted_at, why))
