"""Each call of the API as a value: the request, and how its answer is read."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from airflow_provider_runway.segmind import answers, history
from airflow_provider_runway.segmind.jobs import Credits, Job, JobResult, JobStatus, SyncResult
from airflow_provider_runway.segmind.wire import Answer, Endpoints, Request, json_body

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request together with the reader of its answer."""

    request: Request
    read: Callable[[Request, Answer], T]


def submit(at: Endpoints, model: str, payload: Mapping[str, Any]) -> Call[Job]:
    """``POST /v2/{slug}``: a new billable job, each time."""
    request = Request("submit", "POST", at.model("v2", model), body=json_body(payload), replayable=False)
    return Call(request, partial(answers.read_submit, model=model))


def status(at: Endpoints, request_id: str) -> Call[JobStatus]:
    """``GET /v2/requests/{id}/status``."""
    request = Request("status", "GET", f"{at.record(request_id)}/status")
    return Call(request, partial(answers.read_status, request_id=request_id))


def result(at: Endpoints, request_id: str) -> Call[JobResult]:
    """``GET /v2/requests/{id}``."""
    return Call(Request("result", "GET", at.record(request_id)), partial(answers.read_result, request_id=request_id))


def run_sync(at: Endpoints, model: str, payload: Mapping[str, Any]) -> Call[SyncResult]:
    """``POST /v1/{slug}``: billable like a submit, and blocks until the output is there."""
    request = Request("run_sync", "POST", at.model("v1", model), body=json_body(payload), replayable=False)
    return Call(request, answers.read_sync)


def balance(at: Endpoints) -> Call[Credits]:
    """``GET /v1/get-user-credits``: runs no model and costs nothing."""
    return Call(Request("credits", "GET", f"{at.gateway}/v1/get-user-credits"), answers.read_credits)


def upload(at: Endpoints, data: bytes, mime: str) -> Call[str]:
    """``POST {storage}/upload-asset``: returns a URL that jobs can take. Free, so it may be repeated."""
    data_url = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    request = Request("upload", "POST", f"{at.storage}/upload-asset", body=json_body({"data_urls": [data_url]}))
    return Call(request, answers.read_upload)


def history_page(at: Endpoints, query: history.HistoryQuery, page: int) -> Call[history.Page]:
    """``GET {history}``: one page of the account's requests."""
    return Call(Request("history", "GET", at.history, query=query.parameters(page)), history.read_page)


def history_row(at: Endpoints, request_id: str) -> Call[history.HistoryRow]:
    """``GET {history}/{request_id}``: one request of any age."""
    request = Request("history_one", "GET", at.history_row(request_id))
    return Call(request, partial(history.read_one, request_id=request_id))
