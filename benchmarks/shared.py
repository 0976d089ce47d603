"""What the benchmarks share: an emulator in a process of its own, a contestant in a process of its own, and tables."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

#: A request body that the model takes; each job adds a seed.
BODY = {"promptText": "the camera pans slowly", "promptImage": "https://example.com/picture.jpg"}
MODEL = "runway-gen3-alphaturbo"


class EmulatorProcess:
    """An emulator that runs inside a ``with`` block, in a process whose CPU time is not the client's.

    :param options: its command line options, such as ``requests_per_minute=60``.
    :param faults: faults for its ``--fault`` option.
    """

    def __init__(self, faults: Sequence[str] = (), **options: object) -> None:
        self._arguments = [
            text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))
        ] + [text for fault in faults for text in ("--fault", fault)]
        self.url = ""
        self._connection: dict[str, Any] = {}

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "airflow_provider_runway.emulator", "--log", "error", "--credits", "1e9"]
        self._process = subprocess.Popen([*command, *self._arguments], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]
        self._connection = json.loads(self._process.stdout.readline().partition("='")[2].rstrip("'\n"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()

    @property
    def key(self) -> str:
        """A key that is accepted."""
        return str(self._connection["password"])

    def connection_json(self, **extra: object) -> str:
        """Return an Airflow connection to it, as JSON for an environment variable."""
        return json.dumps({**self._connection, "extra": {**self._connection["extra"], **extra}})

    def get_ledger(self) -> dict[str, Any]:
        """Return which jobs were accepted, and which of them are billed."""
        return dict(self._get("ledger"))

    def get_http_requests(self) -> list[dict[str, Any]]:
        """Return every request so far."""
        return list(self._get("requests"))

    def submit_jobs(self, count: int, model: str = MODEL) -> list[str]:
        """Submit jobs without the hook, waiting while the key's limit is reached; return their ids."""
        request_ids: list[str] = []
        with requests.Session() as session:
            session.headers["x-api-key"] = self.key
            while len(request_ids) < count:
                response = session.post(f"{self.url}/v2/{model}", json={**BODY, "seed": len(request_ids) + 1})
                if response.status_code == 200:
                    request_ids.append(response.json()["request_id"])
                else:
                    time.sleep(0.5)
        return request_ids

    def _get(self, what: str) -> Any:
        return requests.get(f"{self.url}/_emulator/{what}", timeout=60).json()


def run_module(module: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """Run a benchmark's module in a process of its own; return the JSON that it prints last."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, "AIRFLOW_HOME": home, **environment},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def describe_machine() -> str:
    """Return the machine in one line."""
    model = platform.processor() or "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}"


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table. Numbers get two digits after the point."""
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row) + " |")
