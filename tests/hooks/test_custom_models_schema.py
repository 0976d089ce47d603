"""The parser of the models file: what it accepts, and one message for everything that is wrong in a file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.hooks.custom_models_schema import ARGUMENT_KINDS, parse_models
from airflow_provider_runway.segmind.job_price import Price
from airflow_provider_runway.segmind.model_fields import KINDS, ModelField
from airflow_provider_runway.segmind.models import BUILT_IN_MODELS, UNKNOWN_LATENCY_S, Model

PROMPT = {"name": "prompt", "kind": "text", "argument": "prompt_text", "required": True}


def parse(entries: Any) -> list[Model]:
    return parse_models(json.dumps(entries), "/etc/models.json")


def test_a_full_entry_becomes_a_model() -> None:
    rows = [
        PROMPT,
        {"name": "image_url", "kind": "url", "argument": "prompt_image"},
        {"name": "seconds", "kind": "choice", "argument": "duration", "allowed": [4, 8]},
        {"name": "cfg_scale", "kind": "number", "low": 0, "high": 1.5},
        {"name": "audio", "kind": "boolean", "argument": None},
    ]
    assert parse({"veo-9": {"latency_s": 80, "fields": rows}}) == [
        Model(
            "veo-9",
            80.0,
            (
                ModelField("prompt", "text", "prompt_text", required=True),
                ModelField("image_url", "url", "prompt_image"),
                ModelField("seconds", "choice", "duration", allowed=(4, 8)),
                ModelField("cfg_scale", "number", low=0, high=1.5),
                ModelField("audio", "boolean"),
            ),
        )
    ]


def test_an_entry_without_a_latency_gets_that_of_an_unknown_model() -> None:
    (model,) = parse({"veo-9": {"fields": [PROMPT]}})
    assert model.latency_s == UNKNOWN_LATENCY_S


@pytest.mark.parametrize("slug", BUILT_IN_MODELS)
def test_a_built_in_model_keeps_what_an_entry_leaves_out(slug: str) -> None:
    (model,) = parse({slug: {"latency_s": 12.5}})
    assert model == replace(BUILT_IN_MODELS[slug], latency_s=12.5)
    (model,) = parse({slug: {"fields": [PROMPT]}})
    assert model == replace(BUILT_IN_MODELS[slug], fields=model.fields)
    assert len(model.fields) == 1
    (model,) = parse({slug: {"price": {"usd": 2}}})
    assert model == replace(BUILT_IN_MODELS[slug], price=model.price)
    assert model.price_usd({}) == 2.0


def test_a_price_is_one_amount_or_one_for_each_duration() -> None:
    seconds = {"name": "seconds", "kind": "integer", "argument": "duration", "allowed": [4, 8], "default": 8}
    price = {"usd_by_duration": {"4": 0.2, "8.0": 0.4}, "source": "the bill of May", "as_of": "2026-05-31"}
    (model,) = parse({"veo-9": {"fields": [PROMPT, seconds], "price": price}})
    assert [model.price_usd(body) for body in ({"seconds": 4}, {"seconds": "8"}, {}, {"seconds": 6})] == [
        0.2,
        0.4,
        0.4,
        None,
    ]
    assert model.price is not None
    assert (model.price.source, model.price.as_of) == ("the bill of May", "2026-05-31")
    (model,) = parse({"veo-9": {"fields": [PROMPT], "price": {"usd": 0}}})
    assert model.price_usd({"seconds": 3}) == 0.0


def write_price(price: Price | None) -> dict[str, Any]:
    assert price is not None
    usd = (
        {"usd": price.usd}
        if price.usd is not None
        else {"usd_by_duration": {str(k): v for k, v in price.usd_by_duration}}
    )
    return {**usd, "source": price.source, "as_of": price.as_of, "is_mean": price.is_mean}


def test_the_built_in_models_can_be_written_as_such_a_file() -> None:
    entries = {
        slug: {
            "latency_s": model.latency_s,
            "fields": [
                {name: getattr(field, name) for name in ModelField.__slots__} | {"allowed": list(field.allowed)}
                for field in model.fields
            ],
            "price": write_price(model.price),
            "makes": model.makes,
        }
        for slug, model in BUILT_IN_MODELS.items()
    }
    models = parse(entries)
    assert [replace(model, price=None) for model in models] == [
        replace(model, price=None) for model in BUILT_IN_MODELS.values()
    ]
    assert [write_price(model.price) for model in models] == [entry["price"] for entry in entries.values()]


def with_field(**properties: Any) -> dict[str, Any]:
    """Return a file with one field, which has these properties."""
    return {"veo-9": {"fields": [{"name": "x", "kind": "text", **properties}]}}


KIND_WORDS = "'text', 'url', 'integer', 'number', 'choice', 'boolean' or 'reference_images'"
INVALID = [
    ("a list", [], "It must be a JSON object"),
    ("a slug with a slash", {"a/b": {"fields": [PROMPT]}}, "Entry 'a/b': slug='a/b' is not usable"),
    ("an entry that is a list", {"veo-9": []}, "Entry 'veo-9': must be a JSON object"),
    ("a misspelt latency", {"veo-9": {"latency": 3}}, "Entry 'veo-9', latency: is no known property"),
    ("no fields", {"veo-9": {"latency_s": 3}}, "Entry 'veo-9': fields is missing"),
    ("an empty list of fields", {"veo-9": {"fields": []}}, "Entry 'veo-9', fields: must not be empty"),
    ("fields by name", {"veo-9": {"fields": {}}}, "Entry 'veo-9', fields: is {}; it must be a list"),
    *(
        (
            f"latency {latency_s!r}",
            {"veo-9": {"latency_s": latency_s, "fields": [PROMPT]}},
            f"Entry 'veo-9', latency_s: is {latency_s!r}; it must be",
        )
        for latency_s in (0, "40", True, None)
    ),
    ("a field as text", {"veo-9": {"fields": ["x"]}}, "Entry 'veo-9', field 1: must be a JSON object"),
    ("no name", {"veo-9": {"fields": [PROMPT, {"kind": "text"}]}}, "field 2, name: is missing"),
    ("an empty name", with_field(name=" "), "Entry 'veo-9', field 1: name is empty"),
    ("a name that is a number", with_field(name=7), "field 1, name: is 7; it must be text"),
    ("an unknown kind", with_field(kind="string"), f"kind: is 'string'; allowed: {KIND_WORDS}"),
    ("an argument", with_field(argument="prompt"), "argument: is 'prompt'; allowed: 'prompt_text'"),
    ("a seed that is a text", with_field(argument="seed"), "fills a field of kind integer, not text"),
    ("required: 1", with_field(required=1), "required: is 1; it must be true or false"),
    ("allowed that is no list", with_field(allowed="abc"), "allowed: is 'abc'; it must be a list"),
    ("a choice of nothing", with_field(kind="choice"), "a choice needs the list"),
    ("no integer", with_field(kind="integer", allowed=[5, "x"]), "allowed has 'x', which the field"),
    ("a choice of lists", with_field(kind="choice", allowed=[[1]]), "allowed has [1]; it takes texts"),
    ("a text from 1", with_field(low=1), "low and high are for kind integer, number or reference_images, not text"),
    ("low: true", with_field(kind="integer", low=True), "low: is True; it must be a number"),
    ("low above high", with_field(kind="integer", low=9, high=1), "low is 9, and high is 1"),
    ("an impossible default", with_field(kind="integer", default="x"), "default is 'x', which the field"),
    *(
        (f"{price}", {"veo-9": {"fields": [PROMPT], "price": price}}, f"Entry 'veo-9', price{words}")
        for price, words in (
            (0.5, ": must be a JSON object"),
            ({}, ": a price has either usd or usd_by_duration"),
            ({"usd": 1, "usd_by_duration": {"5": 1}}, ": a price has either usd or usd_by_duration"),
            ({"usd": -1}, ", usd: is -1; it must not be less than 0"),
            ({"usd": "0.50"}, ", usd: is '0.50'; it must be a number"),
            ({"usd_by_duration": {}}, ", usd_by_duration: must not be empty"),
            ({"usd_by_duration": {"5": None}}, ", usd_by_duration, 5: is None; it must be a number"),
            ({"amount": 1}, ", amount: is no known property"),
        )
    ),
    (
        "a duration without an amount",
        {"runway-gen4-turbo": {"price": {"usd_by_duration": {"5": 0.4}}}},
        "Entry 'runway-gen4-turbo', price: usd_by_duration has no amount for 10",
    ),
    ("an unknown property", with_field(max=9), "Entry 'veo-9', field 1, max: is no known property"),
    ("one name twice", {"veo-9": {"fields": [PROMPT, PROMPT]}}, "two fields have the name 'prompt'"),
    (
        "one argument twice",
        {"veo-9": {"fields": [PROMPT, {**PROMPT, "name": "text"}]}},
        "two fields have the argument 'prompt_text'",
    ),
]


def test_an_invalid_file_is_refused_with_entry_and_property(subtests: pytest.Subtests) -> None:
    for case, entries, message in INVALID:
        with subtests.test(case):
            with pytest.raises(BadInputError) as caught:
                parse(entries)
            assert message in str(caught.value)
            assert str(caught.value).startswith("The models file /etc/models.json cannot be used. ")
            assert str(caught.value).endswith(". Nothing was sent.")


def test_all_problems_of_a_file_are_in_one_message() -> None:
    entries = {
        "a": {"latency_s": 0},
        "b": {"fields": [PROMPT]},
        "c": {"fields": [{"kind": "no"}, {"max": 1, **PROMPT}]},
    }
    with pytest.raises(BadInputError) as caught:
        parse(entries)
    for part in ("Entry 'a', latency_s:", "Entry 'c', field 1, name:", "field 1, kind:", "Entry 'c', field 2, max:"):
        assert part in str(caught.value)
    assert "Entry 'b'" not in str(caught.value)


def test_a_latency_must_be_finite(subtests: pytest.Subtests) -> None:
    for latency_s in (float("inf"), float("nan")):
        with (
            subtests.test(latency_s=latency_s),
            pytest.raises(BadInputError, match=r"cannot be used\..*Nothing was sent"),
        ):
            parse({"veo-9": {"latency_s": latency_s, "fields": [PROMPT]}})


def test_a_file_that_is_no_json_is_refused(subtests: pytest.Subtests) -> None:
    for text in ("", "{", "{'a': 1}", "[" * 100_000):
        with subtests.test(text=text), pytest.raises(BadInputError, match="It is not JSON: "):
            parse_models(text, "/etc/models.json")


def test_every_argument_of_the_schema_takes_a_known_kind() -> None:
    assert {kind for kinds in ARGUMENT_KINDS.values() for kind in kinds} <= set(KINDS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("latency_s", "fields", "name", "kind", "argument", "required", "allowed", "low", "high"),
                    *("default", "price", "usd", "usd_by_duration", "x"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["veo-9", "a/b", "runway-gen4-turbo"]), json_values, max_size=2))
def test_any_json_gives_models_or_a_bad_input_error(entries: Any) -> None:
    try:
        models = parse(entries)
    except BadInputError as problem:
        assert "/etc/models.json" in str(problem)
    else:
        assert [model.slug for model in models] == list(entries)
