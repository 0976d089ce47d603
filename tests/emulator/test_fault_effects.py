"""Each fault of the table: what a client sees, and whether a job was accepted."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from typing import Any

import av
import pytest
import requests

from airflow_provider_runway.emulator import FAULTS

CONNECTION_LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
ALPHA = "runway-gen3-alphaturbo"

Check = Callable[[Any, Any], None]
#: fault name -> the function that checks it
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Register the check of the fault that the function is named after."""
    CHECKS[function.__name__] = function
    return function


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_its_effect_and_is_logged(name, api, gateway):
    CHECKS[name](api, gateway)
    assert any(name in (entry["fault"] or "").split("+") for entry in gateway.http_requests())


def test_every_fault_has_a_description_in_one_line():
    assert all(fault.name == name and fault.about and "\n" not in fault.about for name, fault in FAULTS.items())


def count_accepted(gateway: Any) -> int:
    """Return how many jobs were accepted."""
    return int(gateway.ledger()["accepted"])


def read_until_cut(response: Any) -> bytes:
    """Return what arrives of a body before the connection is lost."""
    received = b""
    with pytest.raises(CONNECTION_LOST):  # noqa: PT012  # the connection is lost after some of the body
        for chunk in response.iter_content(1024):
            received += chunk
    return received


@check
def rate_limited(api, gateway):
    gateway.add_fault("submit:rate_limited:window=20,reset_format=epoch,retry_after=true")
    refused = api.post()
    assert refused.status_code == 429
    assert refused.json() == {"error": "rate_limit_exceeded"}
    assert 19 <= int(refused.headers["x-rate-limit-reset-at-utc"]) - time.time() <= 22
    assert refused.headers["retry-after"] == "20"
    assert count_accepted(gateway) == 0
    assert api.post().status_code == 200
    gateway.add_fault("status:rate_limited:window=30,hold=true")
    assert api.get_status("x").status_code == 429
    assert api.post().status_code == 429, "the whole account is refused until the reset"
    gateway.advance(31)
    assert api.post().status_code == 200


@check
def refuse_auth(api, gateway):
    gateway.add_fault("credits:refuse_auth:text=missing,envelope=plain")
    gateway.add_fault("credits:refuse_auth")
    plain, auth = (api.get("/v1/get-user-credits") for _ in range(2))
    assert plain.status_code == auth.status_code == 401
    assert plain.json() == {"error": "Missing Authorization or x-api-key in header"}
    assert auth.json()["error"] == "unauthorized"


def make_refusal_check(rule: str, status: int, message: str) -> Check:
    """Return the check of a fault that only refuses a POST."""

    def check_refusal(api: Any, gateway: Any) -> None:
        gateway.add_fault(rule)
        response = api.post()
        assert response.status_code == status
        assert message in response.json()["error"]
        assert count_accepted(gateway) == 0
        assert api.post().status_code == 200

    return check_refusal


CHECKS["forbidden"] = make_refusal_check("submit:forbidden", 403, "not permitted")
CHECKS["not_found"] = make_refusal_check("submit:not_found", 404, "Not Found")
CHECKS["out_of_credits"] = make_refusal_check("submit:out_of_credits", 406, "Insufficient credits")
CHECKS["team_limit"] = make_refusal_check("submit:team_limit", 406, "spend limit")
CHECKS["bad_parameter"] = make_refusal_check("submit:bad_parameter:name=ratio", 406, "ratio")
CHECKS["retired"] = make_refusal_check("submit:retired", 410, "retired")


@check
def no_balance(api, gateway):
    gateway.add_fault("credits:no_balance")
    response = api.get("/v1/get-user-credits")
    assert (response.status_code, response.json()) == (404, {"error": "No credits found for the user"})


@check
def record_expired(api, gateway):
    request_id = api.submit()
    gateway.add_fault("status:record_expired")
    assert [api.get_status(request_id).status_code for _ in range(2)] == [404, 200]


@check
def history_down(api, gateway):
    gateway.add_fault("history:history_down:status=502,body=html")
    response = api.get(gateway.history_url)
    assert response.status_code == 502
    assert "html" in response.headers["content-type"]
    assert api.list_rows() == []


