"""A user's own catalogue: models in a JSON file, judged entry by entry. Reading the file is the hooks' business."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.segmind.http import safe_path_segment
from airflow_provider_runway.segmind.model_fields import (
    CHOICE,
    INTEGER,
    KINDS,
    NUMBER,
    TEXT,
    URL,
    ModelField,
    safe_repr,
)
from airflow_provider_runway.segmind.models import BUILT_IN_MODELS, UNKNOWN_LATENCY_S, Model

#: An operator's argument -> the kinds of field that it can fill.
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "prompt_text": (TEXT,),
    "prompt_image": (URL,),
    "duration": (INTEGER, NUMBER, CHOICE),
    "ratio": (TEXT, CHOICE),
    "seed": (INTEGER,),
}
_ENTRY = ("latency_s", "fields")
#: What a field's properties are: their types in JSON, and those in words.
_PROPERTIES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "name": ((str,), "a text"),
    "kind": ((str,), "a text"),
    "argument": ((str, type(None)), "a text"),
    "required": ((bool,), "true or false"),
    "allowed": ((list,), "a list"),
    "low": ((int, float, type(None)), "a number"),
    "high": ((int, float, type(None)), "a number"),
}


class _InvalidEntryError(Exception):
    """What is wrong with an entry."""


def read_catalogue(text: str, name: str) -> list[Model]:
    """Return the models of a catalogue.

    An entry of a built-in slug may leave its fields out: then they stay, and only the latency changes.

    :param text: ``{slug: {"latency_s": seconds, "fields": [{"name", "kind", …}]}}``. :param name: the file's.
    :raises BadInputError: everything that is wrong, in one message.
    """
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise BadInputError(f"The catalogue {name} is not JSON: {problem}. Nothing was sent.") from None
    if not isinstance(entries, dict):
        raise BadInputError(f'The catalogue {name} must be a JSON object, {{"slug": {{…}}}}. Nothing was sent.')
    models, problems = [], []
    for slug, entry in entries.items():
        try:
            models.append(_model(slug, entry))
        except (_InvalidEntryError, BadInputError) as wrong:
            problems.append(f"Entry {safe_repr(slug)}: {wrong}")
    if problems:
        raise BadInputError(f"The catalogue {name} cannot be used. {' '.join(problems)} Nothing was sent.")
    return models


def _model(slug: str, entry: Any) -> Model:
    safe_path_segment("slug", slug)
    _known(entry, _ENTRY, "it")
    latency_s = entry.get(
        "latency_s", BUILT_IN_MODELS[slug].latency_s if slug in BUILT_IN_MODELS else UNKNOWN_LATENCY_S
    )
    if isinstance(latency_s, bool) or not isinstance(latency_s, (int, float)) or not 0 < latency_s < float("inf"):
        raise _InvalidEntryError(f"latency_s is {safe_repr(latency_s)}; allowed: seconds, more than 0.")
    if "fields" not in entry and slug in BUILT_IN_MODELS:
        return Model(slug, float(latency_s), BUILT_IN_MODELS[slug].fields)
    rows = entry.get("fields")
    if not isinstance(rows, list) or not rows:
        raise _InvalidEntryError("it has no list of fields.")
    fields = tuple(_field(row, f"field {place}") for place, row in enumerate(rows, 1))
    for what, names in (("name", [f.name for f in fields]), ("argument", [f.argument for f in fields if f.argument])):
        if twice := sorted({one for one in names if names.count(one) > 1}):
            raise _InvalidEntryError(f"two fields have the {what} {safe_repr(twice[0])}.")
    return Model(slug, float(latency_s), fields)


def _field(row: Any, place: str) -> ModelField:
    _known(row, tuple(_PROPERTIES), place)
    for name in row:
        types, words = _PROPERTIES[name]
        if not isinstance(row[name], types) or (isinstance(row[name], bool) and bool not in types):
            raise _InvalidEntryError(f"{place}: {name} is {safe_repr(row[name])}; allowed: {words}.")
    field = ModelField(**{"name": "", "kind": "", **row, "allowed": tuple(row.get("allowed", ()))})
    for problem in _contradictions(field):
        raise _InvalidEntryError(f"{place}: {problem}.")
    return field


def _contradictions(field: ModelField) -> Iterator[str]:
    """Yield what is wrong with a field whose properties are each of their type."""
    if not field.name.strip():
        yield "it has no name"
    if field.kind not in KINDS:
        yield f"kind is {safe_repr(field.kind)}; allowed: {', '.join(KINDS)}"
    if field.argument is not None and field.kind not in ARGUMENTS.get(field.argument, ()):
        kinds = ARGUMENTS.get(field.argument)
        yield (
            f"argument is {safe_repr(field.argument)}; allowed: {', '.join(ARGUMENTS)}"
            if kinds is None
            else f"the argument {field.argument} fills a field of kind {' or '.join(kinds)}, not {field.kind}"
        )
    if field.kind == CHOICE and not field.allowed:
        yield "a choice needs the list of what is allowed"
    bounds = (field.low, field.high)
    if bounds != (None, None) and field.kind not in (INTEGER, NUMBER):
        yield f"low and high are for kind integer or number, not {field.kind}"
    if None not in bounds and field.low > field.high:  # type: ignore[operator]
        yield f"low is {field.low}, and high is {field.high}"
    for value in field.allowed:
        if isinstance(value, (dict, list)) or value is None:
            yield f"allowed has {safe_repr(value)}; it takes texts, numbers, true and false"
            return
        try:
            field.validate(value)
        except BadInputError as problem:
            yield f"allowed has {safe_repr(value)}, which the field itself refuses: {problem}".rstrip(".")


def _known(row: Any, names: tuple[str, ...], place: str) -> None:
    if not isinstance(row, dict):
        raise _InvalidEntryError(f"{place} must be an object of {', '.join(names)}.")
    if unknown := [name for name in row if name not in names]:
        raise _InvalidEntryError(f"{place} has {safe_repr(unknown[0])}; allowed: {', '.join(names)}.")
