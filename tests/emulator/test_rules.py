"""Fault rules: when they strike, how they are written, and what is wrong with a bad one."""

from __future__ import annotations

import random

import pytest

from airflow_provider_runway.emulator.faults import FaultBook, read_rule


def strikes(book: FaultBook, call: str, text: str = "", times: int = 1) -> list[str | None]:
    """Return the names of what strikes each of some requests."""
    return [book.strike(call, text).names for _ in range(times)]


def book(*rules: str | dict[str, object]) -> FaultBook:
    """Return a book with rules."""
    return FaultBook(rules, random.Random(1))


@pytest.mark.parametrize(
    ("rule", "seen"),
    [
        pytest.param("submit:forbidden", "X...", id="once unless it says otherwise"),
        pytest.param("submit:forbidden:times=2", "XX..", id="as often as it says"),
        pytest.param("submit:forbidden:times=0", "XXXX", id="without an end"),
        pytest.param("submit:forbidden:skip=2", "..X.", id="after some were let through"),
        pytest.param("submit:forbidden:probability=1", "XXXX", id="with a chance: without an end"),
        pytest.param("submit:forbidden:probability=1,times=1", "X...", id="with a chance and an end"),
        pytest.param("submit:forbidden:probability=0", "....", id="with no chance"),
        pytest.param("status:forbidden", "....", id="not at another call"),
        pytest.param("any:forbidden", "X...", id="at any call"),
        pytest.param("submit:forbidden:match=sunflower", "X...", id="where the text is found"),
        pytest.param("submit:forbidden:match=tulip", "....", id="not where it is not"),
        pytest.param('{"fault": "forbidden", "call": "submit"}', "X...", id="written as JSON"),
    ],
)
def test_when_a_rule_strikes(rule, seen):
    names = strikes(book(rule), "submit", "a sunflower", 4)
    assert "".join("X" if name else "." for name in names) == seen


def test_chance_is_the_seed_s_own_and_repeats():
    runs = [strikes(book("any:server_error:probability=0.3"), "status", times=200) for _ in range(2)]
    assert runs[0] == runs[1]
    assert 40 < sum(name is not None for name in runs[0]) < 80


def test_one_request_can_be_slow_and_broken_and_its_job_cursed():
    hits = book("submit:slow", "submit:cut_after", "submit:job_fails", "submit:job_latency").strike("submit", "")
    assert hits.names == "slow+cut_after+job_fails+job_latency"


def test_of_two_faults_of_the_answer_the_first_strikes_first():
    assert strikes(book("status:forbidden", "status:not_found"), "status", times=3) == ["forbidden", "not_found", None]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        pytest.param("submit:gremlin", "there is no fault 'gremlin'", id="no such fault"),
        pytest.param("output:job_fails", "fits submit, sync or any", id="a call that the fault does not fit"),
        pytest.param("submit:forbidden:window=3", "has no parameter window", id="a parameter of another fault"),
        pytest.param("submit:server_error:body=xml", "is one of 'json', 'html'", id="a value that is not allowed"),
        pytest.param("submit:html_200:accepted=maybe", "true or false", id="neither true nor false"),
        pytest.param("submit:forbidden:probability=2", "from 0 to 1", id="more than certain"),
        pytest.param("submit:forbidden:times=often", "often", id="no number"),
        pytest.param({"call": "submit"}, "there is no fault ''", id="no fault at all"),
    ],
)
def test_a_bad_rule_says_what_is_wrong(rule, words):
    with pytest.raises(ValueError, match=words):
        read_rule(rule)


def test_values_take_the_type_of_the_default():
    rule = read_rule("submit:rate_limited:window=3,hold=true")
    assert rule.params == {"window": 3.0, "reset_format": "", "retry_after": False, "hold": True}