@check
def server_error(api, gateway):
    for status in (500, 502, 503, 504):
        gateway.add_fault({"call": "submit", "fault": "server_error", "status": status, "body": "html"})
        response = api.post()
        assert response.status_code == status
        assert response.text.startswith("<html>")
    gateway.add_fault("submit:server_error")
    assert api.post().json() == {"error": "Internal Server Error"}
    assert count_accepted(gateway) == 0
    assert gateway.ledger()["posts"] == 5


@check
def error_after_accept(api, gateway):
    gateway.add_fault("submit:error_after_accept:status=504")
    assert api.post().status_code == 504
    gateway.add_fault("sync:error_after_accept")
    assert api.post(f"/v1/{ALPHA}").status_code == 502
    assert count_accepted(gateway) == 2


@check
def proxy_status(api, gateway):
    for status in (408, 409, 425, 499, 503, 200):
        gateway.add_fault({"call": "submit", "fault": "proxy_status", "status": status})
        response = api.post()
        assert (response.status_code, response.text[:6]) == (status, "<html>")
    assert count_accepted(gateway) == 6
    gateway.add_fault("submit:proxy_status:status=302,body=empty,accepted=false")
    response = api.post()
    assert (response.status_code, response.content) == (302, b"")
    assert response.headers["location"] == "https://login.invalid/"
    gateway.add_fault("submit:proxy_status:status=409,body=json,accepted=false")
    assert api.post().json() == {"error": "Conflict"}
    assert count_accepted(gateway) == 6


@check
def drip(api, gateway):
    request_id = api.submit()
    gateway.add_fault("status:drip:seconds=0.001")
    started_at = time.monotonic()
    assert api.get_status(request_id).json()["status"] == "QUEUED"
    assert time.monotonic() - started_at > 0.2, "it has more than 200 bytes"
    gateway.add_fault("submit:drip:send=headers,seconds=0")
    with api.post(stream=True, timeout=0.2) as response:
        assert response.status_code == 200
        with pytest.raises(requests.ConnectionError, match="timed out"):
            _ = response.content
    assert count_accepted(gateway) == 2


@check
def history_form(api, gateway):
    request_id = api.submit_finished()
    gateway.add_fault("history:history_form:form=object")
    gateway.add_fault("history_one:history_form:form=empty")
    assert isinstance(api.list_rows()[0]["request_body"], dict)
    assert api.get(f"{gateway.history_url}/{request_id}").status_code == 404
    assert isinstance(api.list_rows()[0]["request_body"], str)


@check
def cut_before(api, gateway):
    gateway.add_fault("submit:cut_before")
    with pytest.raises(CONNECTION_LOST):
        api.post()
    assert count_accepted(gateway) == 0
    assert gateway.http_requests()[0]["status"] is None


@check
def cut_after(api, gateway):
    gateway.add_fault({"fault": "cut_after", "times": 2})
    for path in (f"/v2/{ALPHA}", f"/v1/{ALPHA}"):
        with pytest.raises(CONNECTION_LOST):
            api.post(path)
    assert count_accepted(gateway) == 2


@check
def cut_body(api, gateway):
    request_id = api.submit_finished()
    for call in ("result", "output", "submit"):
        gateway.add_fault(f"{call}:cut_body")
    with pytest.raises(CONNECTION_LOST):
        api.get_result(request_id)
    url = api.get_result(request_id).json()["output"]
    with api.get(url, stream=True) as response:
        assert response.status_code == 200
        received = read_until_cut(response)
    assert 0 < len(received) < int(response.headers["content-length"])
    with pytest.raises(CONNECTION_LOST):
        api.post()
    assert count_accepted(gateway) == 2


@check
def slow(api, gateway):
    gateway.add_fault("submit:slow:seconds=0.3,accept=before")
    with pytest.raises(requests.ReadTimeout):
        api.post(timeout=0.1)
    assert count_accepted(gateway) == 1
    gateway.add_fault("submit:slow:seconds=0.3,accept=after")
    with pytest.raises(requests.ReadTimeout):
        api.post(timeout=0.1)
    assert count_accepted(gateway) == 1
    time.sleep(0.4)
    assert count_accepted(gateway) == 2, "the job is accepted although its client has gone"


@check
def html_200(api, gateway):
    gateway.add_fault("submit:html_200")
    gateway.add_fault("submit:html_200:accepted=false")
    for _ in range(2):
        response = api.post()
        assert (response.status_code, response.text[:6]) == (200, "<html>")
    assert count_accepted(gateway) == 1


