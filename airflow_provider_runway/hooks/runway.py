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

from airflow_provider_runway.compat import AirflowNotFoundException, BaseHook, get_connection_async, mask
from airflow_provider_runway.exceptions import BadConnection, BadInput, RunwayError, Unreachable
from airflow_provider_runway.hooks.catalogue import use_catalogue_if_good
from airflow_provider_runway.hooks.connection import DEFAULT_CONN_ID, read_settings
from airflow_provider_runway.hooks.form import conn_widgets, field_behaviour
from airflow_provider_runway.segmind import calls, flow
from airflow_provider_runway.segmind.fields import shown
from airflow_provider_runway.segmind.history import HistoryQuery, HistoryRow
from airflow_provider_runway.segmind.images import MOST_BYTES, check_image
from airflow_provider_runway.segmind.jobs import Credits, Job, JobResult, JobStatus, SyncResult
from airflow_provider_runway.segmind.retry import IMPATIENT, RetryPolicy

if TYPE_CHECKING:
    from airflow_provider_runway.transports.asynchronous import AsyncTransport
    from airflow_provider_runway.transports.blocking import BlockingTransport
    from airflow_provider_runway.transports.settings import Settings

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
        self.policy = policy or RetryPolicy()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's extra fields for Airflow before 3.2; later ones read the provider info."""
        return conn_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels and placeholders for Airflow before 3.2."""
        return field_behaviour()

    @cached_property
    def settings(self) -> Settings:
        """The connection, checked.

        :raises BadConnection: there is no such connection, it has no key, or it cannot be read.
        """
        try:
            connection = self.get_connection(self.runway_conn_id)
        except AirflowNotFoundException:
            raise _no_such_connection(self.runway_conn_id) from None
        use_catalogue_if_good(self.log)  # whoever waits for a job in the worker comes past here
        return _checked(self.runway_conn_id, connection)

    @cached_property
    def _transport(self) -> BlockingTransport:
        from airflow_provider_runway.transports.blocking import BlockingTransport

        return BlockingTransport(self.settings)

    def get_conn(self) -> BlockingTransport:
        """Return the transport, which holds the ``requests`` session."""
        return self._transport

    def submit(self, model: str, payload: Mapping[str, Any], policy: RetryPolicy | None = None) -> Job:
        """Submit a job. **Every call is a new billable job**, about USD 0.50 to 1.00.

        :param policy: how long to insist where nothing was accepted; None: the hook's own.
        :raises BadInput: the slug cannot stand in a URL. :raises Refused: the API said no.
        :raises Throttled: 429 for longer than the policy allows; nothing was queued.
        :raises Unreachable: no connection came about; nothing was sent.
        :raises SubmissionUnknown: no usable answer; the job may exist, and its id is not known.
        """
        return self._run(calls.submit, model, payload, policy=policy)

    def get_status(self, request_id: str) -> JobStatus:
        """Look at a job. FAILED, which comes as HTTP 422, is an answer and not an error.

        :raises NotFound: no such record, or it is older than an hour.
        """
        return self._run(calls.status, request_id)

    def get_result(self, request_id: str) -> JobResult:
        """Return a job's full record, with its output URLs once it is COMPLETED.

        :raises NotFound: no such record, or it is older than an hour: ask :meth:`get_request`.
        """
        return self._run(calls.result, request_id)

    def run_sync(self, model: str, payload: Mapping[str, Any]) -> SyncResult:
        """Run a model through the blocking v1 API, which Segmind keeps in maintenance mode.

        Billable like :meth:`submit`, holds the worker until the video is there, and leaves no
        record to come back to. Made for short tests by hand.

        :raises SubmissionUnknown: no usable answer; it may have run, and be billed.
        """
        return self._run(calls.run_sync, model, payload)

    def get_credits(self) -> Credits:
        """Return the account's balance in USD. Runs no model and costs nothing."""
        return self._run(calls.balance)

    def upload_asset(self, path: str | os.PathLike[str]) -> str:
        """Upload a local JPEG, PNG or WebP of at most 16 MB, and return the URL that jobs can take. Free.

        :raises BadInput: no such file, or its bytes are not such a picture; nothing was sent.
        """
        return self.upload_bytes(read_picture(path), os.fspath(path))

    def upload_bytes(self, data: bytes, name: str = "picture") -> str:
        """Upload a picture's bytes; ``name`` is for messages only. See :meth:`upload_asset`."""
        mime = check_image(data, name)
        return self._run(calls.upload, data, mime)

    def find_requests(
        self, *, model: str | None = None, since: float | None = None, until: float | None = None
    ) -> list[HistoryRow]:
        """Return the account's requests, newest first, one row a request.

        :param model: a part of the slug. :param since: epoch seconds; a day before ``until`` when not given.
        :param until: epoch seconds; now when not given. Whole UTC days around both are asked for.
        """
        query = _query(model, since, until)
        return self._transport.run(flow.find_requests(self.settings.endpoints, query, self.policy))

    def get_request(self, request_id: str) -> HistoryRow:
        """Return one request of any age from the account's history.

        :raises NotFound: this account never made it, or its row has not landed yet.
        """
        return self._run(calls.history_row, request_id)

    def test_connection(self) -> tuple[bool, str]:
        """Ask for the credits, which costs nothing, and say in words what was found."""
        try:
            found = self._run(calls.balance, policy=IMPATIENT)
        except RunwayError as problem:
            return False, str(problem)
        if not found.known:
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

    def _run(self, call: Callable[..., calls.Call[T]], *details: Any, policy: RetryPolicy | None = None) -> T:
        made = call(self.settings.endpoints, *details)
        return self._transport.run(flow.carry_out(made, policy or self.policy))


