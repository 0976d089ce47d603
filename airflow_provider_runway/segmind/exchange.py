"""Exchanges with the API as generators: they yield the next step, and are sent its result. No I/O happens here.

Both transports drive the same generators, so a rule about retries is written once. A transport sends
back a :class:`Received` after a :class:`SendStep`, and a :class:`Resumed` after every other step.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from airflow_provider_runway.exceptions import NoUsableResponseError, SubmitOutcomeUnknownError
from airflow_provider_runway.segmind.api_calls import ApiCall
from airflow_provider_runway.segmind.error_mapping import map_transport_failure_to_error
from airflow_provider_runway.segmind.http import Request, Response, TransportFailure
from airflow_provider_runway.segmind.retry import RetryPolicy, compute_retry_delay_s, may_retry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SendStep:
    """Send this request once, following no redirect, and not later than its ``not_after``."""

    request: Request


@dataclass(frozen=True, slots=True)
class SleepStep:
    """Wait. ``because`` goes into the log; an ordinary wait has none."""

    seconds: float
    because: str = ""


@dataclass(frozen=True, slots=True)
class LogStep:
    """Write a line into the log: ``problem`` makes it a warning."""

    line: str
    problem: bool = False


@dataclass(frozen=True, slots=True)
class GetTimeStep:
    """Say what time it is."""


@dataclass(frozen=True, slots=True)
class Received:
    """The result of a SendStep. ``jitter`` is a random number from 0 up to 1: randomness is handed in."""

    outcome: Response | TransportFailure
    jitter: float = 0.5


@dataclass(frozen=True, slots=True)
class Resumed:
    """The result of any other step: ``now`` is the time in epoch seconds, which is handed in like this."""

    now: float


Step = SendStep | SleepStep | LogStep | GetTimeStep
Exchange = Generator[Step, Received | Resumed, T]


def run_step(step: SleepStep | LogStep | GetTimeStep) -> Exchange[float]:
    """Do a step that is no request, and return the time after it (epoch seconds)."""
    resumed = yield step
    if not isinstance(resumed, Resumed):
        raise TypeError("only a SendStep gets a Received")
    return resumed.now


def execute(call: ApiCall[T], policy: RetryPolicy) -> Exchange[T]:
    """Send a call until it has a usable response, within the policy, and return what its parser returns.

    :raises RefusedError: the API refused it. :raises NoUsableResponseError: an idempotent call ran out of attempts,
        or a submit was certainly not accepted. :raises SubmitOutcomeUnknownError: a submit may have been accepted.
    """
    request = call.request
    started_at: float | None = None
    for attempt in count(1):
        received = yield SendStep(request)
        if not isinstance(received, Received):
            raise TypeError("a SendStep gets a Received")
        now = received.outcome.received_at
        started_at = now if started_at is None else started_at
        try:
            if isinstance(received.outcome, TransportFailure):
                raise map_transport_failure_to_error(request, received.outcome)
            return call.parse(request, received.outcome)
        except NoUsableResponseError as error:
            if not may_retry(request, error):
                raise SubmitOutcomeUnknownError(
                    f"{error} The submit is not repeated, because it may have become a job that is billed.",
                    at=now,
                    **error.facts,
                ) from error
            pause_s = compute_retry_delay_s(policy, error, attempt, now - started_at, now, received.jitter)
            if pause_s is None or request.has_expired(now + pause_s):
                raise
            problem = error
        yield SleepStep(pause_s, str(problem))
    raise AssertionError("count() does not end")


def pace(exchange: Exchange[T], gap_s: float) -> Exchange[T]:
    """Drive an exchange with so many seconds between each response and the next request.

    So a long series of requests leaves the rest of the account's rate limit to others.
    """
    try:
        step = next(exchange)
        is_first = True
        while True:
            if isinstance(step, SendStep) and not is_first:
                yield SleepStep(gap_s)
            is_first = is_first and not isinstance(step, SendStep)
            step = exchange.send((yield step))
    except StopIteration as stop:
        value: T = stop.value
        return value
