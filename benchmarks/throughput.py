"""Jobs a minute on a key of 60 requests a minute: ours with and without pages, and the vendor's SDK as its page shows.

Every contestant has an emulator of its own, at full time scale, and runs in a process of its own. All run at the
same time, because they wait more than they work. Ours submits through ``RunwayHook`` from four worker slots; a
submit that gets a 429 frees its slot and is sent again after the reset, as a deferred task does. One poller waits.

    python -m benchmarks.throughput
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_runway.polling import history_page_policy
from benchmarks.shared import BODY, MODEL, EmulatorProcess, describe_machine, print_table, run_module


@dataclass(frozen=True)
class Contestant:
    """One way to run the jobs.

    :param threads: of the SDK; 0 for ours. :param configured: the connection's ``requests_per_minute``; 0 for none.
    :param has_pages: whether the poller may read pages of the history.
    :param faults: faults of the emulator. :param history: options of the emulator's history.
    """

    jobs: int = 40
    per_minute: int = 60
    threads: int = 0
    configured: int = 0
    has_pages: bool = True
    faults: tuple[str, ...] = ()
    history: dict[str, object] = field(default_factory=dict)


CONTESTANTS = {
    "ours, rate learnt": Contestant(),
    "ours, requests_per_minute = 60": Contestant(configured=60),
    "ours, without pages": Contestant(has_pages=False),
    "ours, 120 jobs": Contestant(jobs=120),
    "ours, 120 jobs, without pages": Contestant(jobs=120, has_pages=False),
    "ours, history late": Contestant(faults=("submit:history_late:times=0,seconds=300",)),
    "ours, history unreadable": Contestant(faults=("history:html_200:times=0",)),
    "ours, filters refused": Contestant(history={"history_form": "filters_refused_400"}),
    "SDK, 1 thread": Contestant(threads=1),
    "SDK, 4 threads": Contestant(threads=4),
    "SDK, 8 threads": Contestant(threads=8),
    "SDK, 1 thread, 120 jobs": Contestant(threads=1, jobs=120),
    "ours, rate learnt, key of 5": Contestant(jobs=6, per_minute=5),
    "ours, requests_per_minute = 5": Contestant(jobs=6, per_minute=5, configured=5),
}
WORKER_SLOTS = 4
SDK_INTERVAL_S, SDK_MAX_RUN_S = 2.0, 360.0
DEADLINE_S = 900.0
#: A deferred task is resumed some seconds after the reset.
RESUME_DELAY_S = (0.5, 3.0)


async def run_ours(emulator: EmulatorProcess, jobs: int, configured: int) -> dict[str, Any]:
    """Run jobs as tasks do: submit from a worker slot, wait in one poller."""
    from airflow_provider_runway.exceptions import ThrottledError
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.segmind.jobs import JobSummary
    from airflow_provider_runway.segmind.retry import NO_RETRY
    from airflow_provider_runway.triggers.poller import get_poller

    os.environ["AIRFLOW_CONN_BENCHMARK"] = emulator.connection_json(
        **({"requests_per_minute": configured} if configured else {})
    )
    slots, log, jitter = asyncio.Semaphore(WORKER_SLOTS), logging.getLogger("benchmark"), random.Random(1)

    def submit(seed: int) -> JobSummary:
        with RunwayHook("benchmark", NO_RETRY) as hook:
            job = hook.submit(MODEL, {**BODY, "seed": seed})
        return JobSummary(job.request_id, model=MODEL, submitted_at=job.submitted_at)

    async def task(seed: int) -> str:
        summary: JobSummary | None = None
        while summary is None:
            try:
                async with slots:
                    summary = await asyncio.to_thread(submit, seed)
            except ThrottledError as refusal:
                await asyncio.sleep(max((refusal.reset_at or 0) - time.time(), 0) + jitter.uniform(*RESUME_DELAY_S))
        outcome = await get_poller("benchmark").wait(summary, time.time() + DEADLINE_S, log)
        ended.append(time.time())
        return outcome.kind.value

    ended: list[float] = []
    outcomes = Counter(await asyncio.gather(*(task(seed + 1) for seed in range(jobs))))
    return {"finished": outcomes["completed"], "lost": jobs - outcomes["completed"], "last": max(ended)}


def run_sdk(emulator: EmulatorProcess, jobs: int, threads: int) -> dict[str, Any]:
    """Run jobs as the SDK's page shows: submit, and wait with an interval of 2 s; stop after a while."""
    from segmind import SegmindClient
    from segmind.exceptions import SegmindError

    queue, lock = list(range(1, jobs + 1)), threading.Lock()
    found: dict[str, Any] = {"finished": 0, "lost": 0, "last": time.time()}

    def work() -> None:
        client = SegmindClient(api_key=emulator.key, base_url=f"{emulator.url}/v1")
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
    stop_at = time.time() + SDK_MAX_RUN_S
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(stop_at - time.time(), 0))
    if time.time() >= stop_at:
        found["last"] = time.time()
    return dict(found)


def run_contestant(name: str) -> dict[str, Any]:
    """Run one contestant; return its row's figures."""
    contestant = CONTESTANTS[name]
    jobs = contestant.jobs
    with EmulatorProcess(
        contestant.faults, requests_per_minute=contestant.per_minute, **contestant.history
    ) as emulator:
        if contestant.threads:
            found = run_sdk(emulator, jobs, contestant.threads)
        else:
            if not contestant.has_pages:
                history_page_policy.MIN_JOBS = jobs + 1
            found = asyncio.run(run_ours(emulator, jobs, contestant.configured))
        sent = emulator.get_http_requests()
        refused = sum(request["status"] == 429 for request in sent)
        pages = sum(request["call"] == "history" for request in sent)
        accepted = emulator.get_ledger()["accepted"]
    return {
        **found,
        "took_s": max(found["last"] - sent[0]["at"], 0.1),
        "accepted": accepted,
        "sent": len(sent),
        "refused": refused,
        "pages": pages,
    }


def run_in_process(name: str) -> dict[str, Any]:
    """Run one contestant in a process of its own."""
    return run_module("benchmarks.throughput", "--contestant", name)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contestant", choices=CONTESTANTS)
    parser.add_argument("--only", default="", help="contestants whose names hold this")
    options = parser.parse_args()
    if options.contestant:
        print(json.dumps(run_contestant(options.contestant)))
        return
    names = [name for name in CONTESTANTS if options.only in name]
    with ThreadPoolExecutor(len(names)) as pool:
        found = dict(zip(names, pool.map(run_in_process, names), strict=True))
    print(f"Submits from {WORKER_SLOTS} slots (ours); the SDK is stopped after {SDK_MAX_RUN_S:.0f} s.")
    print(describe_machine())
    head = (
        "contestant",
        "jobs",
        "finished",
        "in s",
        "jobs/min",
        "paid and lost",
        "requests",
        "pages",
        "refused",
        "requests/job",
    )
    rows = []
    for name, row in found.items():
        jobs, done = CONTESTANTS[name].jobs, max(row["finished"], 0)
        pace, each = done / row["took_s"] * 60, row["sent"] / done if done else "-"
        rows.append(
            (
                name,
                jobs,
                done,
                f"{row['took_s']:.0f}",
                pace,
                row["lost"],
                row["sent"],
                row["pages"],
                row["refused"],
                each,
            )
        )
    print_table(head, rows)


if __name__ == "__main__":
    main()
