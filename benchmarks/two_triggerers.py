"""Two triggerers on one key of 60 requests a minute that do not know of each other.

Each learns its own rate, or both are configured with the key's limit in the connection, which is too much for two.

The jobs are submitted first. Then two processes wait for half of them each, through one poller a process. The
emulator counts the requests of each and how many were refused.

    python -m benchmarks.two_triggerers
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.shared import MODEL, EmulatorProcess, describe_machine, print_table, run_module

JOBS_EACH, PER_MINUTE = 40, 60
#: After this time the rates count as settled.
SETTLING_S = 60.0
DEADLINE_S = 900.0


async def wait_for_jobs(ids: list[str]) -> dict[str, Any]:
    """Wait for jobs as a triggerer does; return how they ended, and when the first half was done."""
    from airflow_provider_runway.segmind.jobs import JobSummary
    from airflow_provider_runway.triggers.poller import get_poller

    began, ends, log = time.time(), [], logging.getLogger("benchmark")

    async def wait_for_job(request_id: str) -> str:
        summary = JobSummary(request_id, model=MODEL, submitted_at=began)
        outcome = await get_poller("benchmark").wait(summary, began + DEADLINE_S, log)
        ends.append(time.time() - began)
        return outcome.kind.value

    outcomes = Counter(await asyncio.gather(*(wait_for_job(request_id) for request_id in ids)))
    return {"outcomes": dict(outcomes), "half_s": sorted(ends)[len(ends) // 2], "all_s": max(ends)}


def run_pair(configured: bool) -> list[tuple[object, ...]]:
    """Let two processes wait for half of the jobs each; return their rows."""
    with EmulatorProcess(requests_per_minute=PER_MINUTE) as emulator:
        request_ids = emulator.submit_jobs(2 * JOBS_EACH)
        before = len(emulator.get_http_requests())
        began = time.time()
        extra = {"requests_per_minute": PER_MINUTE} if configured else {}
        connection = emulator.connection_json(**extra)
        with ThreadPoolExecutor(2) as pool:
            found = list(
                pool.map(
                    lambda number: run_module(
                        "benchmarks.two_triggerers",
                        *("--ids", ",".join(request_ids[number::2])),
                        AIRFLOW_CONN_BENCHMARK=connection,
                    ),
                    range(2),
                )
            )
        sent = emulator.get_http_requests()[before:]
    rows: list[tuple[object, ...]] = []
    for number, row in enumerate(found):
        own_ids = set(request_ids[number::2])
        own = [request for request in sent if own_ids & set(request["path"].split("/"))]
        settled = [request for request in own if request["at"] > began + SETTLING_S]
        refused = sum(request["status"] == 429 for request in own)
        share = 100 * sum(request["status"] == 429 for request in settled) / max(len(settled), 1)
        kind = f"{number + 1}, {'configured' if configured else 'learnt'}"
        completed = row["outcomes"].get("completed", 0)
        rows.append((kind, JOBS_EACH, completed, len(own), refused, share, row["half_s"], row["all_s"]))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", help="wait for these jobs, in this process")
    options = parser.parse_args()
    if options.ids:
        logging.disable(logging.WARNING)
        print(json.dumps(asyncio.run(wait_for_jobs(options.ids.split(",")))))
        return
    with ThreadPoolExecutor(2) as pool:
        rows = [row for rows in pool.map(run_pair, (False, True)) for row in rows]
    print(f"A key of {PER_MINUTE} requests a minute for each pair of triggerers. {describe_machine()}")
    print_table(
        (
            "triggerer, rate",
            "jobs",
            "completed",
            "requests",
            "refused",
            f"% refused after {SETTLING_S:.0f} s",
            "half done after s",
            "all done after s",
        ),
        rows,
    )


if __name__ == "__main__":
    main()
