"""State of the emulator: clock, jobs, faults, rate limits, uploads and request log, and how tests change them.

It is used from one thread, the server's.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .fault_rules import FaultRuleSet
from .job_ledger import JobStore
from .options import EmulatorOptions
from .rate_limits import RateLimits

#: Length of the request log, so that a long demo does not fill the memory.
MAX_LOGGED_REQUESTS = 100_000


@dataclass(slots=True)
class RequestLogEntry:
    """One request in the log. The key is never stored, only whether one was sent.

    ``status`` is None until the response is sent, and if the connection was reset instead; ``sent`` counts the
    bytes of the response's body.
    """

    call: str
    method: str
    path: str
    status: int | None
    at: float
    key: bool
    fault: str | None = None
    sent: int = 0


class EmulatorState:
    """Everything that an emulator remembers.

    :param options: see :class:`.EmulatorOptions`.
    :raises ValueError: if the state file cannot be used.
    :param clock: returns epoch seconds. By default it is the wall clock at the start plus the time since then (so
        that a correction of the wall clock cannot finish a job) and the option ``clock_offset``.
    """

    def __init__(self, options: EmulatorOptions, clock: Callable[[], float] | None = None) -> None:
        started_at = time.time() - time.monotonic() + options.clock_offset
        self.options = options
        self.clock = clock or (lambda: started_at + time.monotonic())
        self._set_initial_state()
        self.store.load()

    def reset(self) -> None:
        """Forget jobs, charges, requests, uploads, rate limits, and every fault rule that was added later."""
        self._set_initial_state()
        self.store.save()

    def _set_initial_state(self) -> None:
        options = self.options
        self.rng = random.Random(f"{options.seed}:jobs")
        self.store = JobStore(options.credits, Path(options.state) if options.state else None)
        self.rate_limits = RateLimits(options.requests_per_minute, options.rate_window)
        self.faults = FaultRuleSet(options.faults, random.Random(f"{options.seed}:faults"))
        #: file name -> (content type, content)
        self.uploads: dict[str, tuple[str, bytes]] = {}
        self.request_log: deque[RequestLogEntry] = deque(maxlen=MAX_LOGGED_REQUESTS)

    def log_request(self, method: str, path: str, *, has_key: bool) -> RequestLogEntry:
        """Add a request to the log when it arrives; the caller completes the entry with the response."""
        entry = RequestLogEntry("unknown", method, path, None, self.clock(), has_key)
        self.request_log.append(entry)
        return entry

    def list_requests(self) -> list[dict[str, Any]]:
        """Return the request log, oldest first."""
        return [asdict(entry) for entry in self.request_log]

    def build_ledger(self, base_url: str) -> dict[str, Any]:
        """Return the ledger of jobs and costs."""
        return self.store.build_ledger(self.clock(), base_url)

    def list_faults(self) -> list[dict[str, Any]]:
        """Return the active fault rules, with their hits."""
        return [rule.as_dict() for rule in self.faults.rules]

    def clear_faults(self) -> None:
        """Remove every fault rule."""
        self.faults.rules.clear()

    def expire_records(self, request_id: str | None = None) -> int:
        """Expire the record of one job, or of all; return how many.

        :raises KeyError: if there is no such job.
        """
        request_ids = list(self.store.jobs) if request_id is None else [request_id]
        self.store.expire(request_ids)
        return len(request_ids)

    def advance(self, seconds: float) -> None:
        """Let time pass at once, for jobs and rate limits."""
        self.store.advance(seconds)
        self.rate_limits.advance(seconds)
