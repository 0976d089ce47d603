"""What mapped siblings are about to spend, so that tasks that submit at the same time see one another. Values, no I/O.

A task writes its reservation down first, and then reads those of the others. It counts those that were made before its
own: of two tasks at the same time at least the later one sees the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one mapped task instance is about to spend, or has spent on the job that it submitted.

    :param price_usd: 0 where its submit was refused. :param made_at: epoch seconds.
    :param request_id: of its job, once that is submitted.
    """

    map_index: int
    price_usd: float
    made_at: float
    request_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the reservation as an XCom."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Reservation:
        """Return the reservation that :meth:`to_json` wrote."""
        return cls(**{name: value[name] for name in cls.__slots__})


def list_running(reservations: Iterable[Reservation], own: Reservation, day_start: float) -> dict[str, float]:
    """Return what siblings have under way today: request id -> price in USD, and a name of its own for one without id.

    :param day_start: epoch seconds; what was reserved before counts for another day.
    """
    return {
        each.request_id or f"reserved by map index {each.map_index}": each.price_usd
        for each in reservations
        if each.map_index != own.map_index
        and each.made_at >= day_start
        and (each.request_id is not None or (each.made_at, each.map_index) < (own.made_at, own.map_index))
    }
