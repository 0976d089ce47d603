"""The operator and the sensor, killed by SIGKILL at the points of a plan.

The subclasses wrap the steps that the package takes and change none of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from kill_plan import (
    AFTER_EVENT,
    AFTER_INTENTS,
    AFTER_WAVE,
    BEFORE_DEFERRAL,
    BEFORE_JOURNAL,
    BEFORE_POST,
    BEFORE_RESPONSE,
    BEFORE_RESULT,
    IN_WAVE,
    WHILE_STORING,
    KillPlan,
)

from airflow_provider_runway.batch.batch_journal import BatchJournal
from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator
from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor
from airflow_provider_runway.submission.journal import Phase
from airflow_provider_runway.submission.journal_session import JournalSession
from airflow_provider_runway.transports.requests_transport import RequestsTransport


def make_kill_point(context: Any) -> Callable[[str], None]:
    """Return a function that kills this task at a point where the plan says so."""
    ti = context["ti"]
    task = f"{ti.task_id}[{ti.map_index if ti.map_index is not None else -1}]"
    return partial(KillPlan(Path(os.environ["RUNWAY_CHAOS_FOLDER"])).kill_if_planned, ti.run_id, task)


@contextmanager
def wrap_method(owner: type, name: str, wrapper: Callable[..., Any]) -> Iterator[None]:
    """Call ``wrapper(original, *args)`` instead of a method, in this process, inside the block."""
    original = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: wrapper(original, *args, **kwargs))
    try:
        yield
    finally:
        setattr(owner, name, original)


class KillableGenerateOperator(RunwayGenerateOperator):
    """Can be killed around its submit, its deferral and its result."""

    def execute(self, context: Any) -> Any:
        kill_if_planned = make_kill_point(context)

        def send(original: Any, transport: Any, request: Any) -> Any:
            is_submit = request.call == "submit"
            if is_submit:
                kill_if_planned(BEFORE_POST)
            received = original(transport, request)
            if is_submit:
                kill_if_planned(BEFORE_RESPONSE)
            return received

        def write(original: Any, journal: Any, entry: Any) -> Any:
            if entry.phase is Phase.SUBMITTED:
                kill_if_planned(BEFORE_JOURNAL)
            written = original(journal, entry)
            if entry.phase is Phase.SUBMITTED:
                kill_if_planned(BEFORE_DEFERRAL)
            return written

        with (
            wrap_method(RequestsTransport, "_send", send),
            wrap_method(JournalSession, "write", write),
        ):
            result = super().execute(context)
        kill_if_planned(BEFORE_RESULT)
        return result

    def execute_complete(self, context: Any, event: Any, **kwargs: Any) -> Any:
        kill_if_planned = make_kill_point(context)
        kill_if_planned(AFTER_EVENT)
        result = super().execute_complete(context, event, **kwargs)
        kill_if_planned(BEFORE_RESULT)
        return result


class KillableSensor(RunwayJobSensor):
    """Can be killed after the trigger's event and before the result is stored."""

    def execute_complete(self, context: Any, event: Any) -> Any:
        kill_if_planned = make_kill_point(context)
        kill_if_planned(AFTER_EVENT)
        result = super().execute_complete(context, event)
        kill_if_planned(BEFORE_RESULT)
        return result


class KillableBatchOperator(RunwayGenerateBatchOperator):
    """Can be killed around the submits of a wave, its deferral, and while videos are stored.

    The third POST and the second video of an execution are the middle: a kill in a wave can leave two jobs.
    """

    def execute(self, context: Any) -> Any:
        with self._killed_at_points(context):
            return super().execute(context)

    def continue_batch(self, context: Any, event: Any = None, state: Any = None) -> Any:
        with self._killed_at_points(context):
            return super().continue_batch(context, event, state)

    def defer(self, **arguments: Any) -> Any:
        self._kill_if_planned(AFTER_WAVE)
        super().defer(**arguments)

    @contextmanager
    def _killed_at_points(self, context: Any) -> Iterator[None]:
        from airflow_provider_runway.batch import row_storage, wave_submitter

        self._kill_if_planned = kill_if_planned = make_kill_point(context)
        counts = {"sent": 0, "stored": 0}
        send, store = wave_submitter.send_intent, row_storage.store_outputs

        def check_owner(original: Any, journal: Any) -> None:
            original(journal)
            kill_if_planned(AFTER_INTENTS)

        def send_or_die(*arguments: Any) -> Any:
            counts["sent"] += 1
            if counts["sent"] == 3:
                kill_if_planned(IN_WAVE)
            return send(*arguments)

        def store_or_die(*arguments: Any, **named: Any) -> Any:
            counts["stored"] += 1
            if counts["stored"] == 2:
                kill_if_planned(WHILE_STORING)
            return store(*arguments, **named)

        wave_submitter.send_intent, row_storage.store_outputs = send_or_die, store_or_die
        try:
            with wrap_method(BatchJournal, "check_owner", check_owner):
                yield
        finally:
            wave_submitter.send_intent, row_storage.store_outputs = send, store
