"""Collects the evidence of an account check with GETs alone, as an exchange that either transport can drive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_provider_runway.exceptions import NotFoundError, RefusedError, RunwayError
from airflow_provider_runway.history.query import MAX_DAYS, HistoryQuery
from airflow_provider_runway.history.rows import HistoryRow, Page
from airflow_provider_runway.history.search import make_history_page_call, make_history_row_call
from airflow_provider_runway.segmind import api_calls
from airflow_provider_runway.segmind.api_calls import ApiCall
from airflow_provider_runway.segmind.exchange import Exchange, GetTimeStep, execute, run_step
from airflow_provider_runway.segmind.http import BaseUrls, Request, Response
from airflow_provider_runway.segmind.jobs import Credits, JobStatus
from airflow_provider_runway.segmind.retry import RetryPolicy

T = TypeVar("T")

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class AccountEvidence:
    """What the GETs of a check returned. Everything that was not asked, or had no response, is None or empty.

    :param checked_at: epoch seconds. :param clock_offset_s: the API's clock minus ours.
    :param rate_limit_headers: names of headers about a rate limit in the responses.
    :param query: the query of the history page that was read. :param refused_filters: those that the server refused.
    :param raw_rows: the items of that page as they were received.
    :param model_filter: the model that a second query asked for; ``model_filter_page`` is its page.
    :param lookup_id: the request id whose single row was asked for.
    :param job_id: the job that the user named; with its status, and its row.
    """

    checked_at: float = 0.0
    credits: Credits | None = None
    credits_problem: RunwayError | None = None
    clock_offset_s: float | None = None
    rate_limit_headers: tuple[str, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)
    refused_filters: frozenset[str] = frozenset()
    page: Page | None = None
    raw_rows: tuple[Any, ...] = field(default=(), repr=False)
    history_problem: RunwayError | None = None
    model_filter: str | None = None
    model_filter_page: Page | None = None
    lookup_id: str | None = None
    lookup_row: HistoryRow | None = None
    job_id: str | None = None
    job_status: JobStatus | None = None
    job_row: HistoryRow | None = None
    job_problem: RunwayError | None = None


def collect_evidence(
    base_urls: BaseUrls, policy: RetryPolicy, *, request_id: str | None = None, is_short: bool = False
) -> Exchange[AccountEvidence]:
    """Ask an account what a check wants to know. Only GETs are sent, so it costs nothing.

    :param request_id: a job of the account whose status and row are compared; best while it is running.
    :param is_short: ask for the balance and one page of the history only.
    """
    found: dict[str, Any] = {"checked_at": (yield from run_step(GetTimeStep()))}
    responses: list[Response] = []
    try:
        found["credits"] = yield from _execute(api_calls.make_credits_call(base_urls), policy, responses)
    except RunwayError as problem:
        return AccountEvidence(**found, **_read_headers(responses), credits_problem=problem)
    yield from _collect_page(base_urls, policy, responses, found)
    page: Page | None = found.get("page")
    if page is not None and not is_short:
        yield from _try_filter_and_lookup(base_urls, policy, page, responses, found)
    if request_id is not None:
        yield from _compare_job(base_urls, policy, request_id, responses, found)
    return AccountEvidence(**found, **_read_headers(responses))


def _execute(call: ApiCall[T], policy: RetryPolicy, responses: list[Response]) -> Exchange[T]:
    """Send a call, and keep its last response."""

    def keep_and_parse(request: Request, response: Response) -> T:
        responses.append(response)
        return call.parse(request, response)

    return (yield from execute(ApiCall(call.request, keep_and_parse), policy))


def _collect_page(
    base_urls: BaseUrls, policy: RetryPolicy, responses: list[Response], found: dict[str, Any]
) -> Exchange[None]:
    """Read the newest page of the history, without the filters that the server refuses."""
    now = found["checked_at"]
    query: HistoryQuery | None = HistoryQuery.from_timestamps(now - (MAX_DAYS - 4) * _DAY_S, now)
    while query is not None:
        call = make_history_page_call(base_urls, query, 1)
        found["query"], found["refused_filters"] = dict(call.request.query), query.left_out
        try:
            found["page"] = yield from _execute(call, policy, responses)
        except RefusedError as problem:
            found["history_problem"] = problem
            query = (
                query.leave_out_filter(str(problem)) if problem.facts.get("http_status") in (400, 406, 422) else None
            )
            continue
        except RunwayError as problem:
            found["history_problem"] = problem
            return
        found.pop("history_problem", None)
        body = responses[-1].json()
        found["raw_rows"] = tuple(_find_rows(body))
        return


def _find_rows(body: Any) -> list[Any]:
    if isinstance(body, dict):
        lists = [value for value in body.values() if isinstance(value, list)]
        nested = [value for value in body.values() if isinstance(value, dict)]
        return lists[0] if lists else next((rows for each in nested if (rows := _find_rows(each))), [])
    return body if isinstance(body, list) else []


def _try_filter_and_lookup(
    base_urls: BaseUrls, policy: RetryPolicy, page: Page, responses: list[Response], found: dict[str, Any]
) -> Exchange[None]:
    """Try the filter by model, and the lookup of one row by its request id."""
    now = found["checked_at"]
    model = next((row.model for row in page.rows if row.model), None)
    lookup_id = next((row.request_id for row in page.rows if row.request_id), None)
    try:
        if model is not None:
            query = HistoryQuery.from_timestamps(now - (MAX_DAYS - 4) * _DAY_S, now, model)
            call = make_history_page_call(base_urls, query, 1)
            found["model_filter"] = model
            found["model_filter_page"] = yield from _execute(call, policy, responses)
    except RunwayError:
        pass  # there is no such page
    try:
        if lookup_id is not None:
            found["lookup_id"] = lookup_id
            row_call = make_history_row_call(base_urls, lookup_id)
            found["lookup_row"] = yield from _execute(row_call, policy, responses)
    except RunwayError:
        pass  # there is no such row


def _compare_job(
    base_urls: BaseUrls, policy: RetryPolicy, request_id: str, responses: list[Response], found: dict[str, Any]
) -> Exchange[None]:
    """Read a job's row and, after it, its status, so that a row of a running job is surely there before its end."""
    found["job_id"] = request_id
    try:
        row_call = make_history_row_call(base_urls, request_id)
        found["job_row"] = yield from _execute(row_call, policy, responses)
    except NotFoundError:
        pass  # there is no such row
    except RunwayError as problem:
        found["job_problem"] = problem
    try:
        status_call = api_calls.make_status_call(base_urls, request_id)
        found["job_status"] = yield from _execute(status_call, policy, responses)
    except RunwayError as problem:
        found["job_problem"] = problem


def _read_headers(responses: list[Response]) -> dict[str, Any]:
    offsets = [response.clock_offset_s for response in responses if response.clock_offset_s is not None]
    names = {name for response in responses for name in response.headers if _is_rate_limit_header(name)}
    return {"clock_offset_s": offsets[0] if offsets else None, "rate_limit_headers": tuple(sorted(names))}


def _is_rate_limit_header(name: str) -> bool:
    return "ratelimit" in name.replace("-", "") or name == "retry-after"
