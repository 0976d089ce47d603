"""Reads the rows of a batch's ``results.jsonl``: one JSON object a line."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_runway.videos.media_reader import MediaNotFoundError, read_text
from airflow_provider_runway.videos.media_roots import MediaRoots

#: About 60,000 rows. The file is read whole, because rows have no index.
MAX_RESULTS_BYTES = 64 * 1024 * 1024


def read_rows(result_uri: str, dag_id: str, roots: MediaRoots) -> list[dict[str, Any]]:
    """Return the rows of a results file, which must lie below ``videos_roots``. It blocks.

    A line that is no JSON object counts as an empty row, so that the others keep their numbers.

    :raises MediaNotFoundError: the file may not be read, or cannot be.
    """
    file = roots.find_file(result_uri, dag_id) if result_uri.endswith(".jsonl") else None
    if file is None:
        raise MediaNotFoundError("it is not below [runway] videos_roots")
    return [_parse_row(line) for line in read_text(file, MAX_RESULTS_BYTES).splitlines() if line.strip()]


def _parse_row(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}
