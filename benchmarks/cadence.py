"""Polls a job at equal mean lateness: our schedule, fixed intervals, and the optimum in hindsight.

A simulation without an emulator or a clock: job latencies are drawn from three distributions, and each schedule is
applied to the same jobs. Ours starts with the registry's mean and learns from each job; the fixed interval is the
one with the same mean lateness; hindsight knows all latencies beforehand and is the optimum over all schedules
(dynamic programming over the age, in steps of half a second).

    .venv/bin/python -m benchmarks.cadence
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable
from statistics import mean, median

from airflow_provider_runway.polling.latency import LatencyEstimator
from airflow_provider_runway.polling.schedule import MAX_UNLEARNT_GAP_S, PriorityTimes, next_poll_delay_s
from benchmarks.shared import describe_machine, print_table

JOBS, SEEDS = 1_000, (1, 2, 3, 4, 5)
#: Poll costs, in seconds of lateness: from few jobs to many.
POLL_COSTS_S = (0.15, 0.5, 1.0, 2.0, 4.0)
REGISTRY_MEAN_S, DEADLINE_S = 27.38, 3600.0
STEP_S = 0.5

Draw = Callable[[random.Random], float]


def draw_usual(jitter: random.Random) -> float:
    """Draw a latency around the mean that the model's page shows."""
    return jitter.lognormvariate(math.log(REGISTRY_MEAN_S) - 0.25**2 / 2, 0.25)


def draw_slow_tail(jitter: random.Random) -> float:
    """Draw the same, but 5 % take three to eight times as long."""
    return draw_usual(jitter) * (jitter.uniform(3, 8) if jitter.random() < 0.05 else 1)


def draw_bimodal(jitter: random.Random) -> float:
    """Draw a warm worker's latency, or a cold one's."""
    return max(jitter.gauss(18, 2) if jitter.random() < 0.6 else jitter.gauss(50, 4), 1.0)


def simulate_ours(jobs: list[float], poll_cost_s: float) -> tuple[float, float]:
    """Return (polls a job, mean lateness) of our schedule, which learns as it goes."""
    model, polls, late = LatencyEstimator(REGISTRY_MEAN_S), 0, 0.0
    for latency_s in jobs:
        age_s = 0.0
        while age_s < latency_s:
            age_s += (
                next_poll_delay_s(model, age_s, DEADLINE_S - age_s, poll_cost_s, last_polled_age_s=age_s) or DEADLINE_S
            )
            polls += 1
        late += age_s - latency_s
        model.add_sample(latency_s)
    return polls / len(jobs), late / len(jobs)


def simulate_fixed(jobs: list[float], interval_s: float) -> tuple[float, float]:
    """Return (polls a job, mean lateness) of a fixed interval."""
    polls = [math.ceil(latency_s / interval_s) for latency_s in jobs]
    return mean(polls), mean(n * interval_s - latency_s for n, latency_s in zip(polls, jobs, strict=True))


def find_best_fixed(jobs: list[float], lateness_s: float) -> float:
    """Return the fewest polls a job of any fixed interval whose mean lateness is no worse."""
    intervals = (0.25 * 1.01**step for step in range(500))
    return min(polls for polls, late in (simulate_fixed(jobs, s) for s in intervals) if late <= lateness_s)


def compute_hindsight(jobs: list[float], lateness_s: float) -> float:
    """Return the polls a job of the best schedule for exactly these jobs, at the same mean lateness."""
    ages = sorted(jobs)
    steps = int(ages[-1] / STEP_S) + 2
    alive = [len(ages) - bisect_left(ages, step * STEP_S) for step in range(steps + 1)]
    waited = [0.0]  # job-seconds lived up to each step
    for step in range(steps):
        waited.append(waited[-1] + STEP_S * (alive[step] + alive[step + 1]) / 2)
    low, high = 1e-3, 1e3
    for _ in range(14):
        poll_cost_s = math.sqrt(low * high)
        polls, late = _compute_optimum(alive, waited, poll_cost_s)
        low, high = (poll_cost_s, high) if late / len(ages) < lateness_s else (low, poll_cost_s)
    return polls / len(ages)


