"""``Emulator``: the emulator's server in a thread of its own, for tests and notebooks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from .control_api import HISTORY_PATH
from .emulator_state import EmulatorState
from .http_server import open_http_server
from .options import build_options

T = TypeVar("T")


class Emulator:
    """A local emulator on a free port, which runs inside a ``with`` block.

    >>> with Emulator(time_scale=0.01, requests_per_minute=60) as gateway:
    ...     gateway.add_fault("submit:server_error:status=503")
    ...     run_my_code(gateway.url, gateway.test_key)
    ...     assert gateway.ledger()["billable"] == 1

    :param host: address to listen on.
    :param port: port to listen on; 0 takes a free one.
    :param options: the options, see :func:`.build_options`.
    :raises ValueError: for an invalid option or fault rule.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
        self.options = build_options(**options)
        self._state = EmulatorState(self.options)
        self._address = (host, port)
        self._url = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Start the server; returns when the port is open.

        :raises OSError: if the address cannot be used.
        """
        if self._thread is not None:
            raise RuntimeError("the emulator is running already")
        url: Future[str] = Future()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(url),), name="segmind-emulator", daemon=True
        )
        self._thread.start()
        try:
            self._url = url.result(timeout=30)
        except BaseException:
            self._thread.join(timeout=5)
            self._thread = None
            raise
        return self

    def close(self) -> None:
        """Stop the server and wait until the port is closed. The ledger can still be read."""
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        thread.join(timeout=10)
        self._loop = None

    async def _serve(self, started: Future[str]) -> None:
        self._stop = asyncio.Event()
        try:
            async with open_http_server(self._state, *self._address) as url:
                self._loop = asyncio.get_running_loop()
                started.set_result(url)
                await self._stop.wait()
        except (OSError, OverflowError) as error:  # OverflowError: not a port number
            started.set_exception(error)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """URL of the emulator, without a slash at its end."""
        return self._url

    @property
    def storage_url(self) -> str:
        """Base URL of uploads; ``/upload-asset`` is added to it."""
        return self._url

    @property
    def history_url(self) -> str:
        """Full URL of the request history."""
        return self._url + HISTORY_PATH

    @property
    def test_key(self) -> str:
        """An API key that is accepted."""
        return self.options.test_key

    def ledger(self) -> dict[str, Any]:
        """Return ``{"posts", "accepted", "billable", "billed_usd", "jobs": [...]}``."""
        return self._run_in_server(lambda: self._state.build_ledger(self._url))

    def http_requests(self) -> list[dict[str, Any]]:
        """Return every request so far: call, method, path, status, at, key (was one sent?), fault, sent (bytes)."""
        return self._run_in_server(self._state.list_requests)

    def add_fault(self, rule: str | dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Add a fault rule: a dict, its text, or its fields as keywords; return the complete rule.

        :raises ValueError: for an unknown fault, call or parameter.
        """
        new_rule = fields if rule is None else rule
        return self._run_in_server(lambda: self._state.faults.add(new_rule).as_dict())

    def faults(self) -> list[dict[str, Any]]:
        """Return the active fault rules, with their hits."""
        return self._run_in_server(self._state.list_faults)

    def clear_faults(self) -> None:
        """Remove every fault rule."""
        self._run_in_server(self._state.clear_faults)

    def expire(self, request_id: str | None = None) -> int:
        """Expire the record of one job, or of all, as after its hour; return how many.

        :raises KeyError: if there is no such job.
        """
        return self._run_in_server(lambda: self._state.expire_records(request_id))

    def advance(self, seconds: float) -> None:
        """Let this many seconds pass at once, for jobs, records, history and rate limits."""
        self._run_in_server(lambda: self._state.advance(seconds))

    def reset(self) -> None:
        """Forget everything, as after a fresh start."""
        self._run_in_server(self._state.reset)

    def _run_in_server(self, action: Callable[[], T]) -> T:
        """Run an action in the server's thread, which alone may use the state, and return its result."""
        if self._loop is None:
            return action()
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(action())
            except Exception as error:  # raised again in the caller's thread
                result.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return result.result(timeout=30)
