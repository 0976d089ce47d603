"""Rows of the request history: built from the jobs of an account, filtered, sorted and paged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from .job_store import Job, JobStatus

MAX_DAYS = 31
DEFAULT_DAYS = 7
MAX_ROWS_PER_PAGE = 100
SORT_FIELDS = ("model_created", "model_name", "credits_deduction")
#: Fields that a row lacks until it is complete.
LATE_FIELDS = ("model_status", "credits_deduction", "request_body", "generation_url", "latency_ms", "error")

_BODY_FORMATS: dict[str, Callable[[dict[str, Any]], Any]] = {"python": repr, "json": json.dumps, "object": dict}


def clear_late_fields(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row that is not complete yet."""
    return row | {name: None for name in LATE_FIELDS if name in row}


def build_rows(job: Job, now: float, base_url: str, body_format: str) -> list[dict[str, Any]]:
    """Return the rows of a job: one for each output, and none while the row is late."""
    age_s = now - job.submitted_at
    if age_s < job.history_lag_s / 2:
        return []
    status = job.get_status(now)
    is_finished = status in (JobStatus.COMPLETED, JobStatus.FAILED)
    row = {
        "request_id": job.request_id,
        "model_name": job.model,
        "model_status": status if is_finished else "PENDING",
        "credits_deduction": job.cost if status is JobStatus.COMPLETED else 0.0,
        "request_body": _BODY_FORMATS[body_format](job.body),
        "generation_url": None,
        "latency_ms": round((job.queue_s + job.run_s) * 1000) if is_finished else None,
        "error": job.error if status is JobStatus.FAILED else None,
        "model_created": _format_time(job.submitted_at),
        "created_at": _format_time(job.submitted_at),
        "updated_at": _format_time(job.finished_at if is_finished else job.submitted_at),
    }
    rows = [row]
    if status is JobStatus.COMPLETED and job.output_shape != "none":
        rows = [row | {"generation_url": base_url + path} for path in job.output_paths]
    return [clear_late_fields(each) for each in rows] if age_s < job.history_lag_s else rows


def build_history_page(
    jobs: Iterable[Job], query: Mapping[str, str], now: float, base_url: str, body_format: str
) -> dict[str, Any]:
    """Return the page of the history that a query asks for.

    :raises ValueError: if the query is invalid; the message is the text of the API's error.
    """
    today = datetime.fromtimestamp(now, UTC).date()
    page = _parse_number("page", query.get("page"), 1, None)
    per_page = _parse_number("per_page", query.get("per_page"), 20, MAX_ROWS_PER_PAGE)
    last = _parse_day("to_date", query.get("to_date"), today)
    first = _parse_day("from_date", query.get("from_date"), last - timedelta(days=DEFAULT_DAYS))
    if first > last or (last - first).days >= MAX_DAYS:
        raise ValueError(f"from_date to to_date may span at most {MAX_DAYS} days")
    sort_by = _parse_choice("sort_by", query.get("sort_by"), SORT_FIELDS)
    order = _parse_choice("sort_order", query.get("sort_order"), ("desc", "asc"))
    status = query.get("status") and _parse_choice("status", query["status"], ("COMPLETED", "FAILED", "PENDING"))
    rows = [
        row
        for job in jobs
        if first <= datetime.fromtimestamp(job.submitted_at, UTC).date() <= last
        and query.get("model_name", "") in job.model
        for row in build_rows(job, now, base_url, body_format)
        if not status or row["model_status"] == status
    ]
    rows.sort(key=lambda row: (row[sort_by] is not None, row[sort_by]), reverse=order == "desc")
    start = (page - 1) * per_page
    return {
        "data": rows[start : start + per_page],
        "page": page,
        "per_page": per_page,
        "total": len(rows),
        "total_pages": math.ceil(len(rows) / per_page),
    }


def _format_time(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parse_number(name: str, text: str | None, default: int, maximum: int | None) -> int:
    try:
        value = default if text is None else int(text)
    except ValueError:
        value = 0
    if value < 1 or (maximum is not None and value > maximum):
        raise ValueError(f"{name} must be a whole number from 1" + (f" to {maximum}" if maximum else ""))
    return value


def _parse_day(name: str, text: str | None, default: date) -> date:
    try:
        return default if not text else datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise ValueError(f"{name} must be YYYY-MM-DD") from None


def _parse_choice(name: str, text: str | None, allowed: tuple[str, ...]) -> str:
    if text and text not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}")
    return text or allowed[0]
