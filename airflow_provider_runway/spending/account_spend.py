"""What an account has spent, by UTC day and model, from the rows of its history.

A row counts only where it says for itself what it cost and that it belongs to the days. Every other row is *unclear*:
it is counted with its reason, and is in no sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum

from airflow_provider_runway.history.rows import HistoryRow
from airflow_provider_runway.history.search import HistorySearch
from airflow_provider_runway.segmind.jobs import FINAL_STATES, JobState


class UnclearReason(StrEnum):
    """Why a row is in no sum."""

    NO_REQUEST_ID = "no request id, so it may repeat another row"
    NO_TIME = "no time that can be read"
    UNSURE_WINDOW = "a time without a time zone, which may lie outside of these days"
    NO_COST = "completed, and no cost"
    NO_STATE = "neither a known status nor a cost"
    NEGATIVE_COST = "a negative cost"
    UNREADABLE = "no row that can be read"


@dataclass(slots=True)
class DaySpend:
    """The jobs of one model on one day.

    :param day: None where they are surely of these days, and the times do not say of which one.
    :param model: as the history names it; None where it names none.
    :param running: jobs that have no final status yet. They are billed when they complete.
    """

    day: date | None
    model: str | None
    completed: int = 0
    failed: int = 0
    running: int = 0
    cost_usd: float = 0.0

    @property
    def jobs(self) -> int:
        """All of them."""
        return self.completed + self.failed + self.running


@dataclass(slots=True)
class UnclearRows:
    """Rows that are in no sum for one reason, and what they would add to it at most, as far as they say a cost."""

    reason: UnclearReason
    count: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class AccountSpend:
    """What an account has spent on some days.

    :param is_whole: whether all rows of these days were read.
    """

    first: date
    last: date
    days: list[DaySpend] = field(default_factory=list)
    unclear: list[UnclearRows] = field(default_factory=list)
    is_whole: bool = True

    @property
    def total_usd(self) -> float:
        """The sum of all days."""
        return round(sum(line.cost_usd for line in self.days), 6)

    @property
    def is_certain(self) -> bool:
        """Is this all that was spent: were all rows read, and is none of them unclear?"""
        return self.is_whole and not self.unclear


def sum_spend(search: HistorySearch, first: date, last: date, *, assume_utc: bool = False) -> AccountSpend:
    """Return what the rows of a search say about the days from the first to the last, both inclusive and in UTC.

    :param assume_utc: take a time without a time zone for UTC, because the user knows that it is.
    """
    days: dict[tuple[date | None, str | None], DaySpend] = {}
    unclear: dict[UnclearReason, UnclearRows] = {}

    def count_unclear(reason: UnclearReason, count: int = 1, cost_usd: float | None = None) -> None:
        rows = unclear.setdefault(reason, UnclearRows(reason))
        rows.count += count
        rows.cost_usd += max(cost_usd or 0.0, 0.0)

    for row in search.rows:
        possible_days = None if row.created_between is None else _find_days(row, assume_utc=assume_utc)
        if possible_days is not None and (possible_days[1] < first or possible_days[0] > last):
            continue
        if (reason := _find_reason(row, possible_days, first, last)) is not None:
            count_unclear(reason, cost_usd=row.cost)
            continue
        day = possible_days[0] if possible_days is not None and possible_days[0] == possible_days[1] else None
        line = days.setdefault((day, row.model), DaySpend(day, row.model))
        line.completed += row.state is JobState.COMPLETED
        line.failed += row.state is JobState.FAILED
        line.running += row.state not in FINAL_STATES
        line.cost_usd = round(line.cost_usd + (row.cost or 0.0), 6)
    if search.unreadable_count:
        count_unclear(UnclearReason.UNREADABLE, search.unreadable_count)
    return AccountSpend(first, last, _sort_by_day_and_model(days.values()), list(unclear.values()), search.is_whole)


def _find_days(row: HistoryRow, *, assume_utc: bool) -> tuple[date, date]:
    """Return the first and the last UTC day that a row's time can mean."""
    earliest, latest = row.created_between or (0.0, 0.0)
    if assume_utc and not row.has_time_zone and row.created_at is not None:
        earliest = latest = row.created_at
    # A time is cut to its second, so the last one that it can mean is before the next second.
    return _to_day(earliest), _to_day(max(latest - 1.0, earliest))


def _to_day(epoch_s: float) -> date:
    return datetime.fromtimestamp(epoch_s, UTC).date()


def _find_reason(
    row: HistoryRow, possible_days: tuple[date, date] | None, first: date, last: date
) -> UnclearReason | None:
    """Return why a row that may be of these days is in no sum; None where it is."""
    if row.request_id is None:
        return UnclearReason.NO_REQUEST_ID
    if possible_days is None:
        return UnclearReason.NO_TIME
    if possible_days[0] < first or possible_days[1] > last:
        return UnclearReason.UNSURE_WINDOW
    if row.cost is not None and row.cost < 0:
        return UnclearReason.NEGATIVE_COST
    if row.cost is None and row.state is JobState.COMPLETED:
        return UnclearReason.NO_COST
    if not row.cost and row.state is JobState.UNKNOWN:
        return UnclearReason.NO_STATE
    return None


def _sort_by_day_and_model(lines: Iterable[DaySpend]) -> list[DaySpend]:
    """Return the lines by day and model; those without one come last."""
    return sorted(lines, key=lambda line: (line.day or date.max, line.model is None, line.model or ""))
