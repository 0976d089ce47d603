"""Reads the rows of a batch from a file on any storage, line by line: JSON Lines, or CSV with a header."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, TextIO

from airflow_provider_runway.batch.batch_rows import RowSource, UnreadableValue
from airflow_provider_runway.compat import BaseHook, get_storage_conn_id
from airflow_provider_runway.exceptions import BadInputError, RunwayError
from airflow_provider_runway.inputs.prompt_image_upload import make_read_error
from airflow_provider_runway.outputs.storage import open_text
from airflow_provider_runway.segmind.model_fields import safe_repr

ALLOWED_SOURCES = "the path of a file, or a URL of a storage that Airflow knows (s3://, gs://, file://)"
#: The longest line that is read: an image of 16 MB as a data: URL, and some more.
MAX_LINE_LENGTH = 25 * 1024 * 1024


def make_file_source(requests_path: Any, defaults: Mapping[str, Any]) -> RowSource:
    """Return the rows in the file ``requests_path``. It is opened, and its first row read.

    :param requests_path: a path, or any URL that ``ObjectStoragePath`` takes, which ends in .jsonl, .ndjson or .csv.
    :raises BadInputError: there is no such file, it may not be read, or it has no row.
    :raises UnreachableError: the storage did not respond; a retry may help.
    """
    path = str(requests_path)
    suffix = PurePosixPath(path).suffix.lower()
    read = _READERS.get(suffix)
    if read is None:
        hint = " Write each dict of the list on a line of its own." if suffix == ".json" else ""
        raise BadInputError(
            f"requests_path={safe_repr(path)} has no known format; its name must end in {', '.join(_READERS)}.{hint} "
            "Nothing was sent."
        )

    def read_values() -> Iterator[tuple[int | None, Any]]:
        try:
            if (named := get_storage_conn_id(path, None)) is not None:
                BaseHook.get_connection(named)  # the amazon provider would continue with anonymous credentials
            with open_text(path) as text:
                yield from read(text)
        except UnicodeDecodeError as problem:
            raise BadInputError(
                f"requests_path={safe_repr(path)} is not a UTF-8 text: {problem.reason}. Save it as UTF-8. Nothing was "
                "sent."
            ) from None
        except RunwayError:
            raise
        except Exception as problem:
            subject = f"The file requests_path={safe_repr(path)}"
            raise make_read_error(subject, problem, ALLOWED_SOURCES, "in the URL (s3://conn@bucket/key)") from None

    if next(read_values(), None) is None:
        raise BadInputError(f"requests_path={safe_repr(path)} has no rows, so there is no job. Nothing was sent.")
    return RowSource(read_values, defaults)


def _read_json_lines(text: TextIO) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(_read_lines(text), start=1):
        if isinstance(line, UnreadableValue):
            yield number, line
        elif line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as problem:
                reason = problem.msg if isinstance(problem, json.JSONDecodeError) else str(problem)
                yield number, UnreadableValue(f"is not JSON: {reason}; each line holds one JSON object")


def _read_lines(text: TextIO) -> Iterator[str | UnreadableValue]:
    while line := text.readline(MAX_LINE_LENGTH):
        if line.endswith("\n") or len(line) < MAX_LINE_LENGTH:
            yield line
            continue
        while (rest := text.readline(MAX_LINE_LENGTH)) and not rest.endswith("\n"):
            pass
        yield UnreadableValue(f"has more than {MAX_LINE_LENGTH:,} characters")


def _read_csv(text: TextIO) -> Iterator[tuple[int, Any]]:
    reader = csv.reader(text, strict=True)
    header: list[str] | None = None
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as problem:  # after a broken quote it is not known where the next row begins
            yield reader.line_num, UnreadableValue(f"is not CSV: {problem}; the rows after it were not read")
            return
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            if repeated := sorted({name for name in header if header.count(name) > 1 and name}):
                names = ", ".join(map(repr, repeated))
                raise BadInputError(f"The header of requests_path names a column twice: {names}. Nothing was sent.")
            continue
        yield reader.line_num, _parse_cells(header, cells)


def _parse_cells(header: list[str], cells: list[str]) -> Any:
    """Return a row of a CSV as a dict. An empty cell means "not given"."""
    if len(cells) > len(header):
        return UnreadableValue(
            f"has {len(cells)} cells, and the header names {len(header)} columns; put a text with commas into quotes"
        )
    row: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=False) if cell.strip()}
    if (params := row.get("model_params")) is not None:
        try:
            row["model_params"] = json.loads(params)
        except (ValueError, RecursionError):
            return UnreadableValue('has model_params that are not JSON; write them like {"field": 1}, quoted as CSV')
    return row


_READERS = {".jsonl": _read_json_lines, ".ndjson": _read_json_lines, ".csv": _read_csv}
