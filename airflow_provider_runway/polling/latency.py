"""Distribution of job latencies: a prior from the model registry, corrected by the jobs that finished.

The distribution is a mixture of log-normal components: a wide one for the registry's mean, a narrow one for each
recently finished job, and a very wide one for everything unforeseen, so that no latency counts as impossible.
Latencies of a service are skewed and often have two peaks; a mixture can follow both.

All ages and latencies are in seconds. An age counts from the submission.
"""

from __future__ import annotations

import math
from bisect import bisect_right

from airflow_provider_runway.segmind.models import expected_latency_s
from airflow_provider_runway.segmind.timing import get_timing

#: The registry's mean counts like this many finished jobs, and its component is this wide (in log space).
PRIOR_WEIGHT, PRIOR_WIDTH = 3.0, 0.45
#: Width of a finished job's component: wide enough to join its neighbours, narrow enough to keep two peaks apart.
SAMPLE_WIDTH = 0.12
#: Share and width of the component for the unforeseen: a factor of about 10 to either side.
TAIL_SHARE, TAIL_WIDTH = 0.04, 1.2
#: Each newer job reduces the weight of an older one by this factor: only about the latest hundred matter.
SAMPLE_DECAY = 0.97
#: A rebuild takes about a millisecond. The first samples change much and are added one by one, later ones in groups.
MAX_PENDING_SHARE, MAX_PENDING_SAMPLES = 1 / 8, 16

#: The ages of the tables: from 0.25 s to 2 h in steps of 3 %.
AGE_GRID_S: tuple[float, ...] = tuple(0.25 * 1.03**step for step in range(350))
_LOG_AGES = tuple(math.log(age_s) for age_s in AGE_GRID_S)


class LatencyEstimator:
    """Learns one model's latencies and says when to poll next. A lookup is a search in a table.

    :param mean_s: the registry's mean. It may be far off: a few finished jobs outweigh it.
    :param time_scale: the factor by which all times are shorter than usual, for tests whose jobs run faster.
    """

    def __init__(self, mean_s: float, time_scale: float = 1.0) -> None:
        self._time_scale = time_scale
        self._prior = LogNormal(math.log(mean_s / time_scale) - PRIOR_WIDTH**2 / 2, PRIOR_WIDTH)
        #: How many finished jobs it has learnt from.
        self.sample_count = 0
        self._pending_count = 0
        # Decayed sums over all samples: of weights, log centres, means, and survival at each age.
        self._weight = self._log_sum = self._mean_sum = 0.0
        self._survival_sum = [0.0] * len(AGE_GRID_S)
        self._rebuild()

    @property
    def expected_s(self) -> float:
        """The mean latency as currently estimated."""
        return self._expected_s * self._time_scale

    def add_sample(self, latency_s: float) -> None:
        """Learn from a finished job's time between submission and completion; impossible values are ignored."""
        latency_s /= self._time_scale
        if not 0 < latency_s < 86_400:
            return
        sample = LogNormal(math.log(latency_s), SAMPLE_WIDTH)
        self._weight = self._weight * SAMPLE_DECAY + 1
        self._log_sum = self._log_sum * SAMPLE_DECAY + sample.centre
        self._mean_sum = self._mean_sum * SAMPLE_DECAY + sample.mean_s
        self._survival_sum = [
            old * SAMPLE_DECAY + new for old, new in zip(self._survival_sum, sample.survival, strict=True)
        ]
        self.sample_count += 1
        self._pending_count += 1
        if self._pending_count > min(self.sample_count * MAX_PENDING_SHARE, MAX_PENDING_SAMPLES):
            self._rebuild()

    def next_poll_age(self, age_s: float, poll_cost_s: float) -> float:
        """Return the best age for the next poll of a job that was still running at ``age_s``.

        :param poll_cost_s: what a poll costs, in seconds of lateness.
        """
        return self._distribution.next_poll_age(age_s / self._time_scale, poll_cost_s) * self._time_scale

    def _rebuild(self) -> None:
        prior_weight: float = PRIOR_WEIGHT * 0.5 ** (self.sample_count / PRIOR_WEIGHT)
        total = self._weight + prior_weight
        self._expected_s = (self._mean_sum + prior_weight * self._prior.mean_s) / total
        tail = LogNormal((self._log_sum + prior_weight * self._prior.centre) / total, TAIL_WIDTH)
        scale = (1 - TAIL_SHARE) / total
        columns = zip(self._survival_sum, self._prior.survival, tail.survival, strict=True)
        self._distribution = LatencyDistribution(
            [scale * (samples + prior_weight * prior) + TAIL_SHARE * rest for samples, prior, rest in columns]
        )
        self._pending_count = 0


