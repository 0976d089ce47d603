"""When a look at a job is worth its price: what a look costs, in seconds of lateness.

An idle account asks for little and is quick to notice; a busy one asks a high price, and looks rarely. A job is
worth a low price soon after its last look, and a high one later: those moments are its ranks in the roster.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_runway.polling.latency import LatencyDistribution

#: The price of each rank. At the first a job takes about 6 looks in its life and is seen about 1 s late, at the
#: third about 2 and 3 s, at the last a single one.
POLL_COSTS_S = (0.15, 0.6, 2.4, 10.0, 40.0)
#: What a worker asks that waits for a job by itself, and knows of no other.
SINGLE_JOB_POLL_COST_S = 0.5
SHORTEST_GAP_S, LONGEST_GAP_S = 1.0, 120.0


@dataclass(frozen=True, slots=True)
class PriorityTimes:
    """The moments at which a look at a job comes to be worth each of the prices, for a roster.

    Each is worked out when it is asked for: on an idle account few jobs ever come to the second.

    :param now: the moment, on the roster's clock. :param age_s: since the submission, at that moment.
    :param looked_s: the age at the last look, 0 where there was none.
    """

    model: LatencyDistribution
    now: float
    age_s: float
    last_polled_age_s: float

    def __len__(self) -> int:
        return len(POLL_COSTS_S)

    def __getitem__(self, rank: int) -> float:
        return self.now + _gap_s(self.model, self.age_s, self.last_polled_age_s, POLL_COSTS_S[rank])


def next_poll_delay_s(
    model: LatencyDistribution,
    age_s: float,
    left_s: float,
    poll_cost_s: float,
    *,
    last_polled_age_s: float = 0.0,
    floor_s: float = 0.0,
) -> float | None:
    """Return the seconds until the next look at one price, or None to stop looking.

    The last look lands on the deadline, never after it, so that a job that ends in the final gap is seen.

    :param left_s: until the deadline. :param floor_s: a pause that the API asked for.
    """
    if left_s <= 0 or floor_s > left_s:
        return None
    return min(max(_gap_s(model, age_s, last_polled_age_s, poll_cost_s), floor_s), left_s)


def _gap_s(model: LatencyDistribution, age_s: float, last_polled_age_s: float, poll_cost_s: float) -> float:
    """Ages below 0, for clocks differ, count as 0; a job that was not looked at for long is looked at soon."""
    age_s = max(age_s, 0.0)
    longest_s = max(LONGEST_GAP_S, model.expected_s - age_s)
    return min(max(model.next_age(min(last_polled_age_s, age_s), poll_cost_s) - age_s, SHORTEST_GAP_S), longest_s)
