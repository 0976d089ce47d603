"""The triggerer's transport, on ``aiohttp``: proxies and certificates as the worker's transport has them."""

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
from requests.utils import get_environ_proxies, prepend_scheme_if_needed, select_proxy
from yarl import URL

from airflow_provider_runway.segmind.exchange import Exchange, Received, Resumed, Send, Sleep
from airflow_provider_runway.segmind.http import FailureKind, Request, Response, TransportFailure
from airflow_provider_runway.transports.client_settings import ClientSettings, Log, ca_bundle_error, log_step

T = TypeVar("T")
log = logging.getLogger(__name__)

#: What ``requests`` reads to find a certificate authority; both transports must trust the same hosts.
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class AiohttpTransport:
    """Drives flows over one ``aiohttp`` session, opened with the first request. Belongs to one event loop."""

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._ways: dict[tuple[str, bool, str, str], dict[str, Any]] = {}

    async def run(self, flow: Exchange[T], log: Log = log) -> T:
        """Drive a flow to its end, and return what it returns; its lines go to ``log``."""
        try:
            step = next(flow)
            while True:
                if isinstance(step, Send):
                    step = flow.send(Received(await self._send(step), random.random()))
                    continue
                log_step(step, log)
                if isinstance(step, Sleep):
                    await asyncio.sleep(step.seconds)
                step = flow.send(Resumed(time.time()))
        except StopIteration as stop:
            value: T = stop.value
            return value

    async def _send(self, step: Send) -> Response | TransportFailure:
        request = step.request
        session, url = await self._opened(), URL(request.url, encoded=True)
        try:
            async with session.request(
                request.method,
                url,
                params=request.query or None,
                data=request.body or None,
                allow_redirects=False,
                **self._way(request, url),
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return TransportFailure(
                _kind(error), f"{type(error).__name__} at {request.url.split('/')[2]}", received_at=time.time()
            )
        said = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status, said, body, received_at=time.time())

    async def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Reading certificate files blocks for tens of milliseconds, too long for an event loop.
            try:
                trust = await asyncio.to_thread(_trust, self.settings.verify, dict(os.environ))
            except OSError as problem:
                raise ca_bundle_error(problem) from None
            if self._session is None:  # another job of this transport may have opened it meanwhile
                # Without ``trust_env``, which would also take an Authorization header from a .netrc file.
                connector = aiohttp.TCPConnector(ssl=trust)
                self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    def _way(self, request: Request, url: URL) -> dict[str, Any]:
        """Return headers, timeout and proxy, which are worked out once for each kind of request and host.

        Reading the environment and taking URLs apart takes as long as all else that is ours about a request.
        """
        kind = (request.call, bool(request.body), url.scheme, url.raw_authority)
        if kind not in self._ways:
            settings = self.settings
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.read_timeout_for(request)
            )
            headers, proxy = settings.headers_for(request), _proxy(request.url)
            self._ways[kind] = {"headers": headers, "timeout": timeout, "proxy": proxy}
        return self._ways[kind]

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


def _trust(verify: bool | str, environment: dict[str, str]) -> ssl.SSLContext | bool:
    """Return what to trust, from the same sources and in the same order as ``requests``."""
    if verify is False:
        return False
    authorities = verify if isinstance(verify, str) else None
    for name in _BUNDLE_VARIABLES:
        authorities = authorities or environment.get(name) or None
    if authorities is None:
        import certifi  # what requests itself trusts when nothing else is said

        authorities = certifi.where()
    if Path(authorities).is_dir():
        return ssl.create_default_context(capath=authorities)
    return ssl.create_default_context(cafile=authorities)


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for a URL, by the rules of ``requests``."""
    proxy = select_proxy(url, get_environ_proxies(url))
    return str(prepend_scheme_if_needed(proxy, "http")) if proxy else None  # type: ignore[no-untyped-call]


def _kind(error: Exception) -> FailureKind:
    """Sort by what the failure proves. Only a connection that never came about proves "not sent"."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return FailureKind.UNTRUSTED
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)):
        return FailureKind.NOT_SENT
    return FailureKind.MAYBE_SENT
