"""Everything an emulator remembers, and the control over it: what tests and demos see and steer.

No HTTP and no threads: it is used from one thread, the server's.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from .answers import Ask
from .faults import FaultBook
from .ledger import Ledger
from .limits import Limits
from .settings import Settings

#: So many requests are remembered; a day-long demo must not fill the memory.
REMEMBERED = 100_000


@dataclass(slots=True)
class Entry:
    """One request as the log keeps it: never the key, only whether one came.

    ``status`` is None while the answer is under way, and when the connection was cut instead of one;
    ``sent`` is how many bytes of body were.
    """

    call: str
    method: str
    path: str
    status: int | None
    at: float
    key: bool
    fault: str | None = None
    sent: int = 0


class World:
    """The state behind the calls.

    :param settings: see :class:`.Settings`.
    :param clock: epoch seconds. By default the wall clock at the start plus the time since, so that a
        correction of the wall clock cannot finish a job.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] | None = None) -> None:
        began = time.time() - time.monotonic()
        self.settings = settings
        self.clock = clock or (lambda: began + time.monotonic())
        self.reset()

    def reset(self) -> None:
        """Forget everything: jobs, bills, requests, uploads, limits, and faults that came later."""
        settings = self.settings
        self.dice = random.Random(f"{settings.seed}:jobs")
        self.ledger = Ledger(settings.credits)
        self.limits = Limits(settings.requests_per_minute, settings.rate_window)
        self.faults = FaultBook(settings.faults, random.Random(f"{settings.seed}:faults"))
        self.assets: dict[str, tuple[str, bytes]] = {}
        self.log: deque[Entry] = deque(maxlen=REMEMBERED)

    def note(self, ask: Ask) -> Entry:
        """Write a request into the log when it arrives; the entry is completed when it is answered."""
        key = "x-api-key" in ask.headers or "authorization" in ask.headers
        entry = Entry("unknown", ask.method, ask.path, None, self.clock(), key)
        self.log.append(entry)
        return entry

    def requests(self) -> list[dict[str, Any]]:
        """Return the log, the oldest request first."""
        return [asdict(entry) for entry in self.log]

    def ledger_at(self, base: str) -> dict[str, Any]:
        """Return the ledger as it is now."""
        return self.ledger.as_dict(self.clock(), base)

    def active_faults(self) -> list[dict[str, Any]]:
        """Return the fault rules in force, with their hits."""
        return [rule.as_dict() for rule in self.faults.rules]

    def clear_faults(self) -> None:
        """Remove every fault rule."""
        self.faults.rules.clear()

    def expire(self, request_id: str | None = None) -> int:
        """Let the records of one job, or of all, be gone; return of how many.

        :raises KeyError: when there is no such job.
        """
        ids = list(self.ledger.jobs) if request_id is None else [request_id]
        self.ledger.expire(ids)
        return len(ids)

    def advance(self, seconds: float) -> None:
        """Let time pass at once: jobs grow older by so much, and rate limit windows too."""
        self.ledger.age(seconds)
        self.limits.age(seconds)
