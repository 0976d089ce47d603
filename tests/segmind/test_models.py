"""Every rule of the catalogue is tried at its edges; what is wrong is said at once, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.segmind.model_fields import (
    BOOLEAN,
    CHOICE,
    INTEGER,
    KINDS,
    NUMBER,
    TEXT,
    URL,
    ModelField,
    safe_repr,
)
from airflow_provider_runway.segmind.models import (
    MODELS,
    UNKNOWN_LATENCY_S,
    Model,
    build_body,
    expected_latency_s,
    image_field_name,
    seed_field_name,
)

SLUG = "runway-gen3-alphaturbo"
GOOD_URL = "https://images.segmind.com/a.png"


def _good(field: ModelField) -> Any:
    """A value that the field takes."""
    if field.allowed:
        return field.allowed[0]
    return {TEXT: "a text", URL: GOOD_URL, INTEGER: field.low, CHOICE: None}[field.kind]


def _bad(field: ModelField) -> list[Any]:
    """Values that the field refuses, as far as its rules say."""
    wrong: list[Any] = ["", "  ", 7, [], True] if field.kind in (TEXT, URL) else []
    if field.kind == URL:
        wrong += ["http://a.invalid/x.png", "/tmp/x.png", "data:image/png;base64,AA", "https://", "https://[x", "x"]
    if field.kind == INTEGER:
        wrong += [True, 5.0, "five", "", "-5", "5.0", [5]]
    if field.allowed:
        wrong += [0, "16:10", "", [], {}]
    if field.low is not None and field.high is not None:
        wrong += [field.low - 1, field.high + 1]
    return wrong


def _filled(slug: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments and model_params that fill every field of a model."""
    fields = MODELS[slug].fields
    return {f.argument: _good(f) for f in fields if f.argument}, {f.name: _good(f) for f in fields if not f.argument}


FIELDS = [(slug, field) for slug, model in MODELS.items() for field in model.fields]
BAD = [
    pytest.param(slug, field, value, id=f"{slug}, {field.name}={value!r}")
    for slug, field in FIELDS
    for value in _bad(field)
]


@pytest.mark.parametrize("slug", MODELS)
def test_a_full_body_has_the_models_own_field_names(slug: str) -> None:
    arguments, extra = _filled(slug)
    body = build_body(slug, arguments, extra)
    assert body == {field.name: _good(field) for field in MODELS[slug].fields}


@pytest.mark.parametrize(("slug", "field"), FIELDS, ids=lambda row: getattr(row, "name", row))
def test_every_allowed_value_and_every_edge_passes(slug: str, field: ModelField) -> None:
    for value in (*field.allowed, *(edge for edge in (field.low, field.high) if edge is not None)):
        arguments, extra = _filled(slug)
        assert build_body(slug, arguments, extra | {field.name: value})[field.name] == value


@pytest.mark.parametrize(("slug", "field", "value"), BAD)
def test_a_value_outside_the_rules_is_refused_by_its_own_name(slug: str, field: ModelField, value: Any) -> None:
    arguments, extra = _filled(slug)
    with pytest.raises(BadInputError, match=f"{field.label}"):
        build_body(slug, arguments, extra | {field.name: value})


@pytest.mark.parametrize(("slug", "field"), FIELDS, ids=lambda row: getattr(row, "name", row))
def test_only_a_required_field_must_be_there(slug: str, field: ModelField) -> None:
    arguments, extra = _filled(slug)
    taken_out = extra | {field.name: None}
    if field.required:
        with pytest.raises(BadInputError, match=f"{field.label} is missing"):
            build_body(slug, arguments, taken_out)
    else:
        assert field.name not in build_body(slug, arguments, taken_out)


@pytest.mark.parametrize(("text", "number"), [("5", 5), ("10", 10), (" 5 ", 5)])
def test_a_duration_may_come_as_text(text: str, number: int) -> None:
    arguments, extra = _filled(SLUG)
    assert build_body(SLUG, arguments | {"duration": text}, extra)["duration"] == number


def test_everything_that_is_wrong_is_said_in_one_message() -> None:
    with pytest.raises(BadInputError) as caught:
        build_body(SLUG, {"prompt_text": "", "duration": 7, "ratio": "4:3", "seed": 0, "style": "noir"})
    said = str(caught.value)
    for name in ("prompt_text", "duration", "ratio", "seed", "prompt_image is missing", "no place for style"):
        assert name in said
    assert "nothing is billed" in said
    assert caught.value.facts == {"model": SLUG}


def test_an_argument_without_a_place_names_where_the_models_own_fields_go() -> None:
    with pytest.raises(BadInputError, match=r"no place for prompt_image\. Its own fields go into model_params: video"):
        build_body("runway-gen4-aleph", {"prompt_text": "x", "prompt_image": GOOD_URL}, {"video": GOOD_URL})


