"""Both transports behind one function, and small servers on loopback for what no gateway does."""

from __future__ import annotations

import asyncio
import datetime
import gc
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.segmind import api_calls
from airflow_provider_runway.segmind.exchange import Exchange, execute
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.retry import NO_RETRY
from airflow_provider_runway.transports.aiohttp_transport import AiohttpTransport
from airflow_provider_runway.transports.client_settings import ClientSettings
from airflow_provider_runway.transports.requests_transport import RequestsTransport

Run = Callable[[ClientSettings, Exchange[Any]], Any]


def run_blocking(settings: ClientSettings, flow: Exchange[Any]) -> Any:
    """Drive a flow on ``requests``."""
    with RequestsTransport(settings) as transport:
        return transport.run(flow)


def run_async(settings: ClientSettings, flow: Exchange[Any]) -> Any:
    """Drive a flow on ``aiohttp``, in an event loop of its own."""

    async def drive() -> Any:
        async with AiohttpTransport(settings) as transport:
            return await transport.run(flow)

    return asyncio.run(drive())


@pytest.fixture(scope="session", autouse=True)
def little_garbage() -> Iterator[None]:
    """Keep what is alive already, Airflow above all, out of each test's garbage collection."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(params=[pytest.param(run_blocking, id="requests"), pytest.param(run_async, id="aiohttp")])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Each test that asks for this runs once on either shell; a socket left open is a warning, so an error."""
    yield request.param
    gc.collect()


@pytest.fixture
def settings(gateway: Emulator) -> ClientSettings:
    """A connection to the gateway that has no time to lose."""
    base_urls = BaseUrls(gateway.url, gateway.storage_url, gateway.history_url)
    return ClientSettings(gateway.test_key, base_urls, connect_timeout_s=2.0, read_timeout_s=5.0)


@pytest.fixture
def video(gateway: Emulator, settings: ClientSettings) -> str:
    """The address of a finished video on the gateway."""
    body = {"promptImage": "https://images.segmind.com/a.png", "promptText": "a cat", "seed": 7}
    with RequestsTransport(settings) as transport:
        job = transport.run(
            execute(api_calls.make_submit_call(settings.base_urls, "runway-gen3-alphaturbo", body), NO_RETRY)
        )
        gateway.advance(120)
        return transport.run(
            execute(api_calls.make_result_call(settings.base_urls, job.request_id), NO_RETRY)
        ).output_urls[0]


@pytest.fixture
def pointed(settings: ClientSettings) -> Callable[..., ClientSettings]:
    """The same connection, pointed at another address."""
    return lambda url, **changes: replace(settings, base_urls=BaseUrls(url, url, url), **changes)


@dataclass
class Recorder:
    """A server that writes down what reaches it, and answers everything alike."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"credits": 7.0, "free-credits": 0.0}'
    #: Hang up after the request was read, instead of answering.
    hangs_up: bool = False
    #: Send the response a byte at a time, with this pause; None: at once.
    seconds_between_bytes: float | None = None
    url: str = ""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        """The verbs of the requests so far."""
        return [method for method, _, _ in self.seen]


@contextmanager
def recording(trust: ssl.SSLContext | None = None, **fields: Any) -> Iterator[Recorder]:
    """Serve a recorder on a free port; with ``trust``, over TLS."""
    recorder = Recorder(**fields)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            sent = {name.lower(): value for name, value in self.headers.items()}
            recorder.seen.append((self.command, self.path, sent))
            self.close_connection = True
            if recorder.hangs_up:
                return
            self.send_response(recorder.status)
            for name, value in (recorder.headers | {"Content-Length": str(len(recorder.body))}).items():
                self.send_header(name, value)
            if recorder.seconds_between_bytes is None:
                self.end_headers()
                self.wfile.write(recorder.body)
                return
            head = b"".join(self._headers_buffer) + b"\r\n"  # type: ignore[attr-defined]
            for byte in head + recorder.body:
                self.wfile.write(bytes([byte]))
                time.sleep(recorder.seconds_between_bytes)

        do_GET = do_POST = do_CONNECT = answer  # noqa: N815  # names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A handshake that the client breaks off is what is tested."""

    server = Quiet(("127.0.0.1", 0), Handler)
    if trust is not None:
        server.socket = trust.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    recorder.url = f"{'https' if trust else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def serve() -> Callable[..., Any]:
    """Make a recorder."""
    return recording


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A recorder that answers with a balance."""
    with recording() as made:
        yield made


@pytest.fixture
def dead_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue is full: to connect to it takes for ever."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
            waiting.append(client)
        yield int(listener.getsockname()[1])
        for client in waiting:
            client.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for loopback that nobody vouches for, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "loopback.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Recorder]:
    """A recorder behind that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with recording(context) as made:
        yield made
