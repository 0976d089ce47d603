"""Run jobs on a real Airflow cluster while its processes are killed, and compare the bill with the results.

The cluster has two schedulers, two triggerers, two Celery workers, an api-server and a DAG processor on this machine,
with a PostgreSQL database and a Redis database of its own. The emulator serves the jobs. Components are killed with
SIGKILL by turns, and started again at once, until all jobs have ended.

    python tools/cluster_chaos.py [--jobs 300] [--rows 300] [--pause 25] [--seed 1] [--time-scale 0.3]

Exit code 0: each job was billed once, and its own output was delivered. 1: not so. 2: a server is missing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_airflow import EmulatorProcess, LocalAirflow, Run
from local_airflow.component_kills import kill_components
from local_airflow.temporary_databases import (
    MissingServerError,
    build_celery_environment,
    make_postgres_database,
    reserve_redis_database,
)

#: The order in which the components are killed.
KILL_ORDER = ("worker", "triggerer", "scheduler", "worker-2", "triggerer-2", "scheduler-2")
#: Tasks that are queued or run at a time. A task that is queued for longer than `task_queued_timeout` loses its try, so
#: these are not many more than the 8 that the two workers run.
PARALLELISM = 16
MAX_RUN_S = 3600
DAG = """
from datetime import datetime, timedelta, timezone
from airflow.providers.common.compat.sdk import dag
from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.segmind.timing import Timing, set_timing

# Jobs are quick here, so a history without the job proves something much sooner, too.
set_timing(Timing(latency_scale={scale}, history_lag_s=40.0, intent_margin_s=20.0, response_margin_s=5.0))
COMMON = {{"retries": 50, "retry_delay": timedelta(seconds=2), "prompt_image": "https://example.com/image.png"}}

@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), max_active_tasks=1000, default_args=COMMON)
def cluster_jobs():
    if {jobs}:
        RunwayGenerateOperator.partial(task_id="single", wait_for_completion=True).expand(
            prompt_text=[f"single {{number}}" for number in range({jobs})]
        )
    if {rows}:
        from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator

        RunwayGenerateBatchOperator(
            task_id="batch",
            requests=[
                {{"custom_id": f"row-{{number}}", "prompt_text": f"batch {{number}}"}} for number in range({rows})
            ],
            result_path={folder!r},
        )

cluster_jobs()
"""


def choose_components(rng: random.Random, mean_pause_s: float) -> Iterator[tuple[str, float]]:
    """Yield the components by turns, and the pause before each is killed, for ever."""
    for component in itertools.cycle(KILL_ORDER):
        yield component, rng.uniform(mean_pause_s * 2 / 3, mean_pause_s * 4 / 3)


def collect_results(airflow: LocalAirflow, run: Run, jobs: int, rows: int) -> dict[str, dict[str, Any]]:
    """Return what was delivered: prompt -> the task's result, or the batch's row."""
    results = {f"single {number}": airflow.get_xcom(run, "single", map_index=number) or {} for number in range(jobs)}
    if rows:
        from airflow_provider_runway.batch.results import read_results

        manifest = airflow.get_xcom(run, "batch")
        for row in read_results(manifest) if manifest else ():
            results[row["custom_id"].replace("row-", "batch ")] = row
    return results


def run_cluster(options: argparse.Namespace, database_url: str, broker_url: str) -> bool:
    """Run all jobs, print the figures, and return whether everything is right."""
    with tempfile.TemporaryDirectory(prefix="runway-cluster-") as folder:
        home, dags = Path(folder) / "home", Path(folder) / "dags"
        dags.mkdir()
        home.mkdir()
        text = DAG.format(
            scale=options.time_scale, jobs=options.jobs, rows=options.rows, folder=str(Path(folder) / "results")
        )
        (dags / "cluster_jobs.py").write_text(text)
        emulator_options = (
            "--time-scale",
            str(options.time_scale),
            "--history-lag",
            "0.5-5",
            "--requests-per-minute",
            str(options.requests_per_minute),
        )
        with EmulatorProcess(Path(folder) / "emulator.log", *emulator_options, "--credits", "100000") as emulator:
            env = {
                "AIRFLOW_CONN_RUNWAY_DEFAULT": emulator.build_connection(timeout=[2, 10]),
                **build_celery_environment(database_url, broker_url),
            }
            with LocalAirflow(
                home,
                dags,
                env=env,
                executor="CeleryExecutor",
                database_url=database_url,
                parallelism=PARALLELISM,
                heartbeat_timeout_s=30,
                start_timeout_s=300,
                copies={"scheduler": 2, "triggerer": 2, "worker": 2},
            ) as airflow:
                started_at = time.monotonic()
                run = airflow.trigger("cluster_jobs")
                with kill_components(airflow, choose_components(random.Random(options.seed), options.pause)) as killed:
                    state = airflow.wait_for_run(run, timeout_s=MAX_RUN_S)
                took_s = time.monotonic() - started_at
                results = collect_results(airflow, run, options.jobs, options.rows)
            ledger = {job["request_id"]: job for job in emulator.get_ledger()["jobs"]}
    return print_report(state, took_s, killed, results, ledger, options.jobs + options.rows)


def print_report(
    state: str,
    took_s: float,
    kills: list[str],
    results: dict[str, dict[str, Any]],
    ledger: dict[str, dict[str, Any]],
    requested: int,
) -> bool:
    """Print the figures, and return whether each job was billed once and its own output delivered."""
    billed = Counter(job["body"]["promptText"] for job in ledger.values() if job["billable"])
    delivered = [
        prompt
        for prompt, result in results.items()
        if (job := ledger.get(result.get("request_id", ""))) is not None
        and job["body"]["promptText"] == prompt
        and result["output_url"] == job["output_url"]
    ]
    figures = {
        "run": state,
        "seconds": round(took_s),
        "kills": len(kills),
        "killed": dict(Counter(kills)),
        "requested": requested,
        "accepted": len(ledger),
        "billed": sum(billed.values()),
        "paid_twice": [prompt for prompt, count in billed.items() if count > 1],
        "delivered": len(delivered),
        "not_delivered": [prompt for prompt in results if prompt not in delivered][:20],
    }
    print(json.dumps(figures, indent=1))
    return state == "success" and requested == sum(billed.values()) == len(delivered) and not figures["paid_twice"]


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=300, help="single jobs, as mapped tasks")
    parser.add_argument("--rows", type=int, default=300, help="rows of the batch")
    parser.add_argument("--requests-per-minute", type=int, default=1000, help="requests a minute that the key allows")
    parser.add_argument("--time-scale", type=float, default=0.3, help="1.0: jobs take as long as Segmind's")
    parser.add_argument("--pause", type=float, default=25.0, help="seconds between two kills, on average")
    parser.add_argument("--seed", type=int, default=1, help="of the pauses between the kills")
    options = parser.parse_args()
    try:
        with make_postgres_database("runway_cluster") as (_, database_url), reserve_redis_database() as broker_url:
            return 0 if run_cluster(options, database_url, broker_url) else 1
    except MissingServerError as problem:
        print(f"The cluster needs PostgreSQL and Redis on this machine: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