def _compute_optimum(alive: list[int], waited: list[float], poll_cost_s: float) -> tuple[float, float]:
    """Return (polls, total lateness) of the schedule that minimises ``poll cost * polls + lateness``."""
    last = len(alive) - 1
    best, polls, late = [0.0] * (last + 1), [0.0] * (last + 1), [0.0] * (last + 1)
    for here in range(last - 1, -1, -1):
        if alive[here] == 0:
            continue
        choice: tuple[float, int, float] | None = None
        for there in range(here + 1, min(here + 160, last) + 1):
            ended_late = _sum_lateness(alive, waited, here, there)
            cost = poll_cost_s * alive[here] + ended_late + best[there]
            if choice is None or cost < choice[0]:
                choice = (cost, there, ended_late)
        assert choice is not None
        best[here], there, ended_late = choice
        polls[here], late[here] = alive[here] + polls[there], ended_late + late[there]
    return polls[0], late[0]


def _sum_lateness(alive: list[int], waited: list[float], here: int, there: int) -> float:
    """Return the summed lateness, at a poll, of the jobs that ended since the last one."""
    return (there - here) * STEP_S * alive[here] - (waited[there] - waited[here])


def simulate_first_jobs(factor: float, interval_s: float | None, max_gap_s: float) -> tuple[float, float]:
    """Return (requests a job, mean lateness) of the first jobs of a few that wait, before any has finished.

    :param factor: what the jobs take, as a multiple of the registry's mean.
    :param interval_s: a fixed interval; None for our schedule at its lowest priority.
    """
    jitter, latency, requests, late = random.Random(1), LatencyEstimator(REGISTRY_MEAN_S), 0, 0.0
    for _ in range(JOBS):
        latency_s, age_s = factor * draw_usual(jitter), 0.0
        while age_s < latency_s:
            age_s = (
                age_s + interval_s
                if interval_s is not None
                else PriorityTimes(latency, age_s, age_s, age_s, max_gap_s)[0]
            )
            requests += 1
        requests += 1  # for the result
        late += age_s - latency_s
    return requests / JOBS, late / JOBS


def print_first_jobs() -> None:
    """Print how soon the first jobs of an idle account are seen where the registry's latency is wrong."""
    rows = []
    for factor in (0.1, 1 / 3, 1.0, 3.0, 10.0):
        ours = simulate_first_jobs(factor, None, MAX_UNLEARNT_GAP_S)
        estimate = simulate_first_jobs(factor, None, math.inf)
        fixed = [simulate_first_jobs(factor, interval_s, math.inf) for interval_s in (2.0, 5.0, 10.0)]
        cells = [f"{requests:.1f} / {late_s:.1f}" for requests, late_s in (ours, estimate, *fixed)]
        rows.append((f"{factor:.2f}", *cells))
    print("\nFirst jobs of an idle account: requests a job / seconds late, by true latency over registered latency.\n")
    print_table(("true / registered", "ours", "by the estimate alone", "every 2 s", "every 5 s", "every 10 s"), rows)


def main() -> None:
    """Print the table."""
    rows = []
    for name, draw in (
        ("as in the registry", draw_usual),
        ("5 % slow tail", draw_slow_tail),
        ("bimodal", draw_bimodal),
    ):
        for poll_cost_s in POLL_COSTS_S:
            polled, lates, fixes = [], [], []
            for seed in SEEDS:
                jitter = random.Random(seed)
                jobs = [draw(jitter) for _ in range(JOBS)]
                polls, late = simulate_ours(jobs, poll_cost_s)
                polled.append(polls)
                lates.append(late)
                fixes.append(find_best_fixed(jobs, late))
            best = compute_hindsight(jobs, lates[-1])
            ratio = median(mine / theirs for mine, theirs in zip(polled, fixes, strict=True))
            rows.append(
                (name, poll_cost_s, median(lates), median(polled), median(fixes), ratio, best, polled[-1] / best)
            )
    print(f"{JOBS} jobs a run, medians of {len(SEEDS)} runs (hindsight: the last run). {describe_machine()}")
    print_table(
        (
            "distribution",
            "poll cost s",
            "lateness s",
            "polls, ours",
            "polls, fixed",
            "ratio",
            "hindsight",
            "ours / hindsight",
        ),
        rows,
    )
    print_first_jobs()


if __name__ == "__main__":
    main()
