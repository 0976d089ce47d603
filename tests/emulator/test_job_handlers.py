"""Each call behaves as the API's documents say, tested over HTTP."""

from __future__ import annotations

import base64
import re
import uuid

import pytest
import requests

JSON = {"content-type": "application/json"}
PNG = b"\x89PNG\r\n\x1a\n and so on"
VALID = {"promptText": "a sunflower", "promptImage": "https://example.com/flower.png"}
ALPHA = "runway-gen3-alphaturbo"


def test_a_submit_returns_the_request_id_and_the_poll_urls(api, gateway):
    response = api.post()
    body = response.json()
    assert response.status_code == 200
    assert uuid.UUID(body["request_id"])
    assert body == {
        "request_id": body["request_id"],
        "status": "QUEUED",
        "poll_url": f"{gateway.url}/v1/requests/{body['request_id']}",
        "status_url": f"{gateway.url}/v2/requests/{body['request_id']}/status",
        "response_url": f"{gateway.url}/v2/requests/{body['request_id']}",
    }
    through_proxy = api.post(headers={"host": "gateway.example:8081"}).json()
    assert through_proxy["status_url"].startswith("http://gateway.example:8081/v2/requests/")


def test_a_job_is_queued_then_runs_then_completes(api, gateway):
    request_id = api.submit()
    queued = api.get_status(request_id).json()
    result = api.get_result(request_id).json()
    gateway.advance(9)  # the queue takes about 3 s of some 27
    running = api.get_status(request_id).json()
    completed = api.finish(request_id)
    urls = {
        "status_url": f"{gateway.url}/v2/requests/{request_id}/status",
        "response_url": f"{gateway.url}/v2/requests/{request_id}",
    }
    assert queued == result == {"status": "QUEUED", "request_id": request_id, "metrics": {}, **urls}
    assert running == {"status": "PROCESSING", "request_id": request_id, "metrics": {}, **urls}
    assert completed.status_code == 200
    assert set(completed.json()) == {"status", "request_id", "metrics"}
    assert completed.json()["status"] == "COMPLETED"


def test_a_scaled_job_reports_the_seconds_that_passed(start_api):
    api = start_api(time_scale=0.01)
    metrics = api.poll_until_finished(api.submit()).json()["metrics"]
    assert 0.1 < metrics["total_time"] < 0.7
    assert metrics["total_time"] == pytest.approx(metrics["queue_time"] + metrics["inference_time"], abs=0.002)


def test_a_result_has_the_video_and_the_metrics(api, gateway):
    request_id = api.submit_finished(duration=10)
    body = api.get_result(request_id).json()
    video = requests.get(body["output"], timeout=10)
    assert body["status"] == "COMPLETED"
    assert re.fullmatch(rf"{gateway.url}/outputs/[\w-]+\.mp4", body["output"])
    assert body["video"] == {
        "url": body["output"],
        "content_type": "video/mp4",
        "file_name": body["output"].rpartition("/")[2],
        "file_size": len(video.content),
    }
    times = {"inference_time", "queue_time", "total_time"}
    assert set(body["metrics"]) == {"cost", "remaining_credits", "retry_count", *times}
    assert [body["metrics"][name] for name in ("cost", "remaining_credits", "retry_count")] == [1.0, 999.0, 0]
    assert api.get(f"/v1/requests/{request_id}").json() == body, "the submit's poll_url returns the same"


#: changed inputs -> a word in the error
INVALID_INPUTS: list[tuple[dict[str, object], str]] = [
    ({"ratio": "4:3"}, "ratio"),
    ({"duration": 7}, "duration"),
    ({"seed": 100_000}, "seed"),
    ({"seed": True}, "seed"),
    ({"promptImage": "ftp://example.com/x"}, "promptImage"),
    ({"promptText": "  "}, "promptText"),
    ({"promptText": "a Forbidden thing"}, "Content blocked"),
]


def test_an_invalid_value_is_accepted_and_fails_the_job(api, gateway):
    for changes, message in INVALID_INPUTS:
        request_id = api.submit(**changes)
        status = api.finish(request_id)
        assert status.status_code == 422
        assert status.json()["status"] == "FAILED"
        assert message in status.json()["error"]
        assert "remaining_credits" not in status.json()["metrics"]
        assert api.get_result(request_id).status_code == 422
    assert gateway.ledger()["billable"] == 0


