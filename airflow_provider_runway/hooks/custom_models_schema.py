"""Parses a user's models file: pydantic validates each entry, and all problems are reported in one error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from airflow_provider_runway.exceptions import BadInputError, omit_nothing_was_sent
from airflow_provider_runway.segmind.http import safe_path_segment
from airflow_provider_runway.segmind.job_price import Price, make_price
from airflow_provider_runway.segmind.model_fields import (
    CHOICE,
    INTEGER,
    KINDS,
    NUMBER,
    REFERENCE_IMAGES,
    TEXT,
    URL,
    ModelField,
    safe_repr,
)
from airflow_provider_runway.segmind.models import BUILT_IN_MODELS, UNKNOWN_LATENCY_S, Model

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: The operator's argument -> the kinds of field that it can fill.
ARGUMENT_KINDS: Mapping[str, tuple[str, ...]] = {
    "prompt_text": (TEXT,),
    "prompt_image": (URL,),
    "duration": (INTEGER, NUMBER, CHOICE),
    "ratio": (TEXT, CHOICE),
    "seed": (INTEGER,),
    "reference_images": (REFERENCE_IMAGES,),
}


class FieldEntry(BaseModel):
    """One field of a model in the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    kind: Literal[KINDS]  # type: ignore[valid-type]
    argument: Literal[tuple(ARGUMENT_KINDS)] | None = None  # type: ignore[valid-type]
    required: bool = False
    allowed: list[Any] = []
    low: float | None = None
    high: float | None = None
    default: Any = None

    @model_validator(mode="after")
    def check_properties_together(self) -> FieldEntry:
        """Check what only shows when every property is of its type."""
        if problems := list(_find_contradictions(self.to_model_field())):
            raise ValueError("; ".join(problems))
        return self

    def to_model_field(self) -> ModelField:
        """Return the field as the registry has it."""
        low, high = (
            int(bound) if bound is not None and bound == bound // 1 else bound for bound in (self.low, self.high)
        )
        return ModelField(
            self.name, self.kind, self.argument, self.required, tuple(self.allowed), low, high, self.default
        )


Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PriceEntry(BaseModel):
    """The price of a model in the file: one amount, or one for each duration."""

    model_config = ConfigDict(extra="forbid", strict=True)

    usd: Amount | None = None
    usd_by_duration: dict[str, Amount] | None = Field(default=None, min_length=1)
    source: str = "your own models"
    as_of: str = ""
    is_mean: bool = False

    @model_validator(mode="after")
    def check_amounts(self) -> PriceEntry:
        """Check that the price has one form."""
        if (self.usd is None) is (self.usd_by_duration is None):
            raise ValueError("a price has either usd or usd_by_duration")
        return self

    def to_price(self) -> Price:
        """Return the price as the registry has it."""
        usd = self.usd_by_duration or self.usd or 0.0
        return make_price(usd, self.source, self.as_of, is_mean=self.is_mean)


class ModelEntry(BaseModel):
    """One model in the file. An entry of a built-in slug may leave any property out, and keeps the built-in one."""

    model_config = ConfigDict(extra="forbid", strict=True)

    latency_s: float = Field(default=UNKNOWN_LATENCY_S, gt=0, allow_inf_nan=False)
    fields: list[FieldEntry] = Field(default=[], min_length=1)
    price: PriceEntry | None = None
    makes: Literal["video", "image"] = "video"

    @model_validator(mode="after")
    def check_names_are_unique(self) -> ModelEntry:
        """Check that no two fields have one name, and that no two take one argument."""
        names = [field.name for field in self.fields]
        arguments = [field.argument for field in self.fields if field.argument]
        for what, values in (("name", names), ("argument", arguments)):
            if repeated := sorted({value for value in values if values.count(value) > 1}):
                raise ValueError(f"two fields have the {what} {safe_repr(repeated[0])}")
        return self

    def to_model(self, slug: str) -> Model:
        """Return the model as the registry has it."""
        given: dict[str, Any] = {"latency_s": self.latency_s, "makes": self.makes}
        given["fields"] = tuple(field.to_model_field() for field in self.fields)
        given["price"] = None if self.price is None else self.price.to_price()
        model = BUILT_IN_MODELS.get(slug) or Model(slug, UNKNOWN_LATENCY_S, ())
        return replace(model, **{name: value for name, value in given.items() if name in self.model_fields_set})


def _check_slug(slug: str) -> str:
    try:
        safe_path_segment("slug", slug)
    except BadInputError as problem:
        raise ValueError(omit_nothing_was_sent(problem).rstrip(".")) from None
    return slug


