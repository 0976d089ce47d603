"""Client of a running Airflow 3: its REST API, which takes milliseconds where its command line takes seconds."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import requests

from local_airflow.airflow_client import Run, TaskInstance

#: SQLite does not let a transaction that has read go on to write while another one writes, whatever its timeout is.
#: The api-server has then rolled back, so the request can be repeated after these pauses.
DATABASE_LOCKED_PAUSES_S = (0.2, 0.5, 1, 2, 4, 0)


class Airflow3Client:
    """Calls the api-server of an Airflow.

    :param url: The api-server's URL.
    :param login: The name and password of a user; None where the simple auth manager makes every user an admin.
    """

    def __init__(self, url: str, login: tuple[str, str] | None = None) -> None:
        self.url = url
        self._login = login
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy for loopback
        self._has_token = False
        # One request at a time, also from threads. On SQLite an api-server with two changes under way can wait for
        # its own lock until the database's timeout.
        self._lock = threading.RLock()

    def call(self, method: str, path: str, *, missing_ok: bool = False, **options: Any) -> Any:
        """Call ``/api/v2`` + ``path`` and return its JSON; with ``missing_ok`` a 404 is None."""
        with self._lock:
            return self._send(method, path, missing_ok, options)

    def _send(self, method: str, path: str, missing_ok: bool, options: dict[str, Any]) -> Any:
        if not self._has_token:
            response = self._request_token()
            response.raise_for_status()
            self._session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
            self._has_token = True
        for pause_s in DATABASE_LOCKED_PAUSES_S:
            response = self._session.request(method, f"{self.url}/api/v2{path}", timeout=90, **options)
            if response.status_code != 500 or "Database error" not in response.text:
                break
            time.sleep(pause_s)
        if missing_ok and response.status_code == 404:
            return None
        if not response.ok:
            raise requests.HTTPError(
                f"{method} {path}: {response.status_code} {response.text[:500]}", response=response
            )
        return response.json() if response.content else None

    def _request_token(self) -> requests.Response:
        if self._login is None:
            return self._session.get(f"{self.url}/auth/token", timeout=10)
        body = dict(zip(("username", "password"), self._login, strict=True))
        return self._session.post(f"{self.url}/auth/token", json=body, timeout=30)

    def get_health(self) -> dict[str, bool]:
        try:
            parts = self.call("GET", "/monitor/health")
        except (requests.ConnectionError, requests.Timeout, requests.HTTPError):
            return {"api-server": False}
        names = {"scheduler": "scheduler", "triggerer": "triggerer", "dag_processor": "dag-processor"}
        return {"api-server": True} | {
            name: (parts.get(key) or {}).get("status") == "healthy" for key, name in names.items()
        }

    def has_dag(self, dag_id: str) -> bool:
        return self.call("GET", f"/dags/{quote(dag_id)}/details", missing_ok=True) is not None

    def get_import_errors(self) -> dict[str, str]:
        errors = self.call("GET", "/importErrors")["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def set_paused(self, dag_id: str, paused: bool) -> None:
        self.call("PATCH", f"/dags/{quote(dag_id)}", json={"is_paused": paused})

    def trigger(self, dag_id: str, conf: dict[str, Any], run_id: str) -> None:
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        self.call("POST", f"/dags/{quote(dag_id)}/dagRuns", json=body)

    def list_runs(self, dag_id: str) -> list[Run]:
        rows = self.call("GET", f"/dags/{quote(dag_id)}/dagRuns", params={"limit": 1000})["dag_runs"]
        return [Run(dag_id, row["dag_run_id"]) for row in rows]

    def get_run_state(self, run: Run) -> str:
        return str(self.call("GET", _run_path(run))["state"])

    def get_task_instances(self, run: Run) -> list[TaskInstance]:
        found: list[TaskInstance] = []
        while True:
            page = self.call("GET", f"{_run_path(run)}/taskInstances", params={"limit": 1000, "offset": len(found)})
            found += [TaskInstance(*(row[field] for field in TaskInstance._fields)) for row in page["task_instances"]]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def get_xcom(self, run: Run, task_id: str, key: str, map_index: int) -> Any:
        entry = self.call(
            "GET",
            f"{_run_path(run)}/taskInstances/{quote(task_id)}/xcomEntries/{quote(key)}",
            params={"map_index": map_index, "stringify": "false"},
            missing_ok=True,
        )
        return None if entry is None else entry["value"]

    def get_links(self, run: Run, task_id: str, map_index: int) -> dict[str, str]:
        path = f"{_run_path(run)}/taskInstances/{quote(task_id)}/links"
        found = self.call("GET", path, params={"map_index": map_index})["extra_links"]
        return {name: url or "" for name, url in found.items()}

    def get_task_log(self, run: Run, task_id: str, try_number: int, map_index: int) -> str:
        response = self.call(
            "GET",
            f"{_run_path(run)}/taskInstances/{quote(task_id)}/logs/{try_number}",
            params={"map_index": map_index, "full_content": "true"},
            headers={"Accept": "application/json"},
            missing_ok=True,
        )
        return "" if response is None else "\n".join(_format_log_entry(entry) for entry in response["content"])

    def clear(self, run: Run, task_ids: Sequence[str | tuple[str, int]] | None, only_failed: bool) -> None:
        body = {"dry_run": False, "dag_run_id": run.run_id, "only_failed": only_failed, "reset_dag_runs": True}
        if task_ids is not None:
            body["task_ids"] = list(task_ids)
        self.call("POST", f"/dags/{quote(run.dag_id)}/clearTaskInstances", json=body)

    def set_task_state(self, run: Run, task_id: str, state: str, map_index: int) -> None:
        suffix = f"/{map_index}" if map_index >= 0 else ""
        self.call("PATCH", f"{_run_path(run)}/taskInstances/{quote(task_id)}{suffix}", json={"new_state": state})

    def get_pool(self, name: str) -> dict[str, int]:
        row = self.call("GET", f"/pools/{quote(name)}")
        parts = ("running", "queued", "scheduled", "deferred", "open")
        return {"slots": row["slots"]} | {part: row[f"{part}_slots"] for part in parts}

    def close(self) -> None:
        self._session.close()


def _run_path(run: Run) -> str:
    return f"/dags/{quote(run.dag_id)}/dagRuns/{quote(run.run_id)}"


#: Fields that every log entry repeats about its task, and its place in Airflow's source.
REPEATED_LOG_FIELDS = frozenset(
    {"timestamp", "level", "event", "logger", "filename", "lineno", "loc"}
    | {"dag_id", "run_id", "task_id", "ti_id", "map_index", "try_number"}
)


def _format_log_entry(entry: Any) -> str:
    """Return a structured log entry as one line: time, level, event, then its other fields."""
    if not isinstance(entry, dict):
        return str(entry)
    rest = {name: value for name, value in entry.items() if name not in REPEATED_LOG_FIELDS}
    causes = [f"{cause['exc_type']}: {cause['exc_value']}" for cause in rest.pop("error_detail", None) or ()]
    parts = [entry.get("timestamp"), (entry.get("level") or "").upper(), entry.get("event"), " <- ".join(causes)]
    parts.append(json.dumps(rest, default=str) if rest else "")
    return " ".join(str(part) for part in parts if part)
