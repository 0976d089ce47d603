"""The worker's HTTP transport, on ``requests``: proxies, certificates and environment as its users expect."""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.exceptions import ProxyError as UrllibProxyError

from airflow_provider_runway.exceptions import UnauthorizedError
from airflow_provider_runway.segmind.exchange import Exchange, Received, Resumed, Send, Sleep
from airflow_provider_runway.segmind.http import (
    FailureKind,
    Request,
    Response,
    TransportFailure,
    make_expired_failure,
)
from airflow_provider_runway.transports.client_settings import (
    ClientSettings,
    Log,
    ca_bundle_error,
    log_step,
    no_netrc_auth,
)

T = TypeVar("T")
log = logging.getLogger(__name__)

#: OpenSSL's words for a certificate that was not accepted, and http.client's for a proxy that refused a tunnel.
_CERTIFICATE_REJECTED = "CERTIFICATE_VERIFY_FAILED"
_TUNNEL_REFUSED = "Tunnel connection failed"


class RequestsTransport:
    """Drives exchanges over one ``requests`` session. Not for use from several threads at once."""

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self.session = TimeLimitedSession()

    def run(self, exchange: Exchange[T], log: Log = log) -> T:
        """Drive an exchange to its end, and return what it returns. Its lines go to ``log``."""
        try:
            step = next(exchange)
            while True:
                if isinstance(step, Send):
                    step = exchange.send(Received(self._send(step.request), random.random()))
                    continue
                log_step(step, log)
                if isinstance(step, Sleep):
                    time.sleep(step.seconds)
                step = exchange.send(Resumed(time.time()))
        except StopIteration as stop:
            value: T = stop.value
            return value
        except UnauthorizedError as error:
            raise self.settings.name_connection(error) from None

    def _send(self, request: Request) -> Response | TransportFailure:
        if not request.idempotent:
            # The server may have closed a kept connection meanwhile. A request on that one would be lost in a way
            # that looks as if it could have arrived; a new connection costs one handshake.
            self.session.close()
        try:
            with self.session.limit_time(self.settings.total_timeout_for(request), request.not_after):
                # Whether to repeat is decided in ``segmind.retry``, which knows what costs money. The session's
                # adapters keep their default of no retries.
                response = self.session.request(
                    request.method,
                    request.url,
                    params=request.query,
                    data=request.body or None,
                    headers=dict(self.settings.headers_for(request)),
                    timeout=(self.settings.connect_timeout_s, self.settings.read_timeout_for(request)),
                    allow_redirects=False,
                    auth=no_netrc_auth,
                    # Passed with each request: a bundle in the environment would override the session's own value.
                    verify=self.settings.verify,
                )
        except _RequestExpiredError:
            return make_expired_failure(request, time.time())
        except requests.RequestException as error:
            detail = f"{type(error).__name__} at {self.settings.describe_host(request.url)}"
            return TransportFailure(_classify_failure(error), detail, received_at=time.time())
        except OSError as problem:  # what ``requests`` raises, before it connects, where a CA bundle is missing
            raise ca_bundle_error(problem) from None
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(response.status_code, headers, response.content, received_at=time.time())

    def close(self) -> None:
        """Close the session's connections."""
        self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class TimeLimitedSession(requests.Session):
    """A session whose requests can be cut after a total time, which ``requests`` itself has no setting for."""

    def __init__(self) -> None:
        super().__init__()
        self._open_sockets = _OpenSockets()
        for prefix in ("https://", "http://"):
            self.mount(prefix, _WatchedAdapter(self._open_sockets))

    @contextmanager
    def limit_time(self, seconds: float, not_after: float | None = None) -> Iterator[None]:
        """Cut what is sent and received inside the ``with`` block after so many seconds.

        :param not_after: epoch seconds; a connection that is ready later than this sends nothing.
        :raises requests.ReadTimeout: the time is over. A response without a length can look complete then.
        """
        self._open_sockets.not_after = not_after
        timer = threading.Timer(seconds, self._open_sockets.cut)
        timer.daemon = True
        timer.start()
        failure: requests.RequestException | None = None
        try:
            yield
        except requests.RequestException as error:
            failure = error
        finally:
            timer.cancel()
            was_cut = self._open_sockets.release()
        if was_cut:
            raise requests.ReadTimeout(f"no complete response within {seconds:g} s") from failure
        if failure is not None:
            raise failure


