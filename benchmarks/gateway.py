"""The emulator in a process of its own, so that its CPU is not counted as the client's."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, Self

import requests

#: A body that every model of the benchmarks takes; the seed tells jobs apart.
BODY = {"promptText": "the camera pans slowly", "promptImage": "https://example.com/picture.jpg"}
MODEL = "runway-gen3-alphaturbo"


class Gateway:
    """An emulator with the given command line, alive inside a ``with`` block.

    :param options: its options without the dashes, such as ``requests_per_minute=60``.
    """

    def __init__(self, **options: object) -> None:
        self._arguments = [
            text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))
        ]
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

    def connection(self, **extra: object) -> str:
        """Return an Airflow connection to it, as the JSON for an environment variable."""
        return json.dumps({**self._connection, "extra": {**self._connection["extra"], **extra}})

    def ledger(self) -> dict[str, Any]:
        """Return what was accepted, and what of it is billed."""
        return dict(self._control("ledger"))

    def requests(self) -> list[dict[str, Any]]:
        """Return every request so far."""
        return list(self._control("requests"))

    def submit(self, jobs: int, model: str = MODEL) -> list[str]:
        """Submit jobs past everything that is measured; return their ids."""
        with requests.Session() as session:
            session.headers["x-api-key"] = self.key
            answers = (session.post(f"{self.url}/v2/{model}", json={**BODY, "seed": n + 1}) for n in range(jobs))
            return [answer.json()["request_id"] for answer in answers]

    def submit_patiently(self, jobs: int, model: str = MODEL) -> list[str]:
        """Submit jobs within the key's limit, waiting for each reset; return their ids."""
        ids: list[str] = []
        with requests.Session() as session:
            session.headers["x-api-key"] = self.key
            while len(ids) < jobs:
                answer = session.post(f"{self.url}/v2/{model}", json={**BODY, "seed": len(ids) + 1})
                if answer.status_code == 200:
                    ids.append(answer.json()["request_id"])
                else:
                    time.sleep(0.5)
        return ids

    def _control(self, what: str) -> Any:
        return requests.get(f"{self.url}/_emulator/{what}", timeout=60).json()
