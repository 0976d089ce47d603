"""One poller for all the jobs that wait on a connection: one session, one budget, one clock.

Its invariant: every job handed in gets exactly one ending or one exception, unless its wait is cancelled;
and between two moments at most as many requests leave as the budget grants. What to ask, when, and what an
answer means is decided in ``polling/``; this file is the asyncio around it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from airflow_provider_runway.exceptions import RunwayError, ThrottledError, UnauthorizedError
from airflow_provider_runway.hooks.custom_models import load_models_or_warn
from airflow_provider_runway.polling.latency import LatencyDistribution
from airflow_provider_runway.polling.poll import fetch_outcome, poll_status
from airflow_provider_runway.polling.poll_queue import Moments, PollQueue
from airflow_provider_runway.polling.schedule import POLL_COSTS_S, PriorityTimes
from airflow_provider_runway.polling.wait_state import WaitState
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.models import expected_latency_s
from airflow_provider_runway.segmind.timestamps import parse_number
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome, timed_out_outcome
from airflow_provider_runway.transports.client_settings import log_step
from airflow_provider_runway.triggers import metrics
from airflow_provider_runway.triggers.connection_cache import ConnectionCache

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from airflow_provider_runway.segmind.job_summary import JobSummary
    from airflow_provider_runway.transports.aiohttp_transport import AiohttpTransport
    from airflow_provider_runway.transports.client_settings import Log

log = logging.getLogger(__name__)

#: Requests under way at once: enough for 1200 a minute at 0.8 s each, and few enough that answers, which may all come
#: in one turn of the event loop, don't hold it up.
MOST_UNDER_WAY = 16
#: A job that is done when its deadline comes is given this long to hand out its result, and one whose last look the
#: budget can't serve is given this long to get it. Airflow itself gives up later than that.
GRACE_S = 60.0
#: However long there is nothing to send, deadlines are looked after. Jobs that are due within the shortest sleep go
#: together: thousands a minute would wake the poller for each.
LONGEST_SLEEP_S, SHORTEST_SLEEP_S = 5.0, 0.01
#: So many who join are placed in one turn of the event loop, and so often the metrics hear how many wait and those
#: are found whose deadline has passed.
MOST_SEATED, TELL_S = 100, 1.0
#: A trigger that fires in its very first moments can be lost to the scheduler (apache/airflow#72716).
SETTLE_S = 1.0
#: Right after a refusal only jobs of this rank are looked at.
SCARCE_RANK = 3


@dataclass(slots=True, eq=False)
class _Waiting:
    """One wait. Moments are loop time; ``vigil`` keeps epoch seconds."""

    vigil: WaitState
    born: float
    deadline: float
    model: LatencyDistribution
    log: Log
    ended: asyncio.Future[WaitOutcome]
    last_polled_age_s: float = 0.0  # the job's age at the last look
    completed: bool = False  # the status said so; only the result is missing
    refused_by: int | None = None  # the reading of the connection with which the key was refused


class Poller:
    """Looks after all jobs of one connection in one event loop. Made by :func:`poller_for`."""

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self._roster: PollQueue[_Waiting] = PollQueue(len(POLL_COSTS_S))
        self._models: dict[str | None, LatencyDistribution] = {}
        self._access = ConnectionCache(conn_id, self._retire_soon)
        self._under_way: set[asyncio.Task[None]] = set()
        self._waiting: set[_Waiting] = set()
        self._joining: deque[_Waiting] = deque()
        self._told_at = 0.0
        self._wake = asyncio.Event()
        self._sleeps_until = math.inf  # loop time; what is due later need not wake the poller
        self._runner: asyncio.Task[None] | None = None

    async def wait(self, report: JobSummary, deadline: float, log: Log) -> WaitOutcome:
        """Return how the job ended, or that the deadline (epoch seconds) passed.

        Its changes of state are written to ``log``. Cancelling the wait touches no other and nothing remote.
        """
        loop, now = asyncio.get_running_loop(), time.time()
        born = now if report.submitted_at is None else report.submitted_at
        offset = loop.time() - now
        waiting = _Waiting(
            vigil=WaitState(report, born),
            born=born + offset,
            # A job that comes past its deadline is looked at once, and its result fetched if it is done.
            deadline=max(deadline + offset, loop.time() + SETTLE_S),
            model=self._model(report.model),
            log=log,
            ended=loop.create_future(),
        )
        self._waiting.add(waiting)
        self._joining.append(waiting)
        if self._runner is None:
            self._runner = loop.create_task(self._run())
        self._wake.set()
        try:
            return await waiting.ended
        finally:
            self._roster.remove(waiting)
            self._waiting.discard(waiting)
            self._wake.set()

    def _model(self, slug: str | None) -> LatencyDistribution:
        if slug not in self._models:
            load_models_or_warn(log)
            self._models[slug] = LatencyDistribution(expected_latency_s(slug))
        return self._models[slug]

    def _place(self, waiting: _Waiting) -> None:
        """Put a job where its next look is worth a request."""
        now = asyncio.get_running_loop().time()
        moments: Moments
        if waiting.completed:
            moments = [now] * len(POLL_COSTS_S)  # one request is left, and it is worth any price
        else:
            moments = PriorityTimes(waiting.model, now, now - waiting.born, waiting.last_polled_age_s)
        # A job that comes past its deadline gets one look, too.
        if self._roster.place(waiting, moments, max(waiting.deadline, now + SETTLE_S)) < self._sleeps_until:
            self._wake.set()

    def _seat(self) -> None:
        """Place some of those who joined: thousands may, in one turn of the event loop."""
        for _ in range(min(len(self._joining), MOST_SEATED)):
            waiting = self._joining.popleft()
            if waiting in self._waiting:  # else it was cancelled meanwhile
                self._place(waiting)

    async def _run(self) -> None:
        """Send what is due and granted, and sleep until something is, as long as anybody waits."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting or self._under_way:
                self._wake.clear()
                self._sleeps_until = math.inf
                if self._joining:
                    self._seat()
                    await asyncio.sleep(0)
                elif (pause_s := await self._next()) > 0:
                    # Cheaper by half than a timeout around the wait, and this is done for each request or two.
                    self._sleeps_until = loop.time() + pause_s
                    alarm = loop.call_at(self._sleeps_until, self._wake.set)
                    await self._wake.wait()
                    alarm.cancel()
        except Exception as problem:
            # Whatever it was, every job must hear of it: a poller that died would keep them waiting.
            for waiting in list(self._waiting):
                if not waiting.ended.done():
                    waiting.ended.set_exception(problem)
        finally:
            self._runner = None
            metrics.waiting(self.conn_id, len(self._waiting))
            if (transport := self._access.released()) is not None:
                await _retire(transport, list(self._under_way))

    async def _next(self) -> float:
        """Send one request if it is somebody's turn and granted: 0. Else return the seconds to sleep."""
        now = asyncio.get_running_loop().time()
        if now >= self._told_at + TELL_S:
            self._told_at = now
            metrics.waiting(self.conn_id, len(self._waiting))
            while (overdue := self._roster.overdue(now - GRACE_S)) is not None:
                self._settle(overdue, timed_out_outcome(overdue.vigil.report))
        if not self._roster or len(self._under_way) >= MOST_UNDER_WAY:
            return LONGEST_SLEEP_S
        budget = self._access.budget
        if budget is not None and (wait_s := budget.wait_s(now)) > 0:
            return min(wait_s, LONGEST_SLEEP_S)
        least = 0 if budget is None else round(budget.contention(now) * SCARCE_RANK)
        waiting = self._roster.take(now, least)
        if waiting is None:
            moment = self._roster.next_moment()
            # Scarcity passes, and with it the least rank falls: nobody rises then, so look up now and then.
            return min(
                max(moment - now, SHORTEST_SLEEP_S) if moment is not None else 1.0, 1.0 if least else LONGEST_SLEEP_S
            )
        try:
            transport = await self._access.opened()
        except RunwayError as problem:
            self._settle(waiting, None, problem)
            return 0
        if self._access.budget is not None:
            self._access.budget.spend(now)
        self._start(self._look(waiting, transport, self._access.readings))
        return 0

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._done)

    def _retire_soon(self, transport: AiohttpTransport) -> None:
        self._start(_retire(transport, list(self._under_way)))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if len(self._under_way) + 1 >= MOST_UNDER_WAY or not self._waiting:  # it held others up, or was the last
            self._wake.set()

    async def _look(self, waiting: _Waiting, transport: AiohttpTransport, reading: int) -> None:
        """Look at a job; a bug in that ends this wait, and no other."""
        try:
            await self._ask(waiting, transport, reading)
        except Exception as bug:
            if not waiting.ended.done():
                waiting.ended.set_exception(bug)

    async def _ask(self, waiting: _Waiting, transport: AiohttpTransport, reading: int) -> None:
        """Send one request for a job, and place it anew or end its wait."""
        report, base_urls = waiting.vigil.report, transport.settings.base_urls
        flow = fetch_outcome(base_urls, report) if waiting.completed else poll_status(base_urls, report)
        metrics.looked(self.conn_id)
        waiting.last_polled_age_s = asyncio.get_running_loop().time() - waiting.born
        try:
            looked = await transport.run(flow, waiting.log)
        except UnauthorizedError as problem:
            # The key may have been rotated. A reading of the connection is given one chance by each job.
            if waiting.refused_by is None:
                waiting.refused_by = reading
                waiting.log.warning("Job %s: %s Reading the connection afresh.", report.request_id, problem)
                self._access.doubt(reading)
                self._again(waiting)
            else:
                self._settle(waiting, None, problem)
        except RunwayError as problem:
            self._stumbled(waiting, problem)
        else:
            waiting.refused_by = None
            ending, line = waiting.vigil.judge(looked, time.time())
            if line is not None:
                log_step(line, waiting.log)
            if ending is not None:
                self._settle(waiting, ending)
                return
            waiting.completed = (
                not isinstance(looked, WaitOutcome) and looked.state is JobState.COMPLETED and not waiting.completed
            )
            self._again(waiting)

    def _stumbled(self, waiting: _Waiting, problem: RunwayError) -> None:
        now = asyncio.get_running_loop().time()
        ending, line, floor_s = waiting.vigil.stumble(problem, time.time())
        if isinstance(problem, ThrottledError):
            metrics.throttled(self.conn_id)
            if self._access.budget is not None:
                self._access.budget.refused(now, now + floor_s if problem.reset_at is not None else None)
            line = None  # the budget's business: a busy account is no problem of this job
        if line is not None:
            log_step(line, waiting.log)
        if ending is not None:
            self._settle(waiting, ending)
        elif isinstance(problem, ThrottledError):
            # It keeps its turn, and goes as soon as the budget grants it.
            self._again(waiting, at_once=True)
        else:
            self._again(waiting)

    def _again(self, waiting: _Waiting, *, at_once: bool = False) -> None:
        """Place a job that goes on, or end its wait where the deadline has passed."""
        if waiting.ended.done():
            return
        now = asyncio.get_running_loop().time()
        if now >= waiting.deadline + (GRACE_S if waiting.completed else 0.0):
            self._settle(waiting, timed_out_outcome(waiting.vigil.report))
        elif at_once:
            self._roster.place(waiting, [now] * len(POLL_COSTS_S), waiting.deadline)
            self._wake.set()
        else:
            self._place(waiting)

    def _settle(self, waiting: _Waiting, ending: WaitOutcome | None, problem: RunwayError | None = None) -> None:
        """End a wait, and learn from the job."""
        if waiting.ended.done():
            return
        if ending is None:
            assert problem is not None
            ending, _, _ = waiting.vigil.stumble(problem, time.time())
            ending = ending or timed_out_outcome(waiting.vigil.report)
        if ending.kind is OutcomeKind.COMPLETED:
            total_s = parse_number((ending.job.metrics or {}).get("total_time"))
            if total_s is not None:
                waiting.model.learn(total_s)
            metrics.completed(self.conn_id, ending.job, total_s)
        waiting.ended.set_result(ending)


async def _retire(transport: AiohttpTransport, users: list[asyncio.Task[None]]) -> None:
    """Close a session once the requests that are under way on it have ended."""
    if users:
        await asyncio.wait(users)
    await transport.close()


_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Poller]] = WeakKeyDictionary()


def poller_for(conn_id: str) -> Poller:
    """Return the running event loop's poller for a connection. What it has learnt outlives its sessions."""
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    if conn_id not in pollers:
        pollers[conn_id] = Poller(conn_id)
    return pollers[conn_id]
