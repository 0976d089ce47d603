"""Many jobs as one batch and as mapped tasks, in a real Airflow 3.3: what each job costs this machine and the key.

CPU is that of all of Airflow's processes together, from the start of the run to its end; in between Airflow's own loops
go on, and their share is told apart. A worker is busy while it runs a task; ``worker s`` adds up all workers. Memory is
that of the largest task process, and of the triggerer.

    python -m benchmarks.batch_vs_mapped [--jobs 1000] [--per-minute 1000] [--way batch] [--way mapped] [--no-pages]
        [--postgres]
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from benchmarks.shared import EmulatorProcess, describe_machine, print_table

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from local_airflow import LocalAirflow
from local_airflow.temporary_databases import make_postgres_database

PARALLELISM = 8
TIME_SCALE = 0.1
IDLE_S = 20.0
SAMPLE_INTERVAL_S = 0.25
MAX_RUN_S = 7200.0
#: A worker of the LocalExecutor names the task that it runs in its title.
BUSY_WORKER = re.compile(r"LocalExecutor: (?!<idle>)\S")
#: Calls of the emulator that the key's rate limit does not count.
FREE_CALLS = {"output"}
DAGS = """
from datetime import datetime, timezone
from airflow.providers.common.compat.sdk import dag
from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator
from airflow_provider_runway.operators.runway import RunwayGenerateOperator

IMAGE = "https://example.com/image.png"
PROMPTS = [f"video {{number}}" for number in range({jobs})]

@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def batch():
    RunwayGenerateBatchOperator(
        task_id="generate", requests=[{{"prompt_text": prompt}} for prompt in PROMPTS], prompt_image=IMAGE,
        result_path="{folder}/batch", timeout=7200,
    )

@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), max_active_tasks=1100)
def mapped():
    RunwayGenerateOperator.partial(
        task_id="generate", prompt_image=IMAGE, wait_for_completion=True, output_path="{folder}/mapped/", timeout=7200,
    ).expand(prompt_text=PROMPTS)

batch()
mapped()
"""
#: Python runs this at the start of every process of the Airflow: no job is waited for by a page of the history.
WITHOUT_PAGES = """
from airflow_provider_runway.polling import history_page_policy
history_page_policy.MIN_JOBS = 10 ** 9
"""


@dataclass
class Usage:
    """What an Airflow used in a span of time."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    worker_s: float = 0.0
    worker_starts: int = 0
    task_mb: float = 0.0
    triggerer_mb: float = 0.0
    _busy: set[str] = field(default_factory=set)


class UsageMeter:
    """Measures what an Airflow uses while its ``with`` block runs."""

    def __init__(self, airflow: LocalAirflow) -> None:
        self.usage = Usage()
        self._airflow = airflow
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_stopped, daemon=True)

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._cpu_before = self._read_cpu_s()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.usage.cpu_s = self._read_cpu_s() - self._cpu_before
        self.usage.wall_s = time.monotonic() - self._started

    def _read_cpu_s(self) -> float:
        """Return the CPU time of all processes so far. A process that ended is in the time of its parent's children."""
        total = 0.0
        for process in self._list_processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def _list_processes(self, *components: str) -> Iterator[psutil.Process]:
        for component in components or tuple(self._airflow.pids):
            for pid in self._airflow.list_process_ids(component):
                with suppress(psutil.NoSuchProcess):
                    yield psutil.Process(pid)

    def _sample_until_stopped(self) -> None:
        usage, before = self.usage, time.monotonic()
        while not self._stop.wait(SAMPLE_INTERVAL_S):
            now = time.monotonic()
            titled: dict[int, tuple[psutil.Process, str]] = {}
            for process in self._list_processes("scheduler"):
                with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    if BUSY_WORKER.search(title := " ".join(process.cmdline())):
                        titled[process.pid] = process, title
            busy = set()
            for process, title in titled.values():
                with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    if process.ppid() in titled:  # the task's own process, which has its worker's title
                        usage.task_mb = max(usage.task_mb, process.memory_info().rss / 1e6)
                    else:
                        busy.add(f"{process.pid} {title}")
            usage.worker_s += len(busy) * (now - before)
            usage.worker_starts += len(busy - usage._busy)
            usage._busy = busy
            for process in self._list_processes("triggerer"):
                with suppress(psutil.NoSuchProcess):
                    usage.triggerer_mb = max(usage.triggerer_mb, process.memory_info().rss / 1e6)
            before = now


