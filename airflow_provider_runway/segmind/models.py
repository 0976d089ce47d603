"""The model registry: the fields of each model's request body, how long its jobs take, and what they cost.

Fields, ranges, defaults and prices are those of the models' pages on Segmind; latencies are the means that these pages
show.
A slug that is not in the registry passes through unchecked, under the same contract. A user's own models are added
once in a process (``hooks.custom_models_file``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.segmind.http import safe_path_segment
from airflow_provider_runway.segmind.job_price import Price, make_price
from airflow_provider_runway.segmind.model_fields import (
    CHOICE,
    INTEGER,
    REFERENCE_IMAGES,
    TEXT,
    URL,
    ModelField,
    check_json,
    safe_repr,
)
from airflow_provider_runway.segmind.timing import get_timing

DEFAULT_MODEL = "runway-gen3-alphaturbo"
#: For a model that is not known: about the quickest of the family, because polling too early costs less than too late.
UNKNOWN_LATENCY_S = 30.0


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the registry.

    :param latency_s: the mean from submission to completion. :param price: None where it is not known.
    :param successor: the slug to use once this one is retired.
    :param makes: what its outputs are: "video" or "image".
    """

    slug: str
    latency_s: float
    fields: tuple[ModelField, ...]
    price: Price | None = None
    successor: str | None = None
    makes: str = "video"

    def price_usd(self, body: Mapping[str, Any]) -> float | None:
        """Return what a job with these fields costs, in USD; None where that is not known.

        :param body: fields by the API's names. Without a duration, the price is that of the model's default duration.
        """
        if self.price is None:
            return None
        field = next((field for field in self.fields if field.argument == "duration"), None)
        if field is None:
            return self.price.get_usd(None)
        duration = body.get(field.name)
        return self.price.get_usd(field.default if duration is None else duration)

    @property
    def seed_identifies_job(self) -> bool:
        """Can a job of this model be told apart from similar jobs by its seed? Not where few seeds are allowed."""
        return any(
            field.argument == "seed"
            and not field.allowed
            and (field.low is None or field.low <= 1)
            and (field.high is None or field.high >= MAX_SEED)
            for field in self.fields
        )


#: The largest seed of the built-in models.
MAX_SEED = 99_999
_SEED = ModelField("seed", INTEGER, "seed", low=1, high=MAX_SEED)
_PROMPT = ModelField("promptText", TEXT, "prompt_text", required=True)
_IMAGE = ModelField("promptImage", URL, "prompt_image", required=True)
_DURATION = ModelField("duration", INTEGER, "duration", allowed=(5, 10), default=5)
_PAGE_READ_ON = "2026-08-19"
#: The pages of both models say "$0.500 - $1.00 per generation", and Segmind's documentation that 10 s cost twice 5 s.
_TURBO_PRICE = make_price({5: 0.50, 10: 1.00}, "the model's page on Segmind", _PAGE_READ_ON)
_GEN4_RATIOS = ("1280:720", "720:1280", "1104:832", "832:1104", "960:960", "1584:672")
_REFERENCES = ModelField("referenceImages", REFERENCE_IMAGES, "reference_images")
_ALEPH_PRICE = make_price(1.125, "the mean in Segmind's directory of models", _PAGE_READ_ON, is_mean=True)

BUILT_IN_MODELS: Mapping[str, Model] = {
    model.slug: model
    for model in (
        Model(
            "runway-gen3-alphaturbo",
            27.38,
            (_IMAGE, _PROMPT, _DURATION, ModelField("ratio", CHOICE, "ratio", allowed=("16:9", "9:16")), _SEED),
            _TURBO_PRICE,
            successor="runway-gen4-turbo",
        ),
        Model(
            "runway-gen4-turbo",
            38.03,
            (
                _IMAGE,
                _PROMPT,
                _DURATION,
                ModelField("ratio", CHOICE, "ratio", allowed=_GEN4_RATIOS),
                _SEED,
            ),
            _TURBO_PRICE,
        ),
        Model(
            "runway-gen4-aleph",
            171.53,
            (
                ModelField("prompt", TEXT, "prompt_text", required=True),
                ModelField("video", URL, required=True),
                ModelField("aspect_ratio", TEXT, "ratio"),
                _SEED,
            ),
            _ALEPH_PRICE,
            successor="runway-gen4-turbo",
        ),
        Model(
            "runway-gen4-image",
            30.6,
            (
                _PROMPT,
                # The model's page shows two. That three are the most is said by Runway's own API.
                replace(_REFERENCES, required=True, low=1, high=3),
                ModelField("ratio", CHOICE, "ratio", allowed=(*_GEN4_RATIOS, "1920:1080", "1080:1920")),
            ),
            make_price(0.10, "the model's page on Segmind", _PAGE_READ_ON),
            makes="image",
        ),
    )
}

#: Every model that this process knows: the built-in ones, and the user's own.
MODELS: dict[str, Model] = dict(BUILT_IN_MODELS)