VALID_BODIES: list[tuple[str, dict[str, object], float]] = [
    (ALPHA, VALID | {"duration": "5", "seed": 1, "style": "unknown field"}, 0.5),
    (ALPHA, VALID | {"seed": 99999, "promptImage": "http://127.0.0.1:1/assets/x.png"}, 0.5),
    ("runway-gen4-turbo", VALID | {"ratio": "720:1280", "duration": 10}, 1.0),
    ("runway-gen4-aleph", {"prompt": "snow", "video": "https://example.com/v.mp4"}, 0.5),
    ("runway-gen4-image", {"promptText": "x", "referenceImages": [{"uri": "https://e.com/x.png", "tag": "a"}]}, 0.1),
    ("some-other-model", {"anything": 1}, 0.5),
]


def test_a_valid_body_completes(api):
    for model, body, cost in VALID_BODIES:
        request_id = api.post(f"/v2/{model}", body).json()["request_id"]
        completed = api.finish(request_id).json()
        assert (completed["status"], completed["metrics"]["cost"]) == ("COMPLETED", cost)


#: (path, options of the request, HTTP status, a word in the error)
IMPOSSIBLE_POSTS: list[tuple[str, dict[str, object], int, str]] = [
    (f"/v2/{ALPHA}", {"data": "{", "headers": JSON}, 400, "Malformed"),
    (f"/v2/{ALPHA}", {"data": "[]", "headers": JSON}, 400, "object"),
    (f"/v2/{ALPHA}", {"json": {"promptText": "x"}}, 400, "promptImage"),
    (f"/v2/{ALPHA}", {"data": "{}"}, 406, "Invalid content type"),
    ("/v2/no-such-model", {"json": VALID}, 404, "not found"),
    ("/v2/private-model", {"json": VALID}, 403, "not permitted"),
    ("/v2/retired-model", {"json": VALID}, 410, "retired"),
    ("/v1/no-such-model", {"json": VALID}, 404, "not found"),
    ("/v2/requests", {"json": VALID}, 404, "not found"),
    ("/v2", {"json": VALID}, 404, "Not Found"),
]


def test_an_impossible_post_is_refused_at_once(api, gateway):
    for path, options, status, message in IMPOSSIBLE_POSTS:
        response = api.request("POST", path, **options)
        assert response.status_code == status
        assert set(response.json()) == {"error"}
        assert message in response.json()["error"]
    assert gateway.ledger()["accepted"] == 0


def test_only_the_given_models_exist(start_api):
    api = start_api(models=[ALPHA])
    assert api.post().status_code == 200
    assert api.post("/v2/other").status_code == 404


def test_a_job_that_the_balance_does_not_cover_is_refused(start_api):
    api = start_api(credits=0.9)
    assert api.post().status_code == 200, "0.50 of the 0.90 is set aside for this job"
    refused = api.post()
    assert refused.status_code == 406
    assert refused.json() == {"error": "Insufficient credits"}


def test_a_call_without_a_valid_key_is_refused(api):
    bearer = {"x-api-key": None, "authorization": "Bearer SG_0123456789abcdef"}
    for path in ("/v2/requests/x/status", "/v1/get-user-credits", "/inference-request/request-history"):
        missing = api.get(path, headers={"x-api-key": None})
        assert (missing.status_code, missing.json()) == (401, {"error": "Missing Authorization or x-api-key in header"})
        for headers in ({"x-api-key": "SG_nonsense"}, bearer):
            response = api.get(path, headers=headers)
            assert response.status_code == response.json()["status_code"] == 401
            assert response.json()["error_description"].startswith("Unauthorized. API key is invalid")


def test_only_the_given_keys_are_accepted_and_a_pair_is_one_account(start_api):
    one, two, other = "SG_00000000000000aa", "SG_00000000000000bb", "SG_00000000000000cc"
    api = start_api(keys=[f"{one},{two}"])
    api.submit()
    assert api.get("/v1/get-user-credits", headers={"x-api-key": other}).status_code == 401
    assert len(api.get(api.gateway.history_url, headers={"x-api-key": two}).json()["data"]) == 1


def test_a_wrong_method_is_a_405_in_html(api):
    for method, path, allowed in (("GET", f"/v2/{ALPHA}", "POST"), ("POST", "/v1/get-user-credits", "GET")):
        response = api.request(method, path, json={})
        assert response.status_code == 405
        assert response.headers["content-type"].startswith("text/html")
        assert response.headers["allow"] == allowed
    assert api.gateway.ledger()["accepted"] == 0


