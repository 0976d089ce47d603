"""How long a model's jobs take: what the catalogue says, corrected by the jobs that finished lately.

The distribution is a mixture of log-normal bumps: a wide one for the catalogue's mean, a narrow one for
each of the latest finished jobs, and a very wide one for everything unforeseen, so that no age is ever
taken for impossible. Latencies of a service are skewed and often come in two humps; a mixture bends to both.

All ages and latencies are seconds.
"""

from __future__ import annotations

import math
from bisect import bisect_right

#: The catalogue's mean counts like this many finished jobs, and its bump is this wide (in log space).
PRIOR_WEIGHT, PRIOR_WIDTH = 3.0, 0.45
#: A finished job's bump: wide enough to join its neighbours, narrow enough to keep two humps apart.
SAMPLE_WIDTH = 0.12
#: The share of the unforeseen, and its width: a factor of about 10 to either side.
TAIL_SHARE, TAIL_WIDTH = 0.04, 1.2
#: A job counts this much less with each one that finished after it: about the latest hundred count at all.
FADING = 0.97
#: Drawing takes about a millisecond. The first jobs change much and are drawn one by one, later ones in groups.
DRAWN_PER_LEARNT, MOST_UNDRAWN = 1 / 8, 16


#: The ages that are told apart: from 0.25 s to 2 h in steps of 3 %.
GRID: tuple[float, ...] = tuple(0.25 * 1.03**step for step in range(350))
_LOGS = tuple(math.log(age_s) for age_s in GRID)


class LatencyDistribution:
    """One model's latencies. Reading is a search in a table; the table is made anew as jobs finish.

    :param mean_s: the catalogue's mean, which may be far off: a few finished jobs outweigh it.
    """

    def __init__(self, mean_s: float) -> None:
        self._prior = _Bump(math.log(mean_s) - PRIOR_WIDTH**2 / 2, PRIOR_WIDTH)
        self._learnt = self._undrawn = 0
        # Sums over all finished jobs, faded: of 1, of the log, of the mean, and of the share alive at each age.
        self._weight = self._logs = self._means = 0.0
        self._alive = [0.0] * len(GRID)
        self._draw()

    def learn(self, total_s: float) -> None:
        """Take in a finished job's time from submission to completion."""
        if not 0 < total_s < 86_400:
            return
        bump = _Bump(math.log(total_s), SAMPLE_WIDTH)
        self._weight = self._weight * FADING + 1
        self._logs = self._logs * FADING + bump.centre
        self._means = self._means * FADING + bump.mean_s
        self._alive = [old * FADING + new for old, new in zip(self._alive, bump.alive, strict=True)]
        self._learnt += 1
        self._undrawn += 1
        if self._undrawn > min(self._learnt * DRAWN_PER_LEARNT, MOST_UNDRAWN):
            self._draw()

    def next_age(self, age_s: float, poll_cost_s: float) -> float:
        """Return the age at which a job that lives at ``age_s`` is best looked at next.

        :param price_s: what a look costs, in seconds of lateness.
        """
        return self._curve.next_age(age_s, poll_cost_s)

    def _draw(self) -> None:
        prior: float = PRIOR_WEIGHT * 0.5 ** (self._learnt / PRIOR_WEIGHT)
        total = self._weight + prior
        #: The mean latency, as it stands now.
        self.expected_s = (self._means + prior * self._prior.mean_s) / total
        tail = _Bump((self._logs + prior * self._prior.centre) / total, TAIL_WIDTH)
        known = (1 - TAIL_SHARE) / total
        columns = zip(self._alive, self._prior.alive, tail.alive, strict=True)
        self._curve = Curve([known * (seen + prior * told) + TAIL_SHARE * rest for seen, told, rest in columns])
        self._undrawn = 0


class Curve:
    """A distribution of latencies as a table over ages, and the best looks that follow from it.

    :param alive: the share of jobs that live longer than each age of :data:`GRID`.
    """

    #: Prices are told apart in steps of 20 %: so many schedules are kept, and no more.
    PRICE_STEPS = 5

    def __init__(self, alive: list[float]) -> None:
        #: And the job-seconds lived up to each age.
        self.alive, self.lived = alive, [GRID[0]]
        # The density of looks that minimises lateness plus cost is, to first order, sqrt(hazard / (2 price))
        # (J. B. Keller, Optimum checking schedules for systems subject to random failure, Management Science 21,
        # 1974). Its integral over a job's life from an age on, at a price of one second: the looks to come.
        self.togo = [0.0] * len(GRID)
        efforts = []
        for step in range(1, len(GRID)):
            before, after, gap_s = alive[step - 1], alive[step], GRID[step] - GRID[step - 1]
            self.lived.append(self.lived[-1] + gap_s * (before + after) / 2)
            # Beyond what floating point can tell apart, a job is as likely to end as one of which nothing is known.
            hazard = math.log(before / after) / gap_s if after > 1e-9 else 1 / GRID[step]
            efforts.append(gap_s * math.sqrt(max(hazard, 0.0) / 2) * (before + after) / 2)
        for step in range(len(GRID) - 2, -1, -1):
            self.togo[step] = self.togo[step + 1] + efforts[step]
        self._schedules: dict[tuple[int, int], float] = {}

    def next_age(self, age_s: float, poll_cost_s: float) -> float:
        """Return the best age for the next look; see :meth:`LatencyDistribution.next_age`."""
        step = max(bisect_right(GRID, age_s) - 1, 0)
        if step == len(GRID) - 1:  # older than the table, which knows no later look
            return age_s * 1.3
        price = round(math.log(poll_cost_s) * self.PRICE_STEPS)
        known = self._schedules.get((price, step))
        if known is None:
            known = self._schedules[price, step] = self._best(step, math.exp(price / self.PRICE_STEPS))
        return known

    def _best(self, here: int, poll_cost_s: float) -> float:
        """Look one step ahead: the lateness up to a look, plus what lateness and looks cost after it."""
        grid, alive = GRID, self.alive[here]
        if alive < 1e-9:
            return grid[here] * 1.3
        root, best, chosen = 2 * math.sqrt(poll_cost_s), math.inf, here + 1
        for there in range(here + 1, len(grid)):
            late = (grid[there] - grid[here]) * alive - (self.lived[there] - self.lived[here])
            cost = late + root * self.togo[there]
            if cost < best:
                best, chosen = cost, there
            elif late > best:
                break
        return grid[min(chosen, len(grid) - 1)]


class _Bump:
    """A log-normal distribution over :data:`GRID`; its centre and width are in log space."""

    #: In widths: further out than this, everybody lives, or nobody.
    REACH = 6.0

    def __init__(self, centre: float, width: float) -> None:
        self.centre = centre
        self.mean_s = math.exp(centre + width**2 / 2)
        first = bisect_right(_LOGS, centre - self.REACH * width)
        last = bisect_right(_LOGS, centre + self.REACH * width)
        within = [0.5 * math.erfc((log - centre) / (width * math.sqrt(2))) for log in _LOGS[first:last]]
        self.alive = [1.0] * first + within + [0.0] * (len(GRID) - last)
