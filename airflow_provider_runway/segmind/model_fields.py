"""One field of a model's request body: checks a value, and says in words which values are allowed.

An error names the allowed values. It does not show the value itself where that may be a prompt or a signed URL.
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
#: A list of images, each with the tag by which the prompt speaks of it.
REFERENCE_IMAGES = "reference_images"

#: At most 18 digits: Python refuses to turn thousands of them into a number.
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
#: Control characters other than white space, and halves of a character: no prompt holds them on purpose.
_FORBIDDEN_IN_TEXT = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")
#: Runway's own API takes such tags. It also says that they have at least 3 characters, but not everywhere.
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,15}")
_FORBIDDEN_IN_URL = re.compile("[\x00-\x20\x7f\ud800-\udfff]")
#: How many characters of a value an error shows.
_MAX_SHOWN = 60


class _InvalidValueError(Exception):
    """A value cannot be used; the text says what it is, such as "is empty"."""


@dataclass(frozen=True, slots=True)
class ModelField:
    """One field of a model's body.

    :param kind: one of the names above.
    :param argument: the operator's argument that fills it; None where only ``model_params`` does.
    :param allowed: the values that the model takes; empty means any.
    :param low: the smallest value, or the smallest length of a list. :param high: the largest one.
    :param default: what the API uses where the field is missing; None: not known.
    """

    name: str
    kind: str
    argument: str | None = None
    required: bool = False
    allowed: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    default: Any = None

    def validate(self, value: Any) -> Any:
        """Return the value as the API takes it.

        :raises BadInputError: it is not of this kind, or outside what the model allows.
        """
        if self.required:
            check_rendered(self.label, value)
        try:
            value = _CONVERTERS[self.kind](value)
        except _InvalidValueError as wrong:
            raise BadInputError(f"{self.label} {wrong}; allowed: {self.allowed_text}.") from None
        size = len(value) if isinstance(value, list) else value
        outside = (self.low is not None and size < self.low) or (self.high is not None and size > self.high)
        if outside and isinstance(value, list):  # which is not shown: its URLs may be signed
            raise BadInputError(f"{self.label} has {size} of them; allowed: {self.allowed_text}.")
        if outside or (self.allowed and not any(_is_same_json(value, one) for one in self.allowed)):
            raise BadInputError(f"{self.label} is {safe_repr(value)}; allowed: {self.allowed_text}.")
        return value

    @property
    def label(self) -> str:
        """The name under which the author of a DAG sets it."""
        return self.argument or self.name

    @property
    def allowed_text(self) -> str:
        """Which values are allowed, in words."""
        if self.allowed:
            values = ", ".join(map(repr, self.allowed))
            return values if self.kind == CHOICE else f"{_NOUNS[self.kind]}: {values}"
        bounds = {"from": self.low, "to": self.high}
        return " ".join(
            [_NOUNS[self.kind], *(f"{word} {bound}" for word, bound in bounds.items() if bound is not None)]
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
    """Return a value for an error message: one short line, printable whatever the value is."""
    if isinstance(value, (str, bytes)):
        value = value[: _MAX_SHOWN + 1]
    try:
        text = repr(value)
    except Exception:  # Python refuses giant numbers and endless nesting, and a class may raise anything
        text = f"a value of type {type(value).__name__}"
    text = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
    return text.encode("ascii", "backslashreplace").decode() if _FORBIDDEN_IN_TEXT.search(text) else text


def check_json(name: str, value: Any) -> None:
    """Check that JSON has a form for a value.

    :raises BadInputError: it has none, such as for a date, NaN, half a character or a list that holds itself.
    """
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as problem:
        raise BadInputError(f"{name} is not plain JSON: {problem}.") from None


def is_https_url(url: str) -> bool:
    """Is this an https URL with a host, and without characters that a URL cannot hold?"""
    if _FORBIDDEN_IN_URL.search(url):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError where it is no number
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def _check_text(value: Any) -> str:
    if not isinstance(value, str):
        raise _InvalidValueError(f"is of type {type(value).__name__}")
    if not value.strip():
        raise _InvalidValueError("is empty")
    if (found := _FORBIDDEN_IN_TEXT.search(value)) is not None:
        raise _InvalidValueError(f"has the character {found[0]!a} at position {found.start()}")
    return value


def _check_url(value: Any) -> str:
    if isinstance(value, str) and value.strip() and not is_https_url(value):
        raise _InvalidValueError("is another kind of text")
    return _check_text(value)


def _check_reference_images(value: Any) -> list[dict[str, str]]:
    """Return the images as the API takes them. A problem is told with the number of its image, from 0."""
    if isinstance(value, Mapping) or not isinstance(value, (list, tuple)):
        raise _InvalidValueError(f"is of type {type(value).__name__}")
    images: list[dict[str, str]] = []
    for number, image in enumerate(value):
        if not isinstance(image, Mapping) or set(image) != {"uri", "tag"}:
            found = safe_repr(sorted(map(str, image))) if isinstance(image, Mapping) else type(image).__name__
            raise _InvalidValueError(f"has {found} at position {number}")
        try:
            uri = _check_url(image["uri"])
        except _InvalidValueError as wrong:
            raise _InvalidValueError(f"has a uri at position {number} that {wrong}") from None
        tag = image["tag"]
        if not isinstance(tag, str) or not _TAG.fullmatch(tag):
            raise _InvalidValueError(f"has the tag {safe_repr(tag)} at position {number}")
        if any(tag == each["tag"] for each in images):
            raise _InvalidValueError(f"has the tag {tag!r} twice")
        images.append({"uri": uri, "tag": tag})
    return images


def _convert_integer(value: Any) -> int:
    """Return a whole number from itself or its text, since the model's own page sends "5"."""
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _InvalidValueError(f"is {safe_repr(value)}")
    return value


def _convert_number(value: Any) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise _InvalidValueError(f"is {safe_repr(value)}") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _InvalidValueError(f"is {safe_repr(value)}")
    if isinstance(value, float) and not math.isfinite(value):  # a giant whole number has no such property
        raise _InvalidValueError(f"is {value}")
    return value


def _convert_boolean(value: Any) -> bool:
    """Return True or False from itself or its text, since a template renders text."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise _InvalidValueError(f"is {safe_repr(value)}")
    return value


def _accept_any(value: Any) -> Any:
    return value


def _is_same_json(value: Any, one: Any) -> bool:
    """Are they the same in JSON? To Python True is 1, and a class may be equal to anything."""
    if isinstance(value, bool) or isinstance(one, bool):
        return value is one
    return isinstance(value, (str, int, float)) and bool(value == one)


_CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    TEXT: _check_text,
    URL: _check_url,
    INTEGER: _convert_integer,
    NUMBER: _convert_number,
    CHOICE: _accept_any,
    BOOLEAN: _convert_boolean,
    REFERENCE_IMAGES: _check_reference_images,
}
_NOUNS = {
    TEXT: "a text",
    URL: "an https URL that Segmind can fetch",
    INTEGER: "a whole number",
    NUMBER: "a number",
    CHOICE: "one of the model's values",
    BOOLEAN: "True or False",
    REFERENCE_IMAGES: (
        'a list of {"uri": an image, "tag": its name, of up to 16 letters, digits and _, the first one a letter}, each '
        "with another tag,"
    ),
}
#: Every kind that a field can be of.
KINDS = tuple(_CONVERTERS)
