"""Retry rules: when the same request may be sent again, and after which pause. Clock and randomness are handed in.

| no usable response because                    | a GET         | a submit                                       |
| ---                                           | ---           | ---                                            |
| 429 (``ThrottledError``)                      | at the reset  | at the reset: nothing was queued               |
| nothing was sent (``UnreachableError``)       | after a pause | after a pause: nothing can have come of it     |
| anything else (``NoUsableResponseError``)     | after a pause | never: it may have become a billable job       |
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_runway.exceptions import NoUsableResponseError, ThrottledError, UnreachableError
from airflow_provider_runway.segmind.http import Request


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to keep trying, in seconds and in attempts.

    :param attempts: the most requests that are sent, not counting those that a 429 refused.
    :param max_elapsed_s: no pause is begun that would end later than this after the first attempt.
    :param first_pause_s: the pause after the first attempt; it doubles from there, up to ``max_pause_s``.
    """

    attempts: int = 5
    max_elapsed_s: float = 150.0
    first_pause_s: float = 0.5
    max_pause_s: float = 20.0


#: For people who wait at a screen, such as the connection form's test.
UI_RETRY = RetryPolicy(attempts=2, max_elapsed_s=5.0)
#: For callers that poll again by themselves: one request, and then its error.
NO_RETRY = RetryPolicy(attempts=1, max_elapsed_s=0.0)


def may_retry(request: Request, error: NoUsableResponseError) -> bool:
    """Has sending the request again no side effects? This is the table above."""
    return request.idempotent or isinstance(error, (ThrottledError, UnreachableError))


def compute_retry_delay_s(
    policy: RetryPolicy, error: NoUsableResponseError, attempt: int, elapsed_s: float, now: float, jitter: float
) -> float | None:
    """Return the seconds to wait before the next attempt, or None to give up.

    A 429 waits until the reset that it named, plus up to a second, so that many callers do not return in the same
    instant. It counts against the elapsed time only. It waits a second at least, because by a clock that is behind
    ours every reset is past. Everything else backs off exponentially, with jitter in the upper half of the pause.

    :param attempt: attempts made so far, 1 after the first. :param elapsed_s: since the first one.
    :param now: epoch seconds. :param jitter: a random number from 0 up to 1.
    """
    doublings = min(attempt - 1, 30)  # more would leave the range of a float
    backoff_s = min(policy.first_pause_s * 2.0**doublings, policy.max_pause_s) * (0.5 + jitter / 2)
    if isinstance(error, ThrottledError):
        min_pause_s = max(backoff_s, 1.0)
        pause_s = min_pause_s if error.reset_at is None else max(error.reset_at - now + jitter, min_pause_s)
    elif attempt >= policy.attempts:
        return None
    else:
        pause_s = backoff_s
    return pause_s if elapsed_s + pause_s <= policy.max_elapsed_s else None


#: Many submits that were refused together are spread over this long after the reset, and over twice as long after
#: each further 429: if all returned at once, most would be refused again.
MIN_SPREAD_S, MAX_SPREAD_S = 15.0, 300.0
#: Used where the API did not say when the rate limit resets.
DEFAULT_RESET_S = 15.0


def compute_resubmit_delay_s(error: ThrottledError, throttle_count: int, now: float, jitter: float) -> float:
    """Return the seconds after which a submit that was refused with a 429 is sent again.

    :param throttle_count: how often it was refused before. :param jitter: a random number from 0 up to 1.
    """
    reset_s = DEFAULT_RESET_S if error.reset_at is None else max(error.reset_at - now, 0.0)
    return reset_s + jitter * min(MIN_SPREAD_S * 2.0 ** min(throttle_count, 10), MAX_SPREAD_S)
