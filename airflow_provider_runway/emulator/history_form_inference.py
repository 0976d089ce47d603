"""Infers the form of a real account's history from its redacted transcript, so that the emulator can replay it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .history_forms import LATE_FIELDS, HistoryForm
from .model_rules import MODELS

#: Row fields that this module understands; a transcript's other fields are not replayed.
_KNOWN_COLUMNS = ("request_id", "model_name", *LATE_FIELDS)
_TIME_FIELDS = ("model_created", "created_at", "createdAt", "timestamp")
_NESTING_KEYS = ("input", "inputs", "parameters")
#: A larger number is epoch milliseconds.
MAX_EPOCH_SECONDS = 1e11
#: What a transcript has in the place of a text that it does not show.
_HIDDEN_TEXT_PATTERN = re.compile(r"\[text of (\d+) characters\]")
_SLUG_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Replay:
    """What a transcript shows of an account: the form of its history, and by how much the API's clock is ahead."""

    form: HistoryForm
    clock_offset_s: float


def read_replay(path: str | Path) -> Replay:
    """Return what a transcript file shows.

    :raises ValueError: if it is not a transcript of version 1 with history rows.
    :raises OSError: if the file cannot be read.
    """
    try:
        transcript = json.loads(Path(path).read_text(encoding="utf-8"))
        if transcript["version"] != 1:
            raise ValueError(f"version {transcript['version']!r} is not supported")
        history = transcript["history"]
        rows = [row for row in history["rows"] if isinstance(row, dict)]
        refused = ",".join(map(str, history.get("refused_filters") or ()))
        clock_offset_s = float(transcript.get("clock_offset_s") or 0)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a transcript with history rows: {error}") from None
    form = infer_history_form(rows)
    if refused:
        form = replace(form, filters="refused_400", refused_parameters=refused)
    return Replay(form, clock_offset_s)


def infer_history_form(rows: list[dict[str, Any]]) -> HistoryForm:
    """Return the form in which the emulator's rows look like these rows."""
    if not rows:
        return HistoryForm(appears="never", lookup="not_found")
    values: dict[str, Any] = {}
    values |= _infer_body_format(rows)
    values |= _infer_time_format(rows)
    if all(not row.get("request_id") for row in rows):
        values["request_id"] = "missing"
    model = _find_first_value(rows, "model_name")
    if model is None:
        values["model"] = "missing"
    elif not _SLUG_PATTERN.fullmatch(str(model)):
        values["model"] = "display_name"
    status = _find_first_value(rows, "model_status")
    if status is None:
        values["status"] = "missing"
    elif str(status) not in ("PENDING", "COMPLETED", "FAILED"):
        is_lower = str(status) in ("pending", "completed", "failed")
        values["status"] = "lower_case" if is_lower else "other_words"
    if _is_oldest_first(rows):
        values |= {"filters": "ignored", "order": "oldest_first"}
    columns = {name for row in rows for name in row}
    known = [name for name in (*_KNOWN_COLUMNS, *_TIME_FIELDS, "updated_at") if name in columns]
    return HistoryForm(**values, columns=",".join(known))


def _find_first_value(rows: Iterable[dict[str, Any]], name: str) -> Any:
    return next((row[name] for row in rows if row.get(name) is not None), None)


def _is_oldest_first(rows: list[dict[str, Any]]) -> bool:
    """Tell whether the rows, which were asked for newest first, came oldest first."""
    times = [next((str(row[name]) for name in _TIME_FIELDS if row.get(name) is not None), "") for row in rows]
    return len(set(times)) > 1 and times == sorted(times)


def _infer_time_format(rows: list[dict[str, Any]]) -> dict[str, Any]:
    name = next((name for name in _TIME_FIELDS if _find_first_value(rows, name) is not None), None)
    if name is None:
        return {"times": "missing"}
    values: dict[str, Any] = {}
    if not any("model_created" in row and "created_at" in row for row in rows):
        values["time_fields"] = name
    time = _find_first_value(rows, name)
    text = str(time)
    if text.replace(".", "").isdecimal():
        seconds = "epoch_text" if isinstance(time, str) else "epoch_seconds"
        return values | {"times": "epoch_milliseconds" if float(text) > MAX_EPOCH_SECONDS else seconds}
    if text.endswith("GMT"):
        return values | {"times": "http_date"}
    if re.match(r"\d+/\d+/\d{4}", text):
        return values | {"times": "us_text"}
    if re.search(r"T\d\d:\d\dZ$", text):
        return values | {"times": "minutes"}
    if zone := re.search(r"T?.*\d:\d\d.*?([+-])(\d\d):?(\d\d)$", text):
        minutes = int(zone[2]) * 60 + int(zone[3])
        return values | {"times": "offset", "zone_minutes": -minutes if zone[1] == "-" else minutes}
    if text.endswith("Z"):
        return values
    # The zone of a time without one is not known: UTC is as likely as any other.
    return values | {"times": "utc_naive" if ":" in text else "date_only"}


def _infer_body_format(rows: list[dict[str, Any]]) -> dict[str, Any]:
    body = _find_first_value(rows, "request_body")
    if body is None:
        return {"body": "null" if any("request_body" in row for row in rows) else "missing"}
    values: dict[str, Any] = {"body": "object"}
    if isinstance(body, str) and (hidden := _HIDDEN_TEXT_PATTERN.fullmatch(body)):
        return {"body_length": int(hidden[1])}  # a text that could not be parsed was cut off
    if isinstance(body, str):
        values["body"], body = _parse_body_text(body)
    elif not body:
        values["body"] = "empty_object"
    path: list[str] = []
    while isinstance(body, dict) and (
        key := next((key for key in _NESTING_KEYS if isinstance(body.get(key), dict)), "")
    ):
        path.append(key)
        body = body[key]
    if not isinstance(body, dict):
        return values
    nesting = ".".join(path)
    values["nesting"] = nesting if nesting in ("input", "inputs", "parameters", "input.parameters") else "none"
    if path and values["nesting"] == "none":
        values["nesting"] = "input.parameters" if len(path) > 1 else path[0]
    return values | _infer_input_names_and_values(body)


def _parse_body_text(text: str) -> tuple[str, Any]:
    """Return (format, content) of the text of a request_body; a text that cannot be parsed has the content None."""
    try:
        body = json.loads(text)
    except ValueError:
        try:
            return "python", ast.literal_eval(text)
        except (SyntaxError, ValueError):
            return "python", None
    return ("json_twice", json.loads(body)) if isinstance(body, str) else ("json", body)


def _infer_input_names_and_values(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what the inputs' names and values show: spelling, seed, defaults."""
    values: dict[str, Any] = {}
    if any("_" in name for name in inputs):
        values["keys"] = "snake_case"
    elif "prompttext" in inputs or "promptimage" in inputs:
        values["keys"] = "lower_case"
    seeds = [value for name, value in inputs.items() if name.lower() == "seed"]
    if not seeds:
        values["seed"] = "missing"
    elif isinstance(seeds[0], str) and seeds[0].isdecimal():
        values["seed"] = "text"
    elif isinstance(seeds[0], float):
        values["seed"] = "float"
    defaults = {name for rules in MODELS.values() for name in rules.defaults}
    if defaults and defaults <= {name.lower() for name in inputs}:
        values["defaults"] = "filled"
    return values
