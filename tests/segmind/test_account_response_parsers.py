"""The answers about the account: the blocking call, the balance, and uploads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_runway.exceptions import NotFoundError, NoUsableResponseError, UnauthorizedError
from airflow_provider_runway.segmind import endpoints
from airflow_provider_runway.segmind.http import BaseUrls, Response

Make = Callable[..., Response]
URL = "https://images.segmind.com/assets/a.png"


def test_the_blocking_call_brings_bytes_and_their_bill(base_urls: BaseUrls, answer: Make) -> None:
    call = endpoints.make_sync_call(base_urls, "runway-gen3-alphaturbo", {})
    found = call.parse(
        call.request,
        answer(
            200,
            b"\x00\x00\x00\x18ftypmp42",
            content_type="video/mp4; q=1",
            x_cost="0.50",
            x_remaining_credits="9.5",
            x_request_id="r-1",
            x_generation_time="27.4",
            x_seed_value="77",
        ),
    )
    assert (found.content_type, found.request_id, found.cost, found.remaining_credits) == ("video/mp4", "r-1", 0.5, 9.5)
    assert (found.generation_time_s, found.seed) == (27.4, 77)
    assert found.content.endswith(b"mp42")


def test_a_bill_that_says_nothing_is_none(base_urls: BaseUrls, answer: Make) -> None:
    call = endpoints.make_sync_call(base_urls, "m", {})
    found = call.parse(call.request, answer(200, {"output": URL}, x_seed_value="none", x_cost=""))
    assert (found.content_type, found.seed, found.cost, found.request_id) == ("application/json", None, None, None)


@pytest.mark.parametrize("body", [pytest.param(b"", id="empty"), pytest.param(b"  <!doctype html>", id="HTML")])
def test_the_blocking_call_without_an_output_is_unanswered(base_urls: BaseUrls, answer: Make, body: bytes) -> None:
    call = endpoints.make_sync_call(base_urls, "m", {})
    with pytest.raises(NoUsableResponseError, match="no output"):
        call.parse(call.request, answer(200, body))


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        pytest.param(200, {"credits": 12.5, "free-credits": 1}, (12.5, 1.0, True), id="as documented"),
        pytest.param(200, {"credits": "12.5", "free_credits": "1"}, (12.5, 1.0, True), id="as texts"),
        pytest.param(200, {"credits": 3}, (3.0, 0.0, True), id="one of two"),
        pytest.param(404, {"error": "No credits found for the user"}, (0.0, 0.0, False), id="no balance record"),
        pytest.param(404, "No credits found for the user", (0.0, 0.0, False), id="the same as a bare text"),
    ],
)
def test_the_balance_is_read(
    base_urls: BaseUrls, answer: Make, status: int, body: Any, found: tuple[float, float, bool]
) -> None:
    call = endpoints.make_credits_call(base_urls)
    balance = call.parse(call.request, answer(status, body))
    assert (balance.credits, balance.free_credits, balance.is_known) == found


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        pytest.param(404, {"error": "Not Found"}, NotFoundError, id="the other 404: no such address"),
        pytest.param(404, b"<html>", NotFoundError, id="a 404 in HTML"),
        pytest.param(401, {"error": "Unauthorized. API key is invalid"}, UnauthorizedError, id="bad key"),
        pytest.param(200, {"credits": [], "free-credits": None}, NoUsableResponseError, id="no number in it"),
        pytest.param(200, b"<html>", NoUsableResponseError, id="HTML"),
        pytest.param(200, [1, 2], NoUsableResponseError, id="a list"),
    ],
)
def test_what_is_no_balance_raises(
    base_urls: BaseUrls, answer: Make, status: int, body: Any, error: type[Exception]
) -> None:
    call = endpoints.make_credits_call(base_urls)
    with pytest.raises(error):
        call.parse(call.request, answer(status, body))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"file_urls": [URL]}, id="file_urls, as the SDK reads it"),
        pytest.param({"urls": [URL]}, id="urls, as the docs say"),
        pytest.param({"file_urls": [], "urls": [URL]}, id="an empty one beside a full one"),
        pytest.param({"file_urls": [{"url": URL}]}, id="objects"),
        pytest.param([URL], id="a bare list"),
    ],
)
def test_the_url_of_an_upload_is_found(base_urls: BaseUrls, answer: Make, body: Any) -> None:
    call = endpoints.make_upload_call(base_urls, b"\x89PNG", "image/png")
    assert call.parse(call.request, answer(200, body)) == URL


@pytest.mark.parametrize("body", [{}, {"file_urls": []}, {"urls": 7}, [], "nothing", None])
def test_an_upload_without_a_url_is_unanswered(base_urls: BaseUrls, answer: Make, body: Any) -> None:
    call = endpoints.make_upload_call(base_urls, b"\x89PNG", "image/png")
    with pytest.raises(NoUsableResponseError, match="no URL"):
        call.parse(call.request, answer(200, body))


def test_an_upload_is_a_data_url_and_may_be_repeated(base_urls: BaseUrls) -> None:
    request = endpoints.make_upload_call(base_urls, b"abc", "image/png").request
    assert request.body == b'{"data_urls":["data:image/png;base64,YWJj"]}'
    assert request.idempotent
    assert request.url == "https://workflows-api.segmind.com/upload-asset"


@pytest.mark.parametrize(
    ("call", "method", "url", "idempotent"),
    [
        pytest.param(endpoints.make_submit_call(BaseUrls(), "m", {}), "POST", "/v2/m", False, id="submit"),
        pytest.param(endpoints.make_sync_call(BaseUrls(), "m", {}), "POST", "/v1/m", False, id="run_sync"),
        pytest.param(endpoints.make_status_call(BaseUrls(), "r"), "GET", "/v2/requests/r/status", True, id="status"),
        pytest.param(endpoints.make_result_call(BaseUrls(), "r"), "GET", "/v2/requests/r", True, id="result"),
        pytest.param(endpoints.make_credits_call(BaseUrls()), "GET", "/v1/get-user-credits", True, id="balance"),
    ],
)
def test_only_a_billable_call_may_not_be_repeated(call: Any, method: str, url: str, idempotent: bool) -> None:
    request = call.request
    assert (request.method, request.url, request.idempotent) == (method, "https://api.segmind.com" + url, idempotent)
