"""The catalogue: what each model takes, and how long it takes.

Fields, ranges and defaults are those of the models' pages on Segmind; latencies are the means that
these pages show. A slug that is not in here passes through unchecked, under the same contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_runway.exceptions import BadInput
from airflow_provider_runway.segmind.wire import segment

DEFAULT_MODEL = "runway-gen3-alphaturbo"
#: Where a model is not known: about the quickest of the family, for a look too early costs less than lateness.
UNKNOWN_LATENCY_S = 30.0

TEXT, URL, INTEGER, CHOICE = "text", "url", "integer", "choice"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a model's body.

    :param argument: the operator's argument that fills it; None: only ``model_params`` does.
    :param allowed: the values that the model takes; empty: any. :param low: least, :param high: most.
    """

    name: str
    kind: str
    argument: str | None = None
    required: bool = False
    allowed: tuple[Any, ...] = ()
    low: int | None = None
    high: int | None = None

    def read(self, value: Any) -> Any:
        """Return the value as the API takes it.

        :raises BadInput: it is not of this kind, or outside what the model allows.
        """
        if self.kind in (TEXT, URL):
            if not isinstance(value, str) or not value.strip():
                raise BadInput(f"{self.label} is empty; give it a text.")
            if self.kind == URL and not _is_https(value):
                raise BadInput(f"{self.label} must be an https URL that Segmind can fetch.")
            return value
        if self.kind == INTEGER:
            value = _integer(value, self.label)
        if self.allowed and value not in self.allowed:
            raise BadInput(f"{self.label} is {value!r}; allowed: {', '.join(map(repr, self.allowed))}.")
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            raise BadInput(f"{self.label} is {value!r}; allowed: {self.low} to {self.high}.")
        return value

    @property
    def label(self) -> str:
        """The name that the author wrote."""
        return self.argument or self.name


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the catalogue. ``latency_s`` is the mean from submission to completion."""

    slug: str
    latency_s: float
    fields: tuple[Field, ...]

    @property
    def takes_seed(self) -> bool:
        """Can a job of this model be told apart from its siblings by its seed?"""
        return any(field.argument == "seed" for field in self.fields)


_SEED = Field("seed", INTEGER, "seed", low=1, high=99_999)
_PROMPT = Field("promptText", TEXT, "prompt_text", required=True)
_IMAGE = Field("promptImage", URL, "prompt_image", required=True)
_DURATION = Field("duration", INTEGER, "duration", allowed=(5, 10))

CATALOGUE: Mapping[str, Model] = {
    model.slug: model
    for model in (
        Model(
            "runway-gen3-alphaturbo",
            27.38,
            (_IMAGE, _PROMPT, _DURATION, Field("ratio", CHOICE, "ratio", allowed=("16:9", "9:16")), _SEED),
        ),
        Model(
            "runway-gen4-turbo",
            38.03,
            (
                _IMAGE,
                _PROMPT,
                _DURATION,
                Field(
                    "ratio",
                    CHOICE,
                    "ratio",
                    allowed=("1280:720", "720:1280", "1104:832", "832:1104", "960:960", "1584:672"),
                ),
                _SEED,
            ),
        ),
        Model(
            "runway-gen4-aleph",
            171.53,
            (
                Field("prompt", TEXT, "prompt_text", required=True),
                Field("video", URL, required=True),
                Field("aspect_ratio", TEXT, "ratio"),
                _SEED,
            ),
        ),
    )
}

#: How an unlisted model's fields are named: as most of the family does.
_USUAL_FIELDS = (_PROMPT, _IMAGE, _DURATION, Field("ratio", TEXT, "ratio"), _SEED)
#: Arguments that always have a value; a model without such a field does without it.
_ALWAYS_GIVEN = frozenset({"duration"})


def expected_latency_s(slug: str | None) -> float:
    """Return the seconds a job of this model is expected to take."""
    model = CATALOGUE.get(slug or "")
    return model.latency_s if model else UNKNOWN_LATENCY_S


def image_field(slug: str) -> str | None:
    """Return the name of the field that takes the picture, or None where the model takes none."""
    model = CATALOGUE.get(slug)
    return next(
        (field.name for field in (model.fields if model else _USUAL_FIELDS) if field.argument == "prompt_image"), None
    )


def body_for(slug: str, arguments: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the body of a submit, checked before anything is sent.

    :param arguments: the operator's arguments by their own names; None means "not given".
    :param extra: fields by the API's names (``model_params``). They win over the arguments; a None
        takes a field out, which an unlisted model without such a field may need.
    :raises BadInput: everything that is wrong, in one message.
    """
    segment("model", slug)
    model = CATALOGUE.get(slug)
    fields = model.fields if model else _USUAL_FIELDS
    given = {field.name: arguments.get(field.argument) for field in fields if field.argument}
    given.update(extra or {})
    problems = list(_unused(slug, fields, arguments)) if model else []
    body: dict[str, Any] = {}
    known = {field.name: field for field in fields} if model else {}
    for name, value in given.items():
        if value is None:
            continue
        try:
            body[name] = known[name].read(value) if name in known else value
        except BadInput as problem:
            problems.append(str(problem))
    problems += [
        f"{field.label} is missing." for field in known.values() if field.required and given.get(field.name) is None
    ]
    if problems:
        raise BadInput(f"{slug} was not asked, nothing is billed. " + " ".join(problems), model=slug)
    return body


def _unused(slug: str, fields: Iterable[Field], arguments: Mapping[str, Any]) -> Iterable[str]:
    """Name the arguments that were given although this model has no place for them."""
    taken = {field.argument for field in fields} | _ALWAYS_GIVEN
    for name, value in arguments.items():
        if value is not None and name not in taken:
            places = ", ".join(field.name for field in fields if field.argument is None)
            yield f"{slug} has no place for {name}." + (
                f" Its own fields go into model_params: {places}." if places else ""
            )


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def _integer(value: Any, label: str) -> int:
    """Return a whole number from itself or its text: the model's own page sends "5"."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(f"{label} is {value!r}; it must be a whole number.")
    return value
