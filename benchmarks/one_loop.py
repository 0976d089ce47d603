"""A thousand and four thousand jobs in one event loop: CPU time, stalls, lateness and memory of ours and others.

Each contestant runs in a process of its own, one after another, against an emulator in another process, whose jobs
take their usual half minute. The alternatives poll at a fixed interval, as often as ours did. CPU time is the client
process's own. The stall is how late a timer of 10 ms ran at worst. Lateness is from the job's end until its output is
known. Memory is what ``tracemalloc`` counts for waiting jobs before the first poll. Logging is off everywhere, and
what Airflow itself keeps in memory is excluded from garbage collection, because that takes a tenth of a second.

    python -m benchmarks.one_loop
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import math
import os
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from statistics import mean, median

from benchmarks.alternative_pollers import ALTERNATIVES, REGISTRY_MEAN_S, AlternativePoller, missing_requirement
from benchmarks.shared import MODEL, EmulatorProcess, describe_machine, print_table, run_module

SIZES = (1_000, 4_000)
OURS, BARE = "ours", "bare loop"
#: Ours and the bare loop take turns this often, and their medians are compared, because no machine is quite idle.
TURNS = 3
TICK_S = 0.01
#: A contestant that cannot keep up is stopped after this time.
MAX_RUN_S = 150.0

Wait = Callable[[str, float], Awaitable[float]]


class StallMeter:
    """Measures how late a timer runs, at worst."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def run(self) -> None:
        """Sleep a tick, again and again."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK_S)
            self.longest_s = max(self.longest_s, time.perf_counter() - began - TICK_S)


async def prepare_process(emulator: EmulatorProcess) -> None:
    """Import and read what a triggerer has read long ago, for every contestant."""
    os.environ["AIRFLOW_CONN_BENCHMARK"] = emulator.connection_json(requests_per_minute=1_000_000)
    from airflow_provider_runway.compat import get_stats
    from airflow_provider_runway.triggers import poller_connection

    get_stats()
    await poller_connection.RunwayAsyncHook("benchmark").get_async_conn()
    gc.collect()
    gc.freeze()


def make_our_wait() -> Wait:
    """Return how ours waits for a job: in one poller, whose rate limit is never reached."""
    from airflow_provider_runway.segmind.jobs import JobSummary
    from airflow_provider_runway.triggers.poller import get_poller

    log = logging.getLogger("benchmark")

    async def wait(request_id: str, submitted_at: float) -> float:
        summary = JobSummary(request_id, model=MODEL, submitted_at=submitted_at)
        outcome = await get_poller("benchmark").wait(summary, submitted_at + 900, log)
        seen_at, took_s = outcome.job.completed_at, (outcome.job.metrics or {})["total_time"]
        assert seen_at is not None
        return float(seen_at - submitted_at - took_s)

    return wait


async def measure(name: str, jobs: int, emulator: EmulatorProcess, interval_s: float) -> dict[str, float]:
    """Submit, wait for all, and return the figures."""
    await prepare_process(emulator)
    await asyncio.to_thread(emulator.submit_jobs, jobs)
    made = (await asyncio.to_thread(emulator.get_ledger))["jobs"]
    alternative: AlternativePoller | None = (
        None if name == OURS else ALTERNATIVES[name](emulator.url, emulator.key, interval_s)
    )
    wait = make_our_wait() if alternative is None else alternative.wait
    stalls, before = StallMeter(), len(await asyncio.to_thread(emulator.get_http_requests))
    ticking = asyncio.create_task(stalls.run())
    await asyncio.sleep(0.1)
    stalls.longest_s, cpu_s, start = 0.0, time.process_time(), time.perf_counter()
    waits = [asyncio.ensure_future(wait(job["request_id"], job["submitted_at"])) for job in made]
    done, late = await asyncio.wait(waits, timeout=MAX_RUN_S)
    cpu_s, took_s = time.process_time() - cpu_s, time.perf_counter() - start
    ticking.cancel()
    for each in late:
        each.cancel()
    # An alternative whose request fails has lost its job, because none of them retries.
    seen = [each.result() for each in done if each.exception() is None]
    if alternative is not None:
        await alternative.close()
    sent = (await asyncio.to_thread(emulator.get_http_requests))[before:]
    return {
        "finished": len(seen),
        "requests": len(sent),
        "polls": sum(request["call"] == "status" for request in sent) / jobs,
        "cpu_ms": cpu_s / len(sent) * 1000,
        "stall_s": stalls.longest_s,
        "late_s": mean(seen) if seen else math.nan,
        "took_s": took_s,
    }


async def measure_memory(name: str, jobs: int, emulator: EmulatorProcess) -> float:
    """Return the KiB that a waiting job takes."""
    await prepare_process(emulator)
    alternative = None if name == OURS else ALTERNATIVES[name](emulator.url, emulator.key, 3600.0)
    wait = make_our_wait() if alternative is None else alternative.wait

    async def start_waits(first: int, count: int) -> list[asyncio.Future[float]]:
        made = [asyncio.ensure_future(wait(f"job-{n}", time.time())) for n in range(first, first + count)]
        await asyncio.sleep(0.2)
        return made

    waits = await start_waits(0, 10)  # the first ones allocate what all share
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    waits += await start_waits(10, jobs)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for each in waits:
        each.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    if alternative is not None:
        await alternative.close()
    return (after - before) / jobs / 1024


def run_contestant(name: str, jobs: int, interval_s: float) -> dict[str, float]:
    """Run one contestant; return its row's figures."""
    with EmulatorProcess() as emulator:
        found = asyncio.run(measure(name, jobs, emulator, interval_s))
        return {**found, "kib": asyncio.run(measure_memory(name, jobs, emulator))}


