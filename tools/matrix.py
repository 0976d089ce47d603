"""Runs the unit tests on every Airflow and Python that the package supports, and keeps a table of it in the docs.

    python tools/matrix.py --uv .uv/bin/uv            every row
    python tools/matrix.py --uv .uv/bin/uv 3.0 3.13   the rows with Airflow 3.0, and those with Python 3.13

Each row has an environment of its own below ``.matrix/``, which is made once and used again; delete it to make it anew.
A row ends as "passed", "failed", or "no Python" where this machine has none and uv cannot get one.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local_airflow.airflow_settings import find_airflow_version

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / ".matrix"
PAGE = ROOT / "docs" / "versions.md"
TABLE_START, TABLE_END = "<!-- matrix -->\n", "<!-- end of matrix -->\n"
HEAD = "| Airflow | Python | libraries | unit tests | run on |\n| --- | --- | --- | --- | --- |\n"


@dataclass(frozen=True)
class Row:
    """One environment of the matrix.

    :param libraries: which releases of all libraries are installed, in the words of the docs.
    :param options: how uv chooses them. :param pins: requirements beside Airflow's own.
    """

    airflow: str
    python: str
    libraries: str = "newest"
    options: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the environment's folder."""
        return f"{self.airflow}-py{self.python}{'-lowest' if self.libraries == 'lowest' else ''}"


def as_of(date: str) -> dict[str, object]:
    """Return the fields of a row whose libraries are those of a day, because newer ones break its Airflow.

    A few packages may be newer than that: the tests' own tools, and the common-compat that the package needs. The
    plugin that an older anyio brings for pytest does not load in the pytest of the tests.
    """
    newer = dict.fromkeys(("pytest", "pytest-asyncio", "anyio", "typing-extensions", "segmind"), "2026-11-25")
    newer |= {"apache-airflow-providers-common-compat": "2026-04-15"}
    exempt = [f"--exclude-newer-package={name}={max(day, date)}" for name, day in newer.items()]
    options = (f"--exclude-newer={date}", *exempt)
    return {"libraries": f"of {date}", "options": options, "pins": ("anyio>=4.16",)}


#: Airflow -> the Pythons that it runs on, of those that the matrix has, and its libraries.
#: - 3.0 breaks with PyJWT 2.11 (its API server) and with the newest universal-pathlib; 0.3.3, of its day, works.
#: - 3.1 breaks with SQLAlchemy 2.1, whose deprecations its models hit.
#: - 3.2 does not start with the newest libraries of 2026-11.
SUPPORTED: tuple[tuple[str, tuple[str, ...], dict[str, object]], ...] = (
    ("2.11", ("3.11", "3.12"), {}),
    ("3.0", ("3.11", "3.12"), as_of("2025-10-15")),
    ("3.1", ("3.11", "3.12", "3.13"), as_of("2026-04-15")),
    ("3.2", ("3.11", "3.12", "3.13"), as_of("2026-06-01")),
    ("3.3", ("3.11", "3.12", "3.13"), {}),
)
#: The lowest versions that setup.cfg allows of what it names. The first pin is one of them: without it uv prefers new
#: releases of other providers, which want a newer common-compat. Airflow 2.11.0's ObjectStoragePath breaks with
#: universal-pathlib 0.3; 2.11.2 does not.
LOWEST = Row(
    "2.11.0",
    "3.11",
    "lowest",
    ("--resolution=lowest-direct",),
    ("apache-airflow-providers-common-compat==1.12.0", "universal-pathlib<0.3"),
)
ROWS: tuple[Row, ...] = (
    LOWEST,
    *(Row(airflow, python, **more) for airflow, pythons, more in SUPPORTED for python in pythons),  # type: ignore[arg-type]
)


@dataclass(frozen=True)
class Outcome:
    """What became of a row. ``airflow`` is the whole version, or the row's own where nothing is installed."""

    row: Row
    airflow: str
    result: str

    def to_line(self, day: str) -> str:
        """Return the row of the table in the docs."""
        return f"| {self.airflow} | {self.row.python} | {self.row.libraries} | {self.result} | {day} |\n"


def select_rows(words: Sequence[str]) -> list[Row]:
    """Return the rows whose Airflow, Python, name or libraries is one of the words; all for none.

    :raises SystemExit: a word means no row.
    """
    for word in words:
        if not any(word in _words_of(row) for row in ROWS):
            raise SystemExit(f"No row is called {word!r}; there are: {', '.join(row.name for row in ROWS)}")
    return [row for row in ROWS if not words or set(words) & _words_of(row)]


def _words_of(row: Row) -> set[str]:
    return {row.airflow, row.python, row.name, row.libraries}


def find_python(version: str, uv: str) -> str | None:
    """Return a Python of this minor version: of the machine, or one that uv gets; None where there is none."""
    candidates = [shutil.which(f"python{version}"), *_find_pyenv_pythons(version)]
    for candidate in filter(None, candidates):
        if _get_output([candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]) == version:
            return candidate
    _get_output([uv, "python", "install", "-q", version])
    return _get_output([uv, "python", "find", "-q", "--no-project", "--managed-python", version]) or None


def _find_pyenv_pythons(version: str) -> Iterator[str]:
    """Yield the Pythons of pyenv, whose commands on the PATH run only what a folder has chosen."""
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    yield from map(str, sorted(root.glob(f"versions/{version}.*/bin/python")))


