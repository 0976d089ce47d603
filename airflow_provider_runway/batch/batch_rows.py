"""The rows of a batch: one job each, from a list of dicts or from a file. It knows the form of a row, not its values.

Whether a model takes the values of a row is ``check_rows``'s question.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.inputs.build_request import JOB_ARGUMENTS
from airflow_provider_runway.segmind.model_fields import safe_repr

#: What a row may set beside its ``custom_id``: the arguments of ``RunwayGenerateOperator``, by the same names.
ROW_ARGUMENTS = (*JOB_ARGUMENTS, "model", "model_params", "image_conn_id", "output_path")
#: A custom_id is the name of its video's file, and a part of URLs.
_CUSTOM_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_CUSTOM_ID_TEXT = "1 to 100 letters, digits, '.', '_' or '-', the first one a letter, a digit or '_'"


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One row of a batch: one job.

    :param index: its place among the rows; the first has 0.
    :param custom_id: its name, which no other row of the batch has, and which is safe as the name of a file.
    :param arguments: a value for each of ``ROW_ARGUMENTS``: the row's own, else the task's, else None.
    """

    index: int
    custom_id: str
    arguments: Mapping[str, Any] = field(repr=False)

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"Row {self.index} ({self.custom_id})"


@dataclass(frozen=True, slots=True)
class UnreadableValue:
    """Something in a file that is no row; ``problem`` says why, as the end of a sentence."""

    problem: str


@dataclass(frozen=True, slots=True)
class RowSource:
    """The rows of a batch. Each iteration reads them anew, so a file need not fit into memory.

    Iterating raises ``BadInputError`` at the first row that is none; :meth:`parse_each` goes on after it.

    :param read_values: yields (line number or None, value) for each row.
    :param defaults: the task's own arguments, which a row without a value of its own gets.
    """

    read_values: Callable[[], Iterator[tuple[int | None, Any]]]
    defaults: Mapping[str, Any]

    def __iter__(self) -> Iterator[BatchRow]:
        for parsed in self.parse_each():
            if isinstance(parsed, BadInputError):
                raise BadInputError(f"{parsed} Nothing was sent.")
            yield parsed

    def parse_each(self) -> Iterator[BatchRow | BadInputError]:
        """Yield each row, or the error that says what is wrong with it and where it stands."""
        indexes: dict[str, int] = {}
        for index, (line, value) in enumerate(self.read_values()):
            label = f"Row {index}" if line is None else f"Row {index} (line {line})"
            try:
                row = parse_row(index, value, self.defaults, label)
                if (first := indexes.setdefault(row.custom_id, index)) != index:
                    raise BadInputError(
                        f"{label} has the custom_id {row.custom_id!r} of row {first}; each needs its own."
                    )
            except BadInputError as problem:
                yield problem
            else:
                yield row


def make_list_source(requests: Any, defaults: Mapping[str, Any]) -> RowSource:
    """Return the rows in ``requests``.

    :raises BadInputError: it is no list, or it is empty.
    """
    values = list_requests(requests)
    return RowSource(lambda: ((None, value) for value in values), defaults)


def list_requests(requests: Any, subject: str = "requests") -> list[Any]:
    """Return a list of rows as it is, once it is sure that it is one.

    :param subject: what it is, for messages.
    :raises BadInputError: it is no list, or it is empty.
    """
    if isinstance(requests, (str, bytes, bytearray)):
        raise BadInputError(
            f"{subject} is a {'text' if isinstance(requests, str) else 'bytes value'}, not a list of dicts. Where a "
            "template made a text of it, give the task's output itself: requests=upstream.output. For a file use "
            "requests_path. Nothing was sent."
        )
    if isinstance(requests, Mapping) or not isinstance(requests, Sequence):
        what = "one dict" if isinstance(requests, Mapping) else f"of type {type(requests).__name__}"
        raise BadInputError(
            f"{subject} is {what}; give a list of dicts, one for each job, such as "
            "[{'custom_id': 'shoe-1', 'prompt_image': 'https://…'}]. Nothing was sent."
        )
    values = list(requests)  # an XCom of mapped tasks is fetched item by item
    if not values:
        raise BadInputError(
            f"{subject} is an empty list, so there is no job to submit. If that is all right, skip this task where "
            "there is nothing to do, such as with @task.short_circuit. Nothing was sent."
        )
    return values


def parse_row(index: int, value: Any, defaults: Mapping[str, Any], label: str | None = None) -> BatchRow:
    """Return the row that a dict describes. A None in it means "not given", like a missing name.

    ``model_params`` of the row and of the task are merged, and the row's fields win.

    :param label: how messages name it.
    :raises BadInputError: it is no dict, has a name that no row has, or a custom_id that cannot name a file.
    """
    label = label or f"Row {index}"
    if isinstance(value, UnreadableValue):
        raise BadInputError(f"{label} {value.problem}.")
    if not isinstance(value, Mapping):
        raise BadInputError(
            f"{label} is {_describe(value)}; give a dict such as {{'prompt_text': …, 'prompt_image': …}}."
        )
    given = {name: part for name, part in value.items() if part is not None}
    custom_id = _parse_custom_id(index, given.pop("custom_id", None), label)
    if unknown := [name for name in given if name not in ROW_ARGUMENTS]:
        raise BadInputError(f"{label} has {_describe_unknown_names(unknown)}.")
    arguments = {name: given.get(name, defaults.get(name)) for name in ROW_ARGUMENTS}
    own, shared = given.get("model_params"), defaults.get("model_params")
    if isinstance(own, Mapping) and isinstance(shared, Mapping):
        arguments["model_params"] = {**shared, **own}
    return BatchRow(index, custom_id, arguments)


def make_custom_id(index: int) -> str:
    """Return the custom_id of a row that has none of its own."""
    return f"row-{index:06}"


def _parse_custom_id(index: int, value: Any, label: str) -> str:
    if value is None:
        return make_custom_id(index)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _CUSTOM_ID.fullmatch(text):
        raise BadInputError(
            f"{label} has the custom_id {safe_repr(value)}, which cannot name its video's file; allowed: "
            f"{_CUSTOM_ID_TEXT}."
        )
    return text


def _describe(value: Any) -> str:
    if isinstance(value, str):  # without the text, which may be a prompt
        return "a text"
    return "None" if value is None else f"of type {type(value).__name__}"


def _describe_unknown_names(names: Sequence[Any]) -> str:
    """Return which names no row may have, which were probably meant, and which are allowed."""
    allowed = ("custom_id", *ROW_ARGUMENTS)
    shown = ", ".join(safe_repr(name) for name in names[:5]) + (", …" if len(names) > 5 else "")
    close = [match for name in names[:5] for match in difflib.get_close_matches(str(name), allowed, 1)]
    meant = f" (did you mean {', '.join(close)}?)" if close else ""
    separators = [text for mark, text in ((";", "semicolons"), ("\t", "tabs")) if mark in str(names[0])]
    if separators and len(names) == 1:
        meant = f" (its columns are separated by {separators[0]}; separate them by commas)"
    return (
        f"the unknown name{'s' if len(names) > 1 else ''} {shown}{meant}; allowed: {', '.join(allowed)}. Fields by the "
        "API's names go into model_params"
    )
