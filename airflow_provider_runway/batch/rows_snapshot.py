"""Writes the rows of a batch into its folder, so that all waves of a try read the same ones."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from airflow_provider_runway.batch.batch_rows import list_requests
from airflow_provider_runway.batch.output_paths import escape_braces
from airflow_provider_runway.exceptions import BadInputError, UnreachableError
from airflow_provider_runway.outputs.storage import write_in_one_step
from airflow_provider_runway.outputs.store import check_output_path
from airflow_provider_runway.segmind.images import make_data_url
from airflow_provider_runway.segmind.model_fields import check_rendered

#: The name of the file in the folder ``result_path``.
REQUESTS_FILE_NAME = "requests.jsonl"


def get_requests_uri(result_path: Any) -> str:
    """Return where the rows of a batch are written."""
    return f"{str(result_path).rstrip('/')}/{REQUESTS_FILE_NAME}"


def write_requests(rows: Any, result_path: Any) -> str:
    """Write rows as JSON Lines into the folder ``result_path`` in one step, and return the file's path.

    :param rows: a list of dicts, or an iterator over them. Images as bytes or as paths become texts.
    :raises BadInputError: there are no rows, they cannot be written as JSON, or the folder cannot be used.
    :raises UnreachableError: the folder's storage did not respond.
    """
    check_rendered("result_path", result_path)
    uri = get_requests_uri(result_path)
    check_output_path(escape_braces(uri), None)
    lines = _encode_rows(rows)
    first = next(lines)
    try:
        with write_in_one_step(uri) as sink:
            sink.write(first)
            sink.writelines(lines)
    except OSError as problem:
        raise UnreachableError(
            f"The rows of the batch cannot be written to {uri}: {problem}. Nothing was sent; a retry writes them again."
        ) from problem
    return uri


def _encode_rows(rows: Any) -> Iterator[bytes]:
    """Yield the line of each row; the first one only if there is one."""
    values = rows if isinstance(rows, Iterator) else list_requests(rows, "What the function returned")
    index = -1
    for index, value in enumerate(values):
        try:
            text = json.dumps(value, default=_to_text, ensure_ascii=False, allow_nan=False)
            yield text.encode() + b"\n"
        except BadInputError as problem:
            raise BadInputError(f"Row {index}: {problem}") from None
        except (TypeError, ValueError, RecursionError) as problem:
            raise BadInputError(f"Row {index} cannot be written as JSON: {problem}. Nothing was sent.") from None
    if index < 0:
        raise BadInputError("The function yielded no rows, so there is no job to submit. Nothing was sent.")


def _to_text(value: Any) -> str:
    """Return an image as the text that ``prompt_image`` takes for it.

    :raises BadInputError: the bytes are no image. :raises TypeError: JSON has no form for the value.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        return make_data_url(bytes(value))
    if hasattr(value, "protocol") and hasattr(value, "open"):  # an ObjectStoragePath; on 3.3 it is no os.PathLike
        return str(value)  # with its connection
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    raise TypeError(f"a value is of type {type(value).__name__}")