def run_in_process(name: str, jobs: int, interval_s: float) -> dict[str, float]:
    """Run one contestant in a process of its own."""
    arguments = ("--contestant", name, "--jobs", str(jobs), "--interval", str(interval_s))
    return run_module("benchmarks.one_loop", *arguments)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contestant", choices=[OURS, *ALTERNATIVES])
    parser.add_argument("--jobs", type=int, action="append", help=f"how many, repeatable {SIZES}")
    parser.add_argument("--interval", type=float, default=4.0, help="of an alternative that runs alone, in seconds")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    if options.contestant:
        print(json.dumps(run_contestant(options.contestant, options.jobs[0], options.interval)))
        return
    print(describe_machine())
    for jobs in options.jobs or SIZES:
        first = run_in_process(OURS, jobs, 0.0)
        # A job is polled once an interval, and half a time more on average for the phase.
        interval_s = REGISTRY_MEAN_S / max(first["polls"] - 0.5, 0.5)
        runs: dict[str, list[dict[str, float]]] = {OURS: [first], **{name: [] for name in ALTERNATIVES}}
        for turn in range(TURNS):
            if turn > 0:
                runs[OURS].append(run_in_process(OURS, jobs, 0.0))
            runs[BARE].append(run_in_process(BARE, jobs, interval_s))
        for name in ALTERNATIVES:
            if (reason := missing_requirement(name)) is not None:
                print(f"Skipped: {name}: {reason}")
            elif name != BARE:
                runs[name].append(run_in_process(name, jobs, interval_s))
        found = {
            name: {key: median(run[key] for run in each) for key in each[0]} for name, each in runs.items() if each
        }
        print(f"\n{jobs} jobs; the alternatives poll every {interval_s:.1f} s.\n")
        head = ("contestant", "jobs seen", "requests", "CPU ms/request", "of the bare loop's", "longest stall s")
        print_table(
            (*head, "mean lateness s", "KiB/waiting job"),
            [
                (
                    name,
                    f"{row['finished']:.0f}",
                    f"{row['requests']:.0f}",
                    row["cpu_ms"],
                    row["cpu_ms"] / found[BARE]["cpu_ms"],
                    f"{row['stall_s']:.3f}",
                    "-" if math.isnan(row["late_s"]) else row["late_s"],
                    row["kib"],
                )
                for name, row in found.items()
            ],
        )


if __name__ == "__main__":
    main()