class RunwayAsyncHook(BaseHook):
    """The reading calls of :class:`RunwayHook` for an event loop. It never sends a billable request.

    Use it as ``async with``; its session opens with the first call and closes at the end.
    """

    def __init__(self, runway_conn_id: str = DEFAULT_CONN_ID, policy: RetryPolicy | None = None) -> None:
        super().__init__()
        self.runway_conn_id = runway_conn_id
        self.policy = policy or RetryPolicy()
        self._opened: AsyncTransport | None = None

    async def get_status(self, request_id: str) -> JobStatus:
        """See :meth:`RunwayHook.get_status`."""
        return await self._run(calls.status, request_id)

    async def get_result(self, request_id: str) -> JobResult:
        """See :meth:`RunwayHook.get_result`."""
        return await self._run(calls.result, request_id)

    async def get_credits(self) -> Credits:
        """See :meth:`RunwayHook.get_credits`."""
        return await self._run(calls.balance)

    async def get_request(self, request_id: str) -> HistoryRow:
        """See :meth:`RunwayHook.get_request`."""
        return await self._run(calls.history_row, request_id)

    async def find_requests(
        self, *, model: str | None = None, since: float | None = None, until: float | None = None
    ) -> list[HistoryRow]:
        """See :meth:`RunwayHook.find_requests`."""
        transport = await self.get_async_conn()
        query = _query(model, since, until)
        return await transport.run(flow.find_requests(transport.settings.endpoints, query, self.policy))

    async def _run(self, call: Callable[..., calls.Call[T]], *details: Any) -> T:
        transport = await self.get_async_conn()
        return await transport.run(flow.carry_out(call(transport.settings.endpoints, *details), self.policy))

    async def get_async_conn(self) -> AsyncTransport:
        """Return the transport; the first call reads the connection.

        :raises BadConnection: as :attr:`RunwayHook.settings`.
        """
        if self._opened is None:
            from airflow_provider_runway.transports.asynchronous import AsyncTransport

            try:
                connection = await get_connection_async(self.runway_conn_id)
            except AirflowNotFoundException:
                raise _no_such_connection(self.runway_conn_id) from None
            self._opened = AsyncTransport(_checked(self.runway_conn_id, connection))
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


def read_picture(path: str | os.PathLike[str], name: str = "") -> bytes:
    """Return a local picture's bytes. A relative path begins at the working folder.

    :param name: what messages call it; empty: its path.
    :raises BadInput: no such file, or it cannot be read. :raises Unreachable: its network drive had no answer.
    """
    try:
        with Path(path).open("rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as problem:  # the latter for a path that cannot be one, with a zero byte in it
        why = problem.strerror if isinstance(problem, OSError) else problem
        may_pass = isinstance(problem, OSError) and problem.errno in _PASSING
        said = f"The picture {name or shown(os.fspath(path))} cannot be read: {why}. Nothing was sent."
        raise (Unreachable if may_pass else BadInput)(said) from None


def _query(model: str | None, since: float | None, until: float | None) -> HistoryQuery:
    end = time.time() if until is None else until
    return HistoryQuery.around(end - DAY_S if since is None else since, end, model)


def _checked(conn_id: str, connection: Any) -> Settings:
    settings = read_settings(conn_id, connection, os.environ)
    mask(settings.api_key)
    return settings


def _no_such_connection(conn_id: str) -> BadConnection:
    return BadConnection(
        f"There is no connection {conn_id!r}. Add one of type runway with the API key as its password: in the UI under "
        f"Admin, Connections, or with `airflow connections add {conn_id} --conn-type runway --conn-password …`. "
        "Nothing was sent.",
        conn_id=conn_id,
    )
