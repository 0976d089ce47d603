"""Handmade responses, and a driver that plays an exchange from a script of them: no network, clock or randomness."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.segmind.exchange import Exchange, Received, Resumed, SendStep, SleepStep, Step
from airflow_provider_runway.segmind.http import BaseUrls, Request, Response, TransportFailure

NOW = 1_800_000_000.0
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def build_response(status: int = 200, body: Any = None, received_at: float = NOW, **headers: str) -> Response:
    """A response: bytes stay as they are, everything else becomes JSON; ``_`` in a header's name is ``-``."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"content-type": "text/html" if raw.startswith(b"<") else "application/json"}
    return Response(status, named | {name.replace("_", "-"): text for name, text in headers.items()}, raw, received_at)


@dataclass
class Played:
    """What an exchange did: its steps in order, and its result or error."""

    steps: list[Step] = field(default_factory=list)
    value: Any = None
    error: RunwayError | None = None

    @property
    def sent(self) -> list[Request]:
        """The requests, in order."""
        return [step.request for step in self.steps if isinstance(step, SendStep)]

    @property
    def pauses(self) -> list[SleepStep]:
        """The waits, in order."""
        return [step for step in self.steps if isinstance(step, SleepStep)]


def play(exchange: Exchange[Any], outcomes: Iterable[Response | TransportFailure], jitter: float = 0.5) -> Played:
    """Drive an exchange: every SendStep receives the next outcome, and time stands still."""
    played, script = Played(), iter(outcomes)
    try:
        step = next(exchange)
        while True:
            played.steps.append(step)
            step = exchange.send(Received(next(script), jitter) if isinstance(step, SendStep) else Resumed(NOW))
    except StopIteration as stop:
        played.value = stop.value
    except RunwayError as error:
        played.error = error
    return played


@pytest.fixture
def now() -> float:
    """The time at which everything happens (epoch seconds)."""
    return NOW


@pytest.fixture
def base_urls() -> BaseUrls:
    """The public hosts."""
    return BaseUrls()


@pytest.fixture
def respond() -> Callable[..., Response]:
    """Build a response."""
    return build_response


@pytest.fixture
def html() -> bytes:
    """A proxy's web page."""
    return HTML


@pytest.fixture
def get() -> Request:
    """A request that may be repeated at no cost."""
    return Request("status", "GET", "https://api.segmind.com/v2/requests/a/status")


@pytest.fixture
def submit() -> Request:
    """A request that is billed each time."""
    return Request("submit", "POST", "https://api.segmind.com/v2/m", idempotent=False)


@pytest.fixture
def drive() -> Callable[..., Played]:
    """Play an exchange."""
    return play
