"""Handlers of the history calls: filter, sort and page the rows of an account."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from .api_responses import ApiResponse, make_error_response, make_json_response
from .history_forms import HistoryForm, find_history_form
from .history_rows import build_rows, get_row_status, get_row_time, get_shown_model, has_request_id
from .job_ledger import Job
from .middlewares import ApiCall

MAX_DAYS = 31
DEFAULT_DAYS = 7
MAX_ROWS_PER_PAGE = 100
SORT_FIELDS = ("model_created", "model_name", "credits_deduction")
STATUSES = ("COMPLETED", "FAILED", "PENDING")
#: Query parameters that a server may ignore or refuse.
FILTER_PARAMETERS = ("from_date", "to_date", "model_name", "status", "sort_by", "sort_order")


class InvalidQueryError(ValueError):
    """A query that is refused; the message is the text of the API's error."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def build_history_page(
    jobs: Iterable[Job],
    query: Mapping[str, str],
    now: float,
    base_url: str,
    form: HistoryForm,
    lag_s: float | None = None,
) -> dict[str, Any]:
    """Return the page of the history that a query asks for.

    :param lag_s: lag of the rows to use instead of each job's own.
    :raises InvalidQueryError: if the query is refused.
    """
    page = _parse_number("page", query.get("page"), form.first_page, form.first_page, None) - form.first_page
    per_page = _parse_number("per_page", query.get("per_page"), 20, 1, MAX_ROWS_PER_PAGE)
    per_page = min(per_page, form.page_size or per_page)
    if form.filters.startswith("refused"):
        refused = form.refused_parameters.split(",") if form.refused_parameters else FILTER_PARAMETERS
        used = [name for name in refused if name in query]
        if used:
            raise InvalidQueryError(f"Unknown query parameter: {used[0]}", int(form.filters.rpartition("_")[2]))
    if form.filters == "ignored":
        found = sorted(jobs, key=lambda job: get_row_time(job, form), reverse=form.order == "newest_first")
    else:
        found = _filter_and_sort(jobs, query, now, form)
    rows = [row for job in found for row in build_rows(job, now, base_url, form, lag_s)]
    data = {"data": rows[page * per_page : (page + 1) * per_page]}
    if form.envelope == "data_only":
        return data
    totals = {"total": len(rows), "total_pages": math.ceil(len(rows) / per_page)}
    return data | {"page": page + form.first_page, "per_page": per_page} | totals


def _filter_and_sort(jobs: Iterable[Job], query: Mapping[str, str], now: float, form: HistoryForm) -> list[Job]:
    """Return the jobs that match a query. Dates are those of the server's zone."""
    zone = timezone(timedelta(minutes=form.zone_minutes)) if form.zone_minutes else UTC
    today = datetime.fromtimestamp(now, zone).date()
    last = _parse_day("to_date", query.get("to_date"), today)
    first = _parse_day("from_date", query.get("from_date"), last - timedelta(days=DEFAULT_DAYS))
    if first > last or (last - first).days >= MAX_DAYS:
        raise InvalidQueryError(f"from_date to to_date may span at most {MAX_DAYS} days")
    if form.filters == "future_date_refused" and last > today:
        raise InvalidQueryError("to_date must not be in the future")
    if form.filters == "to_date_exclusive" and "to_date" in query:
        last -= timedelta(days=1)
    sort_by = _parse_choice("sort_by", query.get("sort_by"), SORT_FIELDS)
    sort_order = _parse_choice("sort_order", query.get("sort_order"), ("desc", "asc"))
    status = query.get("status") and _parse_choice("status", query["status"], STATUSES)

    def matches(job: Job) -> bool:
        row_time = min(get_row_time(job, form), now)
        return (
            first <= datetime.fromtimestamp(row_time, zone).date() <= last
            and query.get("model_name", "") in get_shown_model(job, form)
            and (not status or get_row_status(job, now) == status)
        )

    def get_sort_key(job: Job) -> Any:
        if sort_by == "model_name":
            return get_shown_model(job, form)
        is_charged = sort_by == "credits_deduction" and get_row_status(job, now) == "COMPLETED"
        return get_row_time(job, form) if sort_by == "model_created" else job.cost * is_charged

    return sorted(filter(matches, jobs), key=get_sort_key, reverse=sort_order == "desc")


def _parse_number(name: str, text: str | None, default: int, minimum: int, maximum: int | None) -> int:
    try:
        value = default if text is None else int(text)
    except ValueError:
        value = minimum - 1
    if value < minimum or (maximum is not None and value > maximum):
        limit = f" to {maximum}" if maximum else ""
        raise InvalidQueryError(f"{name} must be a whole number from {minimum}{limit}")
    return value


def _parse_day(name: str, text: str | None, default: date) -> date:
    try:
        return default if not text else datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise InvalidQueryError(f"{name} must be YYYY-MM-DD") from None


def _parse_choice(name: str, text: str | None, allowed: tuple[str, ...]) -> str:
    if text and text not in allowed:
        raise InvalidQueryError(f"{name} must be one of {', '.join(allowed)}")
    return text or allowed[0]


def _choose_history_form(call: ApiCall) -> tuple[HistoryForm, float | None]:
    """Return the form of this history response, and its lag where a fault chose another form."""
    rule = call.faults.response_rule
    if rule is None or rule.fault != "history_form":
        return call.state.options.history, None
    form = find_history_form(str(rule.params["form"]))
    return form, form.lag_range_s[1]


async def list_history(call: ApiCall) -> ApiResponse:
    """``GET …/request-history``: one page of the account's rows."""
    form, lag_s = _choose_history_form(call)
    jobs = call.state.store.list_jobs(call.account)
    try:
        page = build_history_page(jobs, call.request.query, call.state.clock(), call.base_url, form, lag_s)
    except InvalidQueryError as error:
        return make_error_response(error.status, str(error))
    if not page["data"] and form.no_rows != "empty_list":
        return make_error_response(404, "No records found") if form.no_rows == "error_404" else ApiResponse(204)
    return make_json_response(page)


async def get_history_row(call: ApiCall) -> ApiResponse:
    """``GET …/request-history/{id}``: one row of the account, of any age."""
    form, lag_s = _choose_history_form(call)
    now = call.state.clock()
    job = call.state.store.jobs.get(call.argument)
    is_found = job is not None and job.account == call.account and form.lookup == "works"
    if job is None or not is_found or not has_request_id(job, now, form):
        return make_error_response(404, "Request not found")
    rows = build_rows(job, now, call.base_url, form, lag_s)
    return make_json_response(rows[0]) if rows else make_error_response(404, "Request not found")
