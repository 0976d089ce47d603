"""When the next poll of a job is worth its cost, which is expressed in seconds of lateness.

With few jobs a poll costs little and completions are noticed quickly; with many it costs more, and polls are rare.
"""

from __future__ import annotations

import math
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
#: Until so many jobs of a model have finished, the registry's latency may be several times off. While few jobs wait,
#: they are then polled at least this often, as far as the rate limit allows.
MIN_LEARNT_JOBS = 5
MAX_UNLEARNT_GAP_S = 2.5
MAX_UNLEARNT_JOBS = 20


def compute_max_gap_s(latency: LatencyEstimator, waiting_jobs: int, requests_per_second: float) -> float:
    """Return the longest pause between two polls of a job at the lowest priority.

    It is bounded only while the model's latency is not learnt yet, for then the estimate cannot be relied on.

    :param waiting_jobs: how many jobs share the rate.
    """
    if latency.sample_count >= MIN_LEARNT_JOBS or waiting_jobs > MAX_UNLEARNT_JOBS:
        return math.inf
    return max(MAX_UNLEARNT_GAP_S * get_timing().latency_scale, waiting_jobs / requests_per_second)


@dataclass(frozen=True, slots=True)
class PriorityTimes:
    """The times at which a job reaches each priority: when its next poll becomes worth each poll cost.

    Each is computed on access, because with few jobs hardly any reaches the second priority.

    :param now: the current time on the queue's clock. :param age_s: seconds since the submission, at that time.
    :param last_polled_age_s: the age at the last poll; 0 before the first.
    :param max_gap_s: bounds the pause at the lowest priority.
    """

    latency: LatencyEstimator
    now: float
    age_s: float
    last_polled_age_s: float
    max_gap_s: float = math.inf

    def __len__(self) -> int:
        return len(POLL_COSTS_S)

    def __getitem__(self, priority: int) -> float:
        gap_s = _poll_gap_s(self.latency, self.age_s, self.last_polled_age_s, POLL_COSTS_S[priority])
        if priority == 0:
            gap_s = min(gap_s, max(self.max_gap_s, get_timing().min_poll_gap_s))
        return self.now + gap_s


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
