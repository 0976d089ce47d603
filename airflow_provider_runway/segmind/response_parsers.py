"""How each answer of the gateway and the storage is read, in every form that is documented.

Each reader takes the request and its answer, and returns a value or raises:

:raises RefusedError: a 4xx that is not about the job's own end.
:raises NoUsableResponseError: nothing usable; whether asking again is safe is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_runway.exceptions import BadInputError, NotFoundError, NoUsableResponseError
from airflow_provider_runway.segmind.error_mapping import extract_error_text, map_response_to_error, sanitize_text
from airflow_provider_runway.segmind.http import Request, Response, safe_path_segment
from airflow_provider_runway.segmind.jobs import Credits, Job, JobRecord, JobState, JobStatus, SyncResult
from airflow_provider_runway.segmind.timestamps import parse_number

#: These speak about the caller, never about how the job ended, whatever their body says.
_NOT_ABOUT_THE_JOB = frozenset({401, 403, 404, 429})


def parse_submit_response(request: Request, answer: Response, model: str) -> Job:
    """Read the answer of ``POST /v2/{slug}``: only the id counts, the URLs are ours to build."""
    raise_for_status(request, answer)
    body = answer.json_object()
    try:
        request_id = safe_path_segment("request_id", body.get("request_id"))
    except BadInputError:
        raise make_unusable_error(request, answer, "it names no request id") from None
    state = JobState.parse(body.get("status", "QUEUED"))
    return Job(request_id=request_id, model=model, submitted_at=answer.received_at, state=state)


def parse_status_response(request: Request, answer: Response, request_id: str) -> JobStatus:
    """Read a look at a job. A failed job comes as HTTP 422 with its state in the body."""
    body = _record(request, answer, request_id)
    return JobStatus(request_id=request_id, **_told(body, answer))


def parse_result_response(request: Request, answer: Response, request_id: str) -> JobRecord:
    """Read a job's full record; before the end it carries a state and no output."""
    body = _record(request, answer, request_id)
    return JobRecord(request_id=request_id, output_urls=extract_output_urls(body), **_told(body, answer))


def parse_sync_response(request: Request, answer: Response) -> SyncResult:
    """Read the blocking v1 call: raw bytes, with the bill in the headers."""
    raise_for_status(request, answer)
    if not answer.body or _is_html(answer):
        raise make_unusable_error(request, answer, "it holds no output")
    seed = parse_number(answer.headers.get("x-seed-value"))
    return SyncResult(
        content=answer.body,
        content_type=answer.headers.get("content-type", "application/octet-stream").partition(";")[0].strip(),
        request_id=answer.headers.get("x-request-id"),
        cost=parse_number(answer.headers.get("x-cost")),
        remaining_credits=parse_number(answer.headers.get("x-remaining-credits")),
        generation_time_s=parse_number(answer.headers.get("x-generation-time")),
        seed=None if seed is None else int(seed),
    )


def parse_credits_response(request: Request, answer: Response) -> Credits:
    """Read the balance. A 404 with a word about credits is a valid key without a balance record."""
    if answer.status == 404 and "credits" in extract_error_text(answer).lower():
        return Credits(credits=0.0, free_credits=0.0, is_known=False)
    raise_for_status(request, answer)
    body = answer.json_object()
    paid, free = parse_number(body.get("credits")), parse_number(body.get("free-credits", body.get("free_credits")))
    if paid is None and free is None:
        raise make_unusable_error(request, answer, "it names no balance")
    return Credits(credits=paid or 0.0, free_credits=free or 0.0)


def parse_upload_response(request: Request, answer: Response) -> str:
    """Read the URL of an uploaded file: under ``file_urls`` (SDK) or ``urls`` (docs)."""
    raise_for_status(request, answer)
    body = answer.json()
    found = body if isinstance(body, list) else None
    if isinstance(body, dict):
        found = body.get("file_urls") or body.get("urls")
    urls = list(find_urls(found))
    if not urls:
        raise make_unusable_error(request, answer, "it names no URL of the uploaded file")
    return urls[0]


#: Where a record, or an object in it, keeps outputs: in this order, which is the order of ``output_urls``.
#: ``last_frame_url`` is none of them: a by-product that nobody ordered.
_OUTPUT_FIELDS = ("output", "video", "images")
#: Objects in lists in objects: no documented form goes deeper than three.
_DEEPEST = 6


def extract_output_urls(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return every output of a record once: ``output``, ``video`` and ``images``, each in any form."""
    return tuple(dict.fromkeys(url for name in _OUTPUT_FIELDS for url in find_urls(body.get(name))))


def find_urls(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the http(s) URLs in a text, in an object with a ``url`` or outputs of its own, or in lists of those."""
    if depth > _DEEPEST:
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


def raise_for_status(request: Request, answer: Response) -> None:
    """Raise what an answer outside 200-299 means."""
    if not 200 <= answer.status < 300:
        raise map_response_to_error(request, answer)


def make_unusable_error(request: Request, answer: Response, why: str) -> NoUsableResponseError:
    """Return the error for a success that cannot be one."""
    kind = answer.headers.get("content-type", "no content type")
    size = len(answer.body)
    return NoUsableResponseError(
        f"{request.call}: HTTP {answer.status} with {size} bytes of {kind} is not usable: {why}.",
        call=request.call,
        http_status=answer.status,
    )


def _record(request: Request, answer: Response, request_id: str) -> dict[str, Any]:
    """Return the record in an answer about one job."""
    body = answer.json_object()
    told = JobState.parse(body.get("status"))
    success = 200 <= answer.status < 300
    about_the_job = success or (
        told is JobState.FAILED and 400 <= answer.status < 500 and answer.status not in _NOT_ABOUT_THE_JOB
    )
    if not about_the_job:
        error = map_response_to_error(request, answer)
        if isinstance(error, NotFoundError):
            error.facts["request_id"] = request_id
        raise error
    if not isinstance(body.get("status"), str):
        raise make_unusable_error(request, answer, "it names no status")
    if body.get("request_id", request_id) != request_id:
        raise make_unusable_error(request, answer, "it speaks of another job")
    return body


def _told(body: Mapping[str, Any], answer: Response) -> dict[str, Any]:
    state = JobState.parse(body.get("status"))
    metrics = body.get("metrics")
    return {
        "state": state,
        "raw_status": sanitize_text(str(body.get("status"))),
        "error": (extract_error_text(answer) or "no reason given") if state is JobState.FAILED else None,
        "metrics": metrics if isinstance(metrics, dict) else {},
    }


def _is_html(answer: Response) -> bool:
    return "html" in answer.headers.get("content-type", "") or answer.body.lstrip()[:1] == b"<"