def test_the_blocking_call_returns_the_video_with_headers(start_api):
    api = start_api(time_scale=0.005)
    response = api.post(f"/v1/{ALPHA}", VALID | {"seed": 77})
    assert response.status_code == 200
    assert response.headers["content-type"] == "video/mp4"
    assert response.content[4:8] == b"ftyp"
    assert response.headers["x-cost"] == "0.50"
    assert response.headers["x-remaining-credits"] == "999.5"
    assert response.headers["x-seed-value"] == "77"
    assert float(response.headers["x-generation-time"]) > 0
    assert response.headers["x-rate-limit-reset-at-utc"]
    assert response.headers["x-request-id"] == api.gateway.ledger()["jobs"][0]["request_id"]
    assert api.post(f"/v1/{ALPHA}", VALID | {"ratio": "1:1"}).status_code == 400
    assert api.post(f"/v1/{ALPHA}", VALID | {"promptText": "forbidden"}).status_code == 400


def test_the_balance_falls_when_a_job_completes_and_not_when_it_fails(api):
    before = api.get("/v1/get-user-credits").json()
    request_id = api.submit()
    during = api.get("/v1/get-user-credits").json()
    api.finish(request_id)
    after = api.get("/v1/get-user-credits").json()
    api.finish(api.submit(ratio="none"))
    after_failure = api.get("/v1/get-user-credits").json()
    assert before == during == {"credits": 1000.0, "free-credits": 0.0}
    assert after == after_failure == {"credits": 999.5, "free-credits": 0.0}


def test_an_image_model_returns_an_image(api):
    body = {"promptText": "x", "referenceImages": [{"uri": "https://example.com/x.png", "tag": "flower"}]}
    request_id = api.post("/v2/runway-gen4-image", body).json()["request_id"]
    api.finish(request_id)
    result = api.get_result(request_id).json()
    assert "video" not in result
    image = requests.get(result["output"], timeout=10)
    assert (image.headers["content-type"], image.content[:4]) == ("image/png", b"\x89PNG")
    for images in ([], ["https://example.com/x.png"], [{"uri": "ftp://example.com/x.png", "tag": "flower"}]):
        request_id = api.post("/v2/runway-gen4-image", body | {"referenceImages": images}).json()["request_id"]
        assert "referenceImages" in api.finish(request_id).json()["error"]


def test_a_last_frame_can_have_an_https_address(start_api):
    api = start_api(last_frame=True, last_frame_base_url="https://frames.example")
    video = api.get_result(api.submit_finished()).json()["video"]
    assert video["last_frame_url"].startswith("https://frames.example/outputs/")
    assert not video["url"].startswith("https://")


def test_a_video_can_have_its_last_frame(start_api):
    api = start_api(last_frame=True)
    video = api.get_result(api.submit_finished()).json()["video"]
    frame = requests.get(video["last_frame_url"], timeout=10)
    assert (frame.headers["content-type"], frame.content[:4]) == ("image/png", b"\x89PNG")


@pytest.mark.parametrize("field", ["file_urls", "urls"])
def test_an_uploaded_file_can_be_fetched(start_api, field):
    api = start_api(upload_field=field)
    data_url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    first, second = api.post("/upload-asset", {"data_urls": [data_url, data_url]}).json()[field]
    fetched = requests.get(first, timeout=10)
    assert first != second
    assert first.endswith(".png")
    assert (fetched.content, fetched.headers["content-type"]) == (PNG, "image/png")


def test_an_invalid_upload_is_refused(api):
    for data_urls in (None, [], ["hello"], ["data:image/png;base64,!"]):
        assert api.post("/upload-asset", {"data_urls": data_urls}).status_code == 400


def test_a_record_expires_an_hour_after_submission(api, gateway):
    request_id = api.submit()
    gateway.advance(3590)
    assert api.get_status(request_id).status_code == 200
    gateway.advance(11)
    for path in (f"/v2/requests/{request_id}/status", f"/v2/requests/{request_id}", f"/v1/requests/{request_id}"):
        assert api.get(path).status_code == 404
    assert api.get_status(str(uuid.uuid4())).status_code == 404


def test_a_test_can_expire_records(api, gateway):
    one, other = api.submit(), api.submit()
    assert gateway.expire(one) == 1
    assert (api.get_status(one).status_code, api.get_status(other).status_code) == (404, 200)
    assert gateway.expire() == 2
    assert api.get_status(other).status_code == 404
    with pytest.raises(KeyError):
        gateway.expire("unknown-id")
