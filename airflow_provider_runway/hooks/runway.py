"""The hook for workers: every call of Segmind's API with an Airflow connection. Exports the async hook, too."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_provider_runway.compat import AirflowNotFoundException, BaseHook
from airflow_provider_runway.exceptions import BadInputError, RunwayError, UnreachableError
from airflow_provider_runway.history import search
from airflow_provider_runway.history.query import HistoryQuery
from airflow_provider_runway.history.rows import HistoryRow
from airflow_provider_runway.history.search import HistorySearch
from airflow_provider_runway.hooks.async_hook import RunwayAsyncHook, make_history_query, make_settings
from airflow_provider_runway.hooks.connection import DEFAULT_CONN_ID, make_missing_connection_error
from airflow_provider_runway.hooks.connection_form import make_field_behaviour, make_form_widgets
from airflow_provider_runway.hooks.custom_models_file import load_models_or_warn
from airflow_provider_runway.segmind import api_calls, exchange
from airflow_provider_runway.segmind.images import MAX_IMAGE_BYTES, check_image
from airflow_provider_runway.segmind.jobs import Credits, Job, JobRecord, JobStatus, SyncResult
from airflow_provider_runway.segmind.model_fields import safe_repr
from airflow_provider_runway.segmind.retry import UI_RETRY, RetryPolicy
from airflow_provider_runway.segmind.timing import get_timing

if TYPE_CHECKING:
    from airflow_provider_runway.transports.client_settings import ClientSettings
    from airflow_provider_runway.transports.requests_transport import RequestsTransport

__all__ = ["RunwayAsyncHook", "RunwayHook", "read_local_image"]

T = TypeVar("T")

#: Errors of a file that may be gone with the next try; mostly network drives have them.
_TEMPORARY_FILE_ERRORS = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN}


class RunwayHook(BaseHook):
    """Calls Segmind's v2 API from a worker.

    Reading calls are retried after 429, 5xx, connection resets and cut responses. A submit is sent again only where
    nothing can have been accepted: the connection was never made, or 429.

    Creating the hook does no I/O; the connection is read with the first call.

    :param runway_conn_id: the Airflow connection: host = gateway URL, password = API key.
    :param policy: how often and how long calls are retried.
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
        return make_form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels and placeholders for Airflow before 3.2."""
        return make_field_behaviour()

    @cached_property
    def settings(self) -> ClientSettings:
        """The connection, checked.

        :raises BadConnectionError: there is no such connection, it has no key, or it cannot be read.
        """
        try:
            connection = self.get_connection(self.runway_conn_id)
        except AirflowNotFoundException:
            raise make_missing_connection_error(self.runway_conn_id) from None
        load_models_or_warn(self.log)  # a wait in the worker needs the latencies
        return make_settings(self.runway_conn_id, connection)

    @cached_property
    def _transport(self) -> RequestsTransport:
        from airflow_provider_runway.transports.requests_transport import RequestsTransport

        return RequestsTransport(self.settings)

    def copy_for_thread(self) -> RunwayHook:
        """Return a hook on the same connection with a session of its own, for another thread."""
        copy = type(self)(self.runway_conn_id, self.policy)
        copy.__dict__["settings"] = self.settings
        return copy

    def get_conn(self) -> RequestsTransport:
        """Return the transport, which holds the ``requests`` session."""
        return self._transport

    def submit(
        self,
        model: str,
        payload: Mapping[str, Any],
        policy: RetryPolicy | None = None,
        not_after: float | None = None,
    ) -> Job:
        """Submit a job. **Every call is a new billable job**, about USD 0.50 to 1.00.

        :param not_after: epoch seconds; nothing is sent later than this. None: no limit.
        :param policy: how often and how long to retry where nothing was accepted; None: the hook's own.
        :raises BadInputError: the slug cannot stand in a URL. :raises RefusedError: the API refused it.
        :raises ThrottledError: 429 for longer than the policy allows; nothing was queued.
        :raises UnreachableError: the connection could not be made; nothing was sent.
        :raises SubmitOutcomeUnknownError: no usable response; the job may exist, and its id is not known.
        """
        return self._run(api_calls.make_submit_call, model, payload, not_after, policy=policy)

    def get_status(self, request_id: str) -> JobStatus:
        """Poll a job once. FAILED, which comes as HTTP 422, is returned and not raised.

        :raises NotFoundError: no such record, or it is older than an hour.
        """
        return self._run(api_calls.make_status_call, request_id)

    def get_result(self, request_id: str) -> JobRecord:
        """Return a job's full record, with its output URLs once it is COMPLETED.

        :raises NotFoundError: no such record, or it is older than an hour; :meth:`get_request` still has it.
        """
        return self._run(api_calls.make_result_call, request_id)

    def run_sync(self, model: str, payload: Mapping[str, Any]) -> SyncResult:
        """Run a model through the blocking v1 API, which Segmind keeps in maintenance mode.

        It is billable like :meth:`submit`, holds the worker until the video is ready, and leaves no record. It is for
        short tests by hand.

        :raises SubmitOutcomeUnknownError: no usable response; it may have run, and be billed.
        """
        return self._run(api_calls.make_sync_call, model, payload)

    def get_credits(self) -> Credits:
        """Return the account's balance in USD. Runs no model and costs nothing."""
        return self._run(api_calls.make_credits_call)

    def upload_asset(self, path: str | os.PathLike[str]) -> str:
        """Upload a local JPEG, PNG or WebP of at most 16 MB, and return the URL that jobs can take. Free.

        :raises BadInputError: no such file, or its bytes are not such an image; nothing was sent.
        """
        return self.upload_bytes(read_local_image(path), os.fspath(path))

    def upload_bytes(self, data: bytes, name: str = "image") -> str:
        """Upload an image's bytes; ``name`` is for messages only. See :meth:`upload_asset`."""
        mime = check_image(data, name)
        return self._run(api_calls.make_upload_call, data, mime)

    def find_requests(
        self, *, model: str | None = None, since: float | None = None, until: float | None = None
    ) -> list[HistoryRow]:
        """Return the account's requests, newest first, one row a request.

        :param model: a part of the slug. :param since: epoch seconds; a day before ``until`` when not given.
        :param until: epoch seconds; now when not given. Whole UTC days around both are asked for.
        """
        query = make_history_query(model, since, until)
        return self._transport.run(search.find_requests(self.settings.base_urls, query, self.policy))

    def search_history(self, *, since: float, until: float, read_all: bool = False) -> HistorySearch:
        """Return all rows of a time window, with what is known about how completely they were read.

        :param since: epoch seconds. :param until: epoch seconds. :param read_all: also read pages older than ``since``.
        """
        query = HistoryQuery.from_timestamps(since, until)
        reading = search.search_history(self.settings.base_urls, query, self.policy, None if read_all else since)
        return self._transport.run(reading)

    def get_request(self, request_id: str) -> HistoryRow:
        """Return one request of any age from the account's history.

        :raises NotFoundError: this account never made it, or its row is not there yet.
        """
        return self._run(search.make_history_row_call, request_id)

    def test_connection(self) -> tuple[bool, str]:
        """Do the short form of the free check: ask for the balance and one page of the history."""
        from airflow_provider_runway.checks.account_evidence import collect_evidence
        from airflow_provider_runway.checks.account_findings import summarize_for_connection_test

        try:
            evidence = self._transport.run(collect_evidence(self.settings.base_urls, UI_RETRY, is_short=True))
        except RunwayError as problem:
            return False, str(problem)
        return summarize_for_connection_test(evidence)

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

    def _run(
        self, make_call: Callable[..., api_calls.ApiCall[T]], *arguments: Any, policy: RetryPolicy | None = None
    ) -> T:
        call = make_call(self.settings.base_urls, *arguments)
        return self._transport.run(exchange.execute(call, policy or self.policy))


def read_local_image(path: str | os.PathLike[str], name: str = "") -> bytes:
    """Return the bytes of a local image, as many as are needed to see that it is too large.

    :param name: what messages call it; empty: its path.
    :raises BadInputError: no such file, or it cannot be read.
    :raises UnreachableError: its network drive did not respond, which may pass.
    """
    try:
        with Path(path).open("rb") as stream:
            return stream.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as problem:  # ValueError: the path holds a zero byte
        reason = problem.strerror if isinstance(problem, OSError) else problem
        is_temporary = isinstance(problem, OSError) and problem.errno in _TEMPORARY_FILE_ERRORS
        message = f"The image {name or safe_repr(os.fspath(path))} cannot be read: {reason}. Nothing was sent."
        raise (UnreachableError if is_temporary else BadInputError)(message) from None
