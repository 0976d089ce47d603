"""Faults on demand: rules, which say when one of the faults in :mod:`.fault_table` strikes.

A rule is a dict ``{"call": ..., "fault": ..., "times": n, <parameters>}``, or the same as text:
``call:fault:times=2,window=5``. What a fault then does is in :mod:`.mischief` and, for the fate of a
job, in :mod:`.jobs`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .fault_table import CALLS, TABLE, Stage

#: What every rule may have beside the parameters of its fault.
RULE_FIELDS = {
    "call": "one of " + ", ".join(CALLS) + ", or any (the default: any call that the fault fits)",
    "times": "how many requests it strikes (default 1, or no end with a probability); 0 for no end",
    "probability": "the chance that a request is struck, drawn from the emulator's dice",
    "skip": "how many fitting requests are let through first (default 0)",
    "match": "only requests whose path or body has this text, such as a request id, a model or a word of a prompt",
}


@dataclass(slots=True)
class Rule:
    """A fault waiting to strike."""

    fault: str
    call: str = "any"
    times: int | None = 1
    probability: float | None = None
    skip: int = 0
    match: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    hits: int = 0

    @property
    def stage(self) -> Stage:
        """When it acts, at a call where it is no trait."""
        return TABLE[self.fault].stage

    def fits(self, call: str, text: str) -> bool:
        """Tell whether a request is one that this rule may strike."""
        spent = self.times is not None and self.hits >= self.times
        return not spent and self.call in ("any", call) and call in TABLE[self.fault].calls and self.match in text

    def as_dict(self) -> dict[str, Any]:
        """Return the rule in the form it is given in, plus its hits so far."""
        named = ("call", "fault", "times", "probability", "skip", "match", "hits")
        return {name: getattr(self, name) for name in named} | self.params


def read_rule(given: str | dict[str, Any]) -> Rule:
    """Return the rule that a dict or its text describes.

    :raises ValueError: when there is no such fault, call, parameter or value; the text says what there is.
    """
    fields = _fields_of(given)
    name = str(fields.pop("fault", ""))
    fault = TABLE.get(name)
    if fault is None:
        raise ValueError(f"there is no fault {name!r}; there are {', '.join(TABLE)}")
    call = str(fields.pop("call", None) or "any")
    if call != "any" and call not in fault.calls:
        raise ValueError(f"{name} fits {', '.join(fault.calls)} or any, not {call!r}")
    chance = fields.pop("probability", None)
    times = fields.pop("times", None)
    rule = Rule(name, call, skip=int(fields.pop("skip", 0)), match=str(fields.pop("match", "")))
    if chance is not None:
        rule.probability, rule.times = float(chance), None
        if not 0 <= rule.probability <= 1:
            raise ValueError(f"probability runs from 0 to 1, not {chance!r}")
    if times is not None:
        rule.times = int(times) or None
    fields.pop("hits", None)
    if unknown := set(fields) - set(fault.params):
        known = ", ".join([*fault.params, *RULE_FIELDS])
        raise ValueError(f"{name} has no parameter {', '.join(sorted(unknown))}; it has {known}")
    for key, default in fault.params.items():
        rule.params[key] = _value(f"{name}: {key}", fields.get(key), default)
    return rule


def _fields_of(given: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(given, dict):
        return dict(given)
    if given.lstrip().startswith("{"):
        return dict(json.loads(given))
    call, _, rest = given.partition(":")
    name, _, params = rest.partition(":")
    pairs = [pair.partition("=") for pair in params.split(",") if pair]
    return {"call": call.strip(), "fault": name.strip()} | {key.strip(): value for key, _, value in pairs}


def _value(name: str, given: Any, default: Any) -> Any:
    """Return a parameter in the type of its default; a tuple is a choice, its first entry the default."""
    if isinstance(default, tuple):
        if given is not None and given not in default:
            raise ValueError(f"{name} is one of {', '.join(map(repr, default))}, not {given!r}")
        return default[0] if given is None else given
    if given is None:
        return default
    if isinstance(default, bool):
        if str(given).lower() not in ("true", "false", "1", "0"):
            raise ValueError(f"{name} is true or false, not {given!r}")
        return str(given).lower() in ("true", "1")
    return type(default)(given)


@dataclass(frozen=True, slots=True)
class Hits:
    """The rules that strike one request."""

    wait: Rule | None = None
    answer: Rule | None = None
    traits: tuple[Rule, ...] = ()

    @property
    def names(self) -> str | None:
        """The names of the faults, for the request log; None when nothing struck."""
        rules = [rule for rule in (self.wait, self.answer, *self.traits) if rule]
        return "+".join(rule.fault for rule in rules) or None


class FaultBook:
    """The rules in force, in the order in which they were added; the first that fits strikes."""

    def __init__(self, rules: Iterable[str | dict[str, Any]], dice: random.Random) -> None:
        self.rules = [read_rule(each) for each in rules]
        self._dice = dice

    def add(self, given: str | dict[str, Any]) -> Rule:
        """Add a rule."""
        rule = read_rule(given)
        self.rules.append(rule)
        return rule

    def strike(self, call: str, text: str) -> Hits:
        """Return what strikes a request, and count it.

        At most one wait, one fault of the answer, and each kind of job trait once.

        :param text: path and body of the request, for ``match``.
        """
        wait: Rule | None = None
        answer: Rule | None = None
        traits: dict[str, Rule] = {}
        for rule in self.rules:
            stage = TABLE[rule.fault].stage_at(call)
            taken = {"wait": wait, "trait": traits.get(rule.fault)}.get(stage, answer)
            if taken is not None or not rule.fits(call, text):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.probability is not None and self._dice.random() >= rule.probability:
                continue
            rule.hits += 1
            if stage == "wait":
                wait = rule
            elif stage == "trait":
                traits[rule.fault] = rule
            else:
                answer = rule
        return Hits(wait, answer, tuple(traits.values()))