#: The fields of a model that is not in the registry: those that most of the family has.
_DEFAULT_FIELDS = (_PROMPT, _IMAGE, _DURATION, ModelField("ratio", TEXT, "ratio"), _SEED, _REFERENCES)
#: Arguments that always have a value. A model without such a field is submitted without it.
_OPTIONAL_ARGUMENTS = frozenset({"duration"})


def register_models(models: Iterable[Model]) -> None:
    """Add models to those that this process knows; one of the same slug is replaced."""
    MODELS.update((model.slug, model) for model in models)


def expected_latency_s(slug: str | None) -> float:
    """Return how many seconds a job of this model is expected to take."""
    model = MODELS.get(slug or "")
    return (model.latency_s if model else UNKNOWN_LATENCY_S) * get_timing().latency_scale


def describe_successor(slug: str) -> str | None:
    """Return what to use where Segmind has retired a model, and what differs there; None where that is not known."""
    model = MODELS.get(slug)
    successor = MODELS.get(model.successor) if model and model.successor else None
    if model is None or successor is None:
        return None
    known = {field.label: field for field in model.fields}
    differences = [
        f"it needs {field.label}" for field in successor.fields if field.required and field.label not in known
    ]
    differences += [
        f"its {field.label} is one of {field.allowed_text}"
        for field in successor.fields
        if field.allowed and (field.label not in known or known[field.label].allowed != field.allowed)
    ]
    return f"If Segmind has retired {slug}, use {'; '.join([f'model={successor.slug!r}', *differences])}."


def describe_unknown_model(slug: str) -> str:
    """Return what to do where the API answers that it has no model of this slug."""
    if slug in MODELS:
        return f"Segmind does not serve {slug} at this address: check the connection's host, or choose another model."
    similar = get_close_matches(slug, MODELS, n=1)
    hint = f" Did you mean {similar[0]!r}?" if similar else ""
    return f"Check the name of the model {slug!r}.{hint} Models known here: {', '.join(MODELS)}."


def seed_field_name(slug: str) -> str:
    """Return the name of the field for the seed, which is "seed" for the whole family."""
    return _find_field_name("seed", slug) or "seed"


def _find_field_name(argument: str, slug: str) -> str | None:
    model = MODELS.get(slug)
    fields = model.fields if model else _DEFAULT_FIELDS
    return next((field.name for field in fields if field.argument == argument), None)


def collect_fields(slug: str, arguments: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> dict[Any, Any]:
    """Return the fields of a body by the API's names, unchecked. The parameters are those of :func:`build_body`."""
    model = MODELS.get(slug)
    fields = model.fields if model else _DEFAULT_FIELDS
    return {**{field.name: arguments.get(field.argument) for field in fields if field.argument}, **(extra or {})}


def find_price_usd(slug: str | None, body: Mapping[str, Any]) -> float | None:
    """Return what a job of a model with these fields costs, in USD; None where that is not known."""
    model = MODELS.get(slug or "")
    return None if model is None else model.price_usd(body)


def build_body(slug: str, arguments: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the request body of a submit, checked before anything is sent.

    :param arguments: the operator's arguments by their own names; None means "not given".
    :param extra: fields by the API's names (``model_params``). They win over the arguments; a None
        leaves a field out, as an unlisted model without such a field may need.
    :raises BadInputError: everything that is wrong, in one message.
    """
    safe_path_segment("model", slug)
    if extra is not None and not isinstance(extra, Mapping):
        raise BadInputError(
            f"model_params must be a dict of fields by the API's names, not {type(extra).__name__}. Nothing was sent.",
            model=slug,
        )
    model = MODELS.get(slug)
    fields = model.fields if model else _DEFAULT_FIELDS
    labels = {field.name: field.label for field in fields}
    given = collect_fields(slug, arguments, extra)
    problems = list(_find_unused_arguments(slug, fields, arguments)) if model else []
    body: dict[str, Any] = {}
    known = {field.name: field for field in fields} if model else {}
    for name, value in given.items():
        if value is None:
            continue
        try:
            if not isinstance(name, str):
                raise BadInputError(f"model_params has the field {safe_repr(name)}; allowed: texts, as JSON has it.")
            body[name] = known[name].validate(value) if name in known else value
            check_json(labels.get(name, f"{safe_repr(name)} of model_params"), body[name])
        except BadInputError as problem:
            problems.append(str(problem))
    problems += [
        f"{field.label} is missing; allowed: {field.allowed_text}."
        for field in known.values()
        if field.required and given.get(field.name) is None
    ]
    if problems:
        text = f"{slug} was not asked, nothing is billed. " + " ".join(problems)
        raise BadInputError(text, model=slug, problems=problems)
    return body


def _find_unused_arguments(slug: str, fields: Iterable[ModelField], arguments: Mapping[str, Any]) -> Iterable[str]:
    """Yield a sentence for each argument that has a value although the model has no field for it."""
    taken = {field.argument for field in fields} | _OPTIONAL_ARGUMENTS
    for name, value in arguments.items():
        if value is not None and name not in taken:
            names = ", ".join(field.name for field in fields if field.argument is None)
            yield f"{slug} has no field for {name}." + (
                f" Its own fields go into model_params: {names}." if names else ""
            )