class _RequestExpiredError(Exception):
    """The latest time to send a request passed before its first byte was sent."""


class _OpenSockets:
    """The sockets of the request under way, so that another thread can cut them, and the latest time to send it."""

    def __init__(self) -> None:
        self.not_after: float | None = None
        self._lock = threading.Lock()
        self._duplicates: list[socket.socket] = []
        self._was_cut = False

    def watch(self, file_descriptor: int) -> None:
        """Remember an open socket. The duplicate stays valid while TLS wraps the original, or the pool closes it."""
        with self._lock:
            self._duplicates.append(socket.socket(fileno=os.dup(file_descriptor)))
            if self._was_cut:
                self._shut_down()

    def check_not_expired(self) -> None:
        """Refuse to send the request where connecting, or a process that was stopped, took too long.

        :raises _RequestExpiredError: it is later than ``not_after``.
        """
        if self.not_after is not None and time.time() > self.not_after:
            raise _RequestExpiredError

    def cut(self) -> None:
        """End the request under way: whatever reads or writes gets an error or the end of the stream."""
        with self._lock:
            self._was_cut = True
            self._shut_down()

    def release(self) -> bool:
        """Forget the sockets; return whether they were cut."""
        with self._lock:
            for duplicate in self._duplicates:
                duplicate.close()
            self._duplicates.clear()
            was_cut, self._was_cut = self._was_cut, False
            return was_cut

    def _shut_down(self) -> None:
        for duplicate in self._duplicates:
            with suppress(OSError):  # closed by the other side already
                duplicate.shutdown(socket.SHUT_RDWR)


class _WatchedAdapter(HTTPAdapter):
    """Makes each connection of a session report its socket before it sends."""

    def __init__(self, open_sockets: _OpenSockets) -> None:
        self._pool_classes = _make_pool_classes(open_sockets)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = self._pool_classes
        return manager


def _make_pool_classes(open_sockets: _OpenSockets) -> dict[str, type[HTTPConnectionPool]]:
    """Return urllib3's pools with connections that are watched."""

    class WatchedConnection:
        def endheaders(self, *arguments: Any, **options: Any) -> None:
            connection: Any = self
            if connection.sock is None:
                connection.connect()
            try:
                open_sockets.check_not_expired()
            except _RequestExpiredError:
                connection.close()
                raise
            super().endheaders(*arguments, **options)  # type: ignore[misc]

        def send(self, data: Any) -> None:
            connection: Any = self
            if connection.sock is None:
                connection.connect()
            open_sockets.watch(connection.sock.fileno())
            super().send(data)  # type: ignore[misc]

    class WatchedHttpConnection(WatchedConnection, HTTPConnection):
        pass

    class WatchedHttpsConnection(WatchedConnection, HTTPSConnection):
        pass

    class WatchedHttpPool(HTTPConnectionPool):
        ConnectionCls = WatchedHttpConnection

    class WatchedHttpsPool(HTTPSConnectionPool):
        ConnectionCls = WatchedHttpsConnection

    return {"http": WatchedHttpPool, "https": WatchedHttpsPool}


def _classify_failure(error: requests.RequestException) -> FailureKind:
    """Return what a failure proves. Only a connection that was never made proves that nothing was sent."""
    is_tls_error = isinstance(error, (requests.exceptions.SSLError, requests.exceptions.ProxyError))
    if is_tls_error and _CERTIFICATE_REJECTED in str(error):
        return FailureKind.UNTRUSTED
    return FailureKind.NOT_SENT if _failed_to_connect(error) else FailureKind.MAYBE_SENT


def _failed_to_connect(error: requests.RequestException) -> bool:
    """Did the failure happen while the connection was being made?

    Behind a proxy the class of the error proves nothing: urllib3 calls a connection that was lost after sending
    "unable to connect to proxy", too. Only what the proxy's error wraps tells them apart.
    """
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, UrllibProxyError):
        reason = reason.original_error
        if str(reason).startswith(_TUNNEL_REFUSED):
            return True
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))
