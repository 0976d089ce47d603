"""Parsers for the responses of the gateway and the storage, in every form that is documented.

Each parser takes the request and its response, and returns a value or raises:

:raises RefusedError: a 4xx that is not about how the job ended.
:raises NoUsableResponseError: nothing usable; whether the request may be repeated is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_runway.exceptions import BadInputError, NotFoundError, NoUsableResponseError
from airflow_provider_runway.segmind.error_mapping import extract_error_text, map_response_to_error, sanitize_text
from airflow_provider_runway.segmind.http import Request, Response, safe_path_segment
from airflow_provider_runway.segmind.jobs import Credits, Job, JobRecord, JobState, JobStatus, SyncResult
from airflow_provider_runway.segmind.timestamps import parse_number

#: These statuses are about the caller and never about how the job ended, whatever their body says.
_CALLER_STATUSES = frozenset({401, 403, 404, 429})
#: Where a record, or an object in it, keeps its outputs, in the order of ``output_urls``.
#: ``last_frame_url`` is none of them: it is a by-product.
_OUTPUT_FIELDS = ("output", "video", "images")
#: Objects in lists in objects: no documented form goes deeper than three.
_MAX_DEPTH = 6


def parse_submit_response(request: Request, response: Response, model: str) -> Job:
    """Parse the response to ``POST /v2/{slug}``. Only the id counts; the URLs are built here and not taken from it."""
    raise_for_status(request, response)
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


def parse_sync_response(request: Request, response: Response) -> SyncResult:
    """Parse the response of the blocking v1 call: raw bytes, with the bill in the headers."""
    raise_for_status(request, response)
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
    return tuple(dict.fromkeys(url for name in _OUTPUT_FIELDS for url in find_urls(body.get(name))))


def find_urls(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the http(s) URLs in a text, in an object with a ``url`` or outputs of its own, or in lists of those."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        url = value.strip()
        if url.lower().startswith(("https://", "http://")):
            yield url
    elif isinstance(value, list):
        for item in value:
            yield from find_urls(item, depth + 1)
    elif isinstance(value, dict):
        for name in ("url", *_OUTPUT_FIELDS):
            yield from find_urls(value.get(name), depth + 1)


def raise_for_status(request: Request, response: Response) -> None:
    """Raise the error that a response outside 200-299 means."""
    if not 200 <= response.status < 300:
        raise map_response_to_error(request, response)


def make_unusable_error(request: Request, response: Response, why: str) -> NoUsableResponseError:
    """Return the error for a response with a status of success and a body that cannot be used."""
    kind = response.headers.get("content-type", "no content type")
    size = len(response.body)
    return NoUsableResponseError(
        f"{request.call}: HTTP {response.status} with {size} bytes of {kind} is not usable: {why}.",
        call=request.call,
        http_status=response.status,
    )


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