def test_model_params_win_over_arguments() -> None:
    arguments, _ = _filled(SLUG)
    body = build_body(SLUG, arguments, {"promptText": "another", "seed": 9, "new_field": [1]})
    assert (body["promptText"], body["seed"], body["new_field"]) == ("another", 9, [1])


def test_an_unlisted_slug_passes_unchecked() -> None:
    body = build_body("veo-9", {"prompt_text": "x", "duration": 7, "seed": -1}, {"cfg": 0.5, "duration": None})
    assert body == {"promptText": "x", "seed": -1, "cfg": 0.5}


@pytest.mark.parametrize("slug", ["", "../v1/x", "a/b", "a?b", "a%2Fb", "a#b", " a", "a..b", "é", "a" * 129, None, 7])
def test_a_slug_that_would_leave_its_path_is_refused(slug: Any) -> None:
    with pytest.raises(BadInputError, match="model="):
        build_body(slug, {})


@given(st.text())
def test_reading_a_field_raises_nothing_but_bad_input(text: str) -> None:
    for _, field in FIELDS:
        try:
            field.validate(text)
        except BadInputError as problem:
            assert field.label in str(problem)


@pytest.mark.parametrize(
    ("slug", "field", "seed_identifies_job"),
    [
        pytest.param(SLUG, "promptImage", True, id="listed"),
        pytest.param("runway-gen4-aleph", None, True, id="takes no picture"),
        pytest.param("veo-9", "promptImage", None, id="unlisted: as most do"),
    ],
)
def test_the_catalogue_knows_pictures_and_seeds(slug: str, field: str | None, seed_identifies_job: bool | None) -> None:
    assert image_field_name(slug) == field
    assert seed_field_name(slug) == "seed"
    assert (MODELS[slug].seed_identifies_job if slug in MODELS else None) == seed_identifies_job


def test_an_unknown_model_is_expected_like_the_quick_ones() -> None:
    assert expected_latency_s(None) == expected_latency_s("veo-9") == UNKNOWN_LATENCY_S
    assert [expected_latency_s(slug) for slug in MODELS] == [model.latency_s for model in MODELS.values()]


#: One field of each kind with rules of its own -> how a message names what it takes.
KIND_OF_FIELD = [
    pytest.param(ModelField("x", TEXT), "a text", id="text"),
    pytest.param(ModelField("x", URL), "an https URL that Segmind can fetch", id="URL"),
    pytest.param(ModelField("x", INTEGER), "a whole number", id="any whole number"),
    pytest.param(ModelField("x", INTEGER, low=1, high=9), "a whole number from 1 to 9", id="a range"),
    pytest.param(ModelField("x", INTEGER, low=1), "a whole number from 1", id="a range that is open above"),
    pytest.param(ModelField("x", INTEGER, allowed=(5, 10)), "a whole number: 5, 10", id="some whole numbers"),
    pytest.param(ModelField("x", NUMBER, low=0, high=1.5), "a number from 0 to 1.5", id="number"),
    pytest.param(ModelField("x", CHOICE, allowed=("a", 2)), "'a', 2", id="choice"),
    pytest.param(ModelField("x", BOOLEAN), "True or False", id="boolean"),
]


def test_that_every_kind_stands_in_the_table() -> None:
    assert {row.values[0].kind for row in KIND_OF_FIELD} == set(KINDS)  # type: ignore[union-attr]


#: What no field that is no text takes, and no text either, but for one.
STRANGE = {
    "a list": [],
    "a dict": {1: 2},
    "bytes": b"\xff",
    "an object": object(),
    "a giant number": 10**5000,
    "a giant number as text": "9" * 5000,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "half a character": "\ud800",
    "a zero byte": "a\x00b",
    "a blank": " ",
}


