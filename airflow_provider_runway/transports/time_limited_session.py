"""A ``requests`` session with a total time for each request, and a latest time at which one may be sent."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class RequestExpiredError(Exception):
    """The latest time to send a request passed before its last byte was sent.

    :param is_partly_sent: its headers were sent, but not its body.
    """

    def __init__(self, is_partly_sent: bool) -> None:
        super().__init__(is_partly_sent)
        self.is_partly_sent = is_partly_sent


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
        self._open_sockets.not_after, self._open_sockets.has_sent_headers = not_after, False
        timer = threading.Timer(seconds, self._open_sockets.shut_down)
        timer.daemon = True
        timer.start()
        failure: requests.RequestException | None = None
        try:
            yield
        except requests.RequestException as error:
            failure = error
        finally:
            timer.cancel()
            timer.join()  # it may be cutting right now, and must not cut the next request
            was_cut = self._open_sockets.release()
        if was_cut:
            raise requests.ReadTimeout(f"no complete response within {seconds:g} s") from failure
        if failure is not None:
            raise failure


class _OpenSockets:
    """The sockets of the request under way, so that another thread can cut them, and the latest time to send it."""

    def __init__(self) -> None:
        self.not_after: float | None = None
        self.has_sent_headers = False
        self._lock = threading.Lock()
        self._duplicates: list[socket.socket] = []
        self._was_cut = False

    def add(self, file_descriptor: int) -> None:
        """Remember an open socket. The duplicate stays valid while TLS wraps the original, or the pool closes it."""
        with self._lock:
            self._duplicates.append(socket.socket(fileno=os.dup(file_descriptor)))
            if self._was_cut:
                self._shut_down_all()

    def check_not_expired(self) -> None:
        """Refuse to send the request where connecting, or a process that was stopped, took too long.

        :raises RequestExpiredError: it is later than ``not_after``.
        """
        if self.not_after is not None and time.time() > self.not_after:
            raise RequestExpiredError(is_partly_sent=self.has_sent_headers)

    def shut_down(self) -> None:
        """End the request under way: whatever reads or writes gets an error or the end of the stream."""
        with self._lock:
            self._was_cut = True
            self._shut_down_all()

    def release(self) -> bool:
        """Forget the sockets; return whether they were cut."""
        with self._lock:
            for duplicate in self._duplicates:
                duplicate.close()
            self._duplicates.clear()
            was_cut, self._was_cut = self._was_cut, False
            return was_cut

    def _shut_down_all(self) -> None:
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
            self.close_if_expired()
            super().endheaders(*arguments, **options)  # type: ignore[misc]
            open_sockets.has_sent_headers = True

        def send(self, data: Any) -> None:
            connection: Any = self
            if connection.sock is None:
                connection.connect()
            open_sockets.add(connection.sock.fileno())
            if open_sockets.has_sent_headers:
                self.close_if_expired()
            super().send(data)  # type: ignore[misc]

        def close_if_expired(self) -> None:
            connection: Any = self
            try:
                open_sockets.check_not_expired()
            except RequestExpiredError:
                connection.close()
                raise

    class WatchedHttpConnection(WatchedConnection, HTTPConnection):
        pass

    class WatchedHttpsConnection(WatchedConnection, HTTPSConnection):
        pass

    class WatchedHttpPool(HTTPConnectionPool):
        ConnectionCls = WatchedHttpConnection

    class WatchedHttpsPool(HTTPSConnectionPool):
        ConnectionCls = WatchedHttpsConnection

    return {"http": WatchedHttpPool, "https": WatchedHttpsPool}
