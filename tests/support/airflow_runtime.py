"""A task instance that stands in for Airflow's: its XComs and state store, its retries and clears, and its runner.

XComs and the state store hold JSON text, as Airflow's do, so that a value that is not JSON fails here, too.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_runway.emulator import Emulator

#: Inputs that must never be seen anywhere but in a submit's body.
PROMPT = "a lighthouse in heavy weather"
IMAGE_URL = "https://images.example/lighthouse.png"


class StateStore:
    """Airflow's store of one task instance; ``crash_at`` says which writes (from 1) die instead of arriving."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.writes = 0
        self.crash_at: set[int] = set()

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any) -> None:
        self.writes += 1
        if self.writes in self.crash_at:
            raise WorkerDied(f"at write {self.writes} of the state store")
        self.values[key] = json.dumps(value)

    @property
    def entry(self) -> dict[str, Any]:
        """The journal's entry."""
        value = self.get("runway_submission")
        assert isinstance(value, dict), "nothing was written"
        return value


class WorkerDied(BaseException):
    """The worker's process is gone: no ``except Exception`` sees it."""


@dataclass
class TaskInstance:
    """One task instance and its run. ``has_store`` is False for Airflow before 3.3."""

    task_id: str = "generate"
    dag_id: str = "videos"
    run_id: str = "scheduled__2026-11-01"
    map_index: int = -1
    retries: int = 2
    has_store: bool = True
    try_number: int = 1
    max_tries: int = 2
    store: StateStore = field(default_factory=StateStore)
    xcoms: dict[tuple[str, int, str], str] = field(default_factory=dict)
    pushes: list[str] = field(default_factory=list)
    first_reschedule: datetime | None = None
    outlet_events: Any = None
    dag_run: SimpleNamespace = field(default_factory=lambda: _run())

    def context(self) -> dict[str, Any]:
        """Return the context of one execution."""
        base = {"ti": self, "dag_run": self.dag_run, "run_id": self.run_id, "task_reschedule_count": 0}
        base["outlet_events"] = self.outlet_events
        return {**base, "task_state_store": self.store} if self.has_store else base

    def get_first_reschedule_date(self, context: Mapping[str, Any]) -> datetime | None:
        """Return when this sensor was rescheduled first, or None."""
        return self.first_reschedule

    def xcom_push(self, key: str, value: Any, **_: Any) -> None:
        self.pushes.append(key)
        self.xcoms[self.task_id, self.map_index, key] = json.dumps(value)

    def xcom_pull(
        self,
        task_ids: str | Iterable[str] | None = None,
        key: str = "return_value",
        *,
        map_indexes: int | Iterable[int] | None = None,
    ) -> Any:
        """One value for one task and one index, else a list, as both majors have it."""
        single = isinstance(task_ids, str) and isinstance(map_indexes, int)
        tasks = [task_ids or self.task_id] if isinstance(task_ids, str | None) else list(task_ids)
        wanted = [map_indexes] if isinstance(map_indexes, int) else map_indexes
        found = [
            json.loads(value)
            for (task, index, name), value in self.xcoms.items()
            if task in tasks and name == key and (wanted is None or index in wanted)
        ]
        return (found[0] if found else None) if single else found

    def xcom(self, key: str) -> Any:
        """Return one of this task instance's own XComs."""
        return self.xcom_pull(self.task_id, key, map_indexes=self.map_index)

    def retry(self) -> None:
        """Begin the next try: Airflow clears the task instance's XComs, and nothing else."""
        self.try_number += 1
        own = [key for key in self.xcoms if key[:2] == (self.task_id, self.map_index)]
        for key in own:
            del self.xcoms[key]
        self.pushes.clear()

    def clear(self, *, run_finished: bool = False) -> None:
        """Clear a task that is not running. A finished run gets a new start date with it."""
        self.max_tries = self.try_number + self.retries
        if run_finished:
            self.dag_run.clear_number += 1
            self.dag_run.start_date = datetime.now(UTC)
        self.retry()

    def grow_older(self, seconds: float) -> None:
        """Move the run and its journal into the past."""
        for name in ("start_date", "queued_at", "run_after", "logical_date"):
            setattr(self.dag_run, name, getattr(self.dag_run, name) - timedelta(seconds=seconds))
        if "runway_submission" in self.store.values:
            entry = self.store.entry
            times = {name: entry[name] - seconds for name in ("at", "expires_at") if entry.get(name)}
            self.store.values["runway_submission"] = json.dumps({**entry, **times})

    def clear_while_running(self) -> None:
        """Clear a running task: it is ended and begins again, and ``max_tries`` stays."""
        self.retry()


def _run() -> SimpleNamespace:
    now = datetime.now(UTC)
    return SimpleNamespace(start_date=now, queued_at=now, run_after=now, logical_date=now, clear_number=0)


def advance_time(gateway: Emulator, ti: TaskInstance, seconds: float) -> None:
    """Advance the clocks of the gateway and of Airflow."""
    gateway.advance(seconds)
    ti.grow_older(seconds)


def resume(operator: Any, ti: TaskInstance, deferred: TaskDeferred, event: Any) -> Any:
    """Resume a deferred task with an event: the arguments went through the database as JSON."""
    arguments = json.loads(json.dumps({**(deferred.kwargs or {}), "event": event}))
    return operator.resume_execution(deferred.method_name, arguments, ti.context())


def rebuild_trigger(trigger: Any) -> Any:
    """Return the trigger as another process builds it, from its class path and its JSON arguments."""
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)(**json.loads(json.dumps(arguments)))


def run_trigger(trigger: Any) -> Any:
    """Run a trigger in an event loop of its own, and return its one event as JSON leaves it."""
    if (due := getattr(trigger, "moment", None)) is not None:  # Airflow's own timer
        time.sleep(max((due - datetime.now(UTC)).total_seconds(), 0.0))
        return due.isoformat()
    (event,) = asyncio.run(_events(rebuild_trigger(trigger)))
    return event


async def _events(trigger: Any) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(event.payload)) async for event in trigger.run()]


def run_task(make: Callable[[], Any], ti: TaskInstance) -> Any:
    """Run a task to the end of this try; every step has a new operator, as every worker process has."""
    while True:
        try:
            return make().execute(ti.context())
        except TaskDeferred as deferral:
            deferred = deferral
            break
        except AirflowRescheduleException as later:
            ti.first_reschedule = ti.first_reschedule or datetime.now(UTC)
            time.sleep(max((later.reschedule_date - datetime.now(UTC)).total_seconds(), 0.0))
    while True:
        try:
            return resume(make(), ti, deferred, run_trigger(deferred.trigger))
        except TaskDeferred as again:
            deferred = again
