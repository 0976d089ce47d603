"""The hooks: Runway's models on Segmind with an Airflow connection, blocking and asynchronous."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_provider_runway.compat import AirflowNotFoundException, BaseHook, get_connection_async, mask_secret
from airflow_provider_runway.exceptions import BadConnectionError, BadInputError, RunwayError, UnreachableError
from airflow_provider_runway.hooks.connection import DEFAULT_CONN_ID, read_connection
from airflow_provider_runway.hooks.connection_form import connection_form_widgets, field_behaviour
from airflow_provider_runway.hooks.custom_models import load_models_or_warn
from airflow_provider_runway.segmind import endpoints, exchange
from airflow_provider_runway.segmind.history import HistoryQuery, HistoryRow
from airflow_provider_runway.segmind.images import MAX_IMAGE_BYTES, check_image
from airflow_provider_runway.segmind.jobs import Credits, Job, JobRecord, JobStatus, SyncResult
from airflow_provider_runway.segmind.model_fields import safe_repr
from airflow_provider_runway.segmind.retry import UI_RETRY, RetryPolicy
from airflow_provider_runway.segmind.timing import get_timing

if TYPE_CHECKING:
    from airflow_provider_runway.transports.aiohttp_transport import AiohttpTransport
    from airflow_provider_runway.transports.client_settings import ClientSettings
    from airflow_provider_runway.transports.requests_transport import RequestsTransport

T = TypeVar("T")

#: A day in seconds: how far back ``find_requests`` looks when it is not told.
DAY_S = 86_400.0
#: A file's error that may be gone with the next try: what network drives have, mostly.
_PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN}


class RunwayHook(BaseHook):
    """Talk to Segmind's v2 API from a worker.

    Reading calls are asked again through 429, 5xx, resets and cut answers. A submit is sent again
    only where nothing can have come of it: refused before bytes were sent, or 429.

    Building the hook touches nothing; the connection is read with the first call.

    :param runway_conn_id: the Airflow connection: host = gateway URL, password = API key.
    :param policy: how long reading calls and throttled submits insist.
    """

    conn_name_attr = "runway_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = "runway"
    hook_name = "Runway (Segmind)"

    def __init__(self, runway_conn_id: str = DEFAULT_CONN_ID, policy: RetryPolicy | None = None) -> None:
        super().__init__()
        self.runway_conn_id = runway_conn_id
        self.policy = policy or get_timing().read_retry

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's extra fields for Airflow before 3.2; later ones read the provider info."""
        return connection_form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels and placeholders for Airflow before 3.2."""
        return field_behaviour()

    @cached_property
    def settings(self) -> ClientSettings:
        """The connection, checked.

        :raises BadConnectionError: there is no such connection, it has no key, or it cannot be read.
        """
        try:
            connection = self.get_connection(self.runway_conn_id)
        except AirflowNotFoundException:
            raise _no_such_connection(self.runway_conn_id) from None
        load_models_or_warn(self.log)  # whoever waits for a job in the worker comes past here
        return _checked(self.runway_conn_id, connection)

    @cached_property
    def _transport(self) -> RequestsTransport:
        from airflow_provider_runway.transports.requests_transport import RequestsTransport

        return RequestsTransport(self.settings)

    def get_conn(self) -> RequestsTransport:
        """Return the transport, which holds the ``requests`` session."""
        return self._transport

    def submit(self, model: str, payload: Mapping[str, Any], policy: RetryPolicy | None = None) -> Job:
        """Submit a job. **Every call is a new billable job**, about USD 0.50 to 1.00.

        :param policy: how long to insist where nothing was accepted; None: the hook's own.
        :raises BadInputError: the slug cannot stand in a URL. :raises RefusedError: the API said no.
        :raises ThrottledError: 429 for longer than the policy allows; nothing was queued.
        :raises UnreachableError: no connection came about; nothing was sent.
        :raises SubmitOutcomeUnknownError: no usable answer; the job may exist, and its id is not known.
        """
        return self._run(endpoints.make_submit_call, model, payload, policy=policy)

    def get_status(self, request_id: str) -> JobStatus:
        """Look at a job. FAILED, which comes as HTTP 422, is an answer and not an error.

        :raises NotFoundError: no such record, or it is older than an hour.
        """
        return self._run(endpoints.make_status_call, request_id)

    def get_result(self, request_id: str) -> JobRecord:
        """Return a job's full record, with its output URLs once it is COMPLETED.

        :raises NotFoundError: no such record, or it is older than an hour: ask :meth:`get_request`.
        """
        return self._run(endpoints.make_result_call, request_id)

    def run_sync(self, model: str, payload: Mapping[str, Any]) -> SyncResult:
        """Run a model through the blocking v1 API, which Segmind keeps in maintenance mode.

        Billable like :meth:`submit`, holds the worker until the video is there, and leaves no
        record to come back to. Made for short tests by hand.

        :raises SubmitOutcomeUnknownError: no usable answer; it may have run, and be billed.
        """
        return self._run(endpoints.make_sync_call, model, payload)

    def get_credits(self) -> Credits:
        """Return the account's balance in USD. Runs no model and costs nothing."""
        return self._run(endpoints.make_credits_call)

    def upload_asset(self, path: str | os.PathLike[str]) -> str:
        """Upload a local JPEG, PNG or WebP of at most 16 MB, and return the URL that jobs can take. Free.

        :raises BadInputError: no such file, or its bytes are not such a picture; nothing was sent.
        """
        return self.upload_bytes(read_image_file(path), os.fspath(path))

    def upload_bytes(self, data: bytes, name: str = "picture") -> str:
        """Upload a picture's bytes; ``name`` is for messages only. See :meth:`upload_asset`."""
        mime = check_image(data, name)
        return self._run(endpoints.make_upload_call, data, mime)

    def find_requests(
        self, *, model: str | None = None, since: float | None = None, until: float | None = None
    ) -> list[HistoryRow]:
        """Return the account's requests, newest first, one row a request.

        :param model: a part of the slug. :param since: epoch seconds; a day before ``until`` when not given.
        :param until: epoch seconds; now when not given. Whole UTC days around both are asked for.
        """
        query = _query(model, since, until)
        return self._transport.run(exchange.find_requests(self.settings.base_urls, query, self.policy))

    def get_request(self, request_id: str) -> HistoryRow:
        """Return one request of any age from the account's history.

        :raises NotFoundError: this account never made it, or its row has not landed yet.
        """
        return self._run(endpoints.make_history_row_call, request_id)

    def test_connection(self) -> tuple[bool, str]:
        """Ask for the credits, which costs nothing, and say in words what was found."""
        try:
            found = self._run(endpoints.make_credits_call, policy=UI_RETRY)
        except RunwayError as problem:
            return False, str(problem)
        if not found.is_known:
            return True, "The key is valid; the account has no balance record yet."
        return True, f"The key is valid; credits: {found.credits:.2f} USD, free credits: {found.free_credits:.2f} USD."

    def close(self) -> None:
        """Close the session, if one was opened."""
        if "_transport" in self.__dict__:
            self._transport.close()
            del self.__dict__["_transport"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, call: Callable[..., endpoints.ApiCall[T]], *details: Any, policy: RetryPolicy | None = None) -> T:
        made = call(self.settings.base_urls, *details)
        return self._transport.run(exchange.execute(made, policy or self.policy))


