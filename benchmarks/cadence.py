"""(c) Requests a job at equal mean lateness: our cadence, fixed intervals, and what hindsight allows.

No gateway and no clock: job latencies are drawn from three distributions, and each cadence is played against
the same jobs. Ours starts with the catalogue's mean and learns from each job that ends; the fixed interval is
the one whose mean lateness is the same; hindsight knows the distribution beforehand, and is the optimum over all
schedules of looks (dynamic programming over the age, in steps of half a second).

    .venv/bin/python -m benchmarks.cadence
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable
from statistics import mean, median

from airflow_provider_runway.polling.latency import LatencyEstimator
from airflow_provider_runway.polling.schedule import next_poll_delay_s
from benchmarks.report import machine, table

JOBS, SEEDS = 1_000, (1, 2, 3, 4, 5)
#: Prices of a look, in seconds of lateness: from an idle account to a busy one.
POLL_COSTS_S = (0.15, 0.5, 1.0, 2.0, 4.0)
CATALOGUED_S, LONGEST_S = 27.38, 3600.0
STEP_S = 0.5

Draw = Callable[[random.Random], float]


def catalogued(jitter: random.Random) -> float:
    """Around the mean that the model's page shows."""
    return jitter.lognormvariate(math.log(CATALOGUED_S) - 0.25**2 / 2, 0.25)


def slow_tail(jitter: random.Random) -> float:
    """The same, but 5 % take three to eight times as long."""
    return catalogued(jitter) * (jitter.uniform(3, 8) if jitter.random() < 0.05 else 1)


def bimodal(jitter: random.Random) -> float:
    """A warm worker, or a cold one."""
    return max(jitter.gauss(18, 2) if jitter.random() < 0.6 else jitter.gauss(50, 4), 1.0)


def ours(jobs: list[float], poll_cost_s: float) -> tuple[float, float]:
    """Return (looks a job, mean lateness) of our cadence; it learns as it goes."""
    model, looks, late = LatencyEstimator(CATALOGUED_S), 0, 0.0
    for latency_s in jobs:
        age_s = 0.0
        while age_s < latency_s:
            age_s += (
                next_poll_delay_s(model, age_s, LONGEST_S - age_s, poll_cost_s, last_polled_age_s=age_s) or LONGEST_S
            )
            looks += 1
        late += age_s - latency_s
        model.add_sample(latency_s)
    return looks / len(jobs), late / len(jobs)


def fixed(jobs: list[float], interval_s: float) -> tuple[float, float]:
    """Return (looks a job, mean lateness) of a fixed interval."""
    looks = [math.ceil(latency_s / interval_s) for latency_s in jobs]
    return mean(looks), mean(n * interval_s - latency_s for n, latency_s in zip(looks, jobs, strict=True))


def fewest_fixed(jobs: list[float], lateness_s: float) -> float:
    """Return the fewest looks a job of any fixed interval whose mean lateness is no worse."""
    intervals = (0.25 * 1.01**step for step in range(500))
    return min(looks for looks, late in (fixed(jobs, s) for s in intervals) if late <= lateness_s)


def hindsight(jobs: list[float], lateness_s: float) -> float:
    """Return the looks a job of the best schedule for exactly these jobs, at the same mean lateness."""
    ages = sorted(jobs)
    steps = int(ages[-1] / STEP_S) + 2
    alive = [len(ages) - bisect_left(ages, step * STEP_S) for step in range(steps + 1)]
    waited = [0.0]  # job-seconds lived up to each step
    for step in range(steps):
        waited.append(waited[-1] + STEP_S * (alive[step] + alive[step + 1]) / 2)
    low, high = 1e-3, 1e3
    for _ in range(14):
        poll_cost_s = math.sqrt(low * high)
        looks, late = _optimum(alive, waited, poll_cost_s)
        low, high = (poll_cost_s, high) if late / len(ages) < lateness_s else (low, poll_cost_s)
    return looks / len(ages)


def _optimum(alive: list[int], waited: list[float], poll_cost_s: float) -> tuple[float, float]:
    """Return (looks, total lateness) of the schedule that minimises ``price * looks + lateness``."""
    last = len(alive) - 1
    best, looks, late = [0.0] * (last + 1), [0.0] * (last + 1), [0.0] * (last + 1)
    for here in range(last - 1, -1, -1):
        if alive[here] == 0:
            continue
        choice: tuple[float, int, float] | None = None
        for there in range(here + 1, min(here + 160, last) + 1):
            ended_late = _ended_late(alive, waited, here, there)
            cost = poll_cost_s * alive[here] + ended_late + best[there]
            if choice is None or cost < choice[0]:
                choice = (cost, there, ended_late)
        assert choice is not None
        best[here], there, ended_late = choice
        looks[here], late[here] = alive[here] + looks[there], ended_late + late[there]
    return looks[0], late[0]


def _ended_late(alive: list[int], waited: list[float], here: int, there: int) -> float:
    """Return the summed lateness, at a look, of the jobs that ended since the last one."""
    return (there - here) * STEP_S * alive[here] - (waited[there] - waited[here])


def main() -> None:
    """Print the table."""
    rows = []
    for name, draw in (("as catalogued", catalogued), ("5 % slow tail", slow_tail), ("bimodal", bimodal)):
        for poll_cost_s in POLL_COSTS_S:
            looked, lates, fixes = [], [], []
            for seed in SEEDS:
                jitter = random.Random(seed)
                jobs = [draw(jitter) for _ in range(JOBS)]
                looks, late = ours(jobs, poll_cost_s)
                looked.append(looks)
                lates.append(late)
                fixes.append(fewest_fixed(jobs, late))
            best = hindsight(jobs, lates[-1])
            ratio = median(mine / theirs for mine, theirs in zip(looked, fixes, strict=True))
            rows.append(
                (name, poll_cost_s, median(lates), median(looked), median(fixes), ratio, best, looked[-1] / best)
            )
    print(f"{JOBS} jobs a run, medians of {len(SEEDS)} runs (hindsight: the last run). {machine()}")
    table(
        (
            "distribution",
            "price s",
            "lateness s",
            "looks, ours",
            "looks, fixed",
            "ratio",
            "hindsight",
            "ours / hindsight",
        ),
        rows,
    )


if __name__ == "__main__":
    main()
