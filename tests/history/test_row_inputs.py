"""Seed, prompt and image are found in the history's inputs of any form, and what is not clear is None."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.history.row_inputs import (
    find_image_url,
    find_prompt,
    find_seed,
    may_be_same_prompt,
    normalize_prompt,
    parse_recorded_inputs,
)
from airflow_provider_runway.segmind.model_fields import INTEGER, ModelField
from airflow_provider_runway.segmind.models import MODELS, Model

IMAGE = "https://images.example/in.png"
BODY = {"promptText": 'it\'s "here" \n é', "promptImage": IMAGE, "duration": 5, "seed": 56698, "x": None}


def test_the_inputs_are_read_in_every_form(subtests: pytest.Subtests) -> None:
    for case, value in (
        ("an object", BODY),
        ("the text of a Python dict", repr(BODY)),
        ("JSON text", f"  {json.dumps(BODY)}\n"),
        ("JSON text in JSON text", json.dumps(json.dumps(BODY))),
    ):
        with subtests.test(case):
            assert parse_recorded_inputs(value) == BODY


def test_what_holds_no_inputs_is_none() -> None:
    texts = ("", "{}", "[]", "None", "7", "{'a': ", "{[]: 1}", "__import__('os')", "\0", "[" * 100_000)
    assert [parse_recorded_inputs(value) for value in (*texts, 7, None, True)] == [None] * 13


@given(st.one_of(st.text(), st.text("{}[]()'\":,1aN \\", max_size=40), st.integers(), st.none(), st.lists(st.none())))
def test_parsing_the_inputs_never_raises(value: Any) -> None:
    found = parse_recorded_inputs(value)
    assert found is None or isinstance(found, dict)


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.booleans(), st.none()), min_size=1))
def test_any_inputs_are_the_same_from_both_texts(body: dict[str, Any]) -> None:
    assert parse_recorded_inputs(repr(body)) == parse_recorded_inputs(json.dumps(body)) == body


def test_a_seed_is_found_under_any_spelling_and_type(subtests: pytest.Subtests) -> None:
    for name in ("seed", "Seed", "random_seed", "randomSeed", "seed-value", "SEED"):
        with subtests.test(name=name):
            for value in (56698, "56698", " 56698 ", 56698.0, "56698.0"):
                assert find_seed({name: value}) == 56698


def test_a_seed_is_found_in_any_nesting(subtests: pytest.Subtests) -> None:
    for body in (
        {"input": {"seed": 56698}},
        {"inputs": [{"parameters": {"seed": 56698}}]},
        {"input": '{"seed": 56698}'},
        {"parameters": [{"name": "seed", "value": 56698}]},
        {"seed": 56698, "settings": {"random_seed": "56698"}},
    ):
        with subtests.test(body=body):
            assert find_seed(body) == 56698


def test_a_seed_that_is_not_clear_is_none(subtests: pytest.Subtests) -> None:
    for case, body in (
        ("no inputs", None),
        ("a prompt that looks like JSON", {"promptText": '{"seed": 5}'}),
        ("a switch", {"seed": True}),
        ("the usual word for any seed", {"seed": -1}),
        ("nothing", {"seed": 0}),
        ("a word", {"seed": "fixed"}),
        ("no whole number", {"seed": 5.5}),
        ("two of them", {"seed": 5, "noise_seed": 6}),
        ("a word within a word", {"proceed": None}),
    ):
        with subtests.test(case):
            assert find_seed(body) is None


def test_a_seed_is_found_under_the_name_of_a_custom_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "veo-9", Model("veo-9", 1.0, (ModelField("rng-state", INTEGER, "seed"),)))
    assert find_seed({"rng_state": 7}) == 7


def test_a_prompt_is_found_under_any_spelling_and_nesting(subtests: pytest.Subtests) -> None:
    for body in (
        {"promptText": " a  red\nfox "},
        {"prompt": "a red fox", "negative_prompt": "blue"},
        {"inputs": {"text_prompt": "a red fox"}},
        {"prompt_text": "a red fox", "prompt": "something that another field says"},
    ):
        with subtests.test(body=body):
            assert find_prompt(body) == "a red fox"


def test_a_prompt_that_is_not_clear_is_none() -> None:
    bodies: list[Any] = [None, {}, {"prompt": " "}, {"prompt": 7}, {"a": {"prompt": "x"}, "prompt": "y"}]
    assert [find_prompt(body) for body in bodies] == [None] * 5


def test_an_image_is_found_under_any_spelling_and_nesting(subtests: pytest.Subtests) -> None:
    for body in (
        {"promptImage": IMAGE},
        {"input": {"image_url": IMAGE}},
        {"image": {"uri": IMAGE}},
        {"promptImage": [{"uri": IMAGE, "position": "first"}]},
        {"video": IMAGE},
    ):
        with subtests.test(body=body):
            assert find_image_url(body) == IMAGE


def test_no_image_is_none() -> None:
    assert [find_image_url(body) for body in (None, {}, {"promptImage": "a.png"})] == [None] * 3


@given(st.text())
def test_prompts_are_compared_in_one_unicode_form_and_with_single_blanks(text: str) -> None:
    normalized = normalize_prompt(text)
    assert normalize_prompt(f"\t{unicodedata.normalize('NFD', text)}  ") == normalized
    assert normalize_prompt(normalized) == normalized
    assert may_be_same_prompt(text, normalized)


def test_a_prompt_that_a_server_changed_may_be_the_same(subtests: pytest.Subtests) -> None:
    for other in (
        "A RED FOX, it&#39;s running",
        "a red fox it's",
        "a red fox, it\\u2019s running",
        'a "red" fox, it s running',
        "",
    ):
        with subtests.test(other=other):
            assert may_be_same_prompt("a red fox, it\u2019s running", other)


def test_another_prompt_is_surely_not_the_same() -> None:
    assert not may_be_same_prompt("a red fox", "a blue fox")
