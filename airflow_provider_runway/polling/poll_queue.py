"""Whose turn it is, among thousands: joining, leaving, rising and choosing cost O(log n) each.

The longer a job was not looked at, the more a look is worth; so a job rises through ranks. An idle account
serves the lowest rank at once, a busy one only ever gets to the high ones: requests go where they save the most
waiting, without anybody having to work out how busy the account is.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from itertools import count
from typing import Any, Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)

#: A job whose deadline is nearer than this goes before all that merely are due.
URGENT_S = 20.0


class Moments(Protocol):
    """When a job comes to each rank, from the lowest: a list, or whatever works it out when it is asked."""

    def __len__(self) -> int:
        """Return the number of ranks it comes to."""

    def __getitem__(self, rank: int, /) -> float:
        """Return the moment of a rank; IndexError beyond the last."""


class PollQueue(Generic[K]):
    """Jobs by rank and by the moment they came to it. Moments are seconds of one clock, handed in.

    Within a rank the longest waiting goes first, and everybody rises, so nobody starves. Jobs near their
    deadline go before all others, the nearest first.

    :param ranks: how many there are; the first is 0.
    """

    def __init__(self, ranks: int) -> None:
        self._serials = count()
        #: Who is in: (serial of the place, rank; -1 before the first). What the heaps hold besides is stale.
        self._places: dict[K, tuple[int, int]] = {}
        self._rising: list[tuple[float, int, int, K, Moments]] = []  # (moment, serial, rank, key, moments)
        self._ready: list[list[tuple[float, int, int, K]]] = [[] for _ in range(ranks)]  # by moment
        self._pressing: list[tuple[float, int, int, K]] = []  # those with a rank, by deadline
        self._deadlines: dict[K, float] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: K) -> bool:
        return key in self._places

    def place(self, key: K, moments: Moments, deadline: float) -> float:
        """Put a job in, or move it; return the moment at which it can first be taken.

        :param moments: when it comes to each rank, from the lowest; fewer than ranks, and it stays at the last.
        :param deadline: when it has to be looked at, whatever its rank.
        """
        serial = next(self._serials)
        self._places[key] = serial, -1
        self._deadlines[key] = deadline
        first = min(moments[0], deadline)
        heapq.heappush(self._rising, (first, serial, -1, key, moments))
        return first

    def remove(self, key: K) -> None:
        """Take a job out; one that is not there is no error, for endings and cancellations can cross."""
        self._places.pop(key, None)
        self._deadlines.pop(key, None)

    def next_moment(self) -> float | None:
        """Return when somebody rises next; None where nobody ever does."""
        return self._rising[0][0] if self._tidy(self._rising) else None

    def take(self, now: float, least: int = 0) -> K | None:
        """Take out the job whose turn it is. :meth:`place` puts it back.

        :param least: jobs of a lower rank are left, unless their deadline is near.
        :returns: None where nobody's turn it is.
        """
        self._rise(now)
        if self._tidy(self._pressing, any_rank=True) and self._pressing[0][0] - now <= URGENT_S:
            return self._out(self._pressing)
        for rank in range(len(self._ready) - 1, least - 1, -1):
            if self._ready[rank] and self._tidy(self._ready[rank]):
                return self._out(self._ready[rank])
        return None

    def overdue(self, moment: float) -> K | None:
        """Take out a job whose deadline was before a moment: nobody got round to it."""
        self._rise(moment)
        if self._tidy(self._pressing, any_rank=True) and self._pressing[0][0] < moment:
            return self._out(self._pressing)
        return None

    def _rise(self, now: float) -> None:
        while self._tidy(self._rising) and self._rising[0][0] <= now:
            moment, serial, rank, key, moments = heapq.heappop(self._rising)
            rank += 1
            self._places[key] = serial, rank
            heapq.heappush(self._ready[rank], (moment, serial, rank, key))
            if rank == 0:
                self._press((self._deadlines[key], serial, rank, key))
            if rank + 1 < min(len(moments), len(self._ready)):
                heapq.heappush(self._rising, (max(moments[rank + 1], moment), serial, rank, key, moments))

    def _press(self, entry: tuple[float, int, int, K]) -> None:
        """Deadlines are far away, so stale entries would stay below the top and pile up, one a look."""
        if len(self._pressing) > 2 * len(self._places) + 100:
            self._pressing = [old for old in self._pressing if self._places.get(old[3], (-1, 0))[0] == old[1]]
            heapq.heapify(self._pressing)
        heapq.heappush(self._pressing, entry)

    def _out(self, heap: list[Any]) -> K:
        key: K = heapq.heappop(heap)[3]
        self.remove(key)
        return key

    def _tidy(self, heap: list[Any], *, any_rank: bool = False) -> bool:
        """Drop what was moved, raised or removed meanwhile from the top; is anything left?"""
        while heap:
            serial, rank = self._places.get(heap[0][3], (-1, 0))
            if serial == heap[0][1] and (any_rank or rank == heap[0][2]):
                return True
            heapq.heappop(heap)
        return False
