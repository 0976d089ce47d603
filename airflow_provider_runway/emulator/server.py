"""``Emulator``: the gateway in a thread of its own, for tests and notebooks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from .control import HISTORY_PATH
from .settings import Settings
from .web import serving
from .world import World

T = TypeVar("T")


class Emulator:
    """A local gateway on a free port, alive inside a ``with`` block.

    >>> with Emulator(time_scale=0.01, requests_per_minute=60) as gateway:
    ...     gateway.add_fault("submit:server_error:status=503")
    ...     run_my_code(gateway.url, gateway.test_key)
    ...     assert gateway.ledger()["billable"] == 1

    :param host: address to listen on.
    :param port: 0 takes a free one.
    :param settings: the fields of :class:`.Settings`.
    :raises ValueError: for a setting or a fault rule that cannot be.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, **settings: Any) -> None:
        for name in ("keys", "models", "faults"):
            if isinstance(settings.get(name), list):
                settings[name] = tuple(settings[name])
        self.settings = Settings(**settings)
        self._world = World(self.settings)
        self._address = (host, port)
        self._url = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Begin to serve; returns when the port is open.

        :raises OSError: when the address is not to be had.
        """
        if self._thread is not None:
            raise RuntimeError("the emulator runs already")
        bound: Future[str] = Future()
        course = self._serve(bound)
        self._thread = threading.Thread(target=asyncio.run, args=(course,), name="segmind-emulator", daemon=True)
        self._thread.start()
        try:
            self._url = bound.result(timeout=30)
        except BaseException:
            self._thread.join(timeout=5)
            self._thread = None
            raise
        return self

    def close(self) -> None:
        """Stop serving and wait until the port is closed. The ledger can still be read."""
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        thread.join(timeout=10)
        self._loop = None

    async def _serve(self, bound: Future[str]) -> None:
        self._stop = asyncio.Event()
        try:
            async with serving(self._world, *self._address) as url:
                self._loop = asyncio.get_running_loop()
                bound.set_result(url)
                await self._stop.wait()
        except (OSError, OverflowError) as taken:  # OverflowError: no such port number
            bound.set_exception(taken)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The gateway's address, without a slash at its end."""
        return self._url

    @property
    def storage_url(self) -> str:
        """The address that uploads go to; ``/upload-asset`` is added to it."""
        return self._url

    @property
    def history_url(self) -> str:
        """The full address of the request history."""
        return self._url + HISTORY_PATH

    @property
    def test_key(self) -> str:
        """An API key that is accepted."""
        return self.settings.test_key

    def ledger(self) -> dict[str, Any]:
        """Return ``{"posts", "accepted", "billable", "billed_usd", "jobs": [...]}``."""
        return self._do(lambda: self._world.ledger_at(self._url))

    def requests(self) -> list[dict[str, Any]]:
        """Return every request so far: call, method, path, status, at, key (whether one came), fault, sent (bytes)."""
        return self._do(self._world.requests)

    def add_fault(self, rule: str | dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Add a fault rule: a dict, its text, or its fields as keywords; return it as it was understood.

        :raises ValueError: when there is no such fault, call or parameter.
        """
        given = fields if rule is None else rule
        return self._do(lambda: self._world.faults.add(given).as_dict())

    def faults(self) -> list[dict[str, Any]]:
        """Return the fault rules in force, with their hits."""
        return self._do(self._world.active_faults)

    def clear_faults(self) -> None:
        """Remove every fault rule."""
        self._do(self._world.clear_faults)

    def expire(self, request_id: str | None = None) -> int:
        """Let the record of one job, or of all, be gone as after its hour; return of how many.

        :raises KeyError: when there is no such job.
        """
        return self._do(lambda: self._world.expire(request_id))

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once: for jobs, records, history and rate limit windows."""
        self._do(lambda: self._world.advance(seconds))

    def reset(self) -> None:
        """Forget everything, as after a fresh start."""
        self._do(self._world.reset)

    def _do(self, act: Callable[[], T]) -> T:
        """Run something in the server's thread, which alone may touch the state, and hand back what came of it."""
        if self._loop is None:
            return act()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(act())
            except Exception as error:  # handed to the caller's thread, which raises it
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result(timeout=30)
