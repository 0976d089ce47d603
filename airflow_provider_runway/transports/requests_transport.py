"""The worker's HTTP transport, on ``requests``: proxies, certificates and environment as its users expect."""

from __future__ import annotations

import logging
import random
import time
from types import TracebackType
from typing import Self, TypeVar

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.exceptions import ProxyError as UrllibProxyError

from airflow_provider_runway.exceptions import UnauthorizedError
from airflow_provider_runway.segmind.exchange import Exchange, Received, Resumed, SendStep, SleepStep
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
    log_step,
    make_ca_bundle_error,
    no_netrc_auth,
)
from airflow_provider_runway.transports.time_limited_session import RequestExpiredError, TimeLimitedSession

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
                if isinstance(step, SendStep):
                    step = exchange.send(Received(self._send(step.request), random.random()))
                    continue
                log_step(step, log)
                if isinstance(step, SleepStep):
                    time.sleep(step.seconds)
                step = exchange.send(Resumed(time.time()))
        except StopIteration as stop:
            value: T = stop.value
            return value
        except UnauthorizedError as error:
            raise self.settings.name_connection(error) from None

    def _send(self, request: Request) -> Response | TransportFailure:
        if not request.idempotent:
            # The server may have closed a kept connection since. A request on that one would be lost in a way
            # that looks as if it could have arrived; a new connection costs one handshake.
            self.session.close()
        try:
            with self.session.limit_time(self.settings.get_total_timeout_s(request), request.not_after):
                # Whether to repeat is decided in ``segmind.retry``, which knows what costs money. The session's
                # adapters keep their default of no retries.
                response = self.session.request(
                    request.method,
                    request.url,
                    params=request.query,
                    data=request.body or None,
                    headers=dict(self.settings.make_headers(request)),
                    timeout=(self.settings.connect_timeout_s, self.settings.get_read_timeout_s(request)),
                    allow_redirects=False,
                    auth=no_netrc_auth,
                    # Passed with each request: a bundle in the environment would override the session's own value.
                    verify=self.settings.verify,
                )
        except RequestExpiredError as expired:
            if expired.is_partly_sent:
                detail = "the request was broken off, because the latest time to send it had passed"
                return TransportFailure(FailureKind.MAYBE_SENT, detail, received_at=time.time())
            return make_expired_failure(request, time.time())
        except requests.RequestException as error:
            detail = f"{type(error).__name__} at {self.settings.describe_host(request.url)}"
            return TransportFailure(_classify_failure(error), detail, received_at=time.time())
        except OSError as problem:  # what ``requests`` raises, before it connects, where a CA bundle is missing
            raise make_ca_bundle_error(problem) from None
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
