"""Importing the operator, sensor, trigger and links into a DAG file imports little else: a list of modules, no time.

A scheduler parses every DAG file again and again, each time in a new process. ``benchmarks/imports.py`` has the time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

#: Airflow's base classes, which every DAG file imports anyway.
BASE = (
    "from airflow.providers.common.compat.sdk import"
    " BaseHook, BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue\n"
    "from airflow.triggers.base import BaseTrigger\n"
)
PACKAGE = "airflow_provider_runway"
#: What a DAG file, or Airflow for it, imports of this package.
ENTRY_POINTS = ("operators.runway", "sensors.runway", "triggers.runway", "links.runway", "hooks.runway")
#: Only a running task, a triggerer or a form needs these.
HEAVY = {"requests", "urllib3", "aiohttp", "wtforms", "flask_appbuilder", "fsspec", "s3fs", "boto3", "pendulum"}
#: The same for these modules of this package.
IMPORTED_LATE = {
    "checks.account_evidence",
    "checks.account_findings",
    "emulator",
    "inputs.build_request",
    "lineage.hook_lineage",
    "operators.job_execution",
    "outputs.store",
    "polling.adaptive_rate_limit",
    "polling.poll_and_wait_exchanges",
    "submission.submitter",
    "transports.aiohttp_transport",
    "transports.requests_transport",
    "transports.time_limited_session",
    "outputs.download",
    "triggers.poller",
}


@cache
def find_added_modules(*modules: str) -> frozenset[str]:
    """Return the modules that an import adds to those of Airflow's base classes, in a fresh interpreter."""
    program = f"import json, sys\n{BASE}known = set(sys.modules)\n"
    program += "".join(f"import {PACKAGE}.{module}\n" for module in modules)
    program += "print(json.dumps(sorted(set(sys.modules) - known)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    return frozenset(json.loads(done.stdout.splitlines()[-1]))


def find_foreign_packages(modules: frozenset[str]) -> set[str]:
    """Return the top-level packages that are neither this one nor of the standard library."""
    return {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) - {PACKAGE}


def find_own_modules(modules: frozenset[str]) -> set[str]:
    """Return this package's modules among them, without the package's name."""
    return {name.removeprefix(f"{PACKAGE}.") for name in modules if name.startswith(f"{PACKAGE}.")}


def test_a_dag_file_loads_no_package_that_airflow_has_not_loaded_already() -> None:
    assert find_foreign_packages(find_added_modules(*ENTRY_POINTS)) == set()


def test_no_http_client_no_form_and_no_storage_is_imported_before_it_is_used() -> None:
    assert {name.partition(".")[0] for name in find_added_modules(*ENTRY_POINTS)} & HEAVY == set()


def test_only_the_modules_that_declare_a_task_are_imported() -> None:
    own = find_own_modules(find_added_modules(*ENTRY_POINTS))
    assert set(ENTRY_POINTS) <= own
    assert {late for late in IMPORTED_LATE for name in own if f"{name}.".startswith(f"{late}.")} == set()


def test_every_late_module_exists_and_would_be_found() -> None:
    everything = find_added_modules(*sorted(IMPORTED_LATE))
    assert find_own_modules(everything) >= IMPORTED_LATE
    # Which of these Airflow imports itself differs between releases; none imports both.
    assert find_foreign_packages(everything) & {"aiohttp", "requests"}


def test_the_plugin_imports_no_class_of_airflow_but_its_base() -> None:
    """Every process of Airflow loads the plugin; ``compat`` alone imports nothing of Airflow."""
    program = (
        f"import sys; import airflow.plugins_manager; before = set(sys.modules); import {PACKAGE}.compat; "
        f"import {PACKAGE}.videos.plugin; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    own = {PACKAGE, f"{PACKAGE}.compat", f"{PACKAGE}.videos", f"{PACKAGE}.videos.plugin"}
    assert set(done.stdout.split()) <= own
