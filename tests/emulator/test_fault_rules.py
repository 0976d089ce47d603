"""Fault rules: when they apply, how they are written, and how a wrong one is explained."""

from __future__ import annotations

import random

import pytest

from airflow_provider_runway.emulator.fault_rules import FaultRuleSet, parse_rule


def make_rules(*rules: str | dict[str, object]) -> FaultRuleSet:
    """Return a set of rules with reproducible random numbers."""
    return FaultRuleSet(rules, random.Random(1))


def list_faults(rules: FaultRuleSet, call: str, text: str = "", times: int = 1) -> list[str | None]:
    """Return the names of the faults that apply to each of some requests."""
    return [rules.match_request(call, text).names for _ in range(times)]


#: rule -> the submits, of four with the text "a sunflower", that it applies to
APPLIED = {
    "submit:forbidden": "X...",
    "submit:forbidden:times=2": "XX..",
    "submit:forbidden:times=0": "XXXX",
    "submit:forbidden:skip=2": "..X.",
    "submit:forbidden:probability=1": "XXXX",
    "submit:forbidden:probability=1,times=1": "X...",
    "submit:forbidden:probability=0": "....",
    "status:forbidden": "....",
    "any:forbidden": "X...",
    "submit:forbidden:match=sunflower": "X...",
    "submit:forbidden:match=tulip": "....",
    '{"fault": "forbidden", "call": "submit"}': "X...",
}


def test_a_rule_applies_to_the_requests_that_it_describes():
    for rule, applied in APPLIED.items():
        names = list_faults(make_rules(rule), "submit", "a sunflower", 4)
        assert "".join("X" if name else "." for name in names) == applied, rule


def test_a_probability_gives_the_same_faults_for_the_same_seed():
    runs = [list_faults(make_rules("any:server_error:probability=0.3"), "status", times=200) for _ in range(2)]
    assert runs[0] == runs[1]
    assert 40 < sum(name is not None for name in runs[0]) < 80


def test_one_request_can_have_a_delay_a_changed_response_and_a_changed_job():
    rules = make_rules("submit:slow", "submit:cut_after", "submit:job_fails", "submit:job_latency")
    assert rules.match_request("submit", "").names == "slow+cut_after+job_fails+job_latency"


def test_two_faults_of_the_response_apply_one_after_the_other():
    rules = make_rules("status:forbidden", "status:not_found")
    assert list_faults(rules, "status", times=3) == ["forbidden", "not_found", None]


WRONG_RULES: list[tuple[str | dict[str, object], str]] = [
    ("submit:gremlin", "there is no fault 'gremlin'"),
    ("output:job_fails", "fits the calls submit, sync or any"),
    ("submit:forbidden:window=3", "has no parameter window"),
    ("submit:server_error:body=xml", "must be one of 'json', 'html'"),
    ("submit:html_200:accepted=maybe", "must be true or false"),
    ("submit:forbidden:probability=2", "from 0 to 1"),
    ("submit:forbidden:times=often", "often"),
    ({"call": "submit"}, "there is no fault ''"),
]


def test_a_wrong_rule_is_explained():
    for rule, message in WRONG_RULES:
        with pytest.raises(ValueError, match=message):
            parse_rule(rule)


def test_a_value_gets_the_type_of_its_default():
    rule = parse_rule("submit:rate_limited:window=3,hold=true")
    assert rule.params == {"window": 3.0, "reset_format": "", "retry_after": False, "hold": True}
