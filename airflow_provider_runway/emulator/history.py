"""The request history: rows of any age, late ones too, with filters and paging. Time is handed in."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from .jobs import Job, State

MOST_DAYS = 31
DEFAULT_DAYS = 7
MOST_PER_PAGE = 100
SORTABLE = ("model_created", "model_name", "credits_deduction")
#: What a row lacks until the record behind it has landed.
LATE_FIELDS = ("model_status", "credits_deduction", "request_body", "generation_url", "latency_ms", "error")

_BODY: dict[str, Callable[[dict[str, Any]], Any]] = {"python": repr, "json": json.dumps, "object": dict}


def without_fields(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose record has not landed yet."""
    return row | {name: None for name in LATE_FIELDS if name in row}


def rows_of(job: Job, now: float, base: str, body_form: str) -> list[dict[str, Any]]:
    """Return the rows of a job: one for each output, none while the row is late."""
    age_s = now - job.submitted_at
    if age_s < job.history_lag_s / 2:
        return []
    state = job.state_at(now)
    done = state in (State.COMPLETED, State.FAILED)
    row = {
        "request_id": job.request_id,
        "model_name": job.model,
        "model_status": state if done else "PENDING",
        "credits_deduction": job.cost if state is State.COMPLETED else 0.0,
        "request_body": _BODY[body_form](job.body),
        "generation_url": None,
        "latency_ms": round((job.queue_s + job.run_s) * 1000) if done else None,
        "error": job.error if state is State.FAILED else None,
        "model_created": _stamp(job.submitted_at),
        "created_at": _stamp(job.submitted_at),
        "updated_at": _stamp(job.ends_at if done else job.submitted_at),
    }
    rows = [row]
    if state is State.COMPLETED and job.shape != "none":
        rows = [row | {"generation_url": base + path} for path in job.outputs]
    return [without_fields(each) for each in rows] if age_s < job.history_lag_s else rows


def page_of(jobs: Iterable[Job], query: Mapping[str, str], now: float, base: str, body_form: str) -> dict[str, Any]:
    """Return one page of the history as the query asks for it.

    :raises ValueError: when the query is not a valid one; the text is the API's answer.
    """
    today = datetime.fromtimestamp(now, UTC).date()
    page = _whole("page", query.get("page"), 1, None)
    per_page = _whole("per_page", query.get("per_page"), 20, MOST_PER_PAGE)
    last = _day("to_date", query.get("to_date"), today)
    first = _day("from_date", query.get("from_date"), last - timedelta(days=DEFAULT_DAYS))
    if first > last or (last - first).days >= MOST_DAYS:
        raise ValueError(f"from_date to to_date may span at most {MOST_DAYS} days")
    sort_by = _choice("sort_by", query.get("sort_by"), SORTABLE)
    order = _choice("sort_order", query.get("sort_order"), ("desc", "asc"))
    status = query.get("status") and _choice("status", query["status"], ("COMPLETED", "FAILED", "PENDING"))
    rows = [
        row
        for job in jobs
        if first <= datetime.fromtimestamp(job.submitted_at, UTC).date() <= last
        and query.get("model_name", "") in job.model
        for row in rows_of(job, now, base, body_form)
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


def _stamp(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _whole(name: str, given: str | None, default: int, most: int | None) -> int:
    try:
        value = default if given is None else int(given)
    except ValueError:
        value = 0
    if value < 1 or (most is not None and value > most):
        raise ValueError(f"{name} must be a whole number from 1" + (f" to {most}" if most else ""))
    return value


def _day(name: str, given: str | None, default: date) -> date:
    try:
        return default if not given else datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise ValueError(f"{name} must be YYYY-MM-DD") from None


def _choice(name: str, given: str | None, allowed: tuple[str, ...]) -> str:
    if given and given not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}")
    return given or allowed[0]
