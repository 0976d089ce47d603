"""Two triggerers on one key of 60 requests a minute that do not know of each other: each learns its own rate.

The jobs are submitted first. Then two processes wait for half of them each, through one poller a process. The
emulator counts the requests of each and how many were refused.

    python -m benchmarks.two_triggerers
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from typing import Any

from benchmarks.shared import MODEL, EmulatorProcess, describe_machine, print_table

JOBS_EACH, PER_MINUTE = 20, 60
DEADLINE_S = 900.0


async def wait_for_jobs(ids: list[str]) -> dict[str, Any]:
    """Wait for jobs as a triggerer does; return how they ended, and when the first half was done."""
    from airflow_provider_runway.segmind.job_summary import JobSummary
    from airflow_provider_runway.triggers.poller import get_poller

    began, ends, log = time.time(), [], logging.getLogger("benchmark")

    async def wait_for_job(request_id: str) -> str:
        summary = JobSummary(request_id, model=MODEL, submitted_at=began)
        outcome = await get_poller("benchmark").wait(summary, began + DEADLINE_S, log)
        ends.append(time.time() - began)
        return outcome.kind.value

    outcomes = Counter(await asyncio.gather(*(wait_for_job(request_id) for request_id in ids)))
    return {"outcomes": dict(outcomes), "half_s": sorted(ends)[len(ends) // 2], "all_s": max(ends)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", help="wait for these jobs, in this process")
    options = parser.parse_args()
    if options.ids:
        logging.disable(logging.WARNING)
        print(json.dumps(asyncio.run(wait_for_jobs(options.ids.split(",")))))
        return
    with EmulatorProcess(requests_per_minute=PER_MINUTE) as emulator:
        ids = emulator.submit_jobs(2 * JOBS_EACH)
        before = len(emulator.get_requests())
        waiters = []
        for number in range(2):
            with tempfile.TemporaryDirectory() as home:
                env = {**os.environ, "AIRFLOW_HOME": home, "AIRFLOW_CONN_BENCHMARK": emulator.connection_json()}
                mine = ",".join(ids[number::2])
                command = [sys.executable, "-m", "benchmarks.two_triggerers", "--ids", mine]
                waiters.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
        found = [json.loads(waiter.communicate()[0].splitlines()[-1]) for waiter in waiters]
        sent = emulator.get_requests()[before:]
    rows = []
    for number, row in enumerate(found):
        mine = set(ids[number::2])
        own = [request for request in sent if any(part in mine for part in request["path"].split("/"))]
        refused = sum(request["status"] == 429 for request in own)
        done = row["outcomes"].get("completed", 0)
        rows.append((f"{number + 1}", JOBS_EACH, done, len(own), refused, row["half_s"], row["all_s"]))
    print(f"One key of {PER_MINUTE} requests a minute. {describe_machine()}")
    print_table(
        ("triggerer", "jobs", "completed", "requests", "refused", "half done after s", "all done after s"), rows
    )


if __name__ == "__main__":
    main()
