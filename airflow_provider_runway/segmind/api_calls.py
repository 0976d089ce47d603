"""Each call of the API as a value: its request, and the parser of its response. (Those for the history: ``history``.)

A parser takes the request and its response, and returns a value or raises:

:raises RefusedError: a 4xx that is not about how the job ended.
:raises NoUsableResponseError: nothing usable; whether the request may be repeated is not decided here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from airflow_provider_runway.exceptions import BadInputError, NotFoundError, RefusedError
from airflow_provider_runway.segmind.error_mapping import (
    extract_error_text,
    make_unusable_error,
    map_response_to_error,
    raise_for_status,
    sanitize_text,
)
from airflow_provider_runway.segmind.http import (
    OUTPUT_FIELDS,
    BaseUrls,
    Request,
    Response,
    encode_json,
    find_urls,
    safe_path_segment,
)
from airflow_provider_runway.segmind.jobs import Credits, Job, JobRecord, JobState, JobStatus, SyncResult
from airflow_provider_runway.segmind.models import describe_successor
from airflow_provider_runway.segmind.numbers_and_times import parse_number

T = TypeVar("T")

#: These statuses are about the caller and never about how the job ended, whatever their body says.
_CALLER_STATUSES = frozenset({401, 403, 404, 429})
#: How a gateway may refuse a model that worked yesterday.
_RETIREMENT_STATUSES = frozenset({403, 404, 410})


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
    return ApiCall(request, partial(parse_submit_response, model=model))


def make_status_call(base_urls: BaseUrls, request_id: str) -> ApiCall[JobStatus]:
    """Ask for a job's status: ``GET /v2/requests/{id}/status``."""
    request = Request("status", "GET", f"{base_urls.make_record_url(request_id)}/status")
    return ApiCall(request, partial(parse_status_response, request_id=request_id))


def make_result_call(base_urls: BaseUrls, request_id: str) -> ApiCall[JobRecord]:
    """Ask for a job's full record with its output: ``GET /v2/requests/{id}``."""
    return ApiCall(
        Request("result", "GET", base_urls.make_record_url(request_id)),
        partial(parse_result_response, request_id=request_id),
    )


def make_sync_call(base_urls: BaseUrls, model: str, payload: Mapping[str, Any]) -> ApiCall[SyncResult]:
    """Run a model and wait for its output: ``POST /v1/{slug}``. Billable like a submit."""
    request = Request(
        "run_sync", "POST", base_urls.make_model_url("v1", model), body=encode_json(payload), idempotent=False
    )
    return ApiCall(request, partial(parse_sync_response, model=model))


def make_credits_call(base_urls: BaseUrls) -> ApiCall[Credits]:
    """Ask for the account's balance: ``GET /v1/get-user-credits``. Runs no model and costs nothing."""
    return ApiCall(Request("credits", "GET", f"{base_urls.gateway}/v1/get-user-credits"), parse_credits_response)


def make_upload_call(base_urls: BaseUrls, data: bytes, mime: str) -> ApiCall[str]:
    """Upload an image: ``POST {storage}/upload-asset``. It is free, and returns a URL that jobs can take."""
    data_url = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    request = Request(
        "upload", "POST", f"{base_urls.storage}/upload-asset", body=encode_json({"data_urls": [data_url]})
    )
    return ApiCall(request, parse_upload_response)


def parse_submit_response(request: Request, response: Response, model: str) -> Job:
    """Parse the response to ``POST /v2/{slug}``. Only the id counts; the URLs are built here and not taken from it."""
    _raise_for_submit_status(request, response, model)
    body = response.json_object()
    try:
        request_id = safe_path_segment("request_id", body.get("request_id"))
    except BadInputError:
        raise make_unusable_error(request, response, "it names no request id") from None
    return Job(
        request_id=request_id,
        model=model,
        submitted_at=response.received_at,
        state=JobState.parse(body.get("status", "QUEUED")),
        clock_offset_s=response.clock_offset_s,
    )


def _raise_for_submit_status(request: Request, response: Response, model: str) -> None:
    """Raise the error of a submit. Where it may mean that the model was retired, the error names the successor."""
    try:
        raise_for_status(request, response)
    except RefusedError as refusal:
        successor = describe_successor(model) if response.status in _RETIREMENT_STATUSES else None
        raise refusal if successor is None else type(refusal)(f"{refusal} {successor}", **refusal.facts) from None


