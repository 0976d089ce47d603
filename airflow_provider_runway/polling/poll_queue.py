"""Priority queue of jobs that are due for polling. Every operation costs O(log n).

The longer a job was not polled, the more a poll is worth, so its priority rises with time. With few jobs the lowest
priority is served at once. With many, only high priorities are ever served: requests go where they save the most
lateness, and nothing has to measure how busy the account is.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable
from itertools import count
from typing import Any, Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)

#: The due time of a job that comes before all that are overdue.
BEFORE_ALL_OTHERS = -math.inf
#: A job whose deadline is nearer than this is polled before all others.
URGENT_S = 20.0


class DueTimes(Protocol):
    """When a job reaches each priority, from the lowest: a list, or an object that computes them on access."""

    def __len__(self) -> int:
        """Return the number of priorities that the job reaches."""

    def __getitem__(self, priority: int, /) -> float:
        """Return the time at which it reaches a priority; IndexError beyond the last."""


class PollQueue(Generic[K]):
    """Jobs by priority and by the time they reached it. Times are seconds on one clock, passed in.

    Within a priority the job that waited longest comes first, and every job's priority rises, so none starves.
    Jobs near their deadline come before all others, the nearest first.

    :param priorities: how many there are; the lowest is 0.
    """

    def __init__(self, priorities: int) -> None:
        self._serials = count()
        #: key -> (serial of its entry, current priority; -1 before the first). Heap entries that differ are stale.
        self._entries: dict[K, tuple[int, int]] = {}
        self._deadlines: dict[K, float] = {}
        self._upcoming: list[tuple[float, int, int, K, DueTimes]] = []  # by the time of the next promotion
        self._ready: list[list[tuple[float, int, int, K]]] = [[] for _ in range(priorities)]  # by waiting time
        self._by_deadline: list[tuple[float, int, int, K]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def schedule(self, key: K, due_times: DueTimes, deadline: float) -> float:
        """Add a job, or move it; return the earliest time at which it can be popped.

        :param due_times: when it reaches each priority; with fewer than there are it stays at its last.
        :param deadline: when it must be polled, whatever its priority.
        """
        serial = next(self._serials)
        self._entries[key] = serial, -1
        self._deadlines[key] = deadline
        first_due = min(due_times[0], deadline)
        heapq.heappush(self._upcoming, (first_due, serial, -1, key, due_times))
        return first_due

    def remove(self, key: K) -> None:
        """Remove a job. A missing one is no error, because outcomes and cancellations can cross."""
        self._entries.pop(key, None)
        self._deadlines.pop(key, None)

    def next_due_time(self) -> float | None:
        """Return when the next promotion is due; None without any."""
        return self._upcoming[0][0] if self._drop_stale(self._upcoming) else None

    def pop_due(self, now: float, min_priority: int = 0) -> K | None:
        """Remove and return the job to poll next, or None. :meth:`schedule` adds it again.

        :param min_priority: jobs of a lower priority stay in the queue, unless their deadline is near.
        """
        self._promote(now)
        if self._drop_stale(self._by_deadline, any_priority=True) and self._by_deadline[0][0] - now <= URGENT_S:
            return self._pop(self._by_deadline)
        for priority in range(len(self._ready) - 1, min_priority - 1, -1):
            if self._ready[priority] and self._drop_stale(self._ready[priority]):
                return self._pop(self._ready[priority])
        return None

    def pop_one_expired(self, before: float) -> K | None:
        """Remove and return a job whose deadline was earlier than ``before``, or None."""
        self._promote(before)
        if self._drop_stale(self._by_deadline, any_priority=True) and self._by_deadline[0][0] < before:
            return self._pop(self._by_deadline)
        return None

    def _promote(self, now: float) -> None:
        """Move every job whose time has come to its next priority."""
        while self._drop_stale(self._upcoming) and self._upcoming[0][0] <= now:
            due, serial, priority, key, due_times = heapq.heappop(self._upcoming)
            priority += 1
            self._entries[key] = serial, priority
            heapq.heappush(self._ready[priority], (due, serial, priority, key))
            if priority == 0:
                self._add_deadline((self._deadlines[key], serial, priority, key))
            if priority + 1 < min(len(due_times), len(self._ready)):
                next_due = max(due_times[priority + 1], due)
                heapq.heappush(self._upcoming, (next_due, serial, priority, key, due_times))

    def _add_deadline(self, entry: tuple[float, int, int, K]) -> None:
        """Add to the heap by deadline. Its stale entries stay far from the top, so they are cleared now and then."""
        if len(self._by_deadline) > 2 * len(self._entries) + 100:
            self._by_deadline = [old for old in self._by_deadline if self._entries.get(old[3], (-1, 0))[0] == old[1]]
            heapq.heapify(self._by_deadline)
        heapq.heappush(self._by_deadline, entry)

    def _pop(self, heap: list[Any]) -> K:
        key: K = heapq.heappop(heap)[3]
        self.remove(key)
        return key

    def _drop_stale(self, heap: list[Any], *, any_priority: bool = False) -> bool:
        """Drop moved, promoted and removed entries from the top of a heap; return whether anything is left."""
        while heap:
            serial, priority = self._entries.get(heap[0][3], (-1, 0))
            if serial == heap[0][1] and (any_priority or priority == heap[0][2]):
                return True
            heapq.heappop(heap)
        return False
