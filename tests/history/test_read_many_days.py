"""The history of many days is read in as many queries as it takes, and never passes a part for the whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from airflow_provider_runway.exceptions import BadInputError, NoUsableResponseError
from airflow_provider_runway.history.query import MAX_DAYS
from airflow_provider_runway.history.read_many_days import MAX_TOTAL_DAYS, read_days
from airflow_provider_runway.history.search import MAX_PAGES
from airflow_provider_runway.segmind.exchange import Received, Resumed, SendStep, SleepStep, pace
from airflow_provider_runway.segmind.http import BaseUrls, Response
from airflow_provider_runway.segmind.retry import NO_RETRY

Respond = Callable[..., Response]
ROWS_PER_PAGE = 2


class History:
    """Responds to queries of a history whose rows are given by their days."""

    def __init__(self, respond: Respond, rows: list[dict[str, Any]]) -> None:
        self.respond = respond
        self.rows = rows
        self.queries: list[tuple[date, date]] = []
        self.pauses: list[float] = []

    def read(self, first: date, last: date, gap_s: float = 1.0) -> Any:
        """Drive :func:`read_days`, and return the search."""
        exchange = pace(read_days(BaseUrls(), first, last, NO_RETRY), gap_s)
        step = next(exchange)
        try:
            while True:
                if isinstance(step, SendStep):
                    step = exchange.send(Received(self._answer(dict(step.request.query))))
                else:
                    assert isinstance(step, SleepStep)
                    self.pauses.append(step.seconds)
                    step = exchange.send(Resumed(0.0))
        except StopIteration as stop:
            return stop.value

    def _answer(self, query: dict[str, str]) -> Response:
        first, last = date.fromisoformat(query["from_date"]), date.fromisoformat(query["to_date"])
        assert (last - first).days + 1 <= MAX_DAYS
        self.queries.append((first, last))
        page = int(query["page"])
        if page == 0:
            return self.respond(400, {"error": "page must be at least 1"})
        found = [row for row in self.rows if first.isoformat() <= row["model_created"][:10] <= last.isoformat()]
        return self.respond(200, {"data": found[(page - 1) * ROWS_PER_PAGE : page * ROWS_PER_PAGE]})


def make_rows(day: date, count: int, **fields: Any) -> list[dict[str, Any]]:
    created = f"{day}T12:00:00Z"
    return [{"request_id": f"{day}-{number}", "model_created": created, **fields} for number in range(count)]


def test_days_are_read_in_queries_that_the_server_takes_and_each_row_comes_once(respond: Respond) -> None:
    first, last = date(2026, 1, 1), date(2026, 3, 31)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    history = History(respond, [row for day in days for row in make_rows(day, 1)])
    search = history.read(first, last)
    assert search.is_whole
    assert sorted(row.request_id or "" for row in search.rows) == [f"{day}-0" for day in days]
    assert min(query[0] for query in history.queries) == first - timedelta(days=1)
    assert max(query[1] for query in history.queries) == last + timedelta(days=1)


def test_days_with_more_pages_than_are_read_are_asked_for_in_smaller_parts(respond: Respond) -> None:
    first = date(2026, 1, 1)
    days = [first + timedelta(days=number) for number in range(8)]
    history = History(respond, [row for day in days for row in make_rows(day, MAX_PAGES * ROWS_PER_PAGE // 5)])
    search = history.read(first, days[-1])
    assert (len(search.rows), search.is_whole) == (len(history.rows), True)


def test_a_single_day_with_more_pages_is_not_whole(respond: Respond) -> None:
    day = date(2026, 1, 1)
    search = History(respond, make_rows(day, MAX_PAGES * ROWS_PER_PAGE + 1)).read(day, day)
    assert not search.is_whole


def test_a_row_without_an_id_that_two_queries_have_is_one_row(respond: Respond) -> None:
    first, last = date(2026, 1, 1), date(2026, 3, 31)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    rows = [row for day in days for row in make_rows(day, 2, request_id=None)]
    search = History(respond, rows).read(first, last)
    assert len(search.rows) == len(rows)


def test_requests_are_spaced_so_that_others_have_the_rest_of_the_rate_limit(respond: Respond) -> None:
    history = History(respond, make_rows(date(2026, 1, 1), 5))
    history.read(date(2026, 1, 1), date(2026, 1, 1), gap_s=2.5)
    assert history.pauses == [2.5] * (len(history.queries) - 1)


def test_days_without_rows_that_are_not_found_prove_nothing(respond: Respond) -> None:
    class NotFound(History):
        def _answer(self, query: dict[str, str]) -> Response:
            response = super()._answer(query)
            return self.respond(404, {"error": "No records"}) if response.json() == {"data": []} else response

    rows = make_rows(date(2026, 2, 20), 1)
    search = NotFound(respond, rows).read(date(2026, 1, 1), date(2026, 2, 28))
    assert (len(search.rows), search.is_whole) == (1, False)


def test_a_history_that_cannot_be_read_is_an_error(respond: Respond) -> None:
    class Broken(History):
        def _answer(self, query: dict[str, str]) -> Response:
            return self.respond(503, b"<html>")

    with pytest.raises(NoUsableResponseError):
        Broken(respond, []).read(date(2026, 1, 1), date(2026, 1, 2))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param(date(2026, 1, 2), date(2026, 1, 1), id="the wrong order"),
        pytest.param(date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=MAX_TOTAL_DAYS), id="too many"),
    ],
)
def test_too_many_days_and_none_are_refused(respond: Respond, first: date, last: date) -> None:
    history = History(respond, [])
    with pytest.raises(BadInputError, match="give 1 to 366 days"):
        history.read(first, last)
    assert history.queries == []
