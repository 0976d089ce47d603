"""Builds a redacted transcript of a check, from which the emulator can replay the form of the account's history.

Kept are names, nesting, types, ids, times, numbers and states. Prompts, texts, keys and all URLs are replaced.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_runway.checks.account_evidence import AccountEvidence
from airflow_provider_runway.segmind.numbers_and_times import format_timestamp, parse_timestamp

VERSION = 1

#: Fields of a row whose texts are kept: they hold no input of a request. Names are compared without case and "_".
_KEPT_TEXTS = frozenset({"requestid", "modelname", "modelstatus", "status"})
#: Texts that are no prose: numbers, ratios, sizes.
_PLAIN_VALUE = re.compile(r"[\d.:x+-]{1,20}")
_KEY = re.compile(r"SG_\w+")
#: Objects in lists in objects; what is deeper is left out.
_MAX_DEPTH = 8


def make_transcript(evidence: AccountEvidence) -> dict[str, Any]:
    """Return the transcript of a check as plain JSON."""
    return {
        "version": VERSION,
        "recorded_at": format_timestamp(evidence.checked_at),
        "clock_offset_s": evidence.clock_offset_s,
        "rate_limit_headers": list(evidence.rate_limit_headers),
        "history": {
            "query": dict(evidence.query),
            "refused_filters": sorted(evidence.refused_filters),
            "rows": [redact_row(row) for row in evidence.raw_rows],
        },
    }


def redact_row(row: Any) -> Any:
    """Return a row of the history without anything that a request or its output contains."""
    if not isinstance(row, Mapping):
        return redact_value(row)
    return {name: _redact_column(str(name), value) for name, value in row.items()}


def redact_value(value: Any, depth: int = 0) -> Any:
    """Return a value of the same shape and type, without its texts."""
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {_KEY.sub("SG_", str(name)): redact_value(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [redact_value(inner, depth + 1) for inner in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """Return what a text may show: numbers and ratios as they are, a URL's kind, or only how long the text is."""
    if _PLAIN_VALUE.fullmatch(text) or not text:
        return text
    if text.lower().startswith(("http://", "https://", "data:")):
        return _redact_url(text)
    encoded = _redact_encoded(text)
    return f"[text of {len(text)} characters]" if encoded is None else encoded


def _redact_column(name: str, value: Any) -> Any:
    simple_name = "".join(letter for letter in name.lower() if letter.isalnum())
    if isinstance(value, str) and simple_name in _KEPT_TEXTS:
        return _KEY.sub("SG_", value)
    if isinstance(value, str) and len(value) < 40 and parse_timestamp(value) is not None:
        return value
    return redact_value(value)


def _redact_url(url: str) -> str:
    """Return an address that leads nowhere, with the file's extension."""
    try:
        extension = PurePosixPath(urlsplit(url).path).suffix
    except ValueError:
        extension = ""
    return f"https://redacted.example/file{extension if extension.isascii() and len(extension) <= 5 else ''}"


def _redact_encoded(text: str) -> str | None:
    """Return redacted inputs in the form in which they were written: JSON text, or the text of a Python object."""
    if text.strip()[:1] not in ("{", "[", '"'):
        return None
    for parse, write in ((json.loads, json.dumps), (ast.literal_eval, repr)):
        try:
            value = parse(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
        return write(redact_value(value, depth=1))
    return None