@check
def empty_body(api, gateway):
    gateway.add_fault("status:empty_body")
    response = api.get_status(api.submit())
    assert (response.status_code, response.content) == (200, b"")


@check
def nonsense_json(api, gateway):
    for body in ("list", "types", "null", "text"):
        gateway.add_fault({"fault": "nonsense_json", "call": "submit", "body": body})
        response = api.post()
        assert response.status_code == 200
        parsed = response.json()
        assert not isinstance(parsed, dict) or not isinstance(parsed["request_id"], str)
    gateway.add_fault("submit:nonsense_json:body=broken")
    with pytest.raises(requests.JSONDecodeError):
        api.post().json()
    assert count_accepted(gateway) == 5


@check
def missing_request_id(api, gateway):
    gateway.add_fault("submit:missing_request_id")
    body = api.post().json()
    assert "request_id" not in body
    assert body["status_url"]
    assert count_accepted(gateway) == 1


@check
def foreign_status_url(api, gateway):
    gateway.add_fault("submit:foreign_status_url:host=https://other.invalid")
    body = api.post().json()
    for name in ("poll_url", "status_url", "response_url"):
        assert body[name].startswith("https://other.invalid/v")
    assert body["status_url"].endswith(f"/v2/requests/{body['request_id']}/status")


@check
def redirect(api, gateway):
    gateway.add_fault("submit:redirect:to=http://127.0.0.1:9/x,status=302")
    response = api.post()
    assert (response.status_code, response.headers["location"]) == (302, "http://127.0.0.1:9/x")
    assert count_accepted(gateway) == 0


@check
def unknown_status(api, gateway):
    gateway.add_fault("status:unknown_status")
    request_id = api.submit()
    assert [api.get_status(request_id).json()["status"] for _ in range(2)] == ["THROTTLED", "QUEUED"]


@check
def lost_output(api, gateway):
    gateway.add_fault("result:lost_output")
    request_id = api.submit_finished()
    first, second = api.get_result(request_id).json(), api.get_result(request_id).json()
    assert first["status"] == "COMPLETED"
    assert not {"output", "video"} & set(first)
    assert second["output"]
    gateway.add_fault("submit:lost_output")
    request_id = api.submit_finished()
    assert all("output" not in api.get_result(request_id).json() for _ in range(2))
    assert gateway.ledger()["jobs"][1]["billed"]


@check
def output_shape(api, gateway):
    gateway.add_fault("submit:output_shape:shape=list,count=2")
    body = api.get_result(api.submit_finished()).json()
    assert len(set(body["output"])) == 2
    assert "video" not in body
    assert {row["generation_url"] for row in api.list_rows()} == set(body["output"])
    request_id = api.submit_finished()
    url = api.get_result(request_id).json()["output"]
    for shape, field, value in (
        ("plain", "output", url),
        ("list", "output", [url]),
        ("images", "images", [{"url": url, "content_type": "video/mp4"}]),
    ):
        gateway.add_fault(f"result:output_shape:shape={shape}")
        body = api.get_result(request_id).json()
        assert body[field] == value
        assert "video" not in body
    gateway.add_fault("result:output_shape:shape=video")
    body = api.get_result(request_id).json()
    assert "output" not in body
    assert body["video"]["url"] == url


@check
def job_fails(api, gateway):
    gateway.add_fault("submit:job_fails:error=The GPU crashed")
    failed = api.finish(api.submit())
    assert (failed.status_code, failed.json()["error"]) == (422, "The GPU crashed")
    assert gateway.ledger()["billed_usd"] == 0


@check
def content_block(api, gateway):
    gateway.add_fault("submit:content_block")
    failed = api.finish(api.submit())
    assert failed.status_code == 422
    assert "RAI" in failed.json()["error"]


@check
def job_sticks(api, gateway):
    gateway.add_fault("submit:job_sticks")
    gateway.add_fault("submit:job_sticks:state=QUEUED")
    running, queued = api.submit(), api.submit()
    gateway.advance(3000)
    assert api.get_status(running).json()["status"] == "PROCESSING"
    assert api.get_status(queued).json()["status"] == "QUEUED"
    assert gateway.ledger()["billable"] == 0


@check
def job_latency(api, gateway):
    gateway.add_fault("submit:job_latency:seconds=600")
    request_id = api.submit()
    gateway.advance(590)
    assert api.get_status(request_id).json()["status"] == "PROCESSING"
    gateway.advance(11)
    assert api.get_status(request_id).json()["metrics"]["total_time"] == 600


