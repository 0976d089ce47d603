"""The triggerer's HTTP transport, on ``aiohttp``: proxies and certificates as the worker's transport has them."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import ssl
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from yarl import URL

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
    find_proxy,
    log_step,
    make_ca_bundle_error,
)

T = TypeVar("T")
log = logging.getLogger(__name__)

#: The environment variables that ``requests`` reads to find certificate authorities. Both transports trust alike.
_CA_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class AiohttpTransport:
    """Drives exchanges over one ``aiohttp`` session, opened with the first request. Belongs to one event loop."""

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._options: dict[tuple[str, int, str, str], dict[str, Any]] = {}

    async def run(self, exchange: Exchange[T], log: Log = log) -> T:
        """Drive an exchange to its end, and return what it returns. Its lines go to ``log``."""
        try:
            step = next(exchange)
            while True:
                if isinstance(step, SendStep):
                    step = exchange.send(Received(await self._send(step.request), random.random()))
                    continue
                log_step(step, log)
                if isinstance(step, SleepStep):
                    await asyncio.sleep(step.seconds)
                step = exchange.send(Resumed(time.time()))
        except StopIteration as stop:
            value: T = stop.value
            return value
        except UnauthorizedError as error:
            raise self.settings.name_connection(error) from None

    async def _send(self, request: Request) -> Response | TransportFailure:
        session, url = await self._open_session(), URL(request.url, encoded=True)
        if request.has_expired(time.time()):
            return make_expired_failure(request, time.time())
        try:
            async with session.request(
                request.method,
                url,
                params=request.query or None,
                data=request.body or None,
                allow_redirects=False,
                **self._request_options(request, url),
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            detail = f"{type(error).__name__} at {self.settings.describe_host(request.url)}"
            return TransportFailure(_classify_failure(error), detail, received_at=time.time())
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(response.status, headers, body, received_at=time.time())

    async def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Reading certificate files blocks for tens of milliseconds, too long for an event loop.
            try:
                ssl_context = await asyncio.to_thread(_make_ssl_context, self.settings.verify, dict(os.environ))
            except OSError as problem:
                raise make_ca_bundle_error(problem) from None
            if self._session is None:  # another job of this transport may have opened it during the wait
                # Without ``trust_env``, which would also take an Authorization header from a .netrc file.
                connector = aiohttp.TCPConnector(ssl=ssl_context)
                self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    def _request_options(self, request: Request, url: URL) -> dict[str, Any]:
        """Return headers, timeout and proxy, which are computed once for each kind of request and host.

        Reading the environment and parsing URLs takes as long as all else that this package does for a request.
        """
        key = (request.call, len(request.body), url.scheme, url.raw_authority)
        if key not in self._options:
            settings = self.settings
            timeout = aiohttp.ClientTimeout(
                total=settings.get_total_timeout_s(request),
                sock_connect=settings.connect_timeout_s,
                sock_read=settings.get_read_timeout_s(request),
            )
            headers, proxy = settings.make_headers(request), find_proxy(request.url)
            self._options[key] = {"headers": headers, "timeout": timeout, "proxy": proxy}
        return self._options[key]

    async def close(self) -> None:
        """Close the session, if one was opened."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _make_ssl_context(verify: bool | str, environment: dict[str, str]) -> ssl.SSLContext | bool:
    """Return the certificate authorities to trust, from the same sources and in the same order as ``requests``."""
    if verify is False:
        return False
    ca_bundle = verify if isinstance(verify, str) else None
    for name in _CA_BUNDLE_VARIABLES:
        ca_bundle = ca_bundle or environment.get(name) or None
    if ca_bundle is None:
        import certifi  # the default of ``requests``

        ca_bundle = certifi.where()
    if Path(ca_bundle).is_dir():
        return ssl.create_default_context(capath=ca_bundle)
    return ssl.create_default_context(cafile=ca_bundle)


def _classify_failure(error: Exception) -> FailureKind:
    """Return what a failure proves. Only a connection that was never made proves that nothing was sent."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return FailureKind.UNTRUSTED
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)):
        return FailureKind.NOT_SENT
    return FailureKind.MAYBE_SENT
