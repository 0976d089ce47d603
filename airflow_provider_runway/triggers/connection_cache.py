"""Cache of a poller's Airflow connection: its HTTP session and its rate limiter, read again from time to time."""

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

#: A changed connection is noticed after this long. One whose key is rejected is read again at once.
MAX_AGE_S = 300.0


class ConnectionCache:
    """One connection as last read.

    :param close_when_unused: takes a transport that was replaced, and closes it after its last request.
    """

    def __init__(self, conn_id: str, close_when_unused: Callable[[AiohttpTransport], None]) -> None:
        self.conn_id = conn_id
        #: Counts the reads, so that a rejected key invalidates only the read that it came from.
        self.version = 0
        #: None until the first read. It outlives the sessions.
        self.rate_limiter: AdaptiveRateLimiter | None = None
        self.transport: AiohttpTransport | None = None
        self._close_when_unused = close_when_unused
        self._requests_per_minute: float | None = None
        self._read_at = -math.inf
        self._lock = asyncio.Lock()

    async def get(self) -> AiohttpTransport:
        """Return the transport. If a repeated read fails, the connection is used as it was.

        :raises RunwayError: the connection cannot be used, or not be read for the first time.
        """
        if self.transport is not None and self._is_fresh():
            return self.transport
        async with self._lock:
            if self.transport is not None and self._is_fresh():
                return self.transport
            return await self._read()

    def invalidate(self, version: int) -> None:
        """Have the connection read again before the next request, because the key of that version was rejected."""
        if version == self.version:
            self._read_at = -math.inf  # not 0, because the loop's clock may have started just now

    def detach(self) -> AiohttpTransport | None:
        """Return the transport for closing, and forget it. The next request opens another."""
        transport, self.transport = self.transport, None
        return transport

    def _is_fresh(self) -> bool:
        return asyncio.get_running_loop().time() - self._read_at < MAX_AGE_S

    async def _read(self) -> AiohttpTransport:
        now = asyncio.get_running_loop().time
        try:
            transport = await RunwayAsyncHook(self.conn_id).get_async_conn()
        except Exception as error:
            if self.transport is None:
                raise
            # A secrets backend that is down for a while is no reason to give up jobs.
            reason = str(error) if isinstance(error, RunwayError) else type(error).__name__
            log.warning("Connection %s cannot be read again and is used as it was: %s", self.conn_id, reason)
            transport = self.transport
        self.version += 1
        self._read_at = now()
        if self.transport is not None and transport.settings == self.transport.settings:
            return self.transport
        previous, self.transport = self.transport, transport
        if self.rate_limiter is None or self._requests_per_minute != transport.settings.requests_per_minute:
            self._requests_per_minute = transport.settings.requests_per_minute
            self.rate_limiter = AdaptiveRateLimiter(self._requests_per_minute, now())
        if previous is not None:
            log.info("Connection %s was changed; its jobs are polled with the new one.", self.conn_id)
            self._close_when_unused(previous)
        return transport