@check
def history_late(api, gateway):
    gateway.add_fault("submit:history_late:seconds=40")
    request_id = api.submit()
    assert api.list_rows() == []
    gateway.advance(2000)
    assert api.list_rows()[0]["generation_url"]
    for lacks in ("rows", "fields"):
        gateway.add_fault({"call": "history", "fault": "history_late", "lacks": lacks})
        gateway.add_fault({"call": "history_one", "fault": "history_late", "lacks": lacks})
        rows, row = api.list_rows(), api.get(f"{gateway.history_url}/{request_id}")
        if lacks == "rows":
            assert rows == []
            assert row.status_code == 404
        else:
            assert rows[0]["request_id"] == row.json()["request_id"] == request_id
            assert rows[0]["generation_url"] is row.json()["request_body"] is None


@check
def upload_urls(api, gateway):
    gateway.add_fault("upload:upload_urls")
    body = api.post("/upload-asset", {"data_urls": ["data:image/png;base64,AAAA"]}).json()
    assert len(body["urls"]) == 1
    assert "file_urls" not in body


@check
def output_truncated(api, gateway):
    body = api.get_result(api.submit_finished()).json()
    gateway.add_fault("output:output_truncated")
    half = api.get(body["output"])
    assert len(half.content) == int(half.headers["content-length"]) == body["video"]["file_size"] // 2


@check
def output_wrong_type(api, gateway):
    url = api.get_video_url()
    gateway.add_fault("output:output_wrong_type")
    response = api.get(url)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    gateway.add_fault("output:not_found")
    assert api.get(url).status_code == 404


@check
def output_kind(api, gateway):
    url = api.get_video_url()
    gateway.add_fault("output:output_kind:kind=png")
    image = api.get(url)
    assert image.headers["content-type"] == "image/png"
    with av.open(io.BytesIO(image.content)) as decoded:
        assert next(decoded.decode(video=0)).width == 1
    gateway.add_fault("output:output_kind:kind=unknown")
    assert api.get(url).headers["content-type"] == "application/octet-stream"


@check
def output_size(api, gateway):
    url = api.get_video_url()
    gateway.add_fault("output:output_size:bytes=300000")
    with_length = api.get(url)
    assert len(with_length.content) == int(with_length.headers["content-length"]) == 300_000
    with av.open(io.BytesIO(with_length.content)) as decoded:
        assert sum(1 for _ in decoded.decode(video=0)) > 50, "it still plays"
    gateway.add_fault("output:output_size:bytes=300000,told=false")
    without_length = api.get(url)
    assert "content-length" not in without_length.headers
    assert without_length.content == with_length.content


@check
def odd_range(api, gateway):
    url = api.get_video_url()
    whole = api.get(url).content
    for how, status, content in (("whole", 200, whole), ("refused", 416, None), ("shifted", 206, whole[101:])):
        gateway.add_fault(f"output:odd_range:answer={how}")
        response = api.get(url, headers={"range": "bytes=100-"})
        assert response.status_code == status
        assert content is None or response.content == content


def test_a_body_that_is_cut_by_closing_the_connection_has_the_chosen_version_headers(api, gateway):
    url = api.get_video_url()
    whole = api.get(url)
    half = len(whole.content) // 2
    for names, headers in (
        ("etag", {"etag", "last-modified"}),
        ("weak", {"etag"}),
        ("date", {"last-modified"}),
        ("nothing", set()),
    ):
        gateway.add_fault(f"output:cut_body:how=close,names={names}")
        with api.get(url, stream=True) as response:
            received = read_until_cut(response)
        assert half - 1024 < len(received) <= half, "the client may drop the bytes that do not fill a chunk"
        assert whole.content.startswith(received)
        assert {name for name in ("etag", "last-modified") if name in response.headers} == headers
        assert names != "weak" or response.headers["etag"] == f"W/{whole.headers['etag']}"


def test_a_cut_connection_is_reset_and_not_just_closed(gateway):
    gateway.add_fault("credits:cut_before")
    key = f"x-api-key: {gateway.test_key}\r\n"
    with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2])), timeout=5) as client:
        client.sendall(f"GET /v1/get-user-credits HTTP/1.1\r\nhost: x\r\n{key}\r\n".encode())
        with pytest.raises(ConnectionResetError):
            client.recv(1)
