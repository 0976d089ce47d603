"""Poller for all jobs that wait on one connection: one HTTP session, one rate limiter, one queue.

Every job that is passed in gets exactly one outcome or one exception, unless its wait is cancelled. No more requests
are sent than the rate limiter allows. What to send, when, and what a response means is decided in ``polling/``;
this file is the asyncio around it.

Airflow routes log lines by context variables. The runner and the requests therefore run in an empty context, which
belongs to no task, and what concerns one job runs in the context of the trigger that waits for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import time
from collections import deque
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from airflow_provider_runway.hooks.custom_models_file import load_models_or_warn
from airflow_provider_runway.polling.adaptive_rate_limit import AdaptiveRateLimiter
from airflow_provider_runway.polling.latency import LatencyEstimator, make_latency_estimator
from airflow_provider_runway.polling.poll_queue import BEFORE_ALL_OTHERS, DueTimes, PollQueue
from airflow_provider_runway.polling.schedule import POLL_COSTS_S, PriorityTimes, compute_max_gap_s
from airflow_provider_runway.polling.wait_state import WaitState
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.triggers import metrics
from airflow_provider_runway.triggers.pending_job import PendingJob
from airflow_provider_runway.triggers.poll_requests import PollRequests
from airflow_provider_runway.triggers.poller_connection import PollerConnection

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from airflow_provider_runway.segmind.jobs import JobSummary
    from airflow_provider_runway.transports.aiohttp_transport import AiohttpTransport
    from airflow_provider_runway.transports.client_settings import Log

log = logging.getLogger(__name__)

#: Requests under way at once: enough for 1200 a minute at 0.8 s each, and few enough that responses which arrive in
#: the same turn of the event loop do not block it for long.
MAX_CONCURRENT_REQUESTS = 16
#: How long after its deadline a completed job may still fetch its result, and a job may wait for a last poll that the
#: rate limit delays. Airflow itself gives up later than that.
GRACE_S = 60.0
#: Deadlines are checked at least this often. Jobs that become due within the shortest sleep are polled together,
#: because thousands a minute would wake the poller for each of them.
MAX_SLEEP_S, MIN_SLEEP_S = 5.0, 0.01
#: New jobs that are scheduled in one turn of the event loop.
MAX_ENQUEUED_AT_ONCE = 100
#: How often metrics are sent and expired jobs are ended.
HOUSEKEEPING_S = 1.0
#: Directly after a 429 only jobs of at least this priority are polled.
CONTENDED_PRIORITY = 3
#: With more contention than this, jobs of a model whose latency is not learnt yet are polled like all others.
MAX_UNLEARNT_CONTENTION = 0.1
#: While pages of the history are read, only jobs of at least this priority are polled singly: where pages have proved
#: to pay, and where they have not been tried yet.
PAGED_PRIORITY, UNTRIED_PAGES_PRIORITY = 4, 2


class Poller:
    """Polls all jobs of one connection in one event loop. Use :func:`get_poller`."""

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self._queue: PollQueue[PendingJob] = PollQueue(len(POLL_COSTS_S))
        self._latencies: dict[str | None, LatencyEstimator] = {}
        self._connection = PollerConnection(conn_id, self._close_when_unused)
        self._oldest_started_at = self._expected_s = math.inf  # of the waiting jobs, as of the last housekeeping
        self._requests: set[asyncio.Task[None]] = set()
        self._jobs: set[PendingJob] = set()
        self._sender = PollRequests(conn_id, self._connection, self._jobs, self._queue.__contains__, self._reschedule)
        self._new_jobs: deque[PendingJob] = deque()
        self._housekeeping_at = 0.0
        self._is_reading = self._is_reading_page = False
        self._wake = asyncio.Event()
        self._sleeps_until = math.inf  # jobs that become due later need not wake the runner
        self._runner: asyncio.Task[None] | None = None

    async def wait(self, summary: JobSummary, deadline: float, log: Log) -> WaitOutcome:
        """Return how the job ended, or that the deadline (epoch seconds) passed.

        Changes of its status are written to ``log``. Cancelling one wait affects no other and nothing remote.
        """
        loop, now = asyncio.get_running_loop(), time.time()
        started_at = now if summary.submitted_at is None else summary.submitted_at
        offset = loop.time() - now
        job = PendingJob(
            state=WaitState(summary, started_at),
            started_at=started_at + offset,
            deadline=max(deadline + offset, loop.time()),
            latency=self._get_latency(summary.model),
            log=log,
            context=contextvars.copy_context(),
            outcome=loop.create_future(),
        )
        self._jobs.add(job)
        self._new_jobs.append(job)
        if self._runner is None:
            self._runner = loop.create_task(self._run(), context=contextvars.Context())
        self._wake.set()
        try:
            return await job.outcome
        finally:
            self._queue.remove(job)
            self._jobs.discard(job)
            self._wake.set()

    def _get_latency(self, model: str | None) -> LatencyEstimator:
        if model not in self._latencies:
            load_models_or_warn(log)
            self._latencies[model] = make_latency_estimator(model)
        return self._latencies[model]

    async def _run(self) -> None:
        """Send what is due and allowed, and sleep in between, as long as any job waits."""
        loop = asyncio.get_running_loop()
        try:
            while self._jobs or self._requests:
                self._wake.clear()
                self._sleeps_until = math.inf
                if self._new_jobs:
                    self._enqueue_new()
                    await asyncio.sleep(0)
                elif (sleep_s := self._send_next()) > 0:
                    # Half the CPU time of a timeout around the wait, and this runs for nearly each request.
                    self._sleeps_until = loop.time() + sleep_s
                    timer = loop.call_at(self._sleeps_until, self._wake.set)
                    await self._wake.wait()
                    timer.cancel()
        except Exception as error:
            # Without this, a bug here would leave every job waiting.
            for job in list(self._jobs):
                job.fail(error)
        finally:
            self._runner = None
            metrics.set_jobs_waiting(self.conn_id, len(self._jobs))
            if (transport := self._connection.detach()) is not None:
                await _close_after(transport, list(self._requests))

    def _enqueue_new(self) -> None:
        """Schedule some of the new jobs; thousands may arrive in one turn of the event loop."""
        for _ in range(min(len(self._new_jobs), MAX_ENQUEUED_AT_ONCE)):
            job = self._new_jobs.popleft()
            if job in self._jobs:  # else it was cancelled during the poll
                self._schedule(job)

    def _schedule(self, job: PendingJob) -> None:
        """Add a job to the queue at the times when its next poll is worth a request."""
        now = asyncio.get_running_loop().time()
        due_times: DueTimes
        if job.is_completed:
            # One request is left. If the wait ends before it is sent, the next wait polls the status again.
            due_times = [BEFORE_ALL_OTHERS] * len(POLL_COSTS_S)
        else:
            max_gap_s = self._compute_max_gap_s(job, now)
            due_times = PriorityTimes(job.latency, now, now - job.started_at, job.last_polled_age_s, max_gap_s)
        # A job that arrives after its deadline is polled once.
        if self._queue.schedule(job, due_times, max(job.deadline, now)) < self._sleeps_until:
            self._wake.set()

    def _compute_max_gap_s(self, job: PendingJob, now: float) -> float:
        limiter = self._connection.rate_limiter or AdaptiveRateLimiter()
        if limiter.contention(now) > MAX_UNLEARNT_CONTENTION:
            return math.inf
        return compute_max_gap_s(job.latency, len(self._jobs), limiter.per_second)

    def _send_next(self) -> float:
        """Send one request if a job is due and the rate limiter allows it; return the seconds to sleep."""
        now = asyncio.get_running_loop().time()
        if now >= self._housekeeping_at + HOUSEKEEPING_S:
            self._housekeeping_at = now
            self._do_housekeeping(now)
        if not self._queue or self._is_reading or len(self._requests) >= MAX_CONCURRENT_REQUESTS:
            return MAX_SLEEP_S
        if now < self._connection.retry_at:
            return min(self._connection.retry_at - now, MAX_SLEEP_S)
        limiter = self._connection.rate_limiter
        if limiter is not None and (delay_s := limiter.delay_s(now)) > 0:
            return min(delay_s, MAX_SLEEP_S)
        transport = self._connection.get_fresh_transport()
        min_priority = 0 if limiter is None else round(limiter.contention(now) * CONTENDED_PRIORITY)
        page_delay_s = self._compute_page_delay_s(now)
        if page_delay_s is not None:
            paging = self._sender.pages.paging
            min_priority = max(min_priority, PAGED_PRIORITY if paging.is_trusted else UNTRIED_PAGES_PRIORITY)
            if page_delay_s == 0 and transport is not None and limiter is not None:
                limiter.acquire(now)
                paging.on_read(now)
                self._is_reading_page = True
                self._start_request(self._read_page(transport))
                return 0
            if paging.makes_polls_wait(now) and transport is not None:
                return min(page_delay_s, MAX_SLEEP_S)
        job = self._queue.pop_due(now, min_priority)
        if job is None:
            due = self._queue.next_due_time()
            # Contention decreases with time, which lowers the minimum priority without any job's promotion.
            max_sleep_s = min(1.0 if min_priority else MAX_SLEEP_S, page_delay_s or MAX_SLEEP_S)
            return min(1.0 if due is None else max(due - now, MIN_SLEEP_S), max_sleep_s)
        if transport is None:
            self._queue.schedule(job, [now] * len(POLL_COSTS_S), job.deadline)
            self._is_reading = True
            self._start_request(self._read_connection())
            return MAX_SLEEP_S
        if limiter is not None:
            limiter.acquire(now)
        self._start_request(self._sender.poll(job, transport, self._connection.version))
        return 0

    def _compute_page_delay_s(self, now: float) -> float | None:
        """Return the seconds until a page of the history is due; None where pages are not worth reading."""
        limiter, paging = self._connection.rate_limiter, self._sender.pages.paging
        if limiter is None or not paging.may_read(now, len(self._jobs), self._expected_s, limiter.per_second):
            return None
        if self._is_reading_page:
            return MAX_SLEEP_S
        due = paging.next_read_at(self._oldest_started_at, self._expected_s, limiter.per_second)
        return max(due - now, 0.0)

    def _do_housekeeping(self, now: float) -> None:
        metrics.set_jobs_waiting(self.conn_id, len(self._jobs))
        if self._jobs:
            oldest = min(self._jobs, key=lambda job: job.started_at)
            self._oldest_started_at, self._expected_s = oldest.started_at, oldest.latency.expected_s
        grace_s = 0.0 if self._connection.failed_reads else GRACE_S
        while (job := self._queue.pop_one_expired(now - grace_s)) is not None:
            job.run_in_context(self._sender.finish, job, job.state.on_deadline())

    async def _read_connection(self) -> None:
        try:
            await self._sender.read_connection()
        finally:
            self._is_reading = False
            self._wake.set()

    async def _read_page(self, transport: AiohttpTransport) -> None:
        try:
            await self._sender.read_page(transport, self._oldest_started_at)
        finally:
            self._is_reading_page = False
            self._wake.set()

    def _start_request(self, request: Coroutine[Any, Any, None]) -> None:
        # The session's connections keep the context in which they were opened, so it must be no job's.
        task = asyncio.get_running_loop().create_task(request, context=contextvars.Context())
        self._requests.add(task)
        task.add_done_callback(self._on_request_done)

    def _on_request_done(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        if len(self._requests) + 1 >= MAX_CONCURRENT_REQUESTS or not self._jobs:
            self._wake.set()

    def _close_when_unused(self, transport: AiohttpTransport) -> None:
        self._start_request(_close_after(transport, list(self._requests)))

    def _reschedule(self, job: PendingJob, *, at_once: bool = False) -> None:
        """Schedule the next poll of a job, or end its wait after the deadline."""
        if job.outcome.done():
            return
        now = asyncio.get_running_loop().time()
        # A result is fetched and a rejected key tried again also shortly after the deadline.
        has_grace = job.is_completed or job.rejected_version is not None
        if now >= job.deadline + (GRACE_S if has_grace else 0.0):
            self._sender.finish(job, job.state.on_deadline())
        elif at_once:
            self._queue.schedule(job, [now] * len(POLL_COSTS_S), job.deadline)
            self._wake.set()
        else:
            self._schedule(job)


async def _close_after(transport: AiohttpTransport, requests: list[asyncio.Task[None]]) -> None:
    """Close a session once the requests that use it have ended."""
    if requests:
        await asyncio.wait(requests)
    await transport.close()


_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Poller]] = WeakKeyDictionary()


def get_poller(conn_id: str) -> Poller:
    """Return the running event loop's poller for a connection. It remembers latencies after its sessions close."""
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    if conn_id not in pollers:
        pollers[conn_id] = Poller(conn_id)
    return pollers[conn_id]
