"""Cache of a poller's Airflow connection: its HTTP session and its rate limiter, read again from time to time."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_runway.exceptions import NoUsableResponseError, RunwayError
from airflow_provider_runway.hooks.runway import RunwayAsyncHook
from airflow_provider_runway.polling.adaptive_rate_limit import AdaptiveRateLimiter
from airflow_provider_runway.segmind.timing import get_timing

if TYPE_CHECKING:
    from airflow_provider_runway.transports.aiohttp_transport import AiohttpTransport

log = logging.getLogger(__name__)

#: A changed connection is noticed after this long. One whose key is rejected is read again at once.
MAX_AGE_S = 300.0
#: How long one read may take, and the longest pause after failed ones; the pause doubles with each.
READ_TIMEOUT_S, MAX_PAUSE_S = 30.0, 60.0


class PollerConnection:
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
        #: Reads in a row that failed, and the time (on the loop's clock) before which there is no other.
        self.failed_reads = 0
        self.retry_at = -math.inf
        self._close_when_unused = close_when_unused
        self._requests_per_minute: float | None = None
        self._read_at = -math.inf

    def get_fresh_transport(self) -> AiohttpTransport | None:
        """Return the transport, or None where the connection is to be read first."""
        return self.transport if asyncio.get_running_loop().time() - self._read_at < MAX_AGE_S else None

    async def read(self) -> None:
        """Read the connection. If a repeated read fails, the connection is used as it was.

        :raises BadConnectionError: it cannot be used: there is none, or it has no key or no valid address.
        :raises NoUsableResponseError: it could not be read, which may be different the next time.
        """
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                transport = await RunwayAsyncHook(self.conn_id).get_async_conn()
        except Exception as error:
            reason = str(error) if isinstance(error, RunwayError) else f"{type(error).__name__}."
            if self.transport is None:
                self.failed_reads += 1
                pause_s = get_timing().min_poll_gap_s * 2.0 ** min(self.failed_reads, 10)
                self.retry_at = now() + min(pause_s, MAX_PAUSE_S)
                if isinstance(error, RunwayError):
                    raise
                raise NoUsableResponseError(f"Connection {self.conn_id!r} cannot be read: {reason}") from error
            # A secrets backend that is down for a while is no reason to give up jobs.
            log.warning("Connection %s cannot be read again and is used as it was: %s", self.conn_id, reason)
            transport = self.transport
        self.failed_reads = 0
        self.version += 1
        self._read_at = now()
        if self.transport is not None and transport.settings == self.transport.settings:
            return
        previous, self.transport = self.transport, transport
        if self.rate_limiter is None or self._requests_per_minute != transport.settings.requests_per_minute:
            self._requests_per_minute = transport.settings.requests_per_minute
            self.rate_limiter = AdaptiveRateLimiter(self._requests_per_minute, now())
        if previous is not None:
            log.info("Connection %s was changed; its jobs are polled with the new one.", self.conn_id)
            self._close_when_unused(previous)

    def invalidate(self, version: int) -> None:
        """Have the connection read again before the next request, because the key of that version was rejected."""
        if version == self.version:
            self._read_at = -math.inf  # not 0, because the loop's clock may have started just now

    def detach(self) -> AiohttpTransport | None:
        """Return the transport for closing, and forget it. The next request opens another."""
        transport, self.transport = self.transport, None
        return transport
