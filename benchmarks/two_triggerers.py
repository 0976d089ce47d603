"""Two triggerers on one key of 60 requests a minute, which do not talk to each other: each finds its own pace.

The jobs are submitted first. Then two processes wait for half of them each, through one poller a
process, neither of which is told the budget; the gateway counts who asked how often, and who was refused.

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

from benchmarks.gateway import MODEL, Gateway
from benchmarks.report import machine, table

JOBS_EACH, PER_MINUTE = 20, 60
DEADLINE_S = 900.0


async def wait_for(ids: list[str]) -> dict[str, Any]:
    """Wait for jobs as a triggerer does; return how they ended, and when the first half was done."""
    from airflow_provider_runway.segmind.job_summary import JobSummary
    from airflow_provider_runway.triggers.poller import get_poller

    began, ends, log = time.time(), [], logging.getLogger("benchmark")

    async def one(request_id: str) -> str:
        report = JobSummary(request_id, model=MODEL, submitted_at=began)
        ending = await get_poller("benchmark").wait(report, began + DEADLINE_S, log)
        ends.append(time.time() - began)
        return ending.kind.value

    outcomes = Counter(await asyncio.gather(*(one(request_id) for request_id in ids)))
    return {"outcomes": dict(outcomes), "half_s": sorted(ends)[len(ends) // 2], "all_s": max(ends)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", help="wait for these jobs, in this process")
    options = parser.parse_args()
    if options.ids:
        logging.disable(logging.WARNING)
        print(json.dumps(asyncio.run(wait_for(options.ids.split(",")))))
        return
    with Gateway(requests_per_minute=PER_MINUTE) as gateway:
        ids = gateway.submit_patiently(2 * JOBS_EACH)
        before = len(gateway.requests())
        waiters = []
        for number in range(2):
            with tempfile.TemporaryDirectory() as home:
                env = {**os.environ, "AIRFLOW_HOME": home, "AIRFLOW_CONN_BENCHMARK": gateway.connection()}
                mine = ",".join(ids[number::2])
                command = [sys.executable, "-m", "benchmarks.two_triggerers", "--ids", mine]
                waiters.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True))
        found = [json.loads(waiter.communicate()[0].splitlines()[-1]) for waiter in waiters]
        sent = gateway.requests()[before:]
    rows = []
    for number, row in enumerate(found):
        mine = set(ids[number::2])
        own = [request for request in sent if any(part in mine for part in request["path"].split("/"))]
        refused = sum(request["status"] == 429 for request in own)
        done = row["outcomes"].get("completed", 0)
        rows.append((f"triggerer {number + 1}", JOBS_EACH, done, len(own), refused, row["half_s"], row["all_s"]))
    print(f"One key of {PER_MINUTE} requests a minute. {machine()}")
    table(("who", "jobs", "completed", "requests", "refused", "half done after s", "all done after s"), rows)


if __name__ == "__main__":
    main()
