"""Fault rules: when one of the faults in :mod:`.fault_kinds` applies to a request.

A rule is a dict ``{"call": ..., "fault": ..., "times": n, <parameters>}``, or the same as text:
``call:fault:times=2,window=5``. :mod:`.fault_effects` changes the responses; :mod:`.job_handlers` changes the jobs.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .fault_kinds import ALL_CALLS, FAULTS

#: Fields that every rule may have beside the parameters of its fault.
RULE_FIELDS = {
    "call": "one of " + ", ".join(ALL_CALLS) + ", or any (default: any call that the fault fits)",
    "times": "number of requests it applies to (default 1, or unlimited with a probability); 0 for unlimited",
    "probability": "chance that it applies to a request, drawn from the emulator's random numbers",
    "skip": "number of matching requests to leave alone first (default 0)",
    "match": "only requests whose path or body contains this text, such as a request id, a model or a prompt's word",
}


@dataclass(slots=True)
class FaultRule:
    """A fault, and the requests that it applies to."""

    fault: str
    call: str = "any"
    times: int | None = 1
    probability: float | None = None
    skip: int = 0
    match: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    hits: int = 0

    @property
    def replaces_call(self) -> bool:
        """Whether the response is sent in place of the call, so that nothing is accepted."""
        return FAULTS[self.fault].stage == "instead" or self.params.get("accepted") is False

    def matches(self, call: str, text: str) -> bool:
        """Tell whether the rule may apply to a request.

        :param text: the request's path and body.
        """
        is_used_up = self.times is not None and self.hits >= self.times
        return not is_used_up and self.call in ("any", call) and call in FAULTS[self.fault].calls and self.match in text

    def as_dict(self) -> dict[str, Any]:
        """Return the rule as a dict that :func:`parse_rule` reads, with its hits so far."""
        names = ("call", "fault", "times", "probability", "skip", "match", "hits")
        return {name: getattr(self, name) for name in names} | self.params


def parse_rule(rule: str | dict[str, Any]) -> FaultRule:
    """Return the rule that a dict or a text describes.

    :raises ValueError: for an unknown fault, call, parameter or value; the message lists the known ones.
    """
    fields = _read_fields(rule)
    name = str(fields.pop("fault", ""))
    fault = FAULTS.get(name)
    if fault is None:
        raise ValueError(f"there is no fault {name!r}; known faults: {', '.join(FAULTS)}")
    call = str(fields.pop("call", None) or "any")
    if call != "any" and call not in fault.calls:
        raise ValueError(f"{name} fits the calls {', '.join(fault.calls)} or any, not {call!r}")
    probability = fields.pop("probability", None)
    times = fields.pop("times", None)
    parsed = FaultRule(name, call, skip=int(fields.pop("skip", 0)), match=str(fields.pop("match", "")))
    if probability is not None:
        parsed.probability, parsed.times = float(probability), None
        if not 0 <= parsed.probability <= 1:
            raise ValueError(f"probability must be from 0 to 1, not {probability!r}")
    if times is not None:
        parsed.times = int(times) or None
    fields.pop("hits", None)
    if unknown := set(fields) - set(fault.params):
        known = ", ".join([*fault.params, *RULE_FIELDS])
        raise ValueError(f"{name} has no parameter {', '.join(sorted(unknown))}; known parameters: {known}")
    for key, default in fault.params.items():
        parsed.params[key] = _convert_value(f"{name}: {key}", fields.get(key), default)
    return parsed


def _read_fields(rule: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(rule, dict):
        return dict(rule)
    if rule.lstrip().startswith("{"):
        return dict(json.loads(rule))
    call, _, rest = rule.partition(":")
    name, _, params = rest.partition(":")
    pairs = [pair.partition("=") for pair in params.split(",") if pair]
    return {"call": call.strip(), "fault": name.strip()} | {key.strip(): value for key, _, value in pairs}


def _convert_value(name: str, value: Any, default: Any) -> Any:
    """Return a parameter in the type of its default. A tuple lists the allowed values, the default first."""
    if isinstance(default, tuple):
        if value is not None and value not in default:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, default))}, not {value!r}")
        return default[0] if value is None else value
    if value is None:
        return default
    if isinstance(default, bool):
        if str(value).lower() not in ("true", "false", "1", "0"):
            raise ValueError(f"{name} must be true or false, not {value!r}")
        return str(value).lower() in ("true", "1")
    return type(default)(value)


@dataclass(frozen=True, slots=True)
class MatchedFaults:
    """The rules that apply to one request."""

    delay_rule: FaultRule | None = None
    response_rule: FaultRule | None = None
    job_rules: tuple[FaultRule, ...] = ()

    @property
    def names(self) -> str | None:
        """The names of the faults for the request log, joined by ``+``; None without a fault."""
        rules = [rule for rule in (self.delay_rule, self.response_rule, *self.job_rules) if rule]
        return "+".join(rule.fault for rule in rules) or None


class FaultRuleSet:
    """The active rules, in the order in which they were added; the first one that matches is applied."""

    def __init__(self, rules: Iterable[str | dict[str, Any]], rng: random.Random) -> None:
        self.rules = [parse_rule(rule) for rule in rules]
        self._rng = rng

    def add(self, rule: str | dict[str, Any]) -> FaultRule:
        """Add a rule."""
        parsed = parse_rule(rule)
        self.rules.append(parsed)
        return parsed

    def match_request(self, call: str, text: str) -> MatchedFaults:
        """Return the rules that apply to a request, and count it in each.

        At most one delay and one fault of the response are returned, and each fault of the job once.

        :param text: path and body of the request, for ``match``.
        """
        found: dict[str, FaultRule] = {}
        for rule in self.rules:
            stage = FAULTS[rule.fault].get_stage(call)
            slot = {"wait": "wait", "job": f"job:{rule.fault}"}.get(stage, "response")
            if slot in found or not rule.matches(call, text):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.probability is not None and self._rng.random() >= rule.probability:
                continue
            rule.hits += 1
            found[slot] = rule
        job_rules = tuple(rule for slot, rule in found.items() if slot.startswith("job:"))
        return MatchedFaults(found.get("wait"), found.get("response"), job_rules)
