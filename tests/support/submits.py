"""Submits or resumes a job the way the operator does, without the operator around it."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import requests
from airflow_runtime import IMAGE_URL, PROMPT, TaskInstance

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import HistoryNotSettledError
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.inputs.build_request import build_request
from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from airflow_provider_runway.submission.submitter import Submitter
from airflow_provider_runway.task_context import TaskContext

LOG = logging.getLogger("tests.submission")
#: By this image the job of ``add_neighbour`` is known.
IMAGE_URL_OF_NEIGHBOUR = "https://images.example/neighbour.png"
#: For tests in which an answer never comes: the read timeout of the connection, in seconds.
READ_TIMEOUT_S = 0.3


def submit_or_resume(
    ti: TaskInstance,
    *,
    durable: bool = True,
    deliver: bool = False,
    on_orphaned_intent: str = "fail",
    **arguments: Any,
) -> JobSummary:
    """Submit or resume the job of one try, as an operator that is not deferrable does; with ``deliver``, hand it on."""
    given = {"prompt_text": PROMPT, "prompt_image": IMAGE_URL, "duration": 5, **arguments}
    model = given.pop("model", DEFAULT_MODEL)
    task = TaskContext.from_airflow(ti.context())
    with RunwayHook() as hook:
        submitter = Submitter(hook, task.attempt, LOG, durable=durable, on_orphaned_intent=on_orphaned_intent)
        submitter.record_start()
        request = build_request(
            hook, task.identity, task.make_shared_upload_cache(), model=model, arguments=given, extra=None
        )
        job = None
        while job is None:
            try:
                job = submitter.submit_or_resume(request)
            except HistoryNotSettledError as not_settled:
                time.sleep(max(not_settled.retry_at - time.time(), 0.0))
                attempt = replace(task.attempt, carried_entry=submitter.get_carried_entry())
                submitter = Submitter(hook, attempt, LOG, durable=durable, on_orphaned_intent=on_orphaned_intent)
        if deliver:
            submitter.mark_delivered(job.request_id)
        return job


def add_neighbour(gateway: Emulator) -> None:
    """Submit a job of somebody else on the same account, so that its history shows that it can be read."""
    body = {"promptText": "a job of somebody else", "promptImage": IMAGE_URL_OF_NEIGHBOUR, "seed": 1}
    response = requests.post(
        f"{gateway.url}/v2/{DEFAULT_MODEL}", json=body, headers={"x-api-key": gateway.test_key}, timeout=10
    )
    assert response.status_code == 200, response.text


def list_own_jobs(gateway: Emulator) -> list[dict[str, Any]]:
    """Return the accepted jobs in the emulator's ledger, without the neighbour's."""
    return [job for job in gateway.ledger()["jobs"] if job["request_id"] not in _neighbours(gateway)]


def count_own_posts(gateway: Emulator) -> int:
    """Return how many submits came to the emulator, without the neighbour's."""
    return int(gateway.ledger()["posts"]) - len(_neighbours(gateway))


def list_own_billable_ids(gateway: Emulator) -> list[str]:
    """Return the ids of the jobs that are billed, or will be, without the neighbour's."""
    return [str(job["request_id"]) for job in list_own_jobs(gateway) if job["billable"]]


def get_only_job_id(gateway: Emulator) -> str:
    """Return the id of the one job that was ever accepted, except the neighbour's."""
    (job,) = list_own_jobs(gateway)
    return str(job["request_id"])


def _neighbours(gateway: Emulator) -> set[str]:
    jobs = gateway.ledger()["jobs"]
    return {job["request_id"] for job in jobs if job["body"].get("promptImage") == IMAGE_URL_OF_NEIGHBOUR}


def set_connection_extra(
    monkeypatch: pytest.MonkeyPatch, fields: Mapping[str, Any] | None = None, **extra: Any
) -> None:
    """Change extra fields of ``runway_default``, and ``fields`` of the connection itself."""
    connection = json.loads(os.environ["AIRFLOW_CONN_RUNWAY_DEFAULT"])
    connection["extra"] |= extra
    monkeypatch.setenv("AIRFLOW_CONN_RUNWAY_DEFAULT", json.dumps({**connection, **(fields or {})}))


def count_requests(gateway: Emulator, *calls: str) -> int:
    """Return how many requests of these calls came to the gateway; of any call when none is named."""
    return sum(request["call"] in calls or not calls for request in gateway.http_requests())