def parse_models(text: str, path: str) -> list[Model]:
    """Return the models in a file.

    :param text: ``{slug: {"latency_s": seconds, "fields": [{"name", "kind", …}], "price": {"usd": …}}}``.
    :param path: for messages.
    :raises BadInputError: everything that is wrong, in one message.
    """
    file_type = TypeAdapter(dict[Annotated[str, AfterValidator(_check_slug)], ModelEntry])
    try:
        entries = file_type.validate_json(text)
    except ValidationError as error:
        problems = [_describe_problem(details) for details in error.errors(include_url=False)]
    else:
        problems = [
            f"Entry {safe_repr(slug)}: fields is missing"
            for slug, entry in entries.items()
            if not entry.fields and slug not in BUILT_IN_MODELS
        ]
        models = [entry.to_model(slug) for slug, entry in entries.items()]
        problems += [problem for model in models if (problem := _describe_missing_price(model))]
    if problems:
        raise BadInputError(f"The models file {path} cannot be used. {'. '.join(problems)}. Nothing was sent.")
    return models


def _describe_missing_price(model: Model) -> str | None:
    """Return what is wrong where a price by duration leaves out one of the durations that the model takes."""
    durations = [value for field in model.fields if field.argument == "duration" for value in field.allowed]
    for duration in durations if model.price is not None else ():
        if model.price is not None and model.price.get_usd(duration) is None:
            return f"Entry {safe_repr(model.slug)}, price: usd_by_duration has no amount for {safe_repr(duration)}"
    return None


def _find_contradictions(field: ModelField) -> Iterator[str]:
    """Yield what is wrong with a field whose properties are each of their type."""
    if not field.name.strip():
        yield "name is empty"
    if field.argument is not None and field.kind not in ARGUMENT_KINDS[field.argument]:
        kinds = " or ".join(ARGUMENT_KINDS[field.argument])
        yield f"the argument {field.argument} fills a field of kind {kinds}, not {field.kind}"
    if field.kind == CHOICE and not field.allowed:
        yield "a choice needs the list of allowed values"
    if (field.low is not None or field.high is not None) and field.kind not in (INTEGER, NUMBER, REFERENCE_IMAGES):
        yield f"low and high are for kind integer, number or reference_images, not {field.kind}"
    if field.low is not None and field.high is not None and field.low > field.high:
        yield f"low is {field.low}, and high is {field.high}"
    for value in field.allowed:
        if isinstance(value, (dict, list)) or value is None:
            yield f"allowed has {safe_repr(value)}; it takes texts, numbers, true and false"
            return
        try:
            field.validate(value)
        except BadInputError as problem:
            yield f"allowed has {safe_repr(value)}, which the field itself refuses: {problem}".rstrip(".")
    if field.default is not None:
        try:
            field.validate(field.default)
        except BadInputError as problem:
            yield f"default is {safe_repr(field.default)}, which the field itself refuses: {problem}".rstrip(".")


#: pydantic's type of an error -> what it means, in this package's words.
_PROBLEM_WORDS: Mapping[str, str] = {
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "list_type": "is {value}; it must be a list",
    "missing": "is missing",
    "extra_forbidden": "is no known property",
    "string_type": "is {value}; it must be text",
    "bool_type": "is {value}; it must be true or false",
    "float_type": "is {value}; it must be a number",
    "finite_number": "is {value}; it must be a finite number",
    "greater_than": "is {value}; it must be more than {gt:g}",
    "greater_than_equal": "is {value}; it must not be less than {ge:g}",
    "too_short": "must not be empty",
    "literal_error": "is {value}; allowed: {expected}",
    "value_error": "{error}",
    "json_invalid": "It is not JSON: {error}",
}


def _describe_problem(details: ErrorDetails) -> str:
    """Return one of pydantic's errors as "Entry 'veo-9', field 2, kind: is 'string'; allowed: …"."""
    words = _PROBLEM_WORDS.get(details["type"], "{message}").format(
        value=safe_repr(details["input"]), message=details["msg"], **details.get("ctx", {})
    )
    path = [part for part in details["loc"] if part != "[key]"]
    if not path:
        return words if details["type"] == "json_invalid" else f"It {words}"
    place = [f"Entry {safe_repr(path[0])}"]
    for before, part in pairwise(path):
        if isinstance(part, int):
            place[-1] = f"field {part + 1}" if before == "fields" else f"{before} {part + 1}"
        else:
            place.append(part)
    return f"{', '.join(place)}: {words}"
