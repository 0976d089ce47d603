"""Install a wheel where nothing else of ours is, and see what Airflow makes of it: ``make check-wheel``.

The tests run on the checkout. This sees what they cannot: a file missing from the wheel or too much in it, a
requirement that only the tests' environment has, an entry point that does not load.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "airflow_provider_runway"
#: One of each kind that must be in the wheel.
EXPECTED = ("__init__.py", "py.typed", "get_provider_info.py", "hooks/runway.py", "emulator/__main__.py")
FORM = """
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


def check(holds: object, what: str) -> None:
    """Say what was checked, or stop here."""
    if not holds:
        raise SystemExit(f"  FAILED  {what}")
    print(f"  ok      {what}", flush=True)


def check_files(wheel: Path) -> None:
    """Look at what is in the archive."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    info = f"{PACKAGE}-{wheel.name.split('-')[1]}.dist-info/"
    strangers = [name for name in names if not name.startswith((f"{PACKAGE}/", info))]
    check(not strangers, f"the wheel holds the package alone ({len(names)} files) {strangers or ''}".rstrip())
    missing = [name for name in EXPECTED if f"{PACKAGE}/{name}" not in names]
    check(not missing, f"nothing is missing from it {missing or ''}".rstrip())
    check(any(name.endswith(".mp4") for name in names), "the emulator's clips are in it")
    check(any(name.startswith(info) and name.endswith("LICENSE") for name in names), "the licence is in it")


def run(command: list[str], env: dict[str, str], cwd: str) -> str:
    """Run a command and return what it printed; its errors are shown only if it fails."""
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise SystemExit(f"  FAILED  {' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def check_install(wheel: Path, uv: Path, constraints: Path, python: str) -> None:
    """Install the wheel into a new environment and ask Airflow about it."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary) / "airflow"
        binaries = Path(temporary) / "venv" / "bin"
        env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
        env |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "COLUMNS": "300"}
        run([str(uv), "venv", "-q", "--no-project", "--python", python, str(binaries.parent)], env, temporary)
        into = [str(uv), "pip", "install", "-q", "--python", str(binaries / "python"), "-c", str(constraints.resolve())]
        run([*into, str(wheel.resolve())], env, temporary)
        airflow = str(binaries / "airflow")
        check(
            True,
            f"it installs into a clean environment, with Airflow {run([airflow, 'version'], env, temporary)}".strip(),
        )

        def table(*command: str) -> list[dict[str, str]]:
            # Airflow may log to standard output first; the table is the last line.
            rows: list[dict[str, str]] = json.loads(
                run([airflow, *command, "-o", "json"], env, temporary).splitlines()[-1]
            )
            return rows

        providers = [row for row in table("providers", "list") if row["package_name"] == "airflow-provider-runway"]
        check(providers, "`airflow providers list` shows it")
        check(providers[0]["version"] == wheel.name.split("-")[1], f"in version {providers[0]['version']}")
        hooks = [row for row in table("providers", "hooks") if row["connection_type"] == "runway"]
        check(hooks, "`airflow providers hooks` shows the connection type")
        check(hooks[0]["class"].endswith(".RunwayHook"), f"with {hooks[0]['class']}")
        form = json.loads(run([str(binaries / "python"), "-c", FORM], env, temporary).splitlines()[-1])
        check(form["name"], f"the connection is called {form['name']!r}")
        check(form["fields"], f"its form has {len(form['fields'])} fields of its own")
        check(form["behaviour"], "and hides and relabels the common ones")


def main() -> None:
    parser = argparse.ArgumentParser(description="Check a wheel.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--uv", type=Path, required=True)
    parser.add_argument("--constraints", type=Path, required=True)
    parser.add_argument("--python", default=sys.executable, help="the interpreter for the clean environment")
    arguments = parser.parse_args()
    print(arguments.wheel.name)
    check_files(arguments.wheel)
    check_install(arguments.wheel, arguments.uv.absolute(), arguments.constraints, arguments.python)


if __name__ == "__main__":
    main()
