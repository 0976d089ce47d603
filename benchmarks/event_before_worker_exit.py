"""How long after a deferral the scheduler processes the exit of the task's worker, in a real and busy Airflow.

An event that comes before that can make the scheduler fail the task (apache/airflow#72716). The table shows the time
from the start of the trigger until the scheduler's line about the exit, and how many tasks the scheduler failed, for
jobs of three seconds and for a given shortest wait of the trigger.

    python -m benchmarks.event_before_worker_exit --wait 1 --wait 10 [--jobs 200] [--venv .venv-2.11] [--postgres]
        [--celery]
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.shared import EmulatorProcess, describe_machine, print_table

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from local_airflow import LocalAirflow
from local_airflow.temporary_databases import build_celery_environment, make_postgres_database, reserve_redis_database

PARALLELISM = 8
DAG = """
from datetime import datetime, timezone
from airflow.providers.common.compat.sdk import dag
from airflow_provider_runway.operators.runway import RunwayGenerateOperator

@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), max_active_tasks=1000)
def busy():
    RunwayGenerateOperator.partial(
        task_id="generate", prompt_image="https://example.com/image.png", wait_for_completion=True, retries=0,
    ).expand(prompt_text=[f"video {{number}}" for number in range({jobs})])

busy()
"""
#: Python runs this at the start of every process of the Airflow.
SET_WAIT = """
from dataclasses import replace
from airflow_provider_runway.segmind.timing import get_timing, set_timing
set_timing(replace(get_timing(), min_wait_s={wait_s}))
"""
TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d+)")
EXIT = re.compile(r"[Rr]eceived executor event with state success for task instance TaskInstanceKey\((.*?)\)")
START = re.compile(r"trigger busy/.*/generate/(\d+)/1 \(ID \d+\) starting")
FAILED_LINE = "finished with state success, but the task instance's state attribute is"


def read_timestamp(line: str) -> float | None:
    """Return the first time in a log line (epoch seconds; Airflow's logs are in UTC)."""
    found = TIMESTAMP.search(line)
    if found is None:
        return None
    return datetime.fromisoformat(found[1].replace(",", ".")).replace(tzinfo=UTC).timestamp()


def run_airflow(
    venv: Path, jobs: int, wait_s: float, database_url: str | None, broker_url: str | None
) -> tuple[list[float], int, int]:
    """Run the jobs, with Celery where there is a broker.

    Return the delays of the exits, the tasks that the scheduler failed, and those that succeeded.
    """
    with tempfile.TemporaryDirectory() as folder, EmulatorProcess(time_scale=0.11) as emulator:
        dags, hooks, home = (Path(folder) / name for name in ("dags", "hooks", "home"))
        for path in (dags, hooks, home):
            path.mkdir()
        (dags / "busy.py").write_text(DAG.format(jobs=jobs))
        (hooks / "sitecustomize.py").write_text(SET_WAIT.format(wait_s=wait_s))
        env = {
            "AIRFLOW_CONN_RUNWAY_DEFAULT": emulator.connection_json(),
            "PYTHONPATH": f"{hooks}:{Path(__file__).parents[1]}",
            "AIRFLOW__SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": "30",
        }
        options = {"venv": venv, "env": env, "parallelism": PARALLELISM, "database_url": database_url}
        if database_url and broker_url:
            env |= build_celery_environment(database_url, broker_url)
            options |= {"executor": "CeleryExecutor", "copies": {"worker": 2}}
        with LocalAirflow(home, dags, start_timeout_s=300, heartbeat_timeout_s=120, **options) as airflow:
            run = airflow.trigger("busy")
            airflow.wait_for_run(run, timeout_s=3600)
            states = [task.state for task in airflow.get_task_instances(run)]
            # Airflow 3 writes the start of a trigger into the task's log, Airflow 2 into the triggerer's.
            logs = [airflow.get_task_log(run, "generate", map_index=index) for index in range(jobs)]
            logs.append((home / "logs" / "triggerer.log").read_text(errors="replace"))
            scheduler_log = (home / "logs" / "scheduler.log").read_text(errors="replace")
    started, exited = {}, {}
    for line in "\n".join(logs).splitlines():
        if found := START.search(line):
            started.setdefault(int(found[1]), read_timestamp(line))
    for line in scheduler_log.splitlines():
        if (found := EXIT.search(line)) and (index_text := re.search(r"map_index=(\d+)", found[1])):
            exited.setdefault(int(index_text[1]), read_timestamp(line) or 0.0)
    delays = [exited[index] - at for index, at in started.items() if at is not None and index in exited]
    return delays, scheduler_log.count(FAILED_LINE), states.count("success")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wait", type=float, action="append", required=True, help="shortest wait of a trigger, in s")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--venv", type=Path, default=Path(sys.prefix), help="the environment that has Airflow")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    parser.add_argument("--celery", action="store_true", help="with two Celery workers, on PostgreSQL and Redis")
    options = parser.parse_args()
    rows = []
    for wait_s in options.wait:
        with ExitStack() as stack:
            url = broker_url = None
            if options.postgres or options.celery:
                _, url = stack.enter_context(make_postgres_database("runway_worker_exit"))
            if options.celery:
                broker_url = stack.enter_context(reserve_redis_database())
            delays, failed, succeeded = run_airflow(options.venv, options.jobs, wait_s, url, broker_url)
        ordered = sorted(delays)
        shares = [ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.95, 1.0)] if ordered else ["-"] * 3
        rows.append((wait_s, options.jobs, succeeded, failed, *shares))
        print(rows[-1], file=sys.stderr, flush=True)
    print(f"{options.venv}: {options.jobs} mapped jobs of 3 s, {PARALLELISM} at once. {describe_machine()}")
    print_table(
        ("shortest wait s", "jobs", "succeeded", "failed by the scheduler", "exit after s, median", "95 %", "worst"),
        rows,
    )


if __name__ == "__main__":
    main()