class RunwayAsyncHook(BaseHook):
    """The reading calls of :class:`RunwayHook` for an event loop. It never sends a billable request.

    Use it as ``async with``; its session opens with the first call and closes at the end.
    """

    def __init__(self, runway_conn_id: str = DEFAULT_CONN_ID, policy: RetryPolicy | None = None) -> None:
        super().__init__()
        self.runway_conn_id = runway_conn_id
        self.policy = policy or get_timing().read_retry
        self._opened: AiohttpTransport | None = None

    async def get_status(self, request_id: str) -> JobStatus:
        """See :meth:`RunwayHook.get_status`."""
        return await self._run(endpoints.make_status_call, request_id)

    async def get_result(self, request_id: str) -> JobRecord:
        """See :meth:`RunwayHook.get_result`."""
        return await self._run(endpoints.make_result_call, request_id)

    async def get_credits(self) -> Credits:
        """See :meth:`RunwayHook.get_credits`."""
        return await self._run(endpoints.make_credits_call)

    async def get_request(self, request_id: str) -> HistoryRow:
        """See :meth:`RunwayHook.get_request`."""
        return await self._run(endpoints.make_history_row_call, request_id)

    async def find_requests(
        self, *, model: str | None = None, since: float | None = None, until: float | None = None
    ) -> list[HistoryRow]:
        """See :meth:`RunwayHook.find_requests`."""
        transport = await self.get_async_conn()
        query = _query(model, since, until)
        return await transport.run(exchange.find_requests(transport.settings.base_urls, query, self.policy))

    async def _run(self, call: Callable[..., endpoints.ApiCall[T]], *details: Any) -> T:
        transport = await self.get_async_conn()
        return await transport.run(exchange.execute(call(transport.settings.base_urls, *details), self.policy))

    async def get_async_conn(self) -> AiohttpTransport:
        """Return the transport; the first call reads the connection.

        :raises BadConnectionError: as :attr:`RunwayHook.settings`.
        """
        if self._opened is None:
            from airflow_provider_runway.transports.aiohttp_transport import AiohttpTransport

            try:
                connection = await get_connection_async(self.runway_conn_id)
            except AirflowNotFoundException:
                raise _no_such_connection(self.runway_conn_id) from None
            self._opened = AiohttpTransport(_checked(self.runway_conn_id, connection))
        return self._opened

    async def close(self) -> None:
        """Close the session, if one was opened. The next call reads the connection afresh."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def read_image_file(path: str | os.PathLike[str], name: str = "") -> bytes:
    """Return a local picture's bytes. A relative path begins at the working folder.

    :param name: what messages call it; empty: its path.
    :raises BadInputError: no such file, or it cannot be read.
    :raises UnreachableError: its network drive had no answer.
    """
    try:
        with Path(path).open("rb") as stream:
            return stream.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as problem:  # the latter for a path that cannot be one, with a zero byte in it
        why = problem.strerror if isinstance(problem, OSError) else problem
        may_pass = isinstance(problem, OSError) and problem.errno in _PASSING
        said = f"The picture {name or safe_repr(os.fspath(path))} cannot be read: {why}. Nothing was sent."
        raise (UnreachableError if may_pass else BadInputError)(said) from None


def _query(model: str | None, since: float | None, until: float | None) -> HistoryQuery:
    end = time.time() if until is None else until
    return HistoryQuery.from_timestamps(end - DAY_S if since is None else since, end, model)


def _checked(conn_id: str, connection: Any) -> ClientSettings:
    settings = read_connection(conn_id, connection, os.environ)
    mask_secret(settings.api_key)
    return settings


def _no_such_connection(conn_id: str) -> BadConnectionError:
    return BadConnectionError(
        f"There is no connection {conn_id!r}. Add one of type runway with the API key as its password: in the UI under "
        f"Admin, Connections, or with `airflow connections add {conn_id} --conn-type runway --conn-password …`. "
        "Nothing was sent.",
        conn_id=conn_id,
    )
