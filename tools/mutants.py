"""Checks that the tests catch known mistakes: breaks one line at a time and runs the tests that must fail then.

The list is ``tests/mutants.toml``. Each entry is a mistake that would cost money, lose a job, or leak a key. The
breaks are made in a copy of the project, two copies at a time. The exit code is 0 when every mistake is caught.
"""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "mutants.toml"
COPIED = ("airflow_provider_runway", "tests", "tools", "docs", "benchmarks", "dags", "pyproject.toml", "setup.cfg")
#: A busy machine may need it. A test that waits for ever fails by its own, shorter timeout, which counts as caught.
TEST_TIMEOUT_S = 600


@dataclass(frozen=True)
class Mutant:
    """One mistake: in ``file``, ``old`` becomes ``new``, and one of ``tests`` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What came of one mutant. ``verdict`` is "caught", "SURVIVED", or what is wrong with its entry."""

    mutant: Mutant
    verdict: str
    seconds: float


def read_mutants(path: Path = LIST) -> list[Mutant]:
    """Return the mutants of the list."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def find_defect(mutant: Mutant, root: Path = ROOT) -> str:
    """Return why an entry no longer fits the project, or ""."""
    file = root / mutant.file
    if not file.is_file():
        return f"STALE: there is no {mutant.file}"
    if (count := file.read_text(encoding="utf-8").count(mutant.old)) != 1:
        return f"STALE: its text occurs {count} times in {mutant.file}"
    missing = [test for test in mutant.tests if not (root / test.partition("::")[0]).is_file()]
    return f"STALE: there is no {missing[0]}" if missing else ""


def copy_project(target: Path) -> None:
    """Copy what the tests need."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)


def run_tests(copy: Path, tests: tuple[str, ...]) -> int:
    """Run tests in a copy, and return pytest's exit code."""
    environment = os.environ | {
        "PYTHONPATH": str(copy),
        "AIRFLOW_HOME": str(copy / ".airflow"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--rootdir", str(copy), *tests]
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=TEST_TIMEOUT_S, check=False
    )
    return done.returncode


def try_mutant(mutant: Mutant, copy: Path) -> Result:
    """Make the mistake in a copy, run its tests, and undo it."""
    started_at = time.monotonic()
    verdict = find_defect(mutant, copy)
    if not verdict:
        file = copy / mutant.file
        good = file.read_text(encoding="utf-8")
        file.write_text(good.replace(mutant.old, mutant.new), encoding="utf-8")
        try:
            code = run_tests(copy, mutant.tests)
            verdict = {0: "SURVIVED", 1: "caught"}.get(code, f"BROKEN: pytest ended with {code}")
        except subprocess.TimeoutExpired:
            verdict = f"BROKEN: no end after {TEST_TIMEOUT_S} s"
        finally:
            file.write_text(good, encoding="utf-8")
    return Result(mutant, verdict, time.monotonic() - started_at)


def run_mutants(mutants: list[Mutant], jobs: int) -> list[Result]:
    """Try all mutants, some at a time, and print each result."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies: queue.Queue[Path] = queue.Queue()
        for number in range(jobs):
            copy = Path(folder) / str(number)
            copy.mkdir()
            copy_project(copy)
            copies.put(copy)

        def try_in_a_free_copy(mutant: Mutant) -> Result:
            copy = copies.get()
            try:
                result = try_mutant(mutant, copy)
            finally:
                copies.put(copy)
            print(f"{result.verdict:<9} {result.seconds:5.1f} s  {mutant.name}", flush=True)
            return result

        all_tests = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
        if not all(run_tests(Path(folder) / "0", (test,)) == 0 for test in all_tests):
            raise SystemExit("The tests of the list fail without any mistake; correct them first.")
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(try_in_a_free_copy, mutants))


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutants whose name or file contains one of these words")
    parser.add_argument("--jobs", type=int, default=2, help="copies to work in at the same time")
    options = parser.parse_args()
    mutants = [
        mutant
        for mutant in read_mutants()
        if not options.words or any(word in f"{mutant.name} {mutant.file}" for word in options.words)
    ]
    started_at = time.monotonic()
    results = run_mutants(mutants, options.jobs)
    caught = sum(result.verdict == "caught" for result in results)
    print(f"{caught} of {len(results)} mistakes are caught, in {time.monotonic() - started_at:.0f} s.")
    return 0 if caught == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
