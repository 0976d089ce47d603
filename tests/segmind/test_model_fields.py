"""Each kind of field takes what the API takes, and says what is allowed where a value is wrong."""

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
    REFERENCE_IMAGES,
    TEXT,
    URL,
    ModelField,
    safe_repr,
)

#: One field of each kind with rules of its own, and how a message names what it takes.
FIELDS = [
    pytest.param(ModelField("x", TEXT), "a text", id="text"),
    pytest.param(ModelField("x", URL), "an https URL that Segmind can fetch", id="URL"),
    pytest.param(ModelField("x", INTEGER, low=1, high=9), "a whole number from 1 to 9", id="a range"),
    pytest.param(ModelField("x", INTEGER, low=1), "a whole number from 1", id="a range that is open above"),
    pytest.param(ModelField("x", INTEGER, allowed=(5, 10)), "a whole number: 5, 10", id="some whole numbers"),
    pytest.param(ModelField("x", NUMBER, low=0, high=1.5), "a number from 0 to 1.5", id="number"),
    pytest.param(ModelField("x", CHOICE, allowed=("a", 2)), "'a', 2", id="choice"),
    pytest.param(ModelField("x", BOOLEAN), "True or False", id="boolean"),
    pytest.param(
        ModelField("x", REFERENCE_IMAGES, low=1, high=3),
        'a list of {"uri": an image, "tag": its name, of up to 16 letters, digits and _, the first one a letter}, each '
        "with another tag, from 1 to 3",
        id="reference images",
    ),
]
#: Values that hardly any field takes.
STRANGE = [[], {1: 2}, b"\xff", object(), 10**5000, "9" * 5000, float("nan"), float("inf"), "\ud800", "a\x00b", " "]


def test_every_kind_is_in_the_table() -> None:
    assert {row.values[0].kind for row in FIELDS} == set(KINDS)  # type: ignore[union-attr]


@pytest.mark.parametrize(("field", "allowed"), FIELDS)
def test_a_strange_value_is_refused_with_what_is_allowed(field: ModelField, allowed: str) -> None:
    refused = 0
    for value in STRANGE:
        try:
            field.validate(value)
        except BadInputError as problem:
            refused += 1
            assert str(problem).startswith("x ")
            assert str(problem).endswith(f"; allowed: {allowed}.")
            assert len(str(problem)) < 100 + len(allowed)
            assert str(problem).isprintable()
    assert refused >= len(STRANGE) - 1  # a text of digits is a text, and a giant number is above an open range's start


@given(st.text())
def test_validating_a_text_raises_nothing_but_bad_input(text: str) -> None:
    for row in FIELDS:
        try:
            row.values[0].validate(text)  # type: ignore[union-attr]
        except BadInputError as problem:
            assert str(problem).startswith("x ")


def test_a_value_becomes_what_the_api_takes(subtests: pytest.Subtests) -> None:
    for case, field, value, valid in (
        ("a number as text", ModelField("x", NUMBER), "0.5", 0.5),
        ("a whole number for a number", ModelField("x", NUMBER), 3, 3),
        ("yes as a template renders it", ModelField("x", BOOLEAN), " True ", True),
        ("no as text", ModelField("x", BOOLEAN), "false", False),
        ("a whole number below zero", ModelField("x", INTEGER, low=-9, high=9), " -5 ", -5),
        ("white space in a text", ModelField("x", TEXT), "two\nlines\tand more", "two\nlines\tand more"),
    ):
        with subtests.test(case):
            assert field.validate(value) == valid
            assert type(field.validate(value)) is type(valid)


def test_a_value_of_another_type_or_outside_the_rules_is_refused(subtests: pytest.Subtests) -> None:
    for case, field, value in (
        ("True is not 1", ModelField("x", CHOICE, allowed=(1, 2)), True),
        ("1 is not True", ModelField("x", BOOLEAN), 1),
        ("True is no number", ModelField("x", NUMBER), True),
        ("a broken number is not whole", ModelField("x", INTEGER), 5.0),
        ("below the range", ModelField("x", INTEGER, low=1), 0),
        ("above the range", ModelField("x", INTEGER, high=1), 2),
        ("http", ModelField("x", URL), "http://a.invalid/x.png"),
        ("a path", ModelField("x", URL), "/tmp/x.png"),
        ("no host", ModelField("x", URL), "https://"),
        ("a line break", ModelField("x", URL), "https://a.invalid/x.png\n"),
        ("a port that is none", ModelField("x", URL), "https://a.invalid:port/x.png"),
    ):
        with subtests.test(case), pytest.raises(BadInputError, match="allowed"):
            field.validate(value)


class Unprintable:
    """A value that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    [Unprintable(), 10**5000, "x" * 10**6, b"x" * 10**6, "\ud800\n\x00", ["x"] * 10**5],
    ids=["a class", "a number", "a text", "bytes", "control characters", "a list"],
)
def test_any_value_can_be_shown_on_a_short_line(value: Any) -> None:
    text = safe_repr(value)
    assert len(text) < 80
    assert text.isprintable()


HERO = {"uri": "https://images.example/hero.png?signature=secret", "tag": "hero"}


def test_reference_images_are_checked_one_by_one(subtests: pytest.Subtests) -> None:
    field = ModelField("referenceImages", REFERENCE_IMAGES, "reference_images", required=True, low=1, high=3)
    assert field.validate((HERO, {**HERO, "tag": "room_2"})) == [HERO, {**HERO, "tag": "room_2"}]
    for case, value, words in (
        ("none at all", [], "has 0 of them"),
        ("too many", [{**HERO, "tag": f"hero{number}"} for number in range(4)], "has 4 of them"),
        ("a dict", HERO, "is of type dict"),
        ("a text", "https://images.example/hero.png", "is of type str"),
        ("a template of nothing", "None", "is the text 'None'"),
        ("URLs without tags", [HERO["uri"]], "has str at position 0"),
        ("no tag", [HERO, {"uri": HERO["uri"]}], "has ['uri'] at position 1"),
        ("a field too many", [{**HERO, "weight": 1}], "has ['tag', 'uri', 'weight'] at position 0"),
        ("no https URL", [{**HERO, "uri": "http://a.example/x.png"}], "has a uri at position 0 that is another kind"),
        ("an empty URL", [{**HERO, "uri": " "}], "has a uri at position 0 that is empty"),
        ("an empty tag", [{**HERO, "tag": ""}], "has the tag '' at position 0"),
        ("a tag with a blank", [{**HERO, "tag": "the hero"}], "has the tag 'the hero' at position 0"),
        ("a tag that is a number", [{**HERO, "tag": 1}], "has the tag 1 at position 0"),
        ("one tag twice", [HERO, HERO], "has the tag 'hero' twice"),
    ):
        with subtests.test(case), pytest.raises(BadInputError) as caught:
            field.validate(value)
        assert str(caught.value).startswith(f"reference_images {words}"), case
        assert "secret" not in str(caught.value)
