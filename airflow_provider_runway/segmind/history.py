"""The account's request history: which rows to ask for, and what a row says.

The history is the only place that knows a job after its hour, and the only one that can tell
whether a submit whose answer was lost became a job. Its contract is the vendor's SDK 1.3.0.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.segmind.error_mapping import sanitize_text
from airflow_provider_runway.segmind.http import Request, Response
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.response_parsers import find_urls, make_unusable_error, raise_for_status
from airflow_provider_runway.segmind.timestamps import parse_number, parse_timestamp

#: Limits of the history endpoint (SDK 1.3.0): rows a page, and days a window spans, inclusive.
MAX_ROWS_PER_PAGE = 100
MAX_DAYS = 31
#: We stop turning pages here; an account with more rows in the window wants a narrower one.
MAX_PAGES = 50

_STATES = {"PENDING": JobState.QUEUED}
_CREATED = ("model_created", "created_at", "createdAt", "created", "timestamp")


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Which rows: ``model`` is a substring of the slug; the dates are UTC days, both inclusive.

    :raises BadInputError: the window is backwards or spans more than 31 days.
    """

    from_date: date
    to_date: date
    model: str | None = None
    status: str | None = None

    def __post_init__(self) -> None:
        days = (self.to_date - self.from_date).days + 1
        if not 1 <= days <= MAX_DAYS:
            raise BadInputError(
                f"The history takes a window of 1 to {MAX_DAYS} days; {self.from_date} to {self.to_date} is {days}."
            )

    @classmethod
    def from_timestamps(cls, since: float, until: float, model: str | None = None) -> HistoryQuery:
        """Return the query for two moments (epoch seconds), a day wider at each end for clock skew.

        Where the limit leaves no room for both days more, the later one goes first, then the earlier.

        :raises BadInputError: the moments themselves are too far apart; a part must not pass for the whole.
        """
        first, last = (datetime.fromtimestamp(moment, UTC).date() for moment in (since, until))
        spare = max(MAX_DAYS - 1 - (last - first).days, 0)
        before = timedelta(days=min(spare, 1))
        after = timedelta(days=min(spare - before.days, 1))
        return cls(from_date=first - before, to_date=last + after, model=model)

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
        return tuple((name, value) for name, value in wanted.items() if value)


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One request of the account. Fields that have not landed yet are None or empty.

    ``cost`` is USD, ``created_at`` epoch seconds, ``latency_s`` seconds.
    """

    request_id: str
    model: str | None = None
    state: JobState = JobState.UNKNOWN
    cost: float | None = None
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    output_urls: tuple[str, ...] = ()
    latency_s: float | None = None
    error: str | None = None
    created_at: float | None = None

    @property
    def is_complete(self) -> bool:
        """Does the row say enough to be compared with a submit?"""
        return self.body is not None and self.model is not None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows. ``sent`` counts what the server sent, doubles included; ``total`` what it says it has."""

    rows: list[HistoryRow]
    sent: int
    total: int | None = None


def parse_page(request: Request, answer: Response) -> Page:
    """Return a page's rows."""
    raise_for_status(request, answer)
    body = answer.json()
    rows = body.get("data") if isinstance(body, dict) else body
    if not isinstance(rows, list):
        raise make_unusable_error(request, answer, "it holds no list of rows")
    total = parse_number(body.get("total")) if isinstance(body, dict) else None
    found = [row for item in rows if (row := parse_row(item)) is not None]
    return Page(found, len(rows), None if total is None else int(total))


def parse_single_row(request: Request, answer: Response, request_id: str) -> HistoryRow:
    """Return the row of one request: bare, or under ``data`` alone or in a list."""
    raise_for_status(request, answer)
    body = answer.json()
    if isinstance(body, dict) and "data" in body:
        body = body["data"]
    rows = merge_rows(
        row for item in (body if isinstance(body, list) else [body]) if (row := parse_row(item)) is not None
    )
    for row in rows:
        if row.request_id == request_id:
            return row
    raise make_unusable_error(request, answer, "it holds no row of this request")


def parse_row(item: Any) -> HistoryRow | None:
    """Return one row, or None for what is no row."""
    if not isinstance(item, dict) or not isinstance(item.get("request_id"), str) or not item["request_id"]:
        return None
    model, raw_status, error = item.get("model_name"), item.get("model_status"), item.get("error")
    return HistoryRow(
        request_id=item["request_id"],
        model=model if isinstance(model, str) and model else None,
        state=_STATES.get(str(raw_status).upper()) or JobState.parse(raw_status),
        cost=parse_number(item.get("credits_deduction")),
        body=parse_request_body(item.get("request_body")),
        output_urls=tuple(find_urls(item.get("generation_url"))),
        latency_s=None if (ms := parse_number(item.get("latency_ms"))) is None else ms / 1000,
        error=sanitize_text(error) if isinstance(error, str) and error else None,
        created_at=next((moment for name in _CREATED if (moment := parse_timestamp(item.get(name))) is not None), None),
    )


def parse_request_body(value: Any) -> Mapping[str, Any] | None:
    """Return a request's inputs from an object, JSON text or the text of a Python dict; else None."""
    if isinstance(value, str) and value.strip():
        for parse in (json.loads, ast.literal_eval):
            try:
                value = parse(value)
                break
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
    return value if isinstance(value, dict) and value else None


def merge_rows(rows: Iterable[HistoryRow]) -> list[HistoryRow]:
    """Return one row a request. The history has a row per output, each with the whole cost."""
    merged: dict[str, HistoryRow] = {}
    for row in rows:
        if (known := merged.get(row.request_id)) is not None:
            fuller = known if known.is_complete else row
            row = replace(fuller, output_urls=tuple(dict.fromkeys(known.output_urls + row.output_urls)))
        merged[row.request_id] = row
    return list(merged.values())
