"""The package's own Segmind emulator as a child process."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from local_airflow.component import Component
from local_airflow.waiting import until

#: A key in the shape of a real one; it opens nothing.
TEST_KEY = "SG_0123456789abcdef"


class EmulatorProcess:
    """``python -m airflow_provider_runway.emulator`` on a free port, as a context manager.

    :param log: The file for its output.
    :param options: Further arguments, such as ``"--time-scale", "0.1"``.
    """

    def __init__(self, log: Path, *options: str) -> None:
        self._log = log.resolve()
        self._options = options
        self._component: Component | None = None
        #: Where it listens, from when it is entered.
        self.url = ""

    def __enter__(self) -> Self:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.unlink(missing_ok=True)
        command = [sys.executable, "-u", "-m", "airflow_provider_runway.emulator", "--port", "0", *self._options]
        self._component = Component("emulator", command, os.environ, self._log.parent, self._log)
        try:
            self.url = until(self._listening, timeout_s=20, what="the emulator", explain=self._component.tail)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill it."""
        if self._component is not None:
            self._component.stop()
            self._component = None

    def ledger(self) -> Any:
        """Return what the emulator has on its books: the jobs, and what was billed."""
        answer = requests.get(f"{self.url}/_emulator/ledger", timeout=10)
        answer.raise_for_status()
        return answer.json()

    def connection(self, **extra: Any) -> str:
        """Return the JSON of an Airflow connection to it, for ``AIRFLOW_CONN_RUNWAY_DEFAULT``."""
        hosts = {"storage_url": self.url, "history_url": f"{self.url}/inference-request/request-history"}
        connection = {"conn_type": "runway", "host": self.url, "password": TEST_KEY, "extra": hosts | extra}
        return json.dumps(connection)

    def _listening(self) -> str | None:
        if self._component is not None and not self._component.alive:
            raise RuntimeError(f"The emulator ended by itself:\n{self._component.tail()}")
        found = re.search(r"^Segmind emulator on (http://\S+)", self._log.read_text(), re.MULTILINE)
        return found and found[1]
