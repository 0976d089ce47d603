"""How soft ``daily_cost_limit`` is: twenty tasks at once under a limit that pays for ten, in a real Airflow 3.3.

Mapped tasks see what their siblings reserve. Tasks that are not mapped know only what the history shows, and there a
job's row comes when the job is done. The last way has no Airflow: twenty submits are released in the same moment, the
worst that can happen. Every job costs USD 0.50.

    PYTHONPATH=.:tools .venv/bin/python -m benchmarks.daily_limit_overshoot
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
from pathlib import Path

from benchmarks.shared import EmulatorProcess, describe_machine, print_table

TASKS, LIMIT_USD, PRICE_USD = 20, 5.0, 0.5
DAG_FILE = f"""
from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator

ARGUMENTS = {{"prompt_image": "https://example.com/picture.jpg", "wait_for_completion": True, "retries": 0}}
PROMPTS = [f"the camera pans slowly {{number}}" for number in range({TASKS})]


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), max_active_tasks={TASKS})
def mapped():
    RunwayGenerateOperator.partial(task_id="video", **ARGUMENTS).expand(prompt_text=PROMPTS)


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), max_active_tasks={TASKS})
def not_mapped():
    for number, prompt in enumerate(PROMPTS):
        RunwayGenerateOperator(task_id=f"video_{{number}}", prompt_text=prompt, **ARGUMENTS)


mapped()
not_mapped()
"""


def count_in_airflow(dag_id: str, folder: Path) -> int:
    """Run one of the DAGs in a new Airflow with a new account; return how many jobs were accepted."""
    from local_airflow import LocalAirflow

    dags = folder / "dags"
    dags.mkdir()
    (dags / "daily_limit.py").write_text(DAG_FILE)
    with EmulatorProcess() as emulator:
        env = {"AIRFLOW_CONN_RUNWAY_DEFAULT": emulator.connection_json(daily_cost_limit=LIMIT_USD)}
        with LocalAirflow(folder / "airflow", dags, env=env, parallelism=TASKS) as airflow:
            airflow.wait_for_run(airflow.trigger(dag_id), timeout_s=600)
        return int(emulator.get_ledger()["accepted"])


def count_in_one_moment() -> int:
    """Check and submit from as many threads as tasks, released together; return how many jobs were accepted."""
    import logging

    from airflow_provider_runway.exceptions import DailyCostLimitError
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.operators.spending_check import SpendingCheck
    from airflow_provider_runway.segmind.models import DEFAULT_MODEL
    from airflow_provider_runway.spending.estimate import Estimate, PricedJob
    from benchmarks.shared import BODY

    barrier = threading.Barrier(TASKS)

    def submit(seed: int) -> None:
        with RunwayHook("benchmark") as hook:
            check = SpendingCheck(hook, logging.getLogger("benchmark"))
            estimate = Estimate.of([PricedJob.from_body(DEFAULT_MODEL, BODY)])
            barrier.wait()
            try:
                check.check(estimate, spent_usd=0.0)
            except DailyCostLimitError:
                return
            hook.submit(DEFAULT_MODEL, {**BODY, "seed": seed})

    with EmulatorProcess() as emulator:
        os.environ["AIRFLOW_CONN_BENCHMARK"] = emulator.connection_json(daily_cost_limit=LIMIT_USD)
        threads = [threading.Thread(target=submit, args=(seed + 1,)) for seed in range(TASKS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return int(emulator.get_ledger()["accepted"])


def main() -> None:
    """Measure each way, and print a table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    found: dict[str, int] = {}
    for dag_id in ("mapped", "not_mapped"):
        with tempfile.TemporaryDirectory(prefix="daily-limit-") as folder:
            found[f"{TASKS} tasks of one run, {dag_id.replace('_', ' ')}"] = count_in_airflow(dag_id, Path(folder))
    found[f"{TASKS} submits in the same moment"] = count_in_one_moment()
    print(describe_machine(), file=sys.stderr)
    rows = [
        (way, f"USD {LIMIT_USD:.2f}", count, f"USD {count * PRICE_USD:.2f}", f"USD {count * PRICE_USD - LIMIT_USD:.2f}")
        for way, count in found.items()
    ]
    print_table(("", "limit", "jobs", "billed", "over the limit"), rows)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
