"""Drives an exchange by hand: the clock moves only when it sleeps, and a script gives the response to each request."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.segmind.exchange import Exchange, LogStep, Received, Resumed, SendStep, SleepStep
from airflow_provider_runway.segmind.http import Response, TransportFailure
from airflow_provider_runway.segmind.jobs import JobStatus
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome

NOW = 1_800_000_000.0

#: The response to a call: (status, body), (status, body, headers) or a failure. A callable gets the seconds since the
#: start. Of a list each request takes one item, and the last one stays.
Reply = Any


@dataclass
class DrivenWait:
    """What an exchange did: its requests as (call, seconds since the start), log lines, and its result or error."""

    requests: list[tuple[str, float]] = field(default_factory=list)
    log: list[LogStep] = field(default_factory=list)
    value: WaitOutcome | JobStatus | None = None
    error: RunwayError | None = None

    def times(self, call: str = "status") -> list[float]:
        """Return when a call was made."""
        return [seconds for name, seconds in self.requests if name == call]

    @property
    def lines(self) -> list[str]:
        """The texts of the log lines."""
        return [entry.line for entry in self.log]


class ScriptedGateway:
    """Responds to each call by its name."""

    def __init__(self, **replies: Reply) -> None:
        self.replies = {call: list(reply) if isinstance(reply, list) else [reply] for call, reply in replies.items()}

    def respond(self, call: str, now: float) -> Response | TransportFailure:
        """Return the response to one request."""
        queue = self.replies[call]
        reply = queue.pop(0) if len(queue) > 1 else queue[0]
        if callable(reply):
            reply = reply(now - NOW)
        if isinstance(reply, TransportFailure):
            return TransportFailure(reply.kind, reply.detail, now)
        status, body, headers = (*reply, {})[:3]
        return Response(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode(), now)


def drive_exchange(exchange: Exchange[Any], gateway: ScriptedGateway) -> DrivenWait:
    """Drive an exchange to its end."""
    wait, now = DrivenWait(), NOW
    try:
        step = next(exchange)
        while True:
            if isinstance(step, SendStep):
                wait.requests.append((step.request.call, round(now - NOW, 6)))
                step = exchange.send(Received(gateway.respond(step.request.call, now)))
                continue
            if isinstance(step, SleepStep):
                assert step.seconds > 0, "a loop without a pause"
                now += step.seconds
            elif isinstance(step, LogStep):
                wait.log.append(step)
            assert len(wait.requests) < 2000, "a wait without an end"
            step = exchange.send(Resumed(now))
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
def drive() -> Callable[..., DrivenWait]:
    """Drive an exchange against the given responses."""
    return lambda exchange, **replies: drive_exchange(exchange, ScriptedGateway(**replies))
