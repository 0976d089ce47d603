"""Answers made by hand, and a driver that plays a flow from a script of them: no line, no clock, no dice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.segmind.exchange import Exchange, Received, Resumed, Send, Sleep, Step
from airflow_provider_runway.segmind.http import BaseUrls, Request, Response, TransportFailure

NOW = 1_800_000_000.0
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def make_answer(status: int = 200, body: Any = None, received_at: float = NOW, **headers: str) -> Response:
    """An answer: bytes stay as they are, everything else becomes JSON; ``_`` in a header's name is ``-``."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"content-type": "text/html" if raw.startswith(b"<") else "application/json"}
    return Response(status, named | {name.replace("_", "-"): text for name, text in headers.items()}, raw, received_at)


@dataclass
class Course:
    """What a flow did: its steps in order, and how it ended."""

    steps: list[Step] = field(default_factory=list)
    value: Any = None
    error: RunwayError | None = None

    @property
    def sent(self) -> list[Request]:
        """The requests, in order."""
        return [step.request for step in self.steps if isinstance(step, Send)]

    @property
    def pauses(self) -> list[Sleep]:
        """The waits, in order."""
        return [step for step in self.steps if isinstance(step, Sleep)]


def play(flow: Exchange[Any], outcomes: Iterable[Response | TransportFailure], jitter: float = 0.5) -> Course:
    """Drive a flow by hand: every Send hears the next outcome, every other step the same moment."""
    course, script = Course(), iter(outcomes)
    try:
        step = next(flow)
        while True:
            course.steps.append(step)
            step = flow.send(Received(next(script), jitter) if isinstance(step, Send) else Resumed(NOW))
    except StopIteration as stop:
        course.value = stop.value
    except RunwayError as error:
        course.error = error
    return course


@pytest.fixture
def now() -> float:
    """The moment at which everything happens (epoch seconds)."""
    return NOW


@pytest.fixture
def base_urls() -> BaseUrls:
    """The public hosts."""
    return BaseUrls()


@pytest.fixture
def answer() -> Callable[..., Response]:
    """Make an answer."""
    return make_answer


@pytest.fixture
def html() -> bytes:
    """A gateway's page."""
    return HTML


@pytest.fixture
def get() -> Request:
    """A request whose repetition is free."""
    return Request("status", "GET", "https://api.segmind.com/v2/requests/a/status")


@pytest.fixture
def drive() -> Callable[..., Course]:
    """Play a flow."""
    return play
