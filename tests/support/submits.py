"""Holding an order the way the operator does it, without the operator around it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from typing import Any

import pytest
from airflow_runtime import PICTURE_URL, PROMPT, TaskInstance

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.inputs.build_request import build_request
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from airflow_provider_runway.submission.submitter import Submitter
from airflow_provider_runway.task_context import TaskContext

LOG = logging.getLogger("tests.submission")
#: For tests in which an answer never comes: the read timeout of the connection, in seconds.
READ_TIMEOUT_S = 0.3


def hold(ti: TaskInstance, *, durable: bool = True, deliver: bool = False, **arguments: Any) -> JobSummary:
    """Bring the order of one try to its job; with ``deliver``, hand it on, too."""
    given = {"prompt_text": PROMPT, "prompt_image": PICTURE_URL, "duration": 5, **arguments}
    model = given.pop("model", DEFAULT_MODEL)
    task = TaskContext.from_airflow(ti.context())
    with RunwayHook() as hook:
        request = build_request(hook, task.identity, task.upload_cache(), model=model, arguments=given, extra=None)
        submitter = Submitter(hook, task.attempt, LOG, durable=durable)
        report = submitter.submit_or_resume(request)
        if deliver:
            submitter.mark_delivered(report.request_id)
        return report


def only_job(gateway: Emulator) -> str:
    """Return the id of the one job that was ever accepted."""
    (job,) = gateway.ledger()["jobs"]
    return str(job["request_id"])


def set_extra(monkeypatch: pytest.MonkeyPatch, fields: Mapping[str, Any] | None = None, **extra: Any) -> None:
    """Change extra fields of ``runway_default``, and ``fields`` of the connection itself."""
    connection = json.loads(os.environ["AIRFLOW_CONN_RUNWAY_DEFAULT"])
    connection["extra"] |= extra
    monkeypatch.setenv("AIRFLOW_CONN_RUNWAY_DEFAULT", json.dumps({**connection, **(fields or {})}))


def count(gateway: Emulator, *calls: str) -> int:
    """Return how many requests of these calls came to the gateway; of any call when none is named."""
    return sum(request["call"] in calls or not calls for request in gateway.requests())
