"""Every rule of the model registry is tried at its edges, and what is wrong is said before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.segmind.model_fields import CHOICE, INTEGER, REFERENCE_IMAGES, TEXT, URL, ModelField
from airflow_provider_runway.segmind.models import (
    BUILT_IN_MODELS,
    MODELS,
    UNKNOWN_LATENCY_S,
    Model,
    build_body,
    describe_unknown_model,
    expected_latency_s,
    seed_field_name,
)
from airflow_provider_runway.segmind.timing import Timing, set_timing

SLUG = "runway-gen3-alphaturbo"
GOOD_URL = "https://images.segmind.com/a.png"


def make_valid_value(field: ModelField) -> Any:
    if field.allowed:
        return field.allowed[0]
    references = [{"uri": GOOD_URL, "tag": "hero"}]
    return {TEXT: "a text", URL: GOOD_URL, INTEGER: field.low, CHOICE: None, REFERENCE_IMAGES: references}[field.kind]


def make_wrong_values(field: ModelField) -> list[Any]:
    wrong: list[Any] = [[], True]
    if field.kind in (TEXT, URL):
        wrong += ["  ", 7]
    if field.kind == URL:
        wrong.append("http://a.invalid/x.png")
    if field.allowed:
        wrong.append("16:10")
    if field.kind == REFERENCE_IMAGES:
        hero = {"uri": GOOD_URL, "tag": "hero"}
        return [*wrong, hero, [hero] * 2, [{**hero, "tag": f"hero{number}"} for number in range(4)], [GOOD_URL]]
    if field.low is not None and field.high is not None:
        wrong += [field.low - 1, field.high + 1]
    return wrong


def fill(slug: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments and model_params that fill every field of a model."""
    fields = MODELS[slug].fields
    return (
        {field.argument: make_valid_value(field) for field in fields if field.argument},
        {field.name: make_valid_value(field) for field in fields if not field.argument},
    )


@pytest.mark.parametrize("slug", BUILT_IN_MODELS)
def test_a_full_body_has_the_models_own_field_names(slug: str) -> None:
    body = build_body(slug, *fill(slug))
    assert body == {field.name: make_valid_value(field) for field in MODELS[slug].fields}


@pytest.mark.parametrize("slug", BUILT_IN_MODELS)
def test_each_field_takes_its_allowed_values_and_both_ends_of_its_range(slug: str) -> None:
    arguments, extra = fill(slug)
    for field in MODELS[slug].fields:
        ends = () if field.kind == REFERENCE_IMAGES else (field.low, field.high)
        for value in (*field.allowed, *(end for end in ends if end is not None)):
            assert build_body(slug, arguments, extra | {field.name: value})[field.name] == value


@pytest.mark.parametrize("slug", BUILT_IN_MODELS)
def test_each_field_refuses_other_values_under_the_name_that_the_author_wrote(slug: str) -> None:
    arguments, extra = fill(slug)
    for field in MODELS[slug].fields:
        for value in make_wrong_values(field):
            with pytest.raises(BadInputError, match=field.label):
                build_body(slug, arguments, extra | {field.name: value})


@pytest.mark.parametrize("slug", BUILT_IN_MODELS)
def test_only_a_required_field_must_be_there(slug: str) -> None:
    arguments, extra = fill(slug)
    for field in MODELS[slug].fields:
        without = extra | {field.name: None}
        if field.required:
            with pytest.raises(BadInputError, match=f"{field.label} is missing"):
                build_body(slug, arguments, without)
        else:
            assert field.name not in build_body(slug, arguments, without)


def test_a_duration_may_come_as_text() -> None:
    arguments, extra = fill(SLUG)
    assert build_body(SLUG, arguments | {"duration": " 10 "}, extra)["duration"] == 10


def test_everything_that_is_wrong_is_said_in_one_message() -> None:
    with pytest.raises(BadInputError) as caught:
        build_body(SLUG, {"prompt_text": "", "duration": 7, "ratio": "4:3", "seed": 0, "style": "noir"})
    for words in ("prompt_text", "duration", "ratio", "seed", "prompt_image is missing", "no field for style"):
        assert words in str(caught.value)
    assert "nothing is billed" in str(caught.value)
    assert caught.value.facts["model"] == SLUG
    assert len(caught.value.facts["problems"]) == 6


def test_an_argument_without_a_field_names_where_the_models_own_fields_go() -> None:
    with pytest.raises(BadInputError, match=r"no field for prompt_image\. Its own fields go into model_params: video"):
        build_body("runway-gen4-aleph", {"prompt_text": "x", "prompt_image": GOOD_URL}, {"video": GOOD_URL})


