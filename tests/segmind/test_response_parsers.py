"""Every form of an answer that is documented is read; everything else is told apart from a job's end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_runway.exceptions import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    NoUsableResponseError,
    RunwayError,
    ThrottledError,
    UnauthorizedError,
)
from airflow_provider_runway.segmind import endpoints
from airflow_provider_runway.segmind.http import BaseUrls, Response
from airflow_provider_runway.segmind.jobs import JobState

ID = "7d4e0a52-9a0f-4f0c-8a51-0f2b7d1c9e33"
METRICS = {"cost": 0.5, "remaining_credits": 12.25, "total_time": 27.4, "retry_count": 0}
URL = "https://images.segmind.com/out/a.mp4"
OTHER = "https://images.segmind.com/out/b.mp4"
Make = Callable[..., Response]

#: What stands where a JSON object is expected: none of it may pass for an answer, nor raise anything of its own.
NONSENSE = [
    pytest.param(b"", id="empty body"),
    pytest.param(b"null", id="null"),
    pytest.param(b'["request_id", "status", 7]', id="a list"),
    pytest.param(b'"rate limiter is having a rest"', id="a text"),
    pytest.param(b'{"request_id": 7, "status": ["QUEUED"]}', id="wrong types"),
    pytest.param(b'{"request_id": "", "status": ""', id="broken off"),
    pytest.param(b"\xff\xfe\x00", id="no text at all"),
    pytest.param(b"[" * 100_000, id="brackets without end"),
    pytest.param(b"<html>Please wait</html>", id="HTML"),
]


def test_a_submit_answer_becomes_a_job(base_urls: BaseUrls, answer: Make, now: float) -> None:
    call = endpoints.make_submit_call(base_urls, "runway-gen3-alphaturbo", {})
    body = {"request_id": ID, "status": "QUEUED", "status_url": "https://elsewhere.invalid/steal"}
    job = call.parse(call.request, answer(200, body))
    assert (job.request_id, job.model, job.submitted_at) == (ID, "runway-gen3-alphaturbo", now)
    assert job.state is JobState.QUEUED


@pytest.mark.parametrize("body", [*NONSENSE, pytest.param(b'{"request_id": "../../v1/x"}', id="an id that climbs")])
def test_a_submit_answer_without_an_id_is_unanswered(base_urls: BaseUrls, answer: Make, body: bytes) -> None:
    call = endpoints.make_submit_call(base_urls, "m", {})
    with pytest.raises(NoUsableResponseError, match="submit: HTTP 200"):
        call.parse(call.request, answer(200, body))


@pytest.mark.parametrize(
    ("raw_status", "state"),
    [
        pytest.param("QUEUED", JobState.QUEUED, id="queued"),
        pytest.param("PROCESSING", JobState.PROCESSING, id="processing"),
        pytest.param("COMPLETED", JobState.COMPLETED, id="completed"),
        pytest.param(" completed ", JobState.COMPLETED, id="case and blanks do not matter"),
        pytest.param("THROTTLED", JobState.UNKNOWN, id="a word that nobody listed"),
    ],
)
def test_a_status_is_read(base_urls: BaseUrls, answer: Make, raw_status: str, state: JobState) -> None:
    call = endpoints.make_status_call(base_urls, ID)
    found = call.parse(call.request, answer(200, {"status": raw_status, "request_id": ID, "metrics": METRICS}))
    assert (found.state, found.raw_status, found.error) == (state, raw_status.strip(), None)
    assert found.metrics == METRICS


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param("Generation failed", "Generation failed", id="text"),
        pytest.param({"message": "Generation failed"}, "Generation failed", id="object"),
        pytest.param({"error": {"detail": "deep"}}, "deep", id="object in an object"),
        pytest.param(None, "no reason given", id="nothing"),
        pytest.param(["a", "b"], "no reason given", id="a list says nothing"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 406, 422])
def test_a_failed_job_is_an_answer_whatever_the_4xx(
    base_urls: BaseUrls, answer: Make, status: int, error: object, said: str
) -> None:
    for call in (endpoints.make_status_call(base_urls, ID), endpoints.make_result_call(base_urls, ID)):
        found = call.parse(call.request, answer(status, {"status": "FAILED", "error": error, "metrics": METRICS}))
        assert (found.state, found.error, found.is_final) == (JobState.FAILED, said, True)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        pytest.param(302, BadRequestError, id="a redirect"),
        pytest.param(401, UnauthorizedError, id="401"),
        pytest.param(403, ForbiddenError, id="403"),
        pytest.param(404, NotFoundError, id="404"),
        pytest.param(429, ThrottledError, id="429"),
        pytest.param(500, NoUsableResponseError, id="500"),
        pytest.param(502, NoUsableResponseError, id="502"),
        pytest.param(504, NoUsableResponseError, id="504"),
    ],
)
def test_failed_in_the_body_of_these_is_not_about_the_job(
    base_urls: BaseUrls, answer: Make, status: int, error: type[RunwayError]
) -> None:
    call = endpoints.make_status_call(base_urls, ID)
    with pytest.raises(error) as caught:
        call.parse(call.request, answer(status, {"status": "FAILED", "error": "upstream"}))
    assert type(caught.value) is error


@pytest.mark.parametrize("body", NONSENSE)
@pytest.mark.parametrize("call_of", [endpoints.make_status_call, endpoints.make_result_call])
def test_a_look_at_nonsense_is_unanswered(base_urls: BaseUrls, answer: Make, call_of: Any, body: bytes) -> None:
    call = call_of(base_urls, ID)
    with pytest.raises(NoUsableResponseError):
        call.parse(call.request, answer(200, body))


def test_a_422_without_a_state_is_a_refusal(base_urls: BaseUrls, answer: Make) -> None:
    call = endpoints.make_status_call(base_urls, ID)
    with pytest.raises(BadRequestError, match="promptImage is required"):
        call.parse(call.request, answer(422, {"error": "promptImage is required"}))


def test_another_jobs_record_is_unanswered(base_urls: BaseUrls, answer: Make) -> None:
    call = endpoints.make_status_call(base_urls, ID)
    with pytest.raises(NoUsableResponseError, match="another job"):
        call.parse(call.request, answer(200, {"status": "COMPLETED", "request_id": "somebody-else"}))


def test_a_missing_record_names_the_job(base_urls: BaseUrls, answer: Make) -> None:
    call = endpoints.make_result_call(base_urls, ID)
    with pytest.raises(NotFoundError) as caught:
        call.parse(call.request, answer(404, {"error": "Request not found or expired"}))
    assert caught.value.facts["request_id"] == ID


@pytest.mark.parametrize(
    ("fields", "urls"),
    [
        pytest.param({"output": URL}, (URL,), id="text"),
        pytest.param({"output": [URL, OTHER]}, (URL, OTHER), id="list"),
        pytest.param({"output": [{"url": URL}, {"url": OTHER}]}, (URL, OTHER), id="list of objects"),
        pytest.param({"output": {"url": URL}}, (URL,), id="object"),
        pytest.param({"images": [{"url": URL}, {"url": OTHER}]}, (URL, OTHER), id="images"),
        pytest.param({"video": {"url": URL, "last_frame_url": OTHER}}, (URL,), id="the last frame is no output"),
        pytest.param({"output": URL, "video": {"url": URL}}, (URL,), id="the same twice"),
        pytest.param({"output": URL, "images": [{"url": OTHER}]}, (URL, OTHER), id="two sources"),
        pytest.param({}, (), id="none"),
        pytest.param({"output": 3.5, "video": [], "images": {}}, (), id="wrong types"),
        pytest.param({"output": "data:video/mp4;base64,AAAA"}, (), id="no http address"),
        pytest.param({"output": "file:///etc/passwd"}, (), id="a file is no output"),
    ],
)
def test_outputs_are_found_in_every_form(
    base_urls: BaseUrls, answer: Make, fields: dict[str, Any], urls: tuple[str, ...]
) -> None:
    call = endpoints.make_result_call(base_urls, ID)
    found = call.parse(
        call.request, answer(200, {"status": "COMPLETED", "request_id": ID, "metrics": METRICS, **fields})
    )
    assert found.output_urls == urls
    assert found.state is JobState.COMPLETED


def test_metrics_of_another_type_are_none(base_urls: BaseUrls, answer: Make) -> None:
    call = endpoints.make_result_call(base_urls, ID)
    assert call.parse(call.request, answer(200, {"status": "QUEUED", "metrics": "none"})).metrics == {}
