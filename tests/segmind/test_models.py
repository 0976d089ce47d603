"""Every rule of the catalogue is tried at its edges; what is wrong is said at once, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BadInput
from airflow_provider_runway.segmind.models import (
    CATALOGUE,
    CHOICE,
    INTEGER,
    TEXT,
    UNKNOWN_LATENCY_S,
    URL,
    Field,
    body_for,
    expected_latency_s,
    image_field,
)

SLUG = "runway-gen3-alphaturbo"
GOOD_URL = "https://images.segmind.com/a.png"


def _good(field: Field) -> Any:
    """A value that the field takes."""
    if field.allowed:
        return field.allowed[0]
    return {TEXT: "a text", URL: GOOD_URL, INTEGER: field.low, CHOICE: None}[field.kind]


def _bad(field: Field) -> list[Any]:
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
    fields = CATALOGUE[slug].fields
    return {f.argument: _good(f) for f in fields if f.argument}, {f.name: _good(f) for f in fields if not f.argument}


FIELDS = [(slug, field) for slug, model in CATALOGUE.items() for field in model.fields]
BAD = [
    pytest.param(slug, field, value, id=f"{slug}, {field.name}={value!r}")
    for slug, field in FIELDS
    for value in _bad(field)
]


@pytest.mark.parametrize("slug", CATALOGUE)
def test_a_full_body_has_the_models_own_field_names(slug: str) -> None:
    arguments, extra = _filled(slug)
    body = body_for(slug, arguments, extra)
    assert body == {field.name: _good(field) for field in CATALOGUE[slug].fields}


@pytest.mark.parametrize(("slug", "field"), FIELDS, ids=lambda row: getattr(row, "name", row))
def test_every_allowed_value_and_every_edge_passes(slug: str, field: Field) -> None:
    for value in (*field.allowed, *(edge for edge in (field.low, field.high) if edge is not None)):
        arguments, extra = _filled(slug)
        assert body_for(slug, arguments, extra | {field.name: value})[field.name] == value


@pytest.mark.parametrize(("slug", "field", "value"), BAD)
def test_a_value_outside_the_rules_is_refused_by_its_own_name(slug: str, field: Field, value: Any) -> None:
    arguments, extra = _filled(slug)
    with pytest.raises(BadInput, match=f"{field.label}"):
        body_for(slug, arguments, extra | {field.name: value})


@pytest.mark.parametrize(("slug", "field"), FIELDS, ids=lambda row: getattr(row, "name", row))
def test_only_a_required_field_must_be_there(slug: str, field: Field) -> None:
    arguments, extra = _filled(slug)
    taken_out = extra | {field.name: None}
    if field.required:
        with pytest.raises(BadInput, match=f"{field.label} is missing"):
            body_for(slug, arguments, taken_out)
    else:
        assert field.name not in body_for(slug, arguments, taken_out)


@pytest.mark.parametrize(("text", "number"), [("5", 5), ("10", 10), (" 5 ", 5)])
def test_a_duration_may_come_as_text(text: str, number: int) -> None:
    arguments, extra = _filled(SLUG)
    assert body_for(SLUG, arguments | {"duration": text}, extra)["duration"] == number


def test_everything_that_is_wrong_is_said_in_one_message() -> None:
    with pytest.raises(BadInput) as caught:
        body_for(SLUG, {"prompt_text": "", "duration": 7, "ratio": "4:3", "seed": 0, "style": "noir"})
    said = str(caught.value)
    for name in ("prompt_text", "duration", "ratio", "seed", "prompt_image is missing", "no place for style"):
        assert name in said
    assert "nothing is billed" in said
    assert caught.value.facts == {"model": SLUG}


def test_an_argument_without_a_place_names_where_the_models_own_fields_go() -> None:
    with pytest.raises(BadInput, match=r"no place for prompt_image\. Its own fields go into model_params: video"):
        body_for("runway-gen4-aleph", {"prompt_text": "x", "prompt_image": GOOD_URL}, {"video": GOOD_URL})


def test_model_params_win_over_arguments() -> None:
    arguments, _ = _filled(SLUG)
    body = body_for(SLUG, arguments, {"promptText": "another", "seed": 9, "new_field": [1]})
    assert (body["promptText"], body["seed"], body["new_field"]) == ("another", 9, [1])


def test_an_unlisted_slug_passes_unchecked() -> None:
    body = body_for("veo-9", {"prompt_text": "x", "duration": 7, "seed": -1}, {"cfg": 0.5, "duration": None})
    assert body == {"promptText": "x", "seed": -1, "cfg": 0.5}


@pytest.mark.parametrize("slug", ["", "../v1/x", "a/b", "a?b", "a%2Fb", "a#b", " a", "a..b", "é", "a" * 129, None, 7])
def test_a_slug_that_would_leave_its_path_is_refused(slug: Any) -> None:
    with pytest.raises(BadInput, match="model="):
        body_for(slug, {})


@given(st.text())
def test_reading_a_field_raises_nothing_but_bad_input(text: str) -> None:
    for _, field in FIELDS:
        try:
            field.read(text)
        except BadInput as problem:
            assert field.label in str(problem)


@pytest.mark.parametrize(
    ("slug", "field", "takes_seed"),
    [
        pytest.param(SLUG, "promptImage", True, id="listed"),
        pytest.param("runway-gen4-aleph", None, True, id="takes no picture"),
        pytest.param("veo-9", "promptImage", None, id="unlisted: as most do"),
    ],
)
def test_the_catalogue_knows_pictures_and_seeds(slug: str, field: str | None, takes_seed: bool | None) -> None:
    assert image_field(slug) == field
    assert (CATALOGUE[slug].takes_seed if slug in CATALOGUE else None) == takes_seed


def test_an_unknown_model_is_expected_like_the_quick_ones() -> None:
    assert expected_latency_s(None) == expected_latency_s("veo-9") == UNKNOWN_LATENCY_S
    assert [expected_latency_s(slug) for slug in CATALOGUE] == [model.latency_s for model in CATALOGUE.values()]
