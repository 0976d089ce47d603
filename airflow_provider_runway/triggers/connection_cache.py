"""What a poller asks with: the connection's session and its request budget, read late, and again from time to time."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.hooks.runway import RunwayAsyncHook
from airflow_provider_runway.polling.rate_limiter import AdaptiveRateLimiter

if TYPE_CHECKING:
    from airflow_provider_runway.transports.aiohttp_transport import AiohttpTransport

log = logging.getLogger(__name__)

#: A connection that was changed is noticed after this long; one whose key is refused, at once.
REREAD_S = 300.0


class ConnectionCache:
    """One connection, as it stands.

    :param retire: takes a transport that a newer one replaces, and closes it once nobody uses it any more.
    """

    def __init__(self, conn_id: str, retire: Callable[[AiohttpTransport], None]) -> None:
        self.conn_id = conn_id
        #: How often the connection was read: a refused key is blamed on the reading that it came from.
        self.readings = 0
        #: None until the connection was read for the first time. It outlives the sessions.
        self.budget: AdaptiveRateLimiter | None = None
        self.transport: AiohttpTransport | None = None
        self._retire = retire
        self._per_minute: float | None = None
        self._read_at = -math.inf
        self._reading = asyncio.Lock()

    async def opened(self) -> AiohttpTransport:
        """Return the transport; a connection that can't be read *again* is used as it was.

        :raises RunwayError: the connection cannot be used, or not be read for the first time.
        """
        if self.transport is not None and self._is_fresh():
            return self.transport
        async with self._reading:
            if self.transport is not None and self._is_fresh():
                return self.transport
            return await self._read()

    def doubt(self, reading: int) -> None:
        """Have the connection read with the next request: its key was refused, as it was read then."""
        if reading == self.readings:
            self._read_at = -math.inf  # 0 would not do: the clock may have started just now

    def released(self) -> AiohttpTransport | None:
        """Give the transport up; the next request opens another."""
        given_up, self.transport = self.transport, None
        return given_up

    def _is_fresh(self) -> bool:
        return asyncio.get_running_loop().time() - self._read_at < REREAD_S

    async def _read(self) -> AiohttpTransport:
        now = asyncio.get_running_loop().time
        try:
            fresh = await RunwayAsyncHook(self.conn_id).get_async_conn()
        except Exception as problem:
            if self.transport is None:
                raise
            # A secrets backend that is down for a moment is no reason to give up jobs that are being looked at.
            why = str(problem) if isinstance(problem, RunwayError) else type(problem).__name__
            log.warning("Connection %s can't be read afresh, and is used as it was: %s", self.conn_id, why)
            fresh = self.transport
        self.readings += 1
        self._read_at = now()
        if self.transport is not None and fresh.settings == self.transport.settings:
            return self.transport
        old, self.transport = self.transport, fresh
        if self.budget is None or self._per_minute != fresh.settings.requests_per_minute:
            self._per_minute = fresh.settings.requests_per_minute
            self.budget = AdaptiveRateLimiter(self._per_minute, now())
        if old is not None:
            log.info("Connection %s was changed; its jobs are looked at with the new one.", self.conn_id)
            self._retire(old)
        return fresh