def make_latency_estimator(model: str | None) -> LatencyEstimator:
    """Return an estimator that starts from a model's mean latency in the registry."""
    return LatencyEstimator(expected_latency_s(model), get_timing().latency_scale)


class LatencyDistribution:
    """A distribution of latencies as a table over ages, and the best poll times that follow from it.

    :param survival: the share of jobs that still run at each age of :data:`AGE_GRID_S`.
    """

    #: Poll costs are rounded to steps of 20 %, which bounds the number of cached results.
    COST_STEPS = 5

    def __init__(self, survival: list[float]) -> None:
        self.survival = survival
        #: Mean time that a job has run, up to each age.
        self.running_s = [AGE_GRID_S[0]]
        # The density of polls that minimises lateness plus cost is, to first order, sqrt(hazard / (2 cost))
        # (J. B. Keller, Optimum checking schedules for systems subject to random failure, Management Science 21,
        # 1974). Its integral over a job's remaining life, at a cost of one second, is the number of polls to come.
        self.expected_polls = [0.0] * len(AGE_GRID_S)
        polls_per_step = []
        for step in range(1, len(AGE_GRID_S)):
            before, after, gap_s = survival[step - 1], survival[step], AGE_GRID_S[step] - AGE_GRID_S[step - 1]
            self.running_s.append(self.running_s[-1] + gap_s * (before + after) / 2)
            # Where floating point cannot tell survival from 0, assume the hazard of a job of unknown latency.
            hazard = math.log(before / after) / gap_s if after > 1e-9 else 1 / AGE_GRID_S[step]
            polls_per_step.append(gap_s * math.sqrt(max(hazard, 0.0) / 2) * (before + after) / 2)
        for step in range(len(AGE_GRID_S) - 2, -1, -1):
            self.expected_polls[step] = self.expected_polls[step + 1] + polls_per_step[step]
        self._next_age_cache: dict[tuple[int, int], float] = {}

    def next_poll_age(self, age_s: float, poll_cost_s: float) -> float:
        """Return the best age for the next poll; see :meth:`LatencyEstimator.next_poll_age`."""
        step = max(bisect_right(AGE_GRID_S, age_s) - 1, 0)
        if step == len(AGE_GRID_S) - 1:  # older than the table
            return age_s * 1.3
        cost_step = round(math.log(poll_cost_s) * self.COST_STEPS)
        cached = self._next_age_cache.get((cost_step, step))
        if cached is None:
            cached = self._find_next_age(step, math.exp(cost_step / self.COST_STEPS))
            self._next_age_cache[cost_step, step] = cached
        return cached

    def _find_next_age(self, here: int, poll_cost_s: float) -> float:
        """Minimise the expected lateness up to the next poll plus the cost of everything after it."""
        ages, survival = AGE_GRID_S, self.survival[here]
        if survival < 1e-9:
            return ages[here] * 1.3
        cost_factor, min_cost, best = 2 * math.sqrt(poll_cost_s), math.inf, here + 1
        for there in range(here + 1, len(ages)):
            lateness = (ages[there] - ages[here]) * survival - (self.running_s[there] - self.running_s[here])
            cost = lateness + cost_factor * self.expected_polls[there]
            if cost < min_cost:
                min_cost, best = cost, there
            elif lateness > min_cost:
                break
        return ages[best]


class LogNormal:
    """A log-normal distribution over :data:`AGE_GRID_S`; centre and width are in log space."""

    #: Further from the centre than this many widths, survival counts as 1 or 0.
    MAX_WIDTHS = 6.0

    def __init__(self, centre: float, width: float) -> None:
        self.centre = centre
        self.mean_s = math.exp(centre + width**2 / 2)
        first = bisect_right(_LOG_AGES, centre - self.MAX_WIDTHS * width)
        last = bisect_right(_LOG_AGES, centre + self.MAX_WIDTHS * width)
        between = [0.5 * math.erfc((log_age - centre) / (width * math.sqrt(2))) for log_age in _LOG_AGES[first:last]]
        self.survival = [1.0] * first + between + [0.0] * (len(AGE_GRID_S) - last)
