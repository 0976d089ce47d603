"""Both transports read every form of the request history."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from airflow_provider_runway.emulator import HISTORY_FORMS, Emulator
from airflow_provider_runway.exceptions import (
    BadInputError,
    BadRequestError,
    NotFoundError,
    NoUsableResponseError,
    RefusedError,
    RunwayError,
)
from airflow_provider_runway.history.query import HistoryQuery
from airflow_provider_runway.history.search import find_requests, make_history_row_call
from airflow_provider_runway.segmind import api_calls
from airflow_provider_runway.segmind.exchange import execute
from airflow_provider_runway.segmind.retry import NO_RETRY
from airflow_provider_runway.transports.client_settings import ClientSettings

Run = Callable[..., Any]
MODEL = "runway-gen3-alphaturbo"
BODY = {"promptImage": "https://images.segmind.com/a.png?x=1", "promptText": " a  cat & a caf\u00e9 ", "seed": 7}

#: (form, call) -> the error that says that the history cannot be read so; all other forms give rows, or none.
ALLOWED_ERRORS: dict[tuple[str, str], type[RunwayError]] = {
    ("filters_refused_400", "page"): BadRequestError,
    ("filters_refused_422", "page"): BadRequestError,
    ("sparse", "page"): BadRequestError,
    ("future_date_refused", "page"): BadRequestError,
    ("no_rows_404", "page"): BadInputError,
    ("no_rows_204", "page"): BadInputError,
    ("id_missing", "row"): NoUsableResponseError,
    ("empty", "row"): NotFoundError,
    ("lookup_fails", "row"): NotFoundError,
}


def test_every_form_is_read_or_refused_with_an_error_of_our_own(
    gateway: Emulator, settings: ClientSettings, run: Run
) -> None:
    base_urls = settings.base_urls
    job = run(settings, execute(api_calls.make_submit_call(base_urls, MODEL, BODY), NO_RETRY))
    gateway.advance(400)
    query = HistoryQuery.from_timestamps(time.time() - 3600, time.time())
    unexpected = {}
    for name in HISTORY_FORMS:
        gateway.clear_faults()
        gateway.add_fault(fault="history_form", form=name, times=0)
        for call, exchange in (
            ("page", find_requests(base_urls, query, NO_RETRY)),
            ("row", execute(make_history_row_call(base_urls, job.request_id), NO_RETRY)),
        ):
            try:
                run(settings, exchange)
            except Exception as error:  # every exception is a finding
                if not isinstance(error, ALLOWED_ERRORS.get((name, call), ())):
                    unexpected[name, call] = repr(error)
    assert unexpected == {}


def test_an_empty_history_is_read_in_every_form(gateway: Emulator, settings: ClientSettings, run: Run) -> None:
    query = HistoryQuery.from_timestamps(time.time() - 3600, time.time())
    for name in HISTORY_FORMS:
        gateway.clear_faults()
        gateway.add_fault(fault="history_form", form=name, times=0)
        try:
            rows = run(settings, find_requests(settings.base_urls, query, NO_RETRY))
        except (RefusedError, NoUsableResponseError):
            continue  # it proves nothing
        assert rows == []
