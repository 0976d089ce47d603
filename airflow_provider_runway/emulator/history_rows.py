"""Rows of the request history: built from jobs, in any history form."""

from __future__ import annotations

import hashlib
import html
import json
import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

from .history_forms import LATE_FIELDS, HistoryForm
from .job_ledger import Job, JobStatus
from .model_rules import get_model_rules

PROMPT_FIELDS = ("promptText", "prompt")
_OTHER_STATUS_WORDS = {"PENDING": "STARTED", "COMPLETED": "SUCCEEDED", "FAILED": "ERROR"}
_BODY_FORMATS: dict[str, Callable[[Any], Any]] = {
    "python": repr,
    "json": json.dumps,
    "json_twice": lambda body: json.dumps(json.dumps(body)),
    "object": dict,
    "empty_object": lambda _: {},
}
_TEXT_FORMATS: dict[str, Callable[[str], str]] = {
    "trimmed": str.strip,
    "collapsed": lambda text: " ".join(text.split()),
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "html_escaped": html.escape,
}


def clear_late_fields(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row that is not complete yet."""
    return row | {name: None for name in LATE_FIELDS if name in row}


def build_rows(
    job: Job, now: float, base_url: str, form: HistoryForm, lag_s: float | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a job: one for each output, and none while the row is late.

    :param lag_s: lag to use instead of the job's own.
    """
    lag_s = job.history_lag_s if lag_s is None else lag_s
    appears_at = {"at_submission": job.submitted_at, "at_completion": job.finished_at}.get(form.appears, math.inf)
    age_s = now - appears_at
    if age_s < 0 or age_s < lag_s / 2:
        return []
    status = job.get_status(now)
    is_finished = status in (JobStatus.COMPLETED, JobStatus.FAILED)
    row = {
        "request_id": job.request_id if has_request_id(job, now, form) else None,
        "model_name": get_shown_model(job, form),
        "model_status": get_shown_status(job, now, form),
        "credits_deduction": job.cost if status is JobStatus.COMPLETED else 0.0,
        "request_body": None if form.body in ("null", "missing") else format_body(job, base_url, form),
        "generation_url": None,
        "latency_ms": round((job.queue_s + job.run_s) * 1000) if is_finished else None,
        "error": job.error if status is JobStatus.FAILED else None,
        **_build_times(job, now, form),
    }
    choices = {
        "request_id": form.request_id,
        "model_name": form.model,
        "model_status": form.status,
        "request_body": form.body,
    }
    row = {name: value for name, value in row.items() if choices.get(name) != "missing"}
    if form.columns:
        row = {name: value for name, value in row.items() if name in form.columns.split(",")}
    rows = [row]
    if status is JobStatus.COMPLETED and job.output_shape != "none" and "generation_url" in row:
        rows = [row | {"generation_url": base_url + path} for path in job.output_paths]
    return [clear_late_fields(each) for each in rows] if age_s < lag_s else rows


def has_request_id(job: Job, now: float, form: HistoryForm) -> bool:
    """Tell whether the row of a job has its request id by now."""
    known_from = {"when_running": job.started_at, "when_finished": job.finished_at}.get(form.request_id, 0.0)
    return now >= known_from


def get_shown_model(job: Job, form: HistoryForm) -> str:
    """Return the model as the row shows it."""
    return get_model_rules(job.model).display_name if form.model == "display_name" else job.model


def get_shown_status(job: Job, now: float, form: HistoryForm) -> str:
    """Return the status as the row shows it."""
    status = get_row_status(job, now)
    if form.status == "lower_case":
        return status.lower()
    return _OTHER_STATUS_WORDS[status] if form.status == "other_words" else status


def get_row_status(job: Job, now: float) -> str:
    """Return the status as the vendor's SDK knows it: PENDING, COMPLETED or FAILED."""
    status = job.get_status(now)
    return str(status) if status in (JobStatus.COMPLETED, JobStatus.FAILED) else "PENDING"


def get_row_time(job: Job, form: HistoryForm) -> float:
    """Return the creation time that the row shows, in epoch seconds."""
    return {"start": job.started_at, "completion": job.finished_at}.get(form.time_of, job.submitted_at)


def _build_times(job: Job, now: float, form: HistoryForm) -> dict[str, Any]:
    if form.times == "missing":
        return {}
    created_at = get_row_time(job, form)
    created = format_time(created_at, form) if created_at <= now else None
    if form.time_fields != "documented":
        return {form.time_fields: created}
    updated_at = job.finished_at if job.finished_at <= now else job.submitted_at
    return {"model_created": created, "created_at": created, "updated_at": format_time(updated_at, form)}


def format_time(timestamp: float, form: HistoryForm) -> str | float:
    """Return a time in the form's format."""
    utc = datetime.fromtimestamp(timestamp, UTC)
    local = utc.astimezone(timezone(timedelta(minutes=form.zone_minutes)))
    match form.times:
        case "epoch_seconds":
            return int(timestamp)
        case "epoch_milliseconds":
            return int(timestamp * 1000)
        case "epoch_text":
            return str(int(timestamp))
        case "date_only":
            return local.date().isoformat()
        case "minutes":
            return f"{utc:%Y-%m-%dT%H:%M}Z"
        case "http_date":
            return format_datetime(utc.replace(microsecond=0), usegmt=True)
        case "us_text":
            return f"{local.month}/{local.day}/{local.year}, {local.hour % 12 or 12}:{local:%M:%S %p}"
        case "offset":
            return local.isoformat(timespec="milliseconds")
        case "local_naive":
            return local.replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
        case "utc_naive":
            return utc.replace(tzinfo=None).isoformat(timespec="milliseconds")
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_body(job: Job, base_url: str, form: HistoryForm) -> Any:
    """Return the inputs of a job as ``request_body`` shows them."""
    defaults = get_model_rules(job.model).defaults
    body = dict(job.body)
    if form.defaults == "dropped":
        body = {name: value for name, value in body.items() if str(defaults.get(name)) != str(value)}
    elif form.defaults == "filled":
        body = defaults | body
    body = {name: _change_input(name, value, base_url, form) for name, value in body.items()}
    if form.seed == "missing":
        body.pop("seed", None)
    body = {_spell_input_name(name, form): value for name, value in body.items()}
    for key in reversed(form.nesting.split(".") if form.nesting != "none" else []):
        body = {key: body}
    formatted = _BODY_FORMATS[form.body](body)
    return formatted[: form.body_length] if form.body_length and isinstance(formatted, str) else formatted


def _change_input(name: str, value: Any, base_url: str, form: HistoryForm) -> Any:
    if isinstance(value, list):
        return [_change_input(name, each, base_url, form) for each in value]
    if isinstance(value, dict):
        return {key: _change_input(key, each, base_url, form) for key, each in value.items()}
    if name == "seed" and form.seed in ("text", "float") and str(value).isdecimal():
        return str(value) if form.seed == "text" else float(value)
    if not isinstance(value, str):
        return value
    if re.match(r"https?://", value):
        if form.images == "rehosted":
            return f"{base_url}/assets/{hashlib.sha256(value.encode()).hexdigest()[:32]}.png"
        return value.partition("?")[0] if form.images == "without_query" else value
    value = _TEXT_FORMATS.get(form.text, str)(value)
    return value[: form.prompt_length] if form.prompt_length and name in PROMPT_FIELDS else value


def _spell_input_name(name: str, form: HistoryForm) -> str:
    if form.keys == "lower_case":
        return name.lower()
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() if form.keys == "snake_case" else name