def test_model_params_win_over_arguments() -> None:
    arguments, _ = fill(SLUG)
    body = build_body(SLUG, arguments, {"promptText": "another", "seed": 9, "new_field": [1]})
    assert (body["promptText"], body["seed"], body["new_field"]) == ("another", 9, [1])


def test_an_unlisted_slug_passes_unchecked() -> None:
    body = build_body("veo-9", {"prompt_text": "x", "duration": 7, "seed": -1}, {"cfg": 0.5, "duration": None})
    assert body == {"promptText": "x", "seed": -1, "cfg": 0.5}


def test_a_slug_that_would_lead_to_another_path_is_refused() -> None:
    slugs: list[Any] = ["", "../v1/x", "a?b", "a%2Fb", " a", "a..b", "é", "a" * 129, None]
    for slug in slugs:
        with pytest.raises(BadInputError, match="model="):
            build_body(slug, {})


def test_a_job_is_known_by_its_seed_where_the_model_takes_one() -> None:
    assert {seed_field_name(slug) for slug in (*BUILT_IN_MODELS, "veo-9")} == {"seed"}
    assert [slug for slug, model in BUILT_IN_MODELS.items() if not model.seed_identifies_job] == ["runway-gen4-image"]


def test_an_unknown_model_is_expected_to_be_quick_and_tests_scale_every_latency() -> None:
    assert expected_latency_s(None) == expected_latency_s("veo-9") == UNKNOWN_LATENCY_S
    assert expected_latency_s(SLUG) == BUILT_IN_MODELS[SLUG].latency_s
    before = set_timing(Timing(latency_scale=0.5))
    try:
        assert expected_latency_s(SLUG) == BUILT_IN_MODELS[SLUG].latency_s / 2
    finally:
        set_timing(before)


def test_no_message_shows_a_prompt_or_the_query_of_a_url() -> None:
    with pytest.raises(BadInputError) as caught:
        build_body(SLUG, {"prompt_text": "a secret\x00prompt", "prompt_image": "http://a.invalid/?signature=abc"})
    assert "secret" not in str(caught.value)
    assert "signature" not in str(caught.value)


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


def test_parameters_without_a_form_in_json_are_refused_by_name(subtests: pytest.Subtests) -> None:
    for case, extra, words in (
        ("NaN", {"cfg": float("nan")}, "'cfg' of model_params is not plain JSON"),
        ("an object", {"cfg": object()}, "'cfg' of model_params is not plain JSON"),
        ("half a character", {"cfg": "\ud800"}, "'cfg' of model_params is not plain JSON"),
        ("a giant number", {"cfg": 10**5000}, "'cfg' of model_params is not plain JSON"),
        ("a list that holds itself", {"cfg": ENDLESS}, "'cfg' of model_params is not plain JSON"),
        ("a name that is no text", {"\ud800": 1, 7: 2}, "model_params has the field 7"),
        ("a list", [("cfg", 1)], "model_params must be a dict"),
    ):
        with subtests.test(case):
            for slug in (SLUG, "veo-9"):
                with pytest.raises(BadInputError) as caught:
                    build_body(slug, {"prompt_text": "x", "prompt_image": GOOD_URL}, extra)
                assert words in str(caught.value)
                assert "nothing is billed" in str(caught.value).lower() or "Nothing was sent" in str(caught.value)


def test_a_seed_identifies_a_job_only_where_the_model_takes_all_of_them(subtests: pytest.Subtests) -> None:
    for case, seed, identifies in (
        ("any seed", ModelField("random", INTEGER, "seed"), True),
        ("many seeds", ModelField("random", INTEGER, "seed", low=0, high=2**31), True),
        ("too few to tell jobs apart", ModelField("random", INTEGER, "seed", low=1, high=1000), False),
        ("two", ModelField("random", INTEGER, "seed", allowed=(1, 2)), False),
    ):
        with subtests.test(case):
            assert Model("a", 1.0, (seed,)).seed_identifies_job is identifies


@pytest.mark.parametrize(
    ("slug", "advice"),
    [
        (
            "runway-gen3-alpha-turbo",
            "Did you mean 'runway-gen3-alphaturbo'? Models known here: runway-gen3-alphaturbo, ",
        ),
        ("m", "Check the name of the model 'm'. Models known here: "),
        ("runway-gen4-turbo", "Segmind does not serve runway-gen4-turbo at this address: check the connection's host"),
    ],
)
def test_the_advice_for_a_model_that_the_api_does_not_have_names_it(slug: str, advice: str) -> None:
    assert advice in describe_unknown_model(slug)
