"""The hook for event loops: the reading calls of Segmind's API with an Airflow connection."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_provider_runway.compat import (
    AirflowNotFoundException,
    BaseHook,
    get_connection_async,
    is_connection_missing,
    mask_secret,
)
from airflow_provider_runway.exceptions import UnreachableError
from airflow_provider_runway.history import search
from airflow_provider_runway.history.query import HistoryQuery
from airflow_provider_runway.history.rows import HistoryRow
from airflow_provider_runway.hooks.connection import DEFAULT_CONN_ID, make_missing_connection_error, read_connection
from airflow_provider_runway.segmind import api_calls, exchange
from airflow_provider_runway.segmind.jobs import Credits, JobRecord, JobStatus
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.segmind.timing import get_timing

if TYPE_CHECKING:
    from airflow_provider_runway.transports.aiohttp_transport import AiohttpTransport
    from airflow_provider_runway.transports.client_settings import ClientSettings

T = TypeVar("T")

#: How far back ``find_requests`` searches by default: a day.
DEFAULT_HISTORY_WINDOW_S = 86_400.0


def make_settings(conn_id: str, connection: Any) -> ClientSettings:
    """Return the client settings in an Airflow connection, and hide its key in every log."""
    settings = read_connection(conn_id, connection, os.environ)
    mask_secret(settings.api_key)
    return settings


def make_history_query(model: str | None, since: float | None, until: float | None) -> HistoryQuery:
    """Return the query for a time window (epoch seconds); by default for the last day."""
    end = time.time() if until is None else until
    return HistoryQuery.from_timestamps(end - DEFAULT_HISTORY_WINDOW_S if since is None else since, end, model)


class RunwayAsyncHook(BaseHook):
    """The reading calls of ``RunwayHook`` for an event loop. It never sends a billable request.

    Use it with ``async with``: its session opens with the first call, and closes at the end.
    """

    def __init__(self, runway_conn_id: str = DEFAULT_CONN_ID, policy: RetryPolicy | None = None) -> None:
        super().__init__()
        self.runway_conn_id = runway_conn_id
        self.policy = policy or get_timing().read_retry
        self._transport: AiohttpTransport | None = None

    async def get_status(self, request_id: str) -> JobStatus:
        """See ``RunwayHook.get_status``."""
        return await self._run(api_calls.make_status_call, request_id)

    async def get_result(self, request_id: str) -> JobRecord:
        """See ``RunwayHook.get_result``."""
        return await self._run(api_calls.make_result_call, request_id)

    async def get_credits(self) -> Credits:
        """See ``RunwayHook.get_credits``."""
        return await self._run(api_calls.make_credits_call)

    async def get_request(self, request_id: str) -> HistoryRow:
        """See ``RunwayHook.get_request``."""
        return await self._run(search.make_history_row_call, request_id)

    async def find_requests(
        self, *, model: str | None = None, since: float | None = None, until: float | None = None
    ) -> list[HistoryRow]:
        """See ``RunwayHook.find_requests``."""
        transport = await self.get_async_conn()
        query = make_history_query(model, since, until)
        return await transport.run(search.find_requests(transport.settings.base_urls, query, self.policy))

    async def _run(self, make_call: Callable[..., api_calls.ApiCall[T]], *arguments: Any) -> T:
        transport = await self.get_async_conn()
        call = make_call(transport.settings.base_urls, *arguments)
        return await transport.run(exchange.execute(call, self.policy))

    async def get_async_conn(self) -> AiohttpTransport:
        """Return the transport. The first call reads the connection.

        :raises BadConnectionError: there is no such connection, it has no key, or it cannot be used.
        :raises UnreachableError: it is not known whether the connection exists, because a secrets backend failed.
        """
        if self._transport is None:
            from airflow_provider_runway.transports.aiohttp_transport import AiohttpTransport

            try:
                connection = await get_connection_async(self.runway_conn_id)
            except AirflowNotFoundException:
                if await is_connection_missing(self.runway_conn_id):
                    raise make_missing_connection_error(self.runway_conn_id) from None
                raise UnreachableError(
                    f"Connection {self.runway_conn_id!r} cannot be read, because a secrets backend or Airflow's "
                    "database failed. Nothing was sent."
                ) from None
            self._transport = AiohttpTransport(make_settings(self.runway_conn_id, connection))
        return self._transport

    async def close(self) -> None:
        """Close the session, if one was opened. The next call reads the connection again."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
