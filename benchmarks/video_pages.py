"""How long the Videos pages take on a run with many tiles, and what the plugin costs processes that do not show them.

A real Airflow on SQLite runs one task, whose rows are then copied. The API server has one worker. Each page is timed at
the client, five times after a first one.

    PYTHONPATH=tools .venv/bin/python -m benchmarks.video_pages
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from statistics import median

import requests

from benchmarks.shared import describe_machine, print_table
from local_airflow import LocalAirflow, Run

TILES, ROUNDS, PLUGIN_ROUNDS = 200, 5, 15
DAG = """
from datetime import datetime, timezone
from airflow.providers.common.compat.sdk import dag
from airflow_provider_runway.operators.runway import RunwayGenerateOperator

class ReturnResultOperator(RunwayGenerateOperator):
    def execute(self, context):
        url = "https://outputs.example/a.mp4"
        return {"request_id": "id", "status": "COMPLETED", "output_url": url, "output_urls": [url], "cost": 0.5,
                "prompt_text": self.prompt_text, "model": self.model, "seed": 7, "metrics": {"total_time": 27.4}}

@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def many():
    ReturnResultOperator.partial(task_id="each", prompt_image="https://images.example/a.png").expand(
        prompt_text=["The camera drifts over a field of sunflowers while the sun goes down"])

many()
"""
PLUGIN = """
import time
import airflow_provider_runway, airflow.plugins_manager
began = time.perf_counter()
from airflow_provider_runway.videos.plugin import RunwayVideosPlugin
RunwayVideosPlugin()
print((time.perf_counter() - began) * 1000)
"""


def copy_task_instance(database: Path, run: Run, count: int) -> None:
    """Give a mapped task that has one instance more of them, each with the XComs of the first."""
    with sqlite3.connect(database, timeout=60) as connection:
        connection.row_factory = sqlite3.Row
        for table in ("task_instance", "rendered_task_instance_fields", "xcom"):
            rows = connection.execute(f"SELECT * FROM {table} WHERE run_id = ?", (run.run_id,)).fetchall()
            for index in range(1, count):
                for row in rows:
                    values = dict(row) | {"map_index": index}
                    if table == "task_instance":
                        values["id"] = uuid.uuid4().hex
                    marks = ", ".join("?" for _ in values)
                    statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"
                    connection.execute(statement, tuple(values.values()))


def measure_page(session: requests.Session, url: str) -> tuple[float, list[float], int]:
    """Return the first time, the others (ms), and how many tiles there were."""
    times = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        response = session.get(url, timeout=60)
        times.append((time.perf_counter() - began) * 1000)
        response.raise_for_status()
    return times[0], times[1:], response.text.count("<article")


def measure_plugin() -> list[float]:
    """Return the milliseconds that the plugin takes on top of Airflow, each in a fresh process."""
    home = {**os.environ, "AIRFLOW_HOME": str(Path(".airflow").absolute())}
    done = [
        subprocess.run([sys.executable, "-c", PLUGIN], capture_output=True, text=True, check=True, env=home)
        for _ in range(PLUGIN_ROUNDS)
    ]
    return sorted(float(each.stdout.splitlines()[-1]) for each in done)


def main() -> None:
    """Print the tables."""
    plugin = measure_plugin()
    with tempfile.TemporaryDirectory() as temporary:
        home, dags = Path(temporary) / "airflow", Path(temporary) / "dags"
        dags.mkdir()
        (dags / "many.py").write_text(DAG)
        with LocalAirflow(home, dags) as airflow:
            run = airflow.trigger("many")
            airflow.wait_for_run(run, timeout_s=240)
            copy_task_instance(home / "airflow.db", run, TILES)
            for component in ("scheduler", "triggerer", "dag-processor"):
                airflow.kill(component, restart=False)
            session = requests.Session()
            session.trust_env = False
            page = f"{airflow.url}/runway-videos/dags/many/runs/{run.run_id}"
            pages = {
                f"the first page of {TILES}": page,
                f"the head line over {TILES}": page.replace("/dags/", "/totals/dags/", 1),
                "the last page": f"{page}?offset={TILES - TILES % 24}",
                "a search without a match": f"{page}?q=nothing",
                "all DAGs": f"{airflow.url}/runway-videos/",
            }
            rows = []
            for name, url in pages.items():
                first, others, tiles = measure_page(session, url)
                rows.append((name, tiles, first, median(others), max(others)))
    print(f"Medians of {ROUNDS} requests. {describe_machine()}")
    print_table(("page", "tiles", "first ms", "median ms", "most ms"), rows)
    print(f"The plugin's import, {PLUGIN_ROUNDS} processes: median {median(plugin):.2f} ms, most {plugin[-1]:.2f} ms")


if __name__ == "__main__":
    main()