def _get_output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return done.stdout.strip() if done.returncode == 0 else ""


def make_environment(row: Row, uv: str) -> Path | None:
    """Make the environment of a row where it is not there yet, and return its folder; None without its Python.

    :raises CalledProcessError: the installation failed.
    """
    folder = ENVIRONMENTS / row.name
    ready = folder / ".ready"
    if ready.exists():
        return folder
    if (python := find_python(row.python, uv)) is None:
        return None
    print(f"Making {folder.relative_to(ROOT)}", flush=True)
    subprocess.run([uv, "venv", "-q", "--clear", "--no-project", "--python", python, folder], check=True)
    airflow = f"apache-airflow=={row.airflow}" if row.airflow.count(".") > 1 else f"apache-airflow=={row.airflow}.*"
    command = [
        uv,
        "pip",
        "install",
        "-q",
        "--compile-bytecode",
        "--python",
        str(folder / "bin" / "python"),
        *row.options,
    ]
    subprocess.run([*command, "-e", f"{ROOT}[test]", airflow, *row.pins], check=True, cwd=ROOT)
    ready.touch()
    return folder


def run_unit_tests(folder: Path, log: Path, arguments: Sequence[str]) -> str:
    """Run the unit tests in an environment and return pytest's summary, such as ``3310 passed, 5 skipped``.

    Tests that fail are run once more, one at a time: the waits of some are short, and other work on the machine can
    make them too short. The summary then says how many passed only there.
    """
    is_passed, summary = run_pytest(folder, log, ["-n", "4", *arguments])
    if is_passed:
        return summary
    is_passed, second = run_pytest(folder, log.with_suffix(".second.log"), ["--last-failed", *arguments])
    if is_passed and (failed := re.search(r"(\d+) failed, (\d+) passed", summary)):
        only_alone, at_once = map(int, failed.groups())
        return f"{only_alone + at_once} passed, {only_alone} of them in a second run{summary[failed.end() :]}"
    return f"**failed**: {summary}; in a second run: {second}"


def run_pytest(folder: Path, log: Path, arguments: Sequence[str]) -> tuple[bool, str]:
    """Run the unit tests with these arguments, write a log, and return whether they passed, and pytest's summary."""
    cache = ["-o", f"cache_dir={folder / 'pytest-cache'}"]
    command = [str(folder / "bin" / "python"), "-m", "pytest", "-q", "--tb=short", *cache]
    slow = ["--ignore=tests/integration", "--ignore=tests/chaos"]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    with log.open("w") as out:
        done = subprocess.run(
            [*command, *slow, *arguments],
            cwd=ROOT,
            env=environment | {"AIRFLOW_HOME": str(ROOT / ".airflow")},
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    last_line = (log.read_text().strip().splitlines() or [""])[-1]
    summary = re.sub(r" in [\d.]+s.*$|, \d+ subtests passed|, \d+ warnings?", "", last_line.strip("= "))
    return done.returncode == 0, summary


def update_table(text: str, outcomes: Iterable[Outcome], day: str) -> str:
    """Return the docs' page with these outcomes in the places of the earlier ones. Rows that did not run stay."""
    before, _, rest = text.partition(TABLE_START)
    table, _, after = rest.partition(TABLE_END)
    lines = {_key_of_line(line): line for line in table.removeprefix(HEAD).splitlines(keepends=True) if line.strip()}
    for outcome in outcomes:
        lines[_key_of(outcome.row)] = outcome.to_line(day)
    ordered = [lines[key] for key in map(_key_of, ROWS) if key in lines]
    return f"{before}{TABLE_START}{HEAD}{''.join(ordered)}{TABLE_END}{after}"


def _key_of(row: Row) -> tuple[str, ...]:
    return (".".join(row.airflow.split(".")[:2]), row.python, row.libraries)


def _key_of_line(line: str) -> tuple[str, ...]:
    airflow, python, libraries = (cell.strip() for cell in line.split("|")[1:4])
    return (".".join(airflow.split(".")[:2]), python, libraries)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run rows of the matrix, write the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("words", nargs="*", help="Airflow and Python versions, or names of rows; none: every row")
    parser.add_argument("--uv", default="uv", help="path of uv")
    parser.add_argument("--tests", action="append", default=[], help="only these tests; the table is not written then")
    parser.add_argument("--list", action="store_true", help="list the rows and end")
    given = parser.parse_args(arguments)
    rows = select_rows(given.words)
    if given.list:
        print(*(row.name for row in rows), sep="\n")
        return 0
    ENVIRONMENTS.mkdir(exist_ok=True)
    any_failed = False
    for row in rows:
        folder = make_environment(row, given.uv)
        if folder is None:
            outcome = Outcome(row, row.airflow, "not run: no such Python here")
        else:
            result = run_unit_tests(folder, ENVIRONMENTS / f"{row.name}.log", given.tests)
            outcome = Outcome(row, find_airflow_version(folder), result)
        any_failed |= "failed" in outcome.result
        print(outcome.to_line("").strip(), flush=True)
        if not given.tests and folder is not None:
            PAGE.write_text(update_table(PAGE.read_text(), [outcome], datetime.now(UTC).strftime("%Y-%m-%d")))
    return int(any_failed)


if __name__ == "__main__":
    sys.exit(main())