@pytest.mark.parametrize(("field", "takes"), KIND_OF_FIELD)
@pytest.mark.parametrize("value", STRANGE.values(), ids=STRANGE)
def test_a_wrong_value_of_any_kind_names_what_is_allowed(field: ModelField, takes: str, value: Any) -> None:
    try:
        read = field.validate(value)
    except BadInputError as problem:
        said = str(problem)
        assert said.startswith("x ")
        assert said.endswith(f"; allowed: {takes}.")
        assert len(said) < 200
        assert said.isprintable()
    else:
        assert isinstance(read, (str, int))  # it fits: a text for a text, a number without a range


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        pytest.param(ModelField("x", NUMBER), "0.5", 0.5, id="a number as text"),
        pytest.param(ModelField("x", NUMBER), 3, 3, id="a whole number for a number"),
        pytest.param(ModelField("x", BOOLEAN), " True ", True, id="yes as a template renders it"),
        pytest.param(ModelField("x", BOOLEAN), "false", False, id="no as text"),
        pytest.param(ModelField("x", INTEGER, low=-9, high=9), "-5", -5, id="a whole number below zero"),
        pytest.param(ModelField("x", TEXT), "two\nlines\tand more", "two\nlines\tand more", id="white space in a text"),
    ],
)
def test_a_value_is_read_as_the_api_takes_it(field: ModelField, value: Any, read: Any) -> None:
    assert field.validate(value) == read
    assert type(field.validate(value)) is type(read)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(ModelField("x", CHOICE, allowed=(1, 2)), True, id="yes is not 1"),
        pytest.param(ModelField("x", BOOLEAN), 1, id="1 is not yes"),
        pytest.param(ModelField("x", NUMBER), True, id="yes is no number"),
        pytest.param(ModelField("x", NUMBER), "nan", id="what is no number"),
        pytest.param(ModelField("x", URL), "https://a.invalid/x.png\n", id="a URL with a line break"),
        pytest.param(ModelField("x", URL), " https://a.invalid/x.png", id="a URL with a blank"),
        pytest.param(ModelField("x", URL), "https://a.invalid:port/x.png", id="a URL with a port that is none"),
    ],
)
def test_what_only_python_takes_for_the_same_is_refused(field: ModelField, value: Any) -> None:
    with pytest.raises(BadInputError, match="allowed"):
        field.validate(value)


def test_no_message_shows_a_prompt_or_the_query_of_a_url() -> None:
    with pytest.raises(BadInputError) as caught:
        build_body(SLUG, {"prompt_text": "a secret\x00prompt", "prompt_image": "http://a.invalid/?signature=abc"})
    assert "secret" not in str(caught.value)
    assert "signature" not in str(caught.value)


class Spiteful:
    """A value that cannot even be looked at."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


LONG: dict[str, Any] = {
    "a class": Spiteful(),
    "a number": 10**5000,
    "a text": "x" * 10**6,
    "bytes": b"x" * 10**6,
    "unprintable": "\ud800\n\x00",
    "a list": ["x"] * 10**5,
}


@pytest.mark.parametrize("value", LONG.values(), ids=LONG)
def test_any_value_can_be_shown_on_a_short_line(value: Any) -> None:
    text = safe_repr(value)
    assert len(text) < 80
    assert text.isprintable()


class Stranger:
    """What JSON has no form for."""


@pytest.mark.parametrize("slug", [SLUG, "veo-9"])
@pytest.mark.parametrize(
    ("extra", "said"),
    [
        pytest.param({"cfg": float("nan")}, "'cfg' of model_params is not plain JSON", id="NaN"),
        pytest.param({"cfg": Stranger()}, "'cfg' of model_params is not plain JSON", id="a class"),
        pytest.param({"cfg": "\ud800"}, "'cfg' of model_params is not plain JSON", id="half a character"),
        pytest.param({"cfg": 10**5000}, "'cfg' of model_params is not plain JSON", id="a giant number"),
        pytest.param({"\ud800": 1, 7: 2}, "model_params has the field 7", id="a name that is no text"),
        pytest.param("cfg", "model_params must be a dict", id="parameters that are a text"),
        pytest.param([("cfg", 1)], "model_params must be a dict", id="parameters that are a list"),
    ],
)
def test_parameters_without_a_form_in_json_are_refused_by_name(slug: str, extra: Any, said: str) -> None:
    with pytest.raises(BadInputError) as caught:
        build_body(slug, {"prompt_text": "x", "prompt_image": GOOD_URL}, extra)
    assert said in str(caught.value)
    assert "nothing is billed" in str(caught.value).lower() or "Nothing was sent" in str(caught.value)


def test_brackets_without_end_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (endless, deep):
        with pytest.raises(BadInputError, match="is not plain JSON"):
            build_body("veo-9", {}, {"cfg": value})


@pytest.mark.parametrize(
    ("seed", "derived"),
    [
        pytest.param(ModelField("random", INTEGER, "seed"), True, id="any seed"),
        pytest.param(ModelField("random", INTEGER, "seed", low=0, high=2**31), True, id="many seeds"),
        pytest.param(ModelField("random", INTEGER, "seed", low=1, high=1000), False, id="too few to tell jobs apart"),
        pytest.param(ModelField("random", INTEGER, "seed", allowed=(1, 2)), False, id="two"),
    ],
)
def test_a_seed_is_derived_only_where_the_model_takes_all_of_them(seed: ModelField, derived: bool) -> None:
    assert Model("a", 1.0, (seed,)).seed_identifies_job is derived