def run_way(way: str, jobs: int, per_minute: int, *, has_pages: bool, database_url: str | None) -> dict[str, Any]:
    """Run the jobs in one way, in an Airflow and on an emulator of its own; return the row's figures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmulatorProcess(time_scale=TIME_SCALE, requests_per_minute=per_minute) as emulator,
    ):
        dags, hooks, home = (Path(folder) / name for name in ("dags", "hooks", "home"))
        for path in (dags, hooks, home):
            path.mkdir()
        (dags / "jobs.py").write_text(DAGS.format(jobs=jobs, folder=folder))
        (hooks / "sitecustomize.py").write_text("" if has_pages else WITHOUT_PAGES)
        env = {
            "AIRFLOW_CONN_RUNWAY_DEFAULT": emulator.connection_json(requests_per_minute=per_minute),
            "PYTHONPATH": f"{hooks}:{Path(__file__).parents[1]}",
        }
        with LocalAirflow(
            home,
            dags,
            env=env,
            parallelism=PARALLELISM,
            database_url=database_url,
            start_timeout_s=300,
            heartbeat_timeout_s=120,
        ) as airflow:
            airflow.unpause(way)
            with UsageMeter(airflow) as idle:
                time.sleep(IDLE_S)
            with UsageMeter(airflow) as meter:
                run = airflow.trigger(way)
                state = airflow.wait_for_run(run, timeout_s=MAX_RUN_S)
            sent = [request for request in emulator.get_http_requests() if request["call"] not in FREE_CALLS]
            ledger = emulator.get_ledger()
        return {
            "state": state,
            "usage": meter.usage,
            "idle_cpu_share": idle.usage.cpu_s / idle.usage.wall_s,
            "billed": sum(job["billable"] for job in ledger["jobs"]),
            "stored": len(list(Path(folder, way).glob("*.mp4"))),
            "requests": len(sent),
            "pages": sum(request["call"] == "history" for request in sent),
            "refused": sum(request["status"] == 429 for request in sent),
        }


def make_row(way: str, jobs: int, per_minute: int, found: dict[str, Any]) -> tuple[object, ...]:
    """Return one line of the table."""
    usage: Usage = found["usage"]
    return (
        way,
        jobs,
        per_minute,
        f"{found['billed']} billed, {found['stored']} stored",
        f"{usage.wall_s:.0f}",
        f"{usage.cpu_s / jobs:.3f}",
        f"{max(usage.cpu_s - found['idle_cpu_share'] * usage.wall_s, 0) / jobs:.3f}",
        f"{usage.worker_s:.0f}",
        f"{usage.worker_s / usage.wall_s:.0%}",
        usage.worker_starts,
        found["requests"] / jobs,
        found["pages"],
        found["refused"],
        f"{usage.task_mb:.0f}",
        f"{usage.triggerer_mb:.0f}",
    )


HEAD = (
    "way",
    "jobs",
    "key, requests/min",
    "result",
    "wall s",
    "CPU s/job",
    "without Airflow's idling",
    "worker s",
    "of the wall time",
    "worker starts",
    "requests/job",
    "pages",
    "refused",
    "task MB",
    "triggerer MB",
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--per-minute", type=int, default=1000, help="the key's rate limit")
    parser.add_argument("--way", choices=("batch", "mapped"), action="append", help="default: both")
    parser.add_argument("--no-pages", action="store_true", help="poll each job, and read no page of the history")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    options = parser.parse_args()
    rows = []
    for way in options.way or ("batch", "mapped"):
        with ExitStack() as stack:
            url = stack.enter_context(make_postgres_database("runway_batch"))[1] if options.postgres else None
            found = run_way(way, options.jobs, options.per_minute, has_pages=not options.no_pages, database_url=url)
        name = f"{way}, no pages" if options.no_pages else way
        rows.append(make_row(name, options.jobs, options.per_minute, found))
        print(found["state"], rows[-1], file=sys.stderr, flush=True)
    database = "PostgreSQL" if options.postgres else "SQLite"
    print(f"Jobs at {TIME_SCALE:g} of their time, {PARALLELISM} worker slots, {database}. {describe_machine()}")
    print_table(HEAD, rows)


if __name__ == "__main__":
    main()
