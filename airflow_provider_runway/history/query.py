"""Which rows of the account's history to ask for: the query of its pages, and its filters."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from airflow_provider_runway.exceptions import BadInputError

#: Limits of the history endpoint (SDK 1.3.0): rows a page, and days a query spans, inclusive.
MAX_ROWS_PER_PAGE = 100
MAX_DAYS = 31
#: A query's dates reach this much farther at each end: a day for clocks, 14 hours for the farthest time zone.
DATE_MARGIN = timedelta(hours=24 + 14)

#: The filters of a query in the order in which they are left out when the server refuses one.
FILTERS = ("sort_by", "sort_order", "status", "model_name", "per_page", "from_date", "to_date")


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which rows to ask for: the dates are UTC days, both inclusive; ``model`` is a substring of the slug.

    :param left_out: names of :data:`FILTERS` that the server refused, so they are not sent.
    :raises BadInputError: the window is backwards or spans more than 31 days.
    """

    from_date: date
    to_date: date
    model: str | None = None
    status: str | None = None
    left_out: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        days = (self.to_date - self.from_date).days + 1
        if not 1 <= days <= MAX_DAYS:
            raise BadInputError(
                f"The history takes a window of 1 to {MAX_DAYS} days; {self.from_date} to {self.to_date} is {days}."
            )

    @classmethod
    def from_timestamps(cls, since: float, until: float, model: str | None = None) -> HistoryQuery:
        """Return the query for two timestamps (epoch seconds), wide enough for any time zone.

        Where 31 days are too few for the whole margin, the later end loses it first.

        :raises BadInputError: the timestamps are too far apart; a part must not pass for the whole.
        """
        first, last = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC)
        free_days = max(MAX_DAYS - 1 - (last.date() - first.date()).days, 0)
        before = min((first.date() - (first - DATE_MARGIN).date()).days, free_days)
        after = min(((last + DATE_MARGIN).date() - last.date()).days, free_days - before)
        return cls(first.date() - timedelta(days=before), last.date() + timedelta(days=after), model)

    def to_query_parameters(self, page: int) -> tuple[tuple[str, str], ...]:
        """Return the query string's pairs for one page, newest rows first."""
        wanted = {
            "page": str(page),
            "per_page": str(MAX_ROWS_PER_PAGE),
            "from_date": self.from_date.isoformat(),
            "to_date": self.to_date.isoformat(),
            "model_name": self.model,
            "status": self.status,
            "sort_by": "model_created",
            "sort_order": "desc",
        }
        return tuple((name, value) for name, value in wanted.items() if value and name not in self.left_out)

    def leave_out_filter(self, error_text: str) -> HistoryQuery | None:
        """Return the query without one more filter: the one that the error names, else the next; None if none is left.

        Leaving out a filter only ever brings more rows.
        """
        sent = [name for name, _ in self.to_query_parameters(1)]
        left = [name for name in FILTERS if name in sent]
        named = [name for name in left if re.search(rf"\b{name}\b", error_text)]
        if not left:
            return None
        return replace(self, left_out=self.left_out | {(named or left)[0]})
