"""How long a DAG file takes to import our operator and sensor, on top of Airflow's own base classes.

A scheduler parses every DAG file again and again, each time in a fresh process: what a file imports is paid every
time. Airflow's base classes are imported first, and what comes on top is timed. For comparison: the http
provider, whose operator and sensor also talk HTTP and wait in a trigger.

    .venv/bin/python -m benchmarks.imports [PYTHON...]

Without arguments: this interpreter's Airflow, and that of ``.venv-2.11`` where it is there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.shared import describe_machine, print_table

ROUNDS = 15
BASE = (
    "from airflow.providers.common.compat.sdk import"
    " BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue\n"
    "from airflow.triggers.base import BaseTrigger"
)
#: What is imported on top of the base classes.
SUBJECTS = {
    "nothing": "pass",
    "ours": "import airflow_provider_runway.operators.runway, airflow_provider_runway.sensors.runway",
    "http provider": "import airflow.providers.http.operators.http, airflow.providers.http.sensors.http",
    "aiohttp and requests": "import aiohttp, requests",
}
PROGRAM = """
import json, sys, time
began = time.perf_counter()
{base}
based, known = time.perf_counter(), set(sys.modules)
{subject}
done = time.perf_counter()
from airflow import __version__
added = set(sys.modules) - known
print(json.dumps([__version__, (based - began) * 1000, (done - based) * 1000, len(added)]))
"""


class Measured(NamedTuple):
    """One fresh process: milliseconds for the base classes, and for what came on top; modules added."""

    airflow: str
    base_ms: float
    over_ms: float
    modules: int


def measure(python: str, subject: str) -> Measured:
    """Import in a fresh process of ``python``."""
    program = PROGRAM.format(base=BASE, subject=subject)
    home = str(Path(python).absolute().parents[1]).replace(".venv", ".airflow")
    environment = {**os.environ, "AIRFLOW_HOME": home}
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True, env=environment)
    return Measured(*json.loads(done.stdout.splitlines()[-1]))


def main(pythons: list[str]) -> None:
    """Print the table."""
    rows = []
    for python in pythons:
        runs: dict[str, list[Measured]] = {name: [] for name in SUBJECTS}
        for _ in range(ROUNDS):
            for name, subject in SUBJECTS.items():  # in turn, so that a busy second affects all of them
                runs[name].append(measure(python, subject))
        for name, measured in runs.items():
            over = sorted(run.over_ms for run in measured)
            base_ms = median(run.base_ms for run in measured)
            rows.append((measured[0].airflow, name, base_ms, median(over), over[0], measured[0].modules))
    print(f"Medians of {ROUNDS} fresh processes each, interleaved. {describe_machine()}")
    print_table(("Airflow", "on top of the base classes", "base ms", "over base ms", "least", "modules"), rows)


if __name__ == "__main__":
    older = Path(".venv-2.11/bin/python")
    main(sys.argv[1:] or [sys.executable, *([str(older)] if older.exists() else [])])
