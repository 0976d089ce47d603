"""Operators whose task process dies, by SIGKILL, at a named point between a submit and its result.

A subclass wraps the very steps that the package takes, and changes none of them. Which points, and how
often, is said by a plan that a test writes: ``{"task[map_index]": {"point": deaths}}``.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor
from airflow_provider_runway.submission.journal import Phase
from airflow_provider_runway.submission.submitter import Submitter
from airflow_provider_runway.transports.requests_transport import RequestsTransport

BEFORE_POST = "before the POST"
BEFORE_ANSWER = "after the server accepted, before the answer"
BEFORE_JOURNAL = "after the answer, before the journal"
BEFORE_DEFERRAL = "after the journal, before the deferral"
AFTER_EVENT = "after the event"
BEFORE_RESULT = "before the result is stored"
POINTS = (BEFORE_POST, BEFORE_ANSWER, BEFORE_JOURNAL, BEFORE_DEFERRAL, AFTER_EVENT, BEFORE_RESULT)

FOLDER = Path(os.environ.get("RUNWAY_CHAOS_FOLDER", "."))


class RemoteState:
    """Kills this process where the plan says so; each planned death happens once."""

    def __init__(self, context: Any) -> None:
        ti = context["ti"]
        self.task = f"{ti.task_id}[{ti.map_index if ti.map_index is not None else -1}]"
        self.run_id = ti.run_id

    def may_die(self, point: str) -> None:
        """Die, if the plan has a death left at this point."""
        plan = json.loads((FOLDER / "plan.json").read_text())
        for number in range(plan.get(self.task, {}).get(point, 0)):
            grave = FOLDER / f"{self.run_id} {self.task} {point} {number}".replace("/", "_")
            try:
                grave.touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def wrapped(owner: type, name: str, wrapper: Callable[..., Any]) -> Iterator[None]:
    """Put a wrapper around a method of a class, in this process, for a while."""
    original = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: wrapper(original, *args, **kwargs))
    try:
        yield
    finally:
        setattr(owner, name, original)


class MortalGenerateOperator(RunwayGenerateOperator):
    """Dies around its submit, its deferral and its result."""

    def execute(self, context: Any) -> Any:
        fate = RemoteState(context)

        def submit(original: Any, *args: Any, **kwargs: Any) -> Any:
            fate.may_die(BEFORE_POST)
            return original(*args, **kwargs)

        def send(original: Any, transport: Any, step: Any) -> Any:
            heard = original(transport, step)
            if step.request.call == "submit":
                fate.may_die(BEFORE_ANSWER)
            return heard

        def write(original: Any, submitter: Any, entry: Any) -> Any:
            if entry.phase is Phase.SUBMITTED:
                fate.may_die(BEFORE_JOURNAL)
            written = original(submitter, entry)
            if entry.phase is Phase.SUBMITTED:
                fate.may_die(BEFORE_DEFERRAL)
            return written

        with (
            wrapped(RunwayHook, "submit", submit),
            wrapped(RequestsTransport, "_send", send),
            wrapped(Submitter, "_write", write),
        ):
            result = super().execute(context)
        fate.may_die(BEFORE_RESULT)
        return result

    def execute_complete(self, context: Any, event: Any, **kwargs: Any) -> Any:
        fate = RemoteState(context)
        fate.may_die(AFTER_EVENT)
        result = super().execute_complete(context, event, **kwargs)
        fate.may_die(BEFORE_RESULT)
        return result


class MortalSensor(RunwayJobSensor):
    """Dies with the event in its hands, or the result."""

    def execute_complete(self, context: Any, event: Any) -> Any:
        fate = RemoteState(context)
        fate.may_die(AFTER_EVENT)
        result = super().execute_complete(context, event)
        fate.may_die(BEFORE_RESULT)
        return result
