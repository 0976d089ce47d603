"""When the next poll of a job is worth its cost, which is expressed in seconds of lateness.

With few jobs a poll costs little and completions are noticed quickly; with many it costs more, and polls are rare.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_runway.polling.latency import LatencyEstimator
from airflow_provider_runway.segmind.timing import get_timing

#: The poll cost of each priority of the queue. At the first a job takes about 6 polls in its life and is seen about
#: 1 s late, at the third about 2 polls and 3 s, at the last a single one.
POLL_COSTS_S = (0.15, 0.6, 2.4, 10.0, 40.0)
#: The poll cost for a worker that waits for one job by itself.
SINGLE_JOB_POLL_COST_S = 0.5
#: The longest pause between two polls, unless the model's jobs usually take longer.
MAX_POLL_GAP_S = 120.0


@dataclass(frozen=True, slots=True)
class PriorityTimes:
    """The times at which a job reaches each priority: when its next poll becomes worth each poll cost.

    Each is computed on access, because with few jobs hardly any reaches the second priority.

    :param now: the current time on the queue's clock. :param age_s: seconds since the submission, at that time.
    :param last_polled_age_s: the age at the last poll; 0 before the first.
    """

    latency: LatencyEstimator
    now: float
    age_s: float
    last_polled_age_s: float

    def __len__(self) -> int:
        return len(POLL_COSTS_S)

    def __getitem__(self, priority: int) -> float:
        return self.now + _poll_gap_s(self.latency, self.age_s, self.last_polled_age_s, POLL_COSTS_S[priority])


def next_poll_delay_s(
    latency: LatencyEstimator,
    age_s: float,
    left_s: float,
    poll_cost_s: float,
    *,
    last_polled_age_s: float = 0.0,
    min_delay_s: float = 0.0,
) -> float | None:
    """Return the seconds until the next poll, or None to stop polling.

    The last poll is at the deadline, never after it, so that a job that ends shortly before is still seen.

    :param left_s: seconds until the deadline. :param min_delay_s: a pause that the API asked for.
    """
    if left_s <= 0 or min_delay_s > left_s:
        return None
    return min(max(_poll_gap_s(latency, age_s, last_polled_age_s, poll_cost_s), min_delay_s), left_s)


def _poll_gap_s(latency: LatencyEstimator, age_s: float, last_polled_age_s: float, poll_cost_s: float) -> float:
    """Return the seconds until the next poll. Negative ages, which clock skew can cause, count as 0."""
    age_s = max(age_s, 0.0)
    max_gap_s = max(MAX_POLL_GAP_S, latency.expected_s - age_s)
    best_gap_s = latency.next_poll_age(min(last_polled_age_s, age_s), poll_cost_s) - age_s
    return min(max(best_gap_s, get_timing().min_poll_gap_s), max_gap_s)
