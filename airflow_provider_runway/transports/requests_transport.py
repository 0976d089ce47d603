"""The worker's transport, on ``requests``: proxies, certificates and environment as its users expect."""

from __future__ import annotations

import logging
import random
import time
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.exceptions import ProxyError as TunnelError

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

#: OpenSSL's word for a certificate that was not accepted, and http.client's for a proxy that refused a tunnel.
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
_NO_TUNNEL = "Tunnel connection failed"


#: The request that is being sent, for the connection that checks whether it has expired.
_current_request: ContextVar[Request | None] = ContextVar("current_request", default=None)


class _RequestExpiredError(Exception):
    """The request's ``not_after`` passed before its first byte was sent."""


class _ExpiryCheck:
    """Makes a connection check the request's ``not_after`` once it is open, right before the first byte.

    Name resolution, handshakes and a process that was stopped in between may take any time.
    """

    def endheaders(self, *arguments: Any, **options: Any) -> None:
        """Send the headers, unless the request has expired."""
        connection: Any = self
        if connection.sock is None:
            connection.connect()
        request = _current_request.get()
        if request is not None and request.has_expired(time.time()):
            connection.close()
            raise _RequestExpiredError
        super().endheaders(*arguments, **options)  # type: ignore[misc]


class _ExpiringHttpConnection(_ExpiryCheck, HTTPConnection):
    pass


class _ExpiringHttpsConnection(_ExpiryCheck, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _ExpiringHttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _ExpiringHttpsConnection


class _ExpiringAdapter(HTTPAdapter):
    """An adapter of ``requests`` whose connections send no request that has expired."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Use the pools above for direct connections."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """Use the pools above for connections through a proxy."""
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return manager


class RequestsTransport:
    """Drives flows over one ``requests`` session. Not for use from several threads at once."""

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self.session = requests.Session()
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, _ExpiringAdapter())

    def run(self, flow: Exchange[T], log: Log = log) -> T:
        """Drive a flow to its end, and return what it returns; its lines go to ``log``."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Send):
                    step = flow.send(Received(self._send(step), random.random()))
                    continue
                log_step(step, log)
                if isinstance(step, Sleep):
                    time.sleep(step.seconds)
                step = flow.send(Resumed(time.time()))
        except StopIteration as stop:
            value: T = stop.value
            return value

    def _send(self, step: Send) -> Response | TransportFailure:
        request = step.request
        if not request.idempotent:
            # The far end may have closed a kept connection meanwhile; on that one the request would be
            # lost in a way that looks as if it could have arrived. A fresh one costs one handshake.
            self.session.close()
        if request.has_expired(time.time()):
            return make_expired_failure(request, time.time())
        current = _current_request.set(request)
        try:
            # Repeating is decided in ``segmind.retry``, which knows what costs money: the session's
            # adapters keep their default of no retries of their own.
            answer = self.session.request(
                request.method,
                request.url,
                params=request.query,
                data=request.body or None,
                headers=dict(self.settings.headers_for(request)),
                timeout=(self.settings.connect_timeout_s, self.settings.read_timeout_for(request)),
                allow_redirects=False,
                auth=no_netrc_auth,
                # Said here, for a bundle in the environment would override the session's own value.
                verify=self.settings.verify,
            )
        except _RequestExpiredError:
            return make_expired_failure(request, time.time())
        except requests.RequestException as error:
            return TransportFailure(_kind(error), _describe(error, request), received_at=time.time())
        except OSError as problem:  # what ``requests`` raises, before it connects, where a bundle is missing
            raise ca_bundle_error(problem) from None
        finally:
            _current_request.reset(current)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status_code, headers, answer.content, received_at=time.time())

    def close(self) -> None:
        """Close the session's connections."""
        self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _kind(error: requests.RequestException) -> FailureKind:
    """Sort by what the failure proves. Only a connection that never came about proves "not sent"."""
    if isinstance(error, (requests.exceptions.SSLError, requests.exceptions.ProxyError)) and _UNTRUSTED in str(error):
        return FailureKind.UNTRUSTED
    return FailureKind.NOT_SENT if _never_connected(error) else FailureKind.MAYBE_SENT


def _never_connected(error: requests.RequestException) -> bool:
    """Did the connection fail while it was being made?

    Behind a proxy the class of the error proves nothing: urllib3 calls a line that was lost after
    sending "unable to connect to proxy", too. Only what the proxy's error wraps tells them apart.
    """
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, TunnelError):
        reason = reason.original_error
        if str(reason).startswith(_NO_TUNNEL):
            return True
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def _describe(error: requests.RequestException, request: Request) -> str:
    host = request.url.split("/")[2]
    return f"{type(error).__name__} at {host}"
