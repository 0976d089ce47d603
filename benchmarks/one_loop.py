"""(b) A thousand and four thousand jobs in one event loop: ours, and six other ways to wait there.

Each contestant runs in a process of its own, one after another, against an emulator in yet another process, whose
jobs take their usual half minute. The peers ask at fixed intervals, and as often as ours did. CPU is the client
process's own; the stall is how late a timer of 10 ms ran at worst; lateness is from the job's end to the moment when
its output is known; memory is what ``tracemalloc`` counts for jobs that all wait, before the first is looked at.
Logging is off everywhere, and what Airflow itself keeps in memory is frozen out of garbage collections: to go through
all that takes a tenth of a second, whoever waits.

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
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from statistics import mean, median

from benchmarks.gateway import MODEL, Gateway
from benchmarks.peers import CATALOGUED_S, PEERS, Peer, why_not
from benchmarks.report import machine, table

SIZES = (1_000, 4_000)
OURS, BARE = "ours", "bare loop"
#: Ours and the bare loop take turns so often, and their medians are compared: a machine is never quite idle.
COMPARED = 3
TICK_S = 0.01
#: A contestant that cannot keep up is cut here, its last jobs unseen.
CUT_S = 150.0

Wait = Callable[[str, float], Awaitable[float]]


class Stalls:
    """How late a timer runs, at worst."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def poll_until_done(self) -> None:
        """Sleep a tick, again and again."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK_S)
            self.longest_s = max(self.longest_s, time.perf_counter() - began - TICK_S)


async def triggerer(gateway: Gateway) -> None:
    """Bring in what a triggerer has read long ago, for every contestant."""
    os.environ["AIRFLOW_CONN_BENCHMARK"] = gateway.connection(requests_per_minute=1_000_000)
    from airflow_provider_runway.compat import get_stats
    from airflow_provider_runway.triggers import connection_cache

    get_stats()
    await connection_cache.RunwayAsyncHook("benchmark").get_async_conn()
    gc.collect()
    gc.freeze()


def waiting_in_a_poller() -> Wait:
    """Return how ours waits for a job: in one poller, whose budget is as good as unlimited."""
    from airflow_provider_runway.segmind.job_summary import JobSummary
    from airflow_provider_runway.triggers.poller import get_poller

    log = logging.getLogger("benchmark")

    async def wait(request_id: str, submitted_at: float) -> float:
        report = JobSummary(request_id, model=MODEL, submitted_at=submitted_at)
        ending = await get_poller("benchmark").wait(report, submitted_at + 900, log)
        seen_at, took_s = ending.job.completed_at, (ending.job.metrics or {})["total_time"]
        assert seen_at is not None
        return float(seen_at - submitted_at - took_s)

    return wait


async def run(name: str, jobs: int, gateway: Gateway, interval_s: float) -> dict[str, float]:
    """Submit, wait for all, and return the figures."""
    await triggerer(gateway)
    await asyncio.to_thread(gateway.submit, jobs)
    made = (await asyncio.to_thread(gateway.ledger))["jobs"]
    peer: Peer | None = None if name == OURS else PEERS[name](gateway.url, gateway.key, interval_s)
    wait = waiting_in_a_poller() if peer is None else peer.wait
    stalls, before = Stalls(), len(await asyncio.to_thread(gateway.requests))
    ticking = asyncio.create_task(stalls.poll_until_done())
    await asyncio.sleep(0.1)
    stalls.longest_s, cpu_s, start = 0.0, time.process_time(), time.perf_counter()
    waits = [asyncio.ensure_future(wait(job["request_id"], job["submitted_at"])) for job in made]
    done, late = await asyncio.wait(waits, timeout=CUT_S)
    cpu_s, took_s = time.process_time() - cpu_s, time.perf_counter() - start
    ticking.cancel()
    for each in late:
        each.cancel()
    # A peer whose request fails has lost its job: none of them looks again.
    seen = [each.result() for each in done if each.exception() is None]
    if peer is not None:
        await peer.close()
    sent = (await asyncio.to_thread(gateway.requests))[before:]
    return {
        "finished": len(seen),
        "requests": len(sent),
        "looks": sum(request["call"] == "status" for request in sent) / jobs,
        "cpu_ms": cpu_s / len(sent) * 1000,
        "stall_s": stalls.longest_s,
        "late_s": mean(seen) if seen else math.nan,
        "took_s": took_s,
    }


async def memory(name: str, jobs: int, gateway: Gateway) -> float:
    """Return the KiB that a waiting job takes."""
    await triggerer(gateway)
    peer = None if name == OURS else PEERS[name](gateway.url, gateway.key, 3600.0)
    wait = waiting_in_a_poller() if peer is None else peer.wait

    async def hold(first: int, many: int) -> list[asyncio.Future[float]]:
        made = [asyncio.ensure_future(wait(f"job-{n}", time.time())) for n in range(first, first + many)]
        await asyncio.sleep(0.2)
        return made

    waits = await hold(0, 10)  # what the first ones bring with them is not theirs
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    waits += await hold(10, jobs)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for each in waits:
        each.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    if peer is not None:
        await peer.close()
    return (after - before) / jobs / 1024


def contest(name: str, jobs: int, interval_s: float) -> dict[str, float]:
    """Run one contestant; return its row's figures."""
    with Gateway() as gateway:
        found = asyncio.run(run(name, jobs, gateway, interval_s))
        return {**found, "kib": asyncio.run(memory(name, jobs, gateway))}


def apart(name: str, jobs: int, interval_s: float) -> dict[str, float]:
    """Run one contestant in a process of its own."""
    given = ("--contestant", name, "--jobs", str(jobs), "--interval", str(interval_s))
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.one_loop", *given],
            env={**os.environ, "AIRFLOW_HOME": home},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contestant", choices=[OURS, *PEERS])
    parser.add_argument("--jobs", type=int, action="append", help=f"how many, repeatable {SIZES}")
    parser.add_argument("--interval", type=float, default=4.0, help="of a peer that runs alone, in seconds")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    if options.contestant:
        print(json.dumps(contest(options.contestant, options.jobs[0], options.interval)))
        return
    print(machine())
    for jobs in options.jobs or SIZES:
        first = apart(OURS, jobs, 0.0)
        # A job that lives for a while is looked at once an interval, and half a time more for the phase.
        interval_s = CATALOGUED_S / max(first["looks"] - 0.5, 0.5)
        runs: dict[str, list[dict[str, float]]] = {OURS: [first], **{name: [] for name in PEERS}}
        for turn in range(COMPARED):
            if turn > 0:
                runs[OURS].append(apart(OURS, jobs, 0.0))
            runs[BARE].append(apart(BARE, jobs, interval_s))
        for name in PEERS:
            if (reason := why_not(name)) is not None:
                print(f"Skipped: {name}: {reason}")
            elif name != BARE:
                runs[name].append(apart(name, jobs, interval_s))
        found = {
            name: {key: median(run[key] for run in each) for key in each[0]} for name, each in runs.items() if each
        }
        print(f"\n{jobs} jobs; the peers look every {interval_s:.1f} s.\n")
        head = ("contestant", "jobs seen", "requests", "CPU ms/request", "of the bare loop's", "longest stall s")
        table(
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
