"""When the same request may be sent again, and after which pause. No clock and no dice in here.

| no usable answer because           | a GET        | a submit                                   |
| ---                                | ---          | ---                                        |
| 429 (``ThrottledError``)                | at the reset | at the reset: nothing was queued           |
| nothing was sent (``UnreachableError``) | after a pause| after a pause: nothing can have come of it |
| anything else (``NoUsableResponseError``)     | after a pause| never: it may have become a billable job   |
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_runway.exceptions import NoUsableResponseError, ThrottledError, UnreachableError
from airflow_provider_runway.segmind.http import Request


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to insist, in seconds of waiting and in attempts.

    :param attempts: requests sent at most for reasons other than a 429.
    :param patience_s: no pause is begun that would end later than this after the first attempt.
    :param first_pause_s: the pause after the first attempt; it doubles from there, up to ``max_pause_s``.
    """

    attempts: int = 5
    max_elapsed_s: float = 150.0
    first_pause_s: float = 0.5
    max_pause_s: float = 20.0


#: For people who wait at a screen, such as the connection form's test.
UI_RETRY = RetryPolicy(attempts=2, max_elapsed_s=5.0)
#: For callers that have their own next look, such as a poller: one request, then the truth.
NO_RETRY = RetryPolicy(attempts=1, max_elapsed_s=0.0)


def may_retry(request: Request, error: NoUsableResponseError) -> bool:
    """Is sending the request again free of side effects? The table above, and nothing else."""
    return request.idempotent or isinstance(error, (ThrottledError, UnreachableError))


def compute_retry_delay_s(
    policy: RetryPolicy, error: NoUsableResponseError, attempt: int, elapsed_s: float, now: float, jitter: float
) -> float | None:
    """Return the seconds to wait before the next attempt, or None to give up.

    A 429 waits until the reset it named (plus up to a second, so that a crowd does not come back in
    one instant) and counts against the patience only. It backs off too, by a second at least: to a
    clock behind ours every reset is past. Everything else backs off exponentially; the dice pick
    from the upper half of the pause.

    :param attempt: attempts made so far, 1 after the first. :param elapsed_s: since the first one.
    :param now: epoch seconds. :param dice: a random number from 0 up to 1.
    """
    doublings = min(attempt - 1, 30)  # more would leave the range of a float
    backoff_s = min(policy.first_pause_s * 2.0**doublings, policy.max_pause_s) * (0.5 + jitter / 2)
    if isinstance(error, ThrottledError):
        least_s = max(backoff_s, 1.0)
        pause_s = least_s if error.reset_at is None else max(error.reset_at - now + jitter, least_s)
    elif attempt >= policy.attempts:
        return None
    else:
        pause_s = backoff_s
    return pause_s if elapsed_s + pause_s <= policy.max_elapsed_s else None


#: Of many submits that were refused together, the first come back this long after the reset, and twice as long
#: with each round: who comes back at once with all others is refused with all others.
FIRST_SPREAD_S, LONGEST_SPREAD_S = 15.0, 300.0
#: Where the API did not say when it listens again.
DEFAULT_RESET_S = 15.0


def compute_resubmit_delay_s(error: ThrottledError, rounds: int, now: float, jitter: float) -> float:
    """Return the seconds after which a submit that was refused with a 429 is sent again.

    :param rounds: how often it was refused before. :param dice: a random number from 0 up to 1.
    """
    reset_s = DEFAULT_RESET_S if error.reset_at is None else max(error.reset_at - now, 0.0)
    return reset_s + jitter * min(FIRST_SPREAD_S * 2.0 ** min(rounds, 10), LONGEST_SPREAD_S)
