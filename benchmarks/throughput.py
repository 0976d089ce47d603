"""(a) Forty jobs on a key of 60 requests a minute: ours, and the vendor's SDK as its own page shows it.

Every contestant has an emulator of its own, at full time scale, and runs in a process of its own; all run at the
same time, for they wait more than they work. Ours submits through ``RunwayHook`` from four worker slots; a submit
that is refused gives its slot back and comes again after the reset, as a deferred task does. It waits through one
poller.

    python -m benchmarks.throughput
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.gateway import BODY, MODEL, Gateway
from benchmarks.report import machine, table

#: name -> (how, threads or what the connection says of the budget, jobs, requests a minute)
CONTESTANTS: dict[str, tuple[str, int, int, int]] = {
    "ours, budget found out": ("ours", 0, 40, 60),
    "ours, requests_per_minute = 60": ("ours", 60, 40, 60),
    "SDK, 1 thread": ("sdk", 1, 40, 60),
    "SDK, 4 threads": ("sdk", 4, 40, 60),
    "SDK, 8 threads": ("sdk", 8, 40, 60),
    "ours, budget found out, key of 5": ("ours", 0, 6, 5),
    "ours, requests_per_minute = 5": ("ours", 5, 6, 5),
}
WORKER_SLOTS = 4
SDK_INTERVAL_S, SDK_CUT_S = 2.0, 360.0
DEADLINE_S = 900.0
#: A task that is resumed does not run in the very moment of the reset, and not all do at once.
RESUMED_AFTER_S = (0.5, 3.0)


async def ours(gateway: Gateway, jobs: int, told: int) -> dict[str, Any]:
    """Run jobs as tasks do: submit on a worker slot, wait in one poller."""
    from airflow_provider_runway.exceptions import ThrottledError
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.segmind.job_summary import JobSummary
    from airflow_provider_runway.segmind.retry import NO_RETRY
    from airflow_provider_runway.triggers.poller import get_poller

    os.environ["AIRFLOW_CONN_BENCHMARK"] = gateway.connection(**({"requests_per_minute": told} if told else {}))
    slots, log, jitter = asyncio.Semaphore(WORKER_SLOTS), logging.getLogger("benchmark"), random.Random(1)

    def submit(seed: int) -> JobSummary:
        with RunwayHook("benchmark", NO_RETRY) as hook:
            job = hook.submit(MODEL, {**BODY, "seed": seed})
        return JobSummary(job.request_id, model=MODEL, submitted_at=job.submitted_at)

    async def task(seed: int) -> str:
        report: JobSummary | None = None
        while report is None:
            try:
                async with slots:
                    report = await asyncio.to_thread(submit, seed)
            except ThrottledError as refusal:
                await asyncio.sleep(max((refusal.reset_at or 0) - time.time(), 0) + jitter.uniform(*RESUMED_AFTER_S))
        ending = await get_poller("benchmark").wait(report, time.time() + DEADLINE_S, log)
        ended.append(time.time())
        return ending.kind.value

    ended: list[float] = []
    outcomes = Counter(await asyncio.gather(*(task(seed + 1) for seed in range(jobs))))
    return {"finished": outcomes["completed"], "lost": jobs - outcomes["completed"], "last": max(ended)}


def sdk(gateway: Gateway, jobs: int, threads: int) -> dict[str, Any]:
    """Run jobs as the SDK's page shows: submit, and wait with an interval of 2 s; cut after a while."""
    from segmind import SegmindClient
    from segmind.exceptions import SegmindError

    queue, lock = list(range(1, jobs + 1)), threading.Lock()
    found: dict[str, Any] = {"finished": 0, "lost": 0, "last": time.time()}

    def work() -> None:
        client = SegmindClient(api_key=gateway.key, base_url=f"{gateway.url}/v1")
        while True:
            with lock:
                if not queue:
                    return
                seed = queue.pop(0)
            accepted = False
            try:
                job = client.submit_async(MODEL, **BODY, seed=seed)
                accepted = True
                job.wait(interval=SDK_INTERVAL_S)
            except SegmindError:
                with lock:
                    found["lost"] += accepted
                continue
            with lock:
                found["finished"] += 1
                found["last"] = time.time()

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    cut_at = time.time() + SDK_CUT_S
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(cut_at - time.time(), 0))
    if time.time() >= cut_at:
        found["last"] = time.time()
    return dict(found)


def contest(name: str) -> dict[str, Any]:
    """Run one contestant; return its row's figures."""
    how, number, jobs, per_minute = CONTESTANTS[name]
    with Gateway(requests_per_minute=per_minute) as gateway:
        began = time.time()
        found = asyncio.run(ours(gateway, jobs, number)) if how == "ours" else sdk(gateway, jobs, number)
        sent = gateway.requests()
        refused = sum(request["status"] == 429 for request in sent)
        accepted = gateway.ledger()["accepted"]
    return {**found, "took_s": found["last"] - began, "accepted": accepted, "sent": len(sent), "refused": refused}


def apart(name: str) -> dict[str, Any]:
    """Run one contestant in a process of its own."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "benchmarks.throughput", "--contestant", name]
        done = subprocess.run(
            command, env={**os.environ, "AIRFLOW_HOME": home}, stdout=subprocess.PIPE, check=True, text=True
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contestant", choices=CONTESTANTS)
    parser.add_argument("--only", default="", help="contestants whose names hold this")
    options = parser.parse_args()
    if options.contestant:
        print(json.dumps(contest(options.contestant)))
        return
    names = [name for name in CONTESTANTS if options.only in name]
    with ThreadPoolExecutor(len(names)) as pool:
        found = dict(zip(names, pool.map(apart, names), strict=True))
    print(f"Submits from {WORKER_SLOTS} slots (ours); the SDK is cut after {SDK_CUT_S:.0f} s. {machine()}")
    head = (
        "contestant",
        "jobs",
        "finished",
        "in s",
        "jobs/min",
        "paid and lost",
        "requests",
        "refused",
        "requests/job",
    )
    rows = []
    for name, row in found.items():
        jobs, done = CONTESTANTS[name][2], max(row["finished"], 0)
        pace, each = done / row["took_s"] * 60, row["sent"] / done if done else "-"
        rows.append((name, jobs, done, f"{row['took_s']:.0f}", pace, row["lost"], row["sent"], row["refused"], each))
    table(head, rows)


if __name__ == "__main__":
    main()
