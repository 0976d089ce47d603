"""Total times, and the latest time to send a request, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from airflow_provider_runway.exceptions import UnreachableError
from airflow_provider_runway.segmind import api_calls
from airflow_provider_runway.segmind.exchange import execute
from airflow_provider_runway.segmind.retry import NO_RETRY
from airflow_provider_runway.transports.time_limited_session import RequestExpiredError, TimeLimitedSession

Run = Callable[..., Any]


def submit(run: Run, settings: Any, not_after: float) -> Any:
    call = api_calls.make_submit_call(settings.base_urls, "m", {"seed": 7})
    return run(settings, execute(replace(call, request=replace(call.request, not_after=not_after)), NO_RETRY))


def test_a_request_after_its_latest_time_is_not_sent(run: Run, pointed: Run, recorder: Any) -> None:
    with pytest.raises(UnreachableError, match="too late to send this request"):
        submit(run, pointed(recorder.url), not_after=time.time() - 1)
    assert recorder.seen == []


def test_the_latest_time_is_checked_once_the_connection_is_open(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name resolution, a handshake or a stopped process may take any time."""
    resolve = socket.getaddrinfo

    def resolve_slowly(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.3)
        return resolve(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_slowly)
    with (
        TimeLimitedSession() as session,
        pytest.raises(RequestExpiredError) as caught,
        session.limit_time(5, not_after=time.time() + 0.1),
    ):
        session.post(recorder.url, data=b"{}")
    assert not caught.value.is_partly_sent
    assert recorder.seen == []


def test_a_body_is_not_sent_after_the_latest_time(serve: Run) -> None:
    def write_slowly() -> Iterator[bytes]:
        yield b"{"
        time.sleep(0.3)
        yield b"}"

    with (
        serve() as server,
        TimeLimitedSession() as session,
        pytest.raises(RequestExpiredError) as caught,
        session.limit_time(5, not_after=time.time() + 0.1),
    ):
        session.post(server.url, data=write_slowly())
    assert caught.value.is_partly_sent


def test_a_cut_request_does_not_cut_the_next_one(serve: Run, recorder: Any) -> None:
    with serve(seconds_between_bytes=0.1) as slow, TimeLimitedSession() as session:
        for _ in range(2):
            with (
                pytest.raises(requests.ReadTimeout, match=r"no complete response within 0\.2 s"),
                session.limit_time(0.2),
            ):
                session.get(slow.url)
            with session.limit_time(5):
                assert session.get(recorder.url).status_code == 200


def test_a_response_without_a_length_does_not_look_complete_when_it_is_cut() -> None:
    """Such a response ends where the connection ends, so a cut looks like its end."""
    with socket.create_server(("127.0.0.1", 0)) as listener, TimeLimitedSession() as session:

        def respond_and_wait() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nthe first half")
                connection.recv(1)  # until the client hangs up

        server = threading.Thread(target=respond_and_wait)
        server.start()
        with pytest.raises(requests.ReadTimeout), session.limit_time(0.3):
            session.get(f"http://127.0.0.1:{listener.getsockname()[1]}")
        server.join()
