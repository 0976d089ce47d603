"""Run the package's Segmind emulator as a child process."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from local_airflow.child_process import ChildProcess
from local_airflow.wait_until import wait_until

#: A key in the form of a real one. No service accepts it.
TEST_KEY = "SG_0123456789abcdef"


class EmulatorProcess:
    """``python -m airflow_provider_runway.emulator`` on a free port, as a context manager.

    :param log: The file for its output.
    :param options: Command-line options, such as ``"--time-scale", "0.1"``.
    """

    def __init__(self, log: Path, *options: str) -> None:
        self._log = log.resolve()
        self._options = options
        self._process: ChildProcess | None = None
        #: Its URL, once it has started.
        self.url = ""

    def __enter__(self) -> Self:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.unlink(missing_ok=True)
        command = [sys.executable, "-u", "-m", "airflow_provider_runway.emulator", "--port", "0", *self._options]
        self._process = ChildProcess("emulator", command, os.environ, self._log.parent, self._log)
        try:
            self.url = wait_until(
                self._find_url, timeout_s=20, what="the emulator's start", explain=self._process.read_log_tail
            )
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
        if self._process is not None:
            self._process.stop()
            self._process = None

    def get_ledger(self) -> Any:
        """Return the emulator's jobs, and which of them are billed."""
        response = requests.get(f"{self.url}/_emulator/ledger", timeout=10)
        response.raise_for_status()
        return response.json()

    def build_connection(self, **extra: Any) -> str:
        """Return an Airflow connection to it as JSON, for ``AIRFLOW_CONN_RUNWAY_DEFAULT``."""
        hosts = {"storage_url": self.url, "history_url": f"{self.url}/inference-request/request-history"}
        connection = {"conn_type": "runway", "host": self.url, "password": TEST_KEY, "extra": hosts | extra}
        return json.dumps(connection)

    def _find_url(self) -> str | None:
        if self._process is not None and not self._process.is_running:
            raise RuntimeError(f"The emulator has ended:\n{self._process.read_log_tail()}")
        found = re.search(r"^Segmind emulator on (http://\S+)", self._log.read_text(), re.MULTILINE)
        return found and found[1]
