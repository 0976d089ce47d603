"""Finds in a task's log why its try failed."""

from __future__ import annotations

from typing import Any

from airflow_provider_runway.videos.tiles import read_text

_ERROR_LEVELS = ("error", "critical")


def find_reason(entries: Any) -> str | None:
    """Return the last error of a log, as Airflow's API returns the log; None where it has none.

    The exception that ended the try wins over an error that was only logged.

    :param entries: ``[{"event", "level", "error_detail": [{"exc_type", "exc_value"}]}, …]``.
    """
    rows = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    for row in reversed(rows):
        details = row.get("error_detail")
        if isinstance(details, list) and details and isinstance(details[0], dict):
            return read_text(details[0].get("exc_value")) or read_text(details[0].get("exc_type"))
    return next(
        (read_text(row.get("event")) for row in reversed(rows) if row.get("level") in _ERROR_LEVELS),
        None,
    )
