"""Each call of the API as a value: the request, and the function that parses its response."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from airflow_provider_runway.segmind import history, response_parsers
from airflow_provider_runway.segmind.http import BaseUrls, Request, Response, encode_json
from airflow_provider_runway.segmind.jobs import Credits, Job, JobRecord, JobStatus, SyncResult

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ApiCall(Generic[T]):
    """A request together with the parser of its response."""

    request: Request
    parse: Callable[[Request, Response], T]


def make_submit_call(
    base_urls: BaseUrls, model: str, payload: Mapping[str, Any], not_after: float | None = None
) -> ApiCall[Job]:
    """Submit a job: ``POST /v2/{slug}``. Each one is billable. Not sent later than ``not_after`` (epoch seconds)."""
    request = Request(
        call="submit",
        method="POST",
        url=base_urls.make_model_url("v2", model),
        body=encode_json(payload),
        idempotent=False,
        not_after=not_after,
    )
    return ApiCall(request, partial(response_parsers.parse_submit_response, model=model))


def make_status_call(base_urls: BaseUrls, request_id: str) -> ApiCall[JobStatus]:
    """Ask for a job's status: ``GET /v2/requests/{id}/status``."""
    request = Request("status", "GET", f"{base_urls.make_record_url(request_id)}/status")
    return ApiCall(request, partial(response_parsers.parse_status_response, request_id=request_id))


def make_result_call(base_urls: BaseUrls, request_id: str) -> ApiCall[JobRecord]:
    """Ask for a job's full record with its output: ``GET /v2/requests/{id}``."""
    return ApiCall(
        Request("result", "GET", base_urls.make_record_url(request_id)),
        partial(response_parsers.parse_result_response, request_id=request_id),
    )


def make_sync_call(base_urls: BaseUrls, model: str, payload: Mapping[str, Any]) -> ApiCall[SyncResult]:
    """Run a model and wait for its output: ``POST /v1/{slug}``. Billable like a submit."""
    request = Request(
        "run_sync", "POST", base_urls.make_model_url("v1", model), body=encode_json(payload), idempotent=False
    )
    return ApiCall(request, response_parsers.parse_sync_response)


def make_credits_call(base_urls: BaseUrls) -> ApiCall[Credits]:
    """Ask for the account's balance: ``GET /v1/get-user-credits``. Runs no model and costs nothing."""
    return ApiCall(
        Request("credits", "GET", f"{base_urls.gateway}/v1/get-user-credits"), response_parsers.parse_credits_response
    )


def make_upload_call(base_urls: BaseUrls, data: bytes, mime: str) -> ApiCall[str]:
    """Upload an image: ``POST {storage}/upload-asset``. It is free, and returns a URL that jobs can take."""
    data_url = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    request = Request(
        "upload", "POST", f"{base_urls.storage}/upload-asset", body=encode_json({"data_urls": [data_url]})
    )
    return ApiCall(request, response_parsers.parse_upload_response)


def make_history_page_call(base_urls: BaseUrls, query: history.HistoryQuery, page: int) -> ApiCall[history.Page]:
    """Ask for one page of the account's requests: ``GET {history}``."""
    return ApiCall(
        Request("history", "GET", base_urls.history, query=query.to_query_parameters(page)), history.parse_page
    )


def make_history_row_call(base_urls: BaseUrls, request_id: str) -> ApiCall[history.HistoryRow]:
    """Ask for one request of any age: ``GET {history}/{request_id}``."""
    request = Request("history_one", "GET", base_urls.make_history_row_url(request_id))
    return ApiCall(request, partial(history.parse_single_row, request_id=request_id))
