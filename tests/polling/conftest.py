"""A wait played by hand: the clock moves only when the flow pauses, and a script answers each request."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.segmind.exchange import Exchange, LogLine, Received, Resumed, Send, Sleep
from airflow_provider_runway.segmind.http import Response, TransportFailure
from airflow_provider_runway.segmind.jobs import JobStatus
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome

NOW = 1_800_000_000.0

#: What a request hears: (status, body), (status, body, headers) or a fault. A callable is asked with the
#: seconds since the start; of a list each request takes one, and the last stays.
Saying = Any


@dataclass
class Wait:
    """What came of a flow: when each call was made (seconds since the start), what was told, how it ended."""

    looks: list[tuple[str, float]] = field(default_factory=list)
    told: list[LogLine] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    value: WaitOutcome | JobStatus | None = None
    error: RunwayError | None = None

    def times(self, call: str = "status") -> list[float]:
        """When a call was made."""
        return [at_s for name, at_s in self.looks if name == call]

    @property
    def lines(self) -> list[str]:
        """The log's lines."""
        return [log_step.line for log_step in self.told]


class Script:
    """The gateway's side of a wait, by the calls' names."""

    def __init__(self, **sayings: Saying) -> None:
        self.sayings = {name: list(each) if isinstance(each, list) else [each] for name, each in sayings.items()}

    def hear(self, call: str, now: float) -> Response | TransportFailure:
        """Answer one request."""
        queue = self.sayings[call]
        saying = queue.pop(0) if len(queue) > 1 else queue[0]
        if callable(saying):
            saying = saying(now - NOW)
        if isinstance(saying, TransportFailure):
            return TransportFailure(saying.kind, saying.detail, now)
        status, body, headers = (*saying, {})[:3]
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(status, headers, raw, now)


def play(flow: Exchange[Any], script: Script) -> Wait:
    """Drive a flow to its end."""
    wait, now = Wait(), NOW
    try:
        step = next(flow)
        while True:
            if isinstance(step, Send):
                wait.looks.append((step.request.call, round(now - NOW, 6)))
                step = flow.send(Received(script.hear(step.request.call, now)))
                continue
            if isinstance(step, Sleep):
                assert step.seconds > 0, "a loop that does not wait"
                wait.pauses.append(step.seconds)
                now += step.seconds
            elif isinstance(step, LogLine):
                wait.told.append(step)
            assert len(wait.looks) < 2000, "a wait without an end"
            step = flow.send(Resumed(now))
    except StopIteration as stop:
        wait.value = stop.value
    except RunwayError as error:
        wait.error = error
    return wait


@pytest.fixture
def now() -> float:
    """The start of every wait (epoch seconds)."""
    return NOW


@pytest.fixture
def drive() -> Callable[..., Wait]:
    """Play a flow against what the gateway says to each call."""
    return lambda flow, **sayings: play(flow, Script(**sayings))
