"""One wait of the poller: the job, its state, and the context of the trigger that waits for it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec

from airflow_provider_runway.polling.poll_and_wait_exchanges import fetch_outcome, poll_status

if TYPE_CHECKING:
    from airflow_provider_runway.polling.latency import LatencyEstimator
    from airflow_provider_runway.polling.wait_state import WaitState
    from airflow_provider_runway.segmind.exchange import Exchange
    from airflow_provider_runway.segmind.http import BaseUrls
    from airflow_provider_runway.segmind.jobs import JobStatus
    from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
    from airflow_provider_runway.transports.client_settings import Log

P = ParamSpec("P")


@dataclass(slots=True, eq=False)
class PendingJob:
    """One wait. Times are on the loop's clock; ``state`` has epoch seconds."""

    state: WaitState
    started_at: float
    deadline: float
    latency: LatencyEstimator
    log: Log
    #: A copy of the waiting trigger's context.
    context: contextvars.Context
    outcome: asyncio.Future[WaitOutcome]
    last_polled_age_s: float = 0.0
    #: The status is COMPLETED, so that only the result is missing.
    is_completed: bool = False
    #: The version of the connection with which the key was rejected.
    rejected_version: int | None = None

    @property
    def request_id(self) -> str:
        """The job's id."""
        return self.state.summary.request_id

    def run_in_context(self, function: Callable[P, None], *arguments: P.args, **named: P.kwargs) -> None:
        """Call a function in the context of the waiting trigger, so that its log lines go to the task's log."""
        self.context.run(function, *arguments, **named)

    def make_exchange(self, base_urls: BaseUrls) -> Exchange[WaitOutcome | JobStatus]:
        """Return the exchange of the job's next poll."""
        if self.is_completed:
            return fetch_outcome(base_urls, self.state.summary)
        return poll_status(base_urls, self.state.summary)

    def fail(self, error: Exception) -> None:
        """End the wait with an exception, because of a bug."""
        if not self.outcome.done():
            self.outcome.set_exception(error)


@dataclass(slots=True)
class ContextLog:
    """Writes the lines of a request into the log of the job that it is for."""

    log: Log
    context: contextvars.Context

    def info(self, message: str, /, *values: object) -> None:
        self.context.run(self.log.info, message, *values)

    def warning(self, message: str, /, *values: object) -> None:
        self.context.run(self.log.warning, message, *values)
