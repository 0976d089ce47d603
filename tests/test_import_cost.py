"""What a DAG file drags in when it imports our operator, sensor, trigger and links: a list of modules, not a time.

A scheduler parses every DAG file over and over, in fresh processes. ``benchmarks/imports.py`` measures the time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

#: Airflow's base classes, which every DAG file has paid for already.
BASE = (
    "from airflow.providers.common.compat.sdk import"
    " BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue\n"
    "from airflow.triggers.base import BaseTrigger\n"
)
OURS = "airflow_provider_runway"
#: What a DAG file, or Airflow for it, imports of ours.
DOORS = ("operators.runway", "sensors.runway", "triggers.runway", "links.runway", "hooks.runway")
#: Only a running task, a triggerer or a form needs these.
HEAVY = {"requests", "urllib3", "aiohttp", "wtforms", "flask_appbuilder", "fsspec", "s3fs", "boto3", "pendulum"}
#: ... and these of our own.
LATE = {
    "emulator",
    "inputs.build_request",
    "operators.job_execution",
    "outputs.store",
    "polling.rate_limiter",
    "polling.poll",
    "submission.submitter",
    "transports.aiohttp_transport",
    "transports.requests_transport",
    "outputs.download",
    "triggers.poller",
}


@cache
def added(*modules: str) -> frozenset[str]:
    """Return the modules that an import adds to those of Airflow's base classes, in a fresh interpreter."""
    program = f"import json, sys\n{BASE}known = set(sys.modules)\n"
    program += "".join(f"import {OURS}.{module}\n" for module in modules)
    program += "print(json.dumps(sorted(set(sys.modules) - known)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    return frozenset(json.loads(done.stdout.splitlines()[-1]))


def packages(modules: frozenset[str]) -> set[str]:
    """Return the top-level packages that are neither ours nor the standard library's."""
    return {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) - {OURS}


def ours(modules: frozenset[str]) -> set[str]:
    """Return our own modules among them, without the package's name."""
    return {name.removeprefix(f"{OURS}.") for name in modules if name.startswith(f"{OURS}.")}


def test_a_dag_file_loads_no_package_that_airflow_has_not_loaded_already() -> None:
    assert packages(added(*DOORS)) == set()


def test_no_http_client_no_form_and_no_storage_is_imported_before_it_is_used() -> None:
    assert {name.partition(".")[0] for name in added(*DOORS)} & HEAVY == set()


def test_of_our_own_only_what_declares_a_task_is_imported() -> None:
    mine = ours(added(*DOORS))
    assert set(DOORS) <= mine
    assert {late for late in LATE for name in mine if f"{name}.".startswith(f"{late}.")} == set()


def test_what_is_to_come_late_exists_and_the_guard_would_see_it() -> None:
    everything = added(*sorted(LATE))
    assert ours(everything) >= LATE
    # What of these Airflow brings itself differs from release to release; all of it, in none.
    assert packages(everything) & {"aiohttp", "requests"}