def parse_status_response(request: Request, response: Response, request_id: str) -> JobStatus:
    """Parse a job's status. A failed job comes as HTTP 422 with its state in the body."""
    body = _parse_record(request, response, request_id)
    return JobStatus(request_id=request_id, **_parse_status_fields(body, response))


def parse_result_response(request: Request, response: Response, request_id: str) -> JobRecord:
    """Parse a job's full record. Before the job has ended it carries a state and no output."""
    body = _parse_record(request, response, request_id)
    video = body.get("video")
    last_frame = list(find_urls(video.get("last_frame_url"))) if isinstance(video, dict) else []
    return JobRecord(
        request_id=request_id,
        output_urls=extract_output_urls(body),
        last_frame_url=last_frame[0] if last_frame else None,
        **_parse_status_fields(body, response),
    )


def parse_sync_response(request: Request, response: Response, model: str) -> SyncResult:
    """Parse the response of the blocking v1 call: raw bytes, with the bill in the headers."""
    _raise_for_submit_status(request, response, model)
    if not response.body or response.is_html:
        raise make_unusable_error(request, response, "it holds no output")
    headers = response.headers
    seed = parse_number(headers.get("x-seed-value"))
    return SyncResult(
        content=response.body,
        content_type=headers.get("content-type", "application/octet-stream").partition(";")[0].strip(),
        request_id=headers.get("x-request-id"),
        cost=parse_number(headers.get("x-cost")),
        remaining_credits=parse_number(headers.get("x-remaining-credits")),
        generation_time_s=parse_number(headers.get("x-generation-time")),
        seed=None if seed is None else int(seed),
    )


def parse_credits_response(request: Request, response: Response) -> Credits:
    """Parse the balance. A 404 that speaks of credits is a valid key without a balance record."""
    if response.status == 404 and "credits" in extract_error_text(response).lower():
        return Credits(credits=0.0, free_credits=0.0, is_known=False)
    raise_for_status(request, response)
    body = response.json_object()
    paid, free = parse_number(body.get("credits")), parse_number(body.get("free-credits", body.get("free_credits")))
    if paid is None and free is None:
        raise make_unusable_error(request, response, "it names no balance")
    return Credits(credits=paid or 0.0, free_credits=free or 0.0)


def parse_upload_response(request: Request, response: Response) -> str:
    """Parse the URL of an uploaded file: under ``file_urls`` (SDK) or ``urls`` (docs)."""
    raise_for_status(request, response)
    body = response.json()
    found = body if isinstance(body, list) else None
    if isinstance(body, dict):
        found = body.get("file_urls") or body.get("urls")
    urls = list(find_urls(found))
    if not urls:
        raise make_unusable_error(request, response, "it names no URL of the uploaded file")
    return urls[0]


def extract_output_urls(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return every output of a record once: ``output``, ``video`` and ``images``, each in any form."""
    return tuple(dict.fromkeys(url for name in OUTPUT_FIELDS for url in find_urls(body.get(name))))


def _parse_record(request: Request, response: Response, request_id: str) -> dict[str, Any]:
    """Return the record in a response about one job."""
    body = response.json_object()
    has_failed = JobState.parse(body.get("status")) is JobState.FAILED
    is_success = 200 <= response.status < 300
    is_client_error = 400 <= response.status < 500 and response.status not in _CALLER_STATUSES
    if not is_success and not (has_failed and is_client_error):
        error = map_response_to_error(request, response)
        if isinstance(error, NotFoundError):
            error.facts["request_id"] = request_id
        raise error
    if not isinstance(body.get("status"), str):
        raise make_unusable_error(request, response, "it names no status")
    if body.get("request_id", request_id) != request_id:
        raise make_unusable_error(request, response, "it is about another job")
    return body


def _parse_status_fields(body: Mapping[str, Any], response: Response) -> dict[str, Any]:
    state = JobState.parse(body.get("status"))
    metrics = body.get("metrics")
    return {
        "state": state,
        "raw_status": sanitize_text(str(body.get("status"))),
        "error": (extract_error_text(response) or "no reason given") if state is JobState.FAILED else None,
        "metrics": metrics if isinstance(metrics, dict) else {},
    }
