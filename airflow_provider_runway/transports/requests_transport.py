"""The worker's transport, on ``requests``: proxies, certificates and environment as its users expect."""

from __future__ import annotations

import logging
import random
import time
from types import TracebackType
from typing import Self, TypeVar

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.exceptions import ProxyError as TunnelError

from airflow_provider_runway.segmind.exchange import Exchange, Received, Resumed, Send, Sleep
from airflow_provider_runway.segmind.http import FailureKind, Request, Response, TransportFailure
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


class RequestsTransport:
    """Drives flows over one ``requests`` session. Not for use from several threads at once."""

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self.session = requests.Session()

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
        except requests.RequestException as error:
            return TransportFailure(_kind(error), _describe(error, request), received_at=time.time())
        except OSError as problem:  # what ``requests`` raises, before it connects, where a bundle is missing
            raise ca_bundle_error(problem) from None
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
