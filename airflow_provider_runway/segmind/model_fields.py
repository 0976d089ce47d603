"""One field of a model's body: what it takes, as a check and in words.

What is wrong with a value is said with the values that are allowed, and without the value itself where
that may be a prompt or a signed URL.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_runway.exceptions import BadInputError

TEXT, URL, INTEGER, NUMBER, CHOICE, BOOLEAN = "text", "url", "integer", "number", "choice", "boolean"

#: As many digits as are worth reading: Python refuses to turn thousands of them into a number.
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
#: What no prompt means to hold: control characters other than white space, and halves of a character.
_UNWRITABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")
_IN_NO_URL = re.compile("[\x00-\x20\x7f\ud800-\udfff]")
#: Characters of a value that a message shows.
_SHOWN = 60


class _InvalidValueError(Exception):
    """What a value is instead of what it must be."""


@dataclass(frozen=True, slots=True)
class ModelField:
    """One field of a model's body.

    :param kind: one of the six names above.
    :param argument: the operator's argument that fills it; None: only ``model_params`` does.
    :param allowed: the values that the model takes; empty: any. :param low: least, :param high: most.
    """

    name: str
    kind: str
    argument: str | None = None
    required: bool = False
    allowed: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None

    def validate(self, value: Any) -> Any:
        """Return the value as the API takes it.

        :raises BadInputError: it is not of this kind, or outside what the model allows.
        """
        if self.required:
            check_rendered(self.label, value)
        try:
            value = _READERS[self.kind](value)
        except _InvalidValueError as wrong:
            raise BadInputError(f"{self.label} {wrong}; allowed: {self.takes}.") from None
        outside = (self.low is not None and value < self.low) or (self.high is not None and value > self.high)
        if outside or (self.allowed and not any(_same(value, one) for one in self.allowed)):
            raise BadInputError(f"{self.label} is {safe_repr(value)}; allowed: {self.takes}.")
        return value

    @property
    def label(self) -> str:
        """The name that the author wrote."""
        return self.argument or self.name

    @property
    def takes(self) -> str:
        """What it takes, in words."""
        if self.allowed:
            values = ", ".join(map(repr, self.allowed))
            return values if self.kind == CHOICE else f"{_NOUNS[self.kind]}: {values}"
        bounds = {"from": self.low, "to": self.high}
        return " ".join(
            [_NOUNS[self.kind], *(f"{raw_status} {end}" for raw_status, end in bounds.items() if end is not None)]
        )


def check_rendered(name: str, value: Any) -> None:
    """Raise where a value is the text that a Jinja template without a value leaves: ``None``, or nothing.

    :raises BadInputError: it is such a text.
    """
    if isinstance(value, str) and value.strip().lower() in ("", "none"):
        what = f"is the text {value.strip()!r}" if value.strip() else "is empty"
        raise BadInputError(
            f"{name} {what}, which is what a template without a value leaves. Correct the template, or the task that "
            "it reads from. Nothing was sent."
        )


def safe_repr(value: Any) -> str:
    """Return a value for a message: on one line, short, and printable whatever it holds."""
    if isinstance(value, (str, bytes)):
        value = value[: _SHOWN + 1]
    try:
        text = repr(value)
    except Exception:  # Python refuses giant numbers and endless nesting, and a class can do what it likes
        text = f"a value of type {type(value).__name__}"
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return text.encode("ascii", "backslashreplace").decode() if _UNWRITABLE.search(text) else text


def check_json(name: str, value: Any) -> None:
    """Find out whether JSON has a form for a value.

    :raises BadInputError: it has none, such as for a date, NaN, half a character or a list that holds itself.
    """
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as problem:
        raise BadInputError(f"{name} is not plain JSON: {problem}.") from None


def is_https_url(url: str) -> bool:
    """Is this an https URL with a host, and nothing in it that a URL cannot hold?"""
    if _IN_NO_URL.search(url):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port  # a ValueError where it is none
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _InvalidValueError(f"is of type {type(value).__name__}")
    if not value.strip():
        raise _InvalidValueError("is empty")
    if (found := _UNWRITABLE.search(value)) is not None:
        raise _InvalidValueError(f"has the character {found[0]!a} at position {found.start()}")
    return value


def _url(value: Any) -> str:
    if isinstance(value, str) and value.strip() and not is_https_url(value):
        raise _InvalidValueError("is another kind of text")
    return _text(value)


def _integer(value: Any) -> int:
    """A whole number from itself or its text: the model's own page sends "5"."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _InvalidValueError(f"is {safe_repr(value)}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise _InvalidValueError(f"is {safe_repr(value)}") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _InvalidValueError(f"is {safe_repr(value)}")
    if isinstance(value, float) and not math.isfinite(value):  # of a giant whole number it cannot be asked
        raise _InvalidValueError(f"is {value}")
    return value


def _boolean(value: Any) -> bool:
    """Yes or no, from itself or its text: a template renders text."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise _InvalidValueError(f"is {safe_repr(value)}")
    return value


def _choice(value: Any) -> Any:
    return value


def _same(value: Any, one: Any) -> bool:
    """Are they the same to JSON? To Python True is 1, and a list may compare itself to anything."""
    if isinstance(value, bool) or isinstance(one, bool):
        return value is one
    return isinstance(value, (str, int, float)) and bool(value == one)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    TEXT: _text,
    URL: _url,
    INTEGER: _integer,
    NUMBER: _number,
    CHOICE: _choice,
    BOOLEAN: _boolean,
}
_NOUNS = {
    TEXT: "a text",
    URL: "an https URL that Segmind can fetch",
    INTEGER: "a whole number",
    NUMBER: "a number",
    CHOICE: "one of the model's values",
    BOOLEAN: "True or False",
}
#: Every kind that a field can be of.
KINDS = tuple(_READERS)
