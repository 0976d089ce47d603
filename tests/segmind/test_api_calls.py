"""Every documented form of a response is parsed, and nothing else passes for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_runway.exceptions import (
    BadRequestError,
    ForbiddenError,
    ModelRetiredError,
    NotFoundError,
    NoUsableResponseError,
    RefusedError,
    ThrottledError,
    UnauthorizedError,
)
from airflow_provider_runway.segmind import api_calls
from airflow_provider_runway.segmind.api_calls import ApiCall, extract_output_urls
from airflow_provider_runway.segmind.http import BaseUrls, Response
from airflow_provider_runway.segmind.jobs import JobState

ID = "7d4e0a52-9a0f-4f0c-8a51-0f2b7d1c9e33"
METRICS = {"cost": 0.5, "remaining_credits": 12.25, "total_time": 27.4, "retry_count": 0}
A, B, C = (f"https://images.segmind.com/{name}" for name in "abc")
Respond = Callable[..., Response]

SUBMIT = api_calls.make_submit_call(BaseUrls(), "runway-gen3-alphaturbo", {}, not_after=5.0)
SYNC = api_calls.make_sync_call(BaseUrls(), "m", {})
STATUS = api_calls.make_status_call(BaseUrls(), ID)
RESULT = api_calls.make_result_call(BaseUrls(), ID)
CREDITS = api_calls.make_credits_call(BaseUrls())
UPLOAD = api_calls.make_upload_call(BaseUrls(), b"abc", "image/png")

#: What may come where a JSON object is expected: none of it passes for one, nor raises anything of its own.
NONSENSE = [
    b"",
    b"null",
    b'["request_id", "status", 7]',
    b'{"request_id": 7, "status": ["QUEUED"]}',
    b'{"request_id": "r-1", "status": "QUEUED"',  # cut
    b"\xff\xfe\x00",
    b"[" * 100_000,  # endless nesting
    b"<html>Please wait</html>",
]


def parse(call: ApiCall[Any], response: Response) -> Any:
    return call.parse(call.request, response)


def test_only_a_billable_call_may_not_be_repeated(subtests: pytest.Subtests) -> None:
    for call, method, path, idempotent in (
        (SUBMIT, "POST", "/v2/runway-gen3-alphaturbo", False),
        (SYNC, "POST", "/v1/m", False),
        (STATUS, "GET", f"/v2/requests/{ID}/status", True),
        (RESULT, "GET", f"/v2/requests/{ID}", True),
        (CREDITS, "GET", "/v1/get-user-credits", True),
    ):
        with subtests.test(call=call, method=method, path=path, idempotent=idempotent):
            request = call.request
            assert (request.method, request.url, request.idempotent) == (
                method,
                "https://api.segmind.com" + path,
                idempotent,
            )
            assert request.not_after == (5.0 if call is SUBMIT else None)


def test_a_submit_response_becomes_a_job(respond: Respond, now: float) -> None:
    body = {"request_id": ID, "status": "QUEUED", "status_url": "https://elsewhere.invalid/steal"}
    job = parse(SUBMIT, respond(200, body, date="Fri, 15 Jan 2027 08:00:09 GMT"))
    assert (job.request_id, job.model, job.submitted_at) == (ID, "runway-gen3-alphaturbo", now)
    assert (job.state, job.clock_offset_s) == (JobState.QUEUED, 9.0)


def test_a_submit_response_without_a_usable_id_names_no_job(respond: Respond) -> None:
    for body in (*NONSENSE, b'{"request_id": "../../v1/x"}'):
        with pytest.raises(NoUsableResponseError, match="submit: HTTP 200"):
            parse(SUBMIT, respond(200, body))


@pytest.mark.parametrize("make_call", [api_calls.make_submit_call, api_calls.make_sync_call])
def test_a_submit_that_a_retired_model_may_have_refused_names_its_successor(
    subtests: pytest.Subtests, respond: Respond, make_call: Any
) -> None:
    for status, error in ((403, ForbiddenError), (404, NotFoundError), (410, ModelRetiredError)):
        with subtests.test(status=status):
            refusal = respond(status, {"error": "no"})
            with pytest.raises(error, match="nothing is billed") as caught:
                parse(make_call(BaseUrls(), "runway-gen3-alphaturbo", {}), refusal)
            assert str(caught.value).endswith(
                "If Segmind has retired runway-gen3-alphaturbo, use model='runway-gen4-turbo'; its ratio is one of "
                "'1280:720', '720:1280', '1104:832', '832:1104', '960:960', '1584:672'."
            )
            assert caught.value.facts["http_status"] == status
            with pytest.raises(error, match="it needs prompt_image"):
                parse(make_call(BaseUrls(), "runway-gen4-aleph", {}), refusal)
            with pytest.raises(error) as unknown:
                parse(make_call(BaseUrls(), "veo-9", {}), refusal)
            assert "retired veo-9" not in str(unknown.value)


def test_a_refusal_that_says_nothing_about_the_model_names_no_successor(respond: Respond) -> None:
    for status in (400, 401, 406, 422, 429):
        with pytest.raises((RefusedError, ThrottledError)) as caught:
            parse(SUBMIT, respond(status, {"error": "no"}))
        assert "retired" not in str(caught.value)


def test_a_status_is_parsed(subtests: pytest.Subtests, respond: Respond) -> None:
    for raw_status, state in (
        ("QUEUED", JobState.QUEUED),
        ("PROCESSING", JobState.PROCESSING),
        (" completed ", JobState.COMPLETED),
        ("THROTTLED", JobState.UNKNOWN),
    ):
        with subtests.test(raw_status=raw_status, state=state):
            found = parse(STATUS, respond(200, {"status": raw_status, "request_id": ID, "metrics": METRICS}))
            assert (found.state, found.raw_status, found.error) == (state, raw_status.strip(), None)
            assert found.metrics == METRICS


def test_a_failed_job_is_a_result_whatever_the_4xx(subtests: pytest.Subtests, respond: Respond) -> None:
    for case, error, reason in (
        ("text", "Generation failed", "Generation failed"),
        ("object in an object", {"error": {"detail": "deep"}}, "deep"),
        ("a list says nothing", ["a", "b"], "no reason given"),
    ):
        with subtests.test(case):
            for status in (200, 400, 422):
                for call in (STATUS, RESULT):
                    found = parse(call, respond(status, {"status": "FAILED", "error": error, "metrics": METRICS}))
                    assert (found.state, found.error, found.is_final) == (JobState.FAILED, reason, True)


def test_failed_in_the_body_of_these_is_not_about_the_job(subtests: pytest.Subtests, respond: Respond) -> None:
    for status, error in (
        (302, BadRequestError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (429, ThrottledError),
        (502, NoUsableResponseError),
    ):
        with subtests.test(status=status, error=error):
            with pytest.raises(error) as caught:
                parse(STATUS, respond(status, {"status": "FAILED", "error": "upstream"}))
            assert type(caught.value) is error


def test_nonsense_is_no_status_and_no_result(subtests: pytest.Subtests, respond: Respond) -> None:
    for call in (STATUS, RESULT):
        with subtests.test(call=call):
            for body in NONSENSE:
                with pytest.raises(NoUsableResponseError):
                    parse(call, respond(200, body))


def test_a_422_without_a_state_is_a_refusal(respond: Respond) -> None:
    with pytest.raises(BadRequestError, match="promptImage is required"):
        parse(STATUS, respond(422, {"error": "promptImage is required"}))


def test_the_record_of_another_job_is_not_usable(respond: Respond) -> None:
    with pytest.raises(NoUsableResponseError, match="another job"):
        parse(STATUS, respond(200, {"status": "COMPLETED", "request_id": "another"}))


def test_a_missing_record_names_the_job(respond: Respond) -> None:
    with pytest.raises(NotFoundError) as caught:
        parse(RESULT, respond(404, {"error": "Request not found or expired"}))
    assert caught.value.facts["request_id"] == ID


def test_a_result_has_its_outputs_and_the_last_frame(respond: Respond) -> None:
    body = {"status": "COMPLETED", "request_id": ID, "metrics": "none", "video": {"url": A, "last_frame_url": B}}
    found = parse(RESULT, respond(200, body))
    assert (found.state, found.output_urls, found.last_frame_url) == (JobState.COMPLETED, (A,), B)
    assert found.metrics == {}
    assert parse(RESULT, respond(200, {"status": "COMPLETED", "video": A})).last_frame_url is None


def test_outputs_are_found_in_every_form(subtests: pytest.Subtests) -> None:
    for case, record, urls in (
        ("a text with white space around it", {"output": f" {A}\n"}, [A]),
        ("a list of texts and objects", {"output": [A, {"url": B}]}, [A, B]),
        ("an object with a video", {"output": {"video": {"url": A}}}, [A]),
        ("lists in objects", {"output": [{"url": [A, B]}]}, [A, B]),
        ("a video, and its last frame is no output", {"video": {"url": A, "last_frame_url": B}}, [A]),
        ("images, one of them twice", {"images": [{"url": B}, A, {"url": B}]}, [B, A]),
        ("all three, in their order", {"images": [C], "video": {"url": B}, "output": A}, [A, B, C]),
        ("nothing of use", {"output": ["ftp://a/b", "data:image/png;base64,AA", 7, None, {}]}, []),
        ("fields of other types", {"output": {"url": None}, "video": 5, "images": "none"}, []),
    ):
        with subtests.test(case):
            assert list(extract_output_urls(record)) == urls


def test_endless_nesting_is_not_followed() -> None:
    nested: Any = A
    for _ in range(5000):
        nested = [nested]
    assert extract_output_urls({"output": nested, "video": B}) == (B,)


def test_the_blocking_call_returns_bytes_and_their_bill(respond: Respond) -> None:
    headers = {"x_cost": "0.50", "x_remaining_credits": "9.5", "x_request_id": "r-1", "x_generation_time": "27.4"}
    found = parse(SYNC, respond(200, b"\x00ftypmp42", content_type="video/mp4; q=1", x_seed_value="77", **headers))
    assert (found.content, found.content_type, found.request_id) == (b"\x00ftypmp42", "video/mp4", "r-1")
    assert (found.cost, found.remaining_credits, found.generation_time_s, found.seed) == (0.5, 9.5, 27.4, 77)


def test_a_bill_without_numbers_is_none(respond: Respond) -> None:
    found = parse(SYNC, respond(200, {"output": A}, x_seed_value="none", x_cost=""))
    assert (found.content_type, found.seed, found.cost, found.request_id) == ("application/json", None, None, None)


def test_the_blocking_call_without_an_output_is_not_usable(subtests: pytest.Subtests, respond: Respond) -> None:
    for body in (b"", b"  <!doctype html>"):
        with subtests.test(body=body), pytest.raises(NoUsableResponseError, match="no output"):
            parse(SYNC, respond(200, body))


def test_the_balance_is_parsed(subtests: pytest.Subtests, respond: Respond) -> None:
    for case, status, body, balance in (
        ("as documented", 200, {"credits": 12.5, "free-credits": 1}, (12.5, 1.0, True)),
        ("as texts", 200, {"credits": "12.5", "free_credits": "1"}, (12.5, 1.0, True)),
        ("one of two", 200, {"credits": 3}, (3.0, 0.0, True)),
        ("no balance record", 404, "No credits found for the user", (0.0, 0.0, False)),
    ):
        with subtests.test(case):
            found = parse(CREDITS, respond(status, body))
            assert (found.credits, found.free_credits, found.is_known) == balance


def test_anything_else_is_no_balance(subtests: pytest.Subtests, respond: Respond) -> None:
    for case, status, body, error in (
        ("the other 404: no such address", 404, {"error": "Not Found"}, NotFoundError),
        ("a bad key", 401, {"error": "Unauthorized. API key is invalid"}, UnauthorizedError),
        ("no number in it", 200, {"credits": [], "free-credits": None}, NoUsableResponseError),
        ("HTML", 200, b"<html>", NoUsableResponseError),
    ):
        with subtests.test(case), pytest.raises(error):
            parse(CREDITS, respond(status, body))


def test_an_upload_sends_a_data_url_and_may_be_repeated() -> None:
    assert UPLOAD.request.body == b'{"data_urls":["data:image/png;base64,YWJj"]}'
    assert UPLOAD.request.idempotent
    assert UPLOAD.request.url == "https://workflows-api.segmind.com/upload-asset"


def test_the_url_of_an_upload_is_found(subtests: pytest.Subtests, respond: Respond) -> None:
    for body in ({"file_urls": [A]}, {"file_urls": [], "urls": [A]}, {"file_urls": [{"url": A}]}, [A]):
        with subtests.test(body=body):
            assert parse(UPLOAD, respond(200, body)) == A


def test_an_upload_without_a_url_is_not_usable(subtests: pytest.Subtests, respond: Respond) -> None:
    for body in ({}, {"file_urls": []}, {"urls": 7}, "nothing"):
        with subtests.test(body=body), pytest.raises(NoUsableResponseError, match="no URL"):
            parse(UPLOAD, respond(200, body))
