"""Install a wheel into a clean environment and check that Airflow finds the provider: ``make check-wheel``.

The tests run on the checkout. This finds what they cannot: a missing or superfluous file in the wheel, a requirement
that only the tests' environment has, an entry point that does not load.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = "airflow_provider_runway"
#: One file of each kind that the wheel must contain.
EXPECTED_FILES = (
    *("__init__.py", "py.typed", "get_provider_info.py", "hooks/runway.py", "emulator/__main__.py"),
    *("videos/templates/videos.html", "videos/static/videos.js", "videos/static/videos.css"),
)
READ_FORM_SCRIPT = """
import json
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
hook = manager.hooks["runway"]
print(json.dumps({
    "class": hook.hook_class_name,
    "name": hook.hook_name,
    "fields": sorted(name for name in manager.connection_form_widgets if name.startswith("extra__runway__")),
    "behaviour": manager.field_behaviours.get("runway"),
}))
"""


def check(condition: object, what: str) -> None:
    """Print what was checked, or exit with it as the failure."""
    if not condition:
        raise SystemExit(f"  FAILED  {what}")
    print(f"  ok      {what}", flush=True)


def check_files(wheel: Path) -> None:
    """Check the names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    info = f"{PACKAGE}-{wheel.name.split('-')[1]}.dist-info/"
    superfluous = [name for name in names if not name.startswith((f"{PACKAGE}/", info))]
    check(not superfluous, f"the wheel contains the package only ({len(names)} files) {superfluous or ''}".rstrip())
    missing = [name for name in EXPECTED_FILES if f"{PACKAGE}/{name}" not in names]
    check(not missing, f"no expected file is missing {missing or ''}".rstrip())
    check(any(name.endswith(".mp4") for name in names), "the emulator's clips are in it")
    check(any(name.startswith(info) and name.endswith("LICENSE") for name in names), "the licence is in it")


def run_command(command: list[str], env: dict[str, str], cwd: str) -> str:
    """Run a command and return its output. Its errors are shown only if it fails."""
    process = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    if process.returncode:
        raise SystemExit(f"  FAILED  {' '.join(command)}\n{process.stdout}\n{process.stderr}")
    return process.stdout


@contextmanager
def check_install(wheel: Path, uv: Path, constraints: Path, python: str) -> Iterator[Path]:
    """Install the wheel into a new environment, check what Airflow knows about the provider, and yield the environment.

    It is deleted when the block ends.
    """
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary) / "airflow"
        bin_folder = Path(temporary) / "venv" / "bin"
        env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
        env |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "COLUMNS": "300"}
        run_command([str(uv), "venv", "-q", "--no-project", "--python", python, str(bin_folder.parent)], env, temporary)
        install = [
            str(uv),
            "pip",
            "install",
            "-q",
            "--python",
            str(bin_folder / "python"),
            "-c",
            str(constraints.resolve()),
        ]
        run_command([*install, str(wheel.resolve())], env, temporary)
        airflow = str(bin_folder / "airflow")
        version = run_command([airflow, "version"], env, temporary).strip()
        check(version, f"it installs into a clean environment, with Airflow {version}")

        def read_table(*command: str) -> list[dict[str, str]]:
            # Airflow may log to standard output first. The table is the last line.
            rows: list[dict[str, str]] = json.loads(
                run_command([airflow, *command, "-o", "json"], env, temporary).splitlines()[-1]
            )
            return rows

        providers = [row for row in read_table("providers", "list") if row["package_name"] == "airflow-provider-runway"]
        check(providers, "`airflow providers list` shows it")
        check(providers[0]["version"] == wheel.name.split("-")[1], f"in version {providers[0]['version']}")
        if not version.startswith("2."):  # Airflow 2 has no such pages
            check(
                "runway_videos" in run_command([airflow, "plugins", "-o", "json"], env, temporary),
                "`airflow plugins` shows the pages",
            )
        hooks = [row for row in read_table("providers", "hooks") if row["connection_type"] == "runway"]
        check(hooks, "`airflow providers hooks` shows the connection type")
        check(hooks[0]["class"].endswith(".RunwayHook"), f"with {hooks[0]['class']}")
        form = json.loads(
            run_command([str(bin_folder / "python"), "-c", READ_FORM_SCRIPT], env, temporary).splitlines()[-1]
        )
        check(form["name"], f"the connection is called {form['name']!r}")
        check(form["fields"], f"its form has {len(form['fields'])} fields of its own")
        check(form["behaviour"], "and the common fields are hidden or relabelled")
        yield bin_folder.parent


def main() -> None:
    """Check the wheel that the command line names."""
    parser = argparse.ArgumentParser(description="Check a wheel.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--uv", type=Path, required=True)
    parser.add_argument("--constraints", type=Path, required=True)
    parser.add_argument("--python", default=sys.executable, help="the interpreter for the clean environment")
    arguments = parser.parse_args()
    print(arguments.wheel.name)
    check_files(arguments.wheel)
    with check_install(arguments.wheel, arguments.uv.absolute(), arguments.constraints, arguments.python):
        pass


if __name__ == "__main__":
    main()
