"""A user's own catalogue is checked to the last property, and says everything that is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.segmind.catalogue_file import ARGUMENTS, read_catalogue
from airflow_provider_runway.segmind.model_fields import KINDS, ModelField
from airflow_provider_runway.segmind.models import BUILT_IN_MODELS, UNKNOWN_LATENCY_S, Model

PROMPT = {"name": "prompt", "kind": "text", "argument": "prompt_text", "required": True}


def read(entries: Any) -> list[Model]:
    return read_catalogue(json.dumps(entries), "/etc/models.json")


def test_a_full_entry_becomes_a_model() -> None:
    rows = [
        PROMPT,
        {"name": "image_url", "kind": "url", "argument": "prompt_image"},
        {"name": "seconds", "kind": "choice", "argument": "duration", "allowed": [4, 8]},
        {"name": "cfg_scale", "kind": "number", "low": 0, "high": 1.5},
        {"name": "audio", "kind": "boolean", "argument": None},
    ]
    assert read({"veo-9": {"latency_s": 80, "fields": rows}}) == [
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


def test_an_entry_without_a_latency_is_expected_like_an_unknown_model() -> None:
    (model,) = read({"veo-9": {"fields": [PROMPT]}})
    assert model.latency_s == UNKNOWN_LATENCY_S


@pytest.mark.parametrize("slug", BUILT_IN_MODELS)
def test_a_built_in_model_keeps_what_an_entry_leaves_out(slug: str) -> None:
    (model,) = read({slug: {"latency_s": 12.5}})
    assert model == Model(slug, 12.5, BUILT_IN_MODELS[slug].fields)
    (model,) = read({slug: {"fields": [PROMPT]}})
    assert (model.latency_s, len(model.fields)) == (BUILT_IN_MODELS[slug].latency_s, 1)


def test_the_built_in_catalogue_could_be_such_a_file() -> None:
    entries = {
        slug: {
            "latency_s": model.latency_s,
            "fields": [
                {name: getattr(field, name) for name in ModelField.__slots__} | {"allowed": list(field.allowed)}
                for field in model.fields
            ],
        }
        for slug, model in BUILT_IN_MODELS.items()
    }
    assert read(entries) == list(BUILT_IN_MODELS.values())


def row(**changes: Any) -> dict[str, Any]:
    """An entry whose one field is changed."""
    return {"veo-9": {"fields": [{"name": "x", "kind": "text", **changes}]}}


BAD = [
    pytest.param([], "must be a JSON object", id="a list"),
    pytest.param({"a/b": {"fields": [PROMPT]}}, "Entry 'a/b': slug='a/b' is not usable", id="a slug with a slash"),
    pytest.param({"veo-9": []}, "it must be an object of latency_s, fields", id="an entry that is a list"),
    pytest.param({"veo-9": {"latency": 3}}, "it has 'latency'; allowed: latency_s, fields", id="a misspelt latency"),
    pytest.param({"veo-9": {"latency_s": 3}}, "it has no list of fields", id="no fields"),
    pytest.param({"veo-9": {"fields": []}}, "it has no list of fields", id="an empty list of fields"),
    pytest.param({"veo-9": {"fields": {}}}, "it has no list of fields", id="fields that are no list"),
    *(
        pytest.param({"veo-9": {"latency_s": latency, "fields": [PROMPT]}}, "latency_s is", id=f"latency {latency!r}")
        for latency in (0, -1, "40", True, None, float("inf"), float("nan"))
    ),
    pytest.param({"veo-9": {"fields": ["x"]}}, "field 1 must be an object of name, kind", id="a field that is a text"),
    pytest.param({"veo-9": {"fields": [PROMPT, {"kind": "text"}]}}, "field 2: it has no name", id="no name"),
    pytest.param(row(name=7), "name is 7; allowed: a text", id="a name that is a number"),
    pytest.param(row(kind="string"), "kind is 'string'; allowed: " + ", ".join(KINDS), id="an unknown kind"),
    pytest.param(row(argument="prompt"), "argument is 'prompt'; allowed: " + ", ".join(ARGUMENTS), id="no argument"),
    pytest.param(row(argument="seed"), "fills a field of kind integer, not text", id="a seed that is a text"),
    pytest.param(row(argument="prompt_image"), "fills a field of kind url", id="a picture that is a text"),
    pytest.param(row(required=1), "required is 1; allowed: true or false", id="required: 1"),
    pytest.param(row(allowed="abc"), "allowed is 'abc'; allowed: a list", id="allowed that is no list"),
    pytest.param(row(kind="choice"), "a choice needs the list", id="a choice of nothing"),
    pytest.param(row(kind="integer", allowed=[5, "x"]), "allowed has 'x', which the field itself refuses", id="no int"),
    pytest.param(row(kind="choice", allowed=[[1]]), "allowed has [1]; it takes texts", id="a choice of lists"),
    pytest.param(row(low=1), "low and high are for kind integer or number, not text", id="a text from 1"),
    pytest.param(row(kind="integer", low=True), "low is True; allowed: a number", id="low: true"),
    pytest.param(row(kind="integer", low=9, high=1), "low is 9, and high is 1", id="upside down"),
    pytest.param(row(max=9), "field 1 has 'max'; allowed: name, kind", id="an unknown property"),
    pytest.param({"veo-9": {"fields": [PROMPT, PROMPT]}}, "two fields have the name 'prompt'", id="one name twice"),
    pytest.param(
        {"veo-9": {"fields": [PROMPT, {**PROMPT, "name": "text"}]}},
        "two fields have the argument 'prompt_text'",
        id="one argument twice",
    ),
]


@pytest.mark.parametrize(("entries", "said"), BAD)
def test_what_is_wrong_is_said_with_file_and_entry(entries: Any, said: str) -> None:
    with pytest.raises(BadInputError) as caught:
        read(entries)
    for part in ("/etc/models.json", said, "Nothing was sent", "" if isinstance(entries, list) else "Entry"):
        assert part in str(caught.value)


def test_every_bad_entry_is_named_at_once() -> None:
    with pytest.raises(BadInputError, match=r"Entry 'a': .* Entry 'c': "):
        read({"a": {}, "b": {"fields": [PROMPT]}, "c": {"fields": [{"kind": "no"}]}})


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="is not JSON"):
        read_catalogue(text, "/etc/models.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["latency_s", "fields", "name", "kind", "argument", "required", "allowed", "low", "high", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["veo-9", "a/b", "runway-gen4-turbo"]), json_values, max_size=2))
def test_reading_any_json_raises_nothing_but_bad_input(entries: Any) -> None:
    try:
        models = read(entries)
    except BadInputError as problem:
        assert "/etc/models.json" in str(problem)
    else:
        assert [model.slug for model in models] == list(entries)
