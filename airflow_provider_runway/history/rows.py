"""Rows of the account's history: parses a page's rows, or a single one, in whichever form the server sends them.

The history is the only place that knows a job after its record's hour, and the only one that can tell whether a
submit without a response became a job. Its contract is the vendor's SDK 1.3.0, and no more of it is public. So a row is
read in every form that cannot be ruled out, and what cannot be read is None. None is never evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_runway.history.row_inputs import (
    IMAGE_NAMES,
    PROMPT_NAMES,
    find_image_url,
    find_prompt,
    find_seed,
    parse_recorded_inputs,
    simplify_name,
)
from airflow_provider_runway.segmind.error_mapping import make_unusable_error, raise_for_status, sanitize_text
from airflow_provider_runway.segmind.http import Request, Response, find_urls
from airflow_provider_runway.segmind.jobs import JobState, JobSummary
from airflow_provider_runway.segmind.numbers_and_times import Timestamp, parse_number, parse_timestamp_details

_STATES = {"PENDING": JobState.QUEUED}
#: Field names are compared without case and punctuation: "request_id" is also "requestId".
_ROW_LISTS = ("data", "rows", "items", "results", "requests", "history")
_BODY_NAMES = ("requestbody", "body", "input", "inputs", "parameters", "params", "payload", "request")
_CREATED_NAMES = ("modelcreated", "createdat", "created", "timestamp", "createdtime", "creationtime", "createtime")
#: A row's creation lies between these (the years 2020 and 2100), else it is no time that can be relied on.
_MIN_CREATED, _MAX_CREATED = 1.577e9, 4.102e9


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One request of the account. Fields that are missing, or cannot be read, are None or empty.

    :param model: the model's name as the row has it: a slug, or a display name.
    :param cost: USD.
    :param body: the request's inputs, in whatever form the history keeps them.
    :param created_at: epoch seconds; without a time zone in the row, as if it were UTC. Nothing says whether
        the API means the submission or the completion.
    :param created_between: the earliest and the latest point in time that the row's timestamps can mean.
    """

    request_id: str | None
    model: str | None = None
    state: JobState = JobState.UNKNOWN
    cost: float | None = None
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    output_urls: tuple[str, ...] = ()
    latency_s: float | None = None
    error: str | None = None
    created_at: float | None = None
    has_time_zone: bool = False
    created_between: tuple[float, float] | None = None

    @property
    def seed(self) -> int | None:
        """The one seed in the inputs, under any spelling and nesting; None without one, or with several."""
        return find_seed(self.body)

    @property
    def prompt(self) -> str | None:
        """The prompt in the inputs, normalised by :func:`normalize_prompt`."""
        return find_prompt(self.body)

    @property
    def image_url(self) -> str | None:
        """The URL of the input image (or video) in the inputs. The API may have copied it to another place."""
        return find_image_url(self.body)

    def add_to_summary(self, summary: JobSummary, seen_at: float) -> JobSummary:
        """Return a job's summary with what this row knows and the job's record does not say.

        :param seen_at: epoch seconds, when the row was read.
        """
        return replace(
            summary,
            status=self.state.value,
            model=summary.model or self.model,
            output_urls=self.output_urls,
            cost=summary.cost if self.cost is None else self.cost,
            metrics=summary.metrics or ({} if self.latency_s is None else {"total_time": self.latency_s}),
            seed=summary.seed if summary.seed is not None else self.seed,
            submitted_at=summary.submitted_at or self.created_at,
            completed_at=seen_at,
        )

    @property
    def is_identifiable(self) -> bool:
        """Does the row say enough to tell whether it is a certain job: its id, its time, and its seed or prompt?"""
        return (
            self.request_id is not None
            and self.created_at is not None
            and (self.seed is not None or self.prompt is not None)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows.

    :param row_count: what the server sent, duplicates and unreadable rows included.
    :param unreadable_count: items that are no rows at all. They may be anything, so they are never ignored.
    :param total: how many rows the server says that it has.
    :param clock_offset_s: the server's clock minus ours.
    """

    rows: list[HistoryRow]
    row_count: int
    unreadable_count: int = 0
    total: int | None = None
    clock_offset_s: float | None = None


def parse_page(request: Request, response: Response) -> Page:
    """Return a page's rows."""
    raise_for_status(request, response)
    body = response.json()
    items = _find_row_list(body)
    if items is None:
        raise make_unusable_error(request, response, "it holds no list of rows")
    rows = [row for item in items if (row := parse_row(item)) is not None]
    total = parse_number(body.get("total")) if isinstance(body, dict) else None
    return Page(
        rows,
        row_count=len(items),
        unreadable_count=len(items) - len(rows),
        total=None if total is None else int(total),
        clock_offset_s=response.clock_offset_s,
    )


def parse_single_row(request: Request, response: Response, request_id: str) -> HistoryRow:
    """Return the row of one request: bare, or under ``data`` alone or in a list."""
    raise_for_status(request, response)
    body = response.json()
    if isinstance(body, dict) and "data" in body:
        body = body["data"]
    items = body if isinstance(body, list) else [body]
    rows = merge_rows(row for item in items if (row := parse_row(item)) is not None)
    for row in rows:
        if row.request_id == request_id:
            return row
    if len(rows) == 1 and rows[0].request_id is None and rows[0].created_at is not None:
        return replace(rows[0], request_id=request_id)  # the request named it, so the row need not
    raise make_unusable_error(request, response, "it holds no row of this request")


def parse_row(item: Any) -> HistoryRow | None:
    """Return one row, or None for what is no object."""
    if not isinstance(item, dict):
        return None
    fields = {simplify_name(name): value for name, value in reversed(item.items())}
    request_id, model, error = fields.get("requestid"), fields.get("modelname"), fields.get("error")
    raw_status = fields.get("modelstatus", fields.get("status"))
    times = _find_created(fields)
    latency_ms = parse_number(fields.get("latencyms"))
    return HistoryRow(
        request_id=request_id if isinstance(request_id, str) and request_id else None,
        model=model if isinstance(model, str) and model else None,
        state=_STATES.get(str(raw_status).upper()) or JobState.parse(raw_status),
        cost=parse_number(fields.get("creditsdeduction")),
        body=_find_body(fields),
        output_urls=tuple(find_urls(fields.get("generationurl"))),
        latency_s=None if latency_ms is None else latency_ms / 1000,
        error=sanitize_text(error) if isinstance(error, str) and error else None,
        created_at=times[0].seconds if times else None,
        has_time_zone=bool(times) and times[0].has_time_zone,
        created_between=(min(time.earliest for time in times), max(time.latest for time in times)) if times else None,
    )


def merge_rows(rows: Iterable[HistoryRow]) -> list[HistoryRow]:
    """Return one row a request. The history has a row per output, each with the whole cost.

    A row without a request id is kept as it is.
    """
    merged: dict[str | int, HistoryRow] = {}
    for number, row in enumerate(rows):
        key = number if row.request_id is None else row.request_id
        if (known := merged.get(key)) is not None:
            fuller = known if known.is_identifiable else row
            row = replace(fuller, output_urls=tuple(dict.fromkeys(known.output_urls + row.output_urls)))
        merged[key] = row
    return list(merged.values())


def _find_row_list(body: Any) -> list[Any] | None:
    if isinstance(body, list):
        return body
    if not isinstance(body, dict):
        return None
    for name in _ROW_LISTS:
        value = body.get(name)
        if isinstance(value, list):
            return value
        if isinstance(value, dict) and (inner := next((value[n] for n in _ROW_LISTS if n in value), None)) is not None:
            return inner if isinstance(inner, list) else None
    return None


def _find_body(fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for name in _BODY_NAMES:
        if (body := parse_recorded_inputs(fields.get(name))) is not None:
            return body
    flat = {name: value for name, value in fields.items() if "seed" in name or name in PROMPT_NAMES}
    return {**flat, **{name: fields[name] for name in IMAGE_NAMES if name in fields}} if flat else None


def _find_created(fields: Mapping[str, Any]) -> list[Timestamp]:
    times = [parse_timestamp_details(fields.get(name)) for name in _CREATED_NAMES]
    return [time for time in times if time is not None and _MIN_CREATED < time.seconds < _MAX_CREATED]
