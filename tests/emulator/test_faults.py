"""Every fault of the table is ordered, seen from outside, and its price read in the ledger."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import av
import pytest
import requests

from airflow_provider_runway.emulator import FAULTS

Scene = Callable[[Any, Any], None]
SCENES: dict[str, Scene] = {}
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
ALPHA = "runway-gen3-alphaturbo"


def scene(function: Scene) -> Scene:
    """Register the scene of the fault that the function is named after."""
    SCENES[function.__name__] = function
    return function


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_strikes_and_is_noted(name, api, gateway):
    SCENES[name](api, gateway)
    assert any(name in (entry["fault"] or "").split("+") for entry in gateway.requests())


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_explains_itself(name):
    fault = FAULTS[name]
    assert fault.name == name
    assert fault.about
    assert "\n" not in fault.about
    assert fault.calls


def accepted(gateway: Any) -> int:
    """Return how many jobs were taken."""
    return int(gateway.ledger()["accepted"])


@scene
def rate_limited(api, gateway):
    gateway.add_fault("submit:rate_limited:window=20,reset_format=epoch,retry_after=true")
    refused = api.post()
    assert refused.status_code == 429
    assert refused.json() == {"error": "rate_limit_exceeded"}
    assert 19 <= int(refused.headers["x-rate-limit-reset-at-utc"]) - time.time() <= 22
    assert refused.headers["retry-after"] == "20"
    assert accepted(gateway) == 0
    assert api.post().status_code == 200
    gateway.add_fault("status:rate_limited:window=30,hold=true")
    assert api.status("x").status_code == 429
    assert api.post().status_code == 429
    gateway.advance(31)
    assert api.post().status_code == 200


@scene
def refuse_auth(api, gateway):
    gateway.add_fault("credits:refuse_auth:text=missing,envelope=plain")
    gateway.add_fault("credits:refuse_auth")
    plain, auth = (api.get("/v1/get-user-credits") for _ in range(2))
    assert plain.status_code == auth.status_code == 401
    assert plain.json() == {"error": "Missing Authorization or x-api-key in header"}
    assert auth.json()["error"] == "unauthorized"


def refusal(rule: str, status: int, words: str) -> Scene:
    """Make the scene of a fault that only refuses a POST."""

    def act(api: Any, gateway: Any) -> None:
        gateway.add_fault(rule)
        answer = api.post()
        assert answer.status_code == status
        assert words in answer.json()["error"]
        assert accepted(gateway) == 0
        assert api.post().status_code == 200

    return act


SCENES["forbidden"] = refusal("submit:forbidden", 403, "not permitted")
SCENES["not_found"] = refusal("submit:not_found", 404, "Not Found")
SCENES["out_of_credits"] = refusal("submit:out_of_credits", 406, "Insufficient credits")
SCENES["team_limit"] = refusal("submit:team_limit", 406, "spend limit")
SCENES["bad_parameter"] = refusal("submit:bad_parameter:name=ratio", 406, "ratio")
SCENES["retired"] = refusal("submit:retired", 410, "retired")


@scene
def no_balance(api, gateway):
    gateway.add_fault("credits:no_balance")
    answer = api.get("/v1/get-user-credits")
    assert (answer.status_code, answer.json()) == (404, {"error": "No credits found for the user"})


@scene
def record_expired(api, gateway):
    request_id = api.submit()
    gateway.add_fault("status:record_expired")
    assert [api.status(request_id).status_code for _ in range(2)] == [404, 200]


@scene
def history_down(api, gateway):
    gateway.add_fault("history:history_down:status=502,body=html")
    answer = api.get(gateway.history_url)
    assert answer.status_code == 502
    assert "html" in answer.headers["content-type"]
    assert api.rows() == []


@scene
def server_error(api, gateway):
    for status in (500, 502, 503, 504):
        gateway.add_fault({"call": "submit", "fault": "server_error", "status": status, "body": "html"})
        answer = api.post()
        assert answer.status_code == status
        assert answer.text.startswith("<html>")
    gateway.add_fault("submit:server_error")
    assert api.post().json() == {"error": "Internal Server Error"}
    assert accepted(gateway) == 0
    assert gateway.ledger()["posts"] == 5


@scene
def error_after_accept(api, gateway):
    gateway.add_fault("submit:error_after_accept:status=504")
    assert api.post().status_code == 504
    gateway.add_fault("sync:error_after_accept")
    assert api.post(f"/v1/{ALPHA}").status_code == 502
    assert accepted(gateway) == 2


@scene
def cut_before(api, gateway):
    gateway.add_fault("submit:cut_before")
    with pytest.raises(BROKEN):
        api.post()
    assert accepted(gateway) == 0
    assert gateway.requests()[0]["status"] is None


@scene
def cut_after(api, gateway):
    gateway.add_fault({"fault": "cut_after", "times": 2})
    with pytest.raises(BROKEN):
        api.post()
    with pytest.raises(BROKEN):
        api.post(f"/v1/{ALPHA}")
    assert accepted(gateway) == 2


@scene
def cut_body(api, gateway):
    request_id = api.done()
    gateway.add_fault("result:cut_body")
    gateway.add_fault("output:cut_body")
    gateway.add_fault("submit:cut_body")
    with pytest.raises(BROKEN):
        api.result(request_id)
    url = api.result(request_id).json()["output"]
    with api.get(url, stream=True) as answer:
        assert answer.status_code == 200
        received = b""
        with pytest.raises(BROKEN):  # noqa: PT012  # the break comes after some of the body
            for chunk in answer.iter_content(1024):
                received += chunk
    assert 0 < len(received) < int(answer.headers["content-length"])
    with pytest.raises(BROKEN):
        api.post()
    assert accepted(gateway) == 2


@scene
def slow(api, gateway):
    gateway.add_fault("submit:slow:seconds=0.3,accept=before")
    with pytest.raises(requests.ReadTimeout):
        api.post(timeout=0.1)
    assert accepted(gateway) == 1
    gateway.add_fault("submit:slow:seconds=0.3,accept=after")
    with pytest.raises(requests.ReadTimeout):
        api.post(timeout=0.1)
    assert accepted(gateway) == 1
    time.sleep(0.4)
    assert accepted(gateway) == 2  # nobody waits for the answer any more, the job is taken all the same


@scene
def html_200(api, gateway):
    gateway.add_fault("submit:html_200")
    gateway.add_fault("submit:html_200:accepted=false")
    for _ in range(2):
        answer = api.post()
        assert (answer.status_code, answer.text[:6]) == (200, "<html>")
    assert accepted(gateway) == 1


@scene
def empty_body(api, gateway):
    gateway.add_fault("status:empty_body")
    answer = api.status(api.submit())
    assert (answer.status_code, answer.content) == (200, b"")


@scene
def nonsense_json(api, gateway):
    for body in ("list", "types", "null", "text"):
        gateway.add_fault({"fault": "nonsense_json", "call": "submit", "body": body})
        answer = api.post()
        assert answer.status_code == 200
        parsed = answer.json()
        assert not isinstance(parsed, dict) or not isinstance(parsed["request_id"], str)
    gateway.add_fault("submit:nonsense_json:body=broken")
    with pytest.raises(requests.JSONDecodeError):
        api.post().json()
    assert accepted(gateway) == 5


@scene
def missing_request_id(api, gateway):
    gateway.add_fault("submit:missing_request_id")
    body = api.post().json()
    assert "request_id" not in body
    assert body["status_url"]
    assert accepted(gateway) == 1


@scene
def foreign_status_url(api, gateway):
    gateway.add_fault("submit:foreign_status_url:host=https://thief.invalid")
    body = api.post().json()
    for name in ("poll_url", "status_url", "response_url"):
        assert body[name].startswith("https://thief.invalid/v")
    assert body["status_url"].endswith(f"/v2/requests/{body['request_id']}/status")


@scene
def redirect(api, gateway):
    gateway.add_fault("submit:redirect:to=http://127.0.0.1:9/x,status=302")
    answer = api.post()
    assert (answer.status_code, answer.headers["location"]) == (302, "http://127.0.0.1:9/x")
    assert accepted(gateway) == 0


@scene
def unknown_status(api, gateway):
    gateway.add_fault("status:unknown_status")
    request_id = api.submit()
    assert [api.status(request_id).json()["status"] for _ in range(2)] == ["THROTTLED", "QUEUED"]


@scene
def lost_output(api, gateway):
    gateway.add_fault("result:lost_output")
    one = api.done()
    first, second = api.result(one).json(), api.result(one).json()
    assert first["status"] == "COMPLETED"
    assert "output" not in first
    assert "video" not in first
    assert second["output"]
    gateway.add_fault("submit:lost_output")
    other = api.done()
    for _ in range(2):
        assert "output" not in api.result(other).json()
    assert gateway.ledger()["jobs"][1]["billed"]


@scene
def output_shape(api, gateway):
    gateway.add_fault("submit:output_shape:shape=list,count=2")
    two = api.done()
    body = api.result(two).json()
    assert len(set(body["output"])) == 2
    assert "video" not in body
    assert {row["generation_url"] for row in api.rows()} == set(body["output"])
    one = api.done()
    url = api.result(one).json()["output"]
    for shape, field, value in (
        ("plain", "output", url),
        ("list", "output", [url]),
        ("images", "images", [{"url": url, "content_type": "video/mp4"}]),
    ):
        gateway.add_fault(f"result:output_shape:shape={shape}")
        body = api.result(one).json()
        assert body[field] == value
        assert "video" not in body
    gateway.add_fault("result:output_shape:shape=video")
    body = api.result(one).json()
    assert "output" not in body
    assert body["video"]["url"] == url


@scene
def job_fails(api, gateway):
    gateway.add_fault("submit:job_fails:error=The GPU fell over")
    failed = api.finish(api.submit())
    assert (failed.status_code, failed.json()["error"]) == (422, "The GPU fell over")
    assert gateway.ledger()["billed_usd"] == 0


@scene
def content_block(api, gateway):
    gateway.add_fault("submit:content_block")
    failed = api.finish(api.submit())
    assert failed.status_code == 422
    assert "RAI" in failed.json()["error"]


@scene
def job_sticks(api, gateway):
    gateway.add_fault("submit:job_sticks")
    gateway.add_fault("submit:job_sticks:state=QUEUED")
    running, queued = api.submit(), api.submit()
    gateway.advance(3000)
    assert api.status(running).json()["status"] == "PROCESSING"
    assert api.status(queued).json()["status"] == "QUEUED"
    assert gateway.ledger()["billable"] == 0


@scene
def job_latency(api, gateway):
    gateway.add_fault("submit:job_latency:seconds=600")
    request_id = api.submit()
    gateway.advance(590)
    assert api.status(request_id).json()["status"] == "PROCESSING"
    gateway.advance(11)
    assert api.status(request_id).json()["metrics"]["total_time"] == 600


@scene
def history_late(api, gateway):
    gateway.add_fault("submit:history_late:seconds=40")
    request_id = api.submit()
    assert api.rows() == []
    gateway.advance(2000)
    assert api.rows()[0]["generation_url"]
    for lacks in ("rows", "fields"):
        gateway.add_fault({"call": "history", "fault": "history_late", "lacks": lacks})
        gateway.add_fault({"call": "history_one", "fault": "history_late", "lacks": lacks})
        rows, one = api.rows(), api.get(f"{gateway.history_url}/{request_id}")
        if lacks == "rows":
            assert rows == []
            assert one.status_code == 404
        else:
            assert rows[0]["request_id"] == one.json()["request_id"] == request_id
            assert rows[0]["generation_url"] is one.json()["request_body"] is None


@scene
def upload_urls(api, gateway):
    gateway.add_fault("upload:upload_urls")
    body = api.post("/upload-asset", {"data_urls": ["data:image/png;base64,AAAA"]}).json()
    assert len(body["urls"]) == 1
    assert "file_urls" not in body


@scene
def output_truncated(api, gateway):
    body = api.result(api.done()).json()
    gateway.add_fault("output:output_truncated")
    half = api.get(body["output"])
    assert len(half.content) == int(half.headers["content-length"]) == body["video"]["file_size"] // 2


@scene
def output_wrong_type(api, gateway):
    url = api.result(api.done()).json()["output"]
    gateway.add_fault("output:output_wrong_type")
    answer = api.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    gateway.add_fault("output:not_found")
    assert api.get(url).status_code == 404


def video_of(api):
    """Return the address of a finished video."""
    return api.result(api.done()).json()["output"]


@scene
def output_kind(api, gateway):
    url = video_of(api)
    gateway.add_fault("output:output_kind:kind=png")
    picture = api.get(url)
    assert picture.headers["content-type"] == "image/png"
    with av.open(io.BytesIO(picture.content)) as decoded:
        assert next(decoded.decode(video=0)).width == 1
    gateway.add_fault("output:output_kind:kind=unknown")
    assert api.get(url).headers["content-type"] == "application/octet-stream"


@scene
def output_size(api, gateway):
    url = video_of(api)
    gateway.add_fault("output:output_size:bytes=300000")
    told = api.get(url)
    assert len(told.content) == int(told.headers["content-length"]) == 300_000
    with av.open(io.BytesIO(told.content)) as decoded:
        assert sum(1 for _ in decoded.decode(video=0)) > 50, "it still plays"
    gateway.add_fault("output:output_size:bytes=300000,told=false")
    untold = api.get(url)
    assert "content-length" not in untold.headers
    assert untold.content == told.content


@scene
def odd_range(api, gateway):
    url = video_of(api)
    whole = api.get(url).content
    for how, status, content in (("whole", 200, whole), ("refused", 416, None), ("shifted", 206, whole[101:])):
        gateway.add_fault(f"output:odd_range:answer={how}")
        answer = api.get(url, headers={"range": "bytes=100-"})
        assert answer.status_code == status
        assert content is None or answer.content == content


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        pytest.param("etag", {"etag", "last-modified"}, id="by a strong ETag"),
        pytest.param("weak", {"etag"}, id="by a weak one"),
        pytest.param("date", {"last-modified"}, id="by a date"),
        pytest.param("nothing", set(), id="by nothing"),
    ],
)
def test_a_body_is_cut_with_an_orderly_end_and_its_version_named(api, gateway, names, shown):
    url = video_of(api)
    whole = api.get(url)
    gateway.add_fault(f"output:cut_body:how=close,names={names}")
    with api.get(url, stream=True) as answer:
        received = b""
        with pytest.raises(BROKEN):  # noqa: PT012  # the end comes after some of the body
            for chunk in answer.iter_content(1024):
                received += chunk
    half = len(whole.content) // 2
    assert half - 1024 < len(received) <= half, "the client itself may drop what fills no chunk, and no more"
    assert whole.content.startswith(received)
    assert {name for name in ("etag", "last-modified") if name in answer.headers} == shown
    if names == "weak":
        assert answer.headers["etag"] == f"W/{whole.headers['etag']}"
