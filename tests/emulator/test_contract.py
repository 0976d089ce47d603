"""What the documents of the API say, asked for over the wire."""

from __future__ import annotations

import base64
import re
import uuid

import pytest
import requests

JSON = {"content-type": "application/json"}
PNG = b"\x89PNG\r\n\x1a\n and so on"
GOOD = {"promptText": "a sunflower", "promptImage": "https://example.com/flower.png"}
ALPHA = "runway-gen3-alphaturbo"
HISTORY = "/inference-request/request-history"


def test_a_submit_answers_with_an_id_and_where_to_ask(api, gateway):
    answer = api.post()
    body = answer.json()
    assert answer.status_code == 200
    assert uuid.UUID(body["request_id"])
    assert body == {
        "request_id": body["request_id"],
        "status": "QUEUED",
        "poll_url": f"{gateway.url}/v1/requests/{body['request_id']}",
        "status_url": f"{gateway.url}/v2/requests/{body['request_id']}/status",
        "response_url": f"{gateway.url}/v2/requests/{body['request_id']}",
    }


def test_the_urls_name_the_host_that_the_caller_used(api):
    body = api.post(headers={"host": "gateway.example:8081"}).json()
    assert body["status_url"].startswith("http://gateway.example:8081/v2/requests/")


def test_a_job_is_queued_then_runs_then_completes(api, gateway):
    request_id = api.submit()
    queued = api.status(request_id).json()
    gateway.advance(9)  # the queue is about 3 s of some 27
    running = api.status(request_id).json()
    done = api.finish(request_id)
    urls = {
        "status_url": f"{gateway.url}/v2/requests/{request_id}/status",
        "response_url": f"{gateway.url}/v2/requests/{request_id}",
    }
    assert queued == {"status": "QUEUED", "request_id": request_id, "metrics": {}, **urls}
    assert running == {"status": "PROCESSING", "request_id": request_id, "metrics": {}, **urls}
    assert done.status_code == 200
    assert set(done.json()) == {"status", "request_id", "metrics"}
    assert done.json()["status"] == "COMPLETED"


def test_a_scaled_job_ends_by_itself_and_reports_the_seconds_that_passed(open_api):
    api = open_api(time_scale=0.01)
    metrics = api.wait(api.submit()).json()["metrics"]
    assert 0.1 < metrics["total_time"] < 0.7
    assert metrics["total_time"] == pytest.approx(metrics["queue_time"] + metrics["inference_time"], abs=0.002)


def test_a_completed_job_tells_its_cost_and_what_is_left(api):
    metrics = api.result(api.done(duration=10)).json()["metrics"]
    assert set(metrics) == {"cost", "remaining_credits", "inference_time", "queue_time", "total_time", "retry_count"}
    assert (metrics["cost"], metrics["remaining_credits"], metrics["retry_count"]) == (1.0, 999.0, 0)


def test_the_result_has_the_video_twice_over(api, gateway):
    body = api.result(api.done()).json()
    video = requests.get(body["output"], timeout=10)
    assert body["status"] == "COMPLETED"
    assert re.fullmatch(rf"{gateway.url}/outputs/[\w-]+\.mp4", body["output"])
    assert body["video"] == {
        "url": body["output"],
        "content_type": "video/mp4",
        "file_name": body["output"].rpartition("/")[2],
        "file_size": len(video.content),
    }


def test_a_result_before_the_end_has_no_output(api):
    answer = api.result(api.submit())
    assert answer.status_code == 200
    assert answer.json()["status"] == "QUEUED"
    assert "output" not in answer.json()


def test_the_poll_url_of_v1_answers_like_the_result(api):
    request_id = api.done()
    assert api.get(f"/v1/requests/{request_id}").json() == api.result(request_id).json()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"ratio": "4:3"}, "ratio", id="a ratio that is not allowed"),
        pytest.param({"duration": 7}, "duration", id="a length that is not allowed"),
        pytest.param({"seed": 100_000}, "seed", id="a seed out of range"),
        pytest.param({"seed": True}, "seed", id="a seed that is no number"),
        pytest.param({"promptImage": "ftp://example.com/x"}, "promptImage", id="a picture that is not on HTTPS"),
        pytest.param({"promptText": "  "}, "promptText", id="an empty prompt"),
        pytest.param({"promptText": "a Forbidden thing"}, "Content blocked", id="a prompt that moderation blocks"),
    ],
)
def test_a_wrong_value_passes_the_post_and_fails_the_job(api, gateway, changes, words):
    request_id = api.submit(**changes)
    status = api.finish(request_id)
    assert status.status_code == 422
    assert status.json()["status"] == "FAILED"
    assert words in status.json()["error"]
    assert "remaining_credits" not in status.json()["metrics"]
    assert api.result(request_id).status_code == 422
    assert gateway.ledger()["billable"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"duration": "5"}, id="the length as text, as in the product page's example"),
        pytest.param({"seed": 1}, id="the least seed"),
        pytest.param({"seed": 99999}, id="the greatest seed"),
        pytest.param({"promptImage": "http://127.0.0.1:1/assets/x.png"}, id="an uploaded picture"),
        pytest.param({"style": "anything"}, id="a field that nobody knows"),
    ],
)
def test_good_values_complete(api, changes):
    assert api.finish(api.submit(**changes)).json()["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("model", "body", "clip_s"),
    [
        pytest.param("runway-gen4-turbo", GOOD | {"ratio": "720:1280", "duration": 10}, 10, id="gen4 turbo"),
        pytest.param("runway-gen4-aleph", {"prompt": "snow", "video": "https://example.com/v.mp4"}, 5, id="aleph"),
        pytest.param("some-other-model", {"anything": 1}, 5, id="a slug outside the family"),
    ],
)
def test_other_models_run_on_the_same_contract(api, model, body, clip_s):
    request_id = api.post(f"/v2/{model}", body).json()["request_id"]
    done = api.finish(request_id).json()
    assert done["status"] == "COMPLETED"
    assert done["metrics"]["cost"] == clip_s / 10


@pytest.mark.parametrize(
    ("path", "send", "status", "text"),
    [
        pytest.param(f"/v2/{ALPHA}", {"data": "{", "headers": JSON}, 400, "Malformed", id="broken JSON"),
        pytest.param(f"/v2/{ALPHA}", {"data": "[]", "headers": JSON}, 400, "object", id="a list"),
        pytest.param(f"/v2/{ALPHA}", {"json": {"promptText": "x"}}, 400, "promptImage", id="a missing field"),
        pytest.param(f"/v2/{ALPHA}", {"data": "{}"}, 406, "Invalid content type", id="no content type"),
        pytest.param("/v2/no-such-model", {"json": GOOD}, 404, "not found", id="an unknown model"),
        pytest.param("/v2/private-model", {"json": GOOD}, 403, "not permitted", id="a model of others"),
        pytest.param("/v2/retired-model", {"json": GOOD}, 410, "retired", id="a retired model"),
        pytest.param("/v1/no-such-model", {"json": GOOD}, 404, "not found", id="an unknown model, blocking"),
        pytest.param("/v2/requests", {"json": GOOD}, 404, "not found", id="a word that is no model"),
        pytest.param("/v2", {"json": GOOD}, 404, "Not Found", id="no model"),
    ],
)
def test_a_post_that_cannot_be_is_refused_at_once(api, gateway, path, send, status, text):
    answer = api.ask("POST", path, **send)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert text in answer.json()["error"]
    assert gateway.ledger()["accepted"] == 0


def test_only_the_models_that_were_named_exist(open_api):
    api = open_api(models=[ALPHA])
    assert api.post().status_code == 200
    assert api.post("/v2/other").status_code == 404


def test_a_job_that_the_balance_does_not_cover_is_406(open_api):
    api = open_api(credits=0.9)
    assert api.post().status_code == 200  # half a dollar of it is held back for this job
    refused = api.post()
    assert refused.status_code == 406
    assert refused.json() == {"error": "Insufficient credits"}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({"x-api-key": None}, {"error": "Missing Authorization or x-api-key in header"}, id="no key"),
        pytest.param({"x-api-key": "SG_nonsense"}, None, id="a key of the wrong shape"),
        pytest.param({"x-api-key": None, "authorization": "Bearer SG_0123456789abcdef"}, None, id="a bearer"),
    ],
)
@pytest.mark.parametrize(
    "path", ["/v2/requests/x/status", "/v1/get-user-credits", "/inference-request/request-history"]
)
def test_without_a_good_key_every_call_is_401(api, headers, body, path):
    answer = api.get(path, headers=headers)
    assert answer.status_code == 401
    if body:
        assert answer.json() == body
    else:
        assert answer.json()["error_description"].startswith("Unauthorized. API key is invalid")
        assert answer.json()["status_code"] == 401


def test_keys_that_were_named_are_the_only_ones_and_a_pair_is_one_account(open_api):
    one, two, other = "SG_00000000000000aa", "SG_00000000000000bb", "SG_00000000000000cc"
    api = open_api(keys=[f"{one},{two}"])
    api.submit()
    assert api.get("/v1/get-user-credits", headers={"x-api-key": other}).status_code == 401
    assert len(api.get(api.gateway.history_url, headers={"x-api-key": two}).json()["data"]) == 1


def test_a_wrong_verb_is_405_in_html(api):
    answer = api.get(f"/v2/{ALPHA}")
    assert answer.status_code == 405
    assert answer.headers["content-type"].startswith("text/html")
    assert "POST" in answer.headers["allow"]


def test_the_blocking_call_answers_with_the_bytes_and_its_headers(open_api):
    api = open_api(time_scale=0.005)
    answer = api.post(f"/v1/{ALPHA}", GOOD | {"seed": 77})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.content[4:8] == b"ftyp"
    assert answer.headers["x-cost"] == "0.50"
    assert answer.headers["x-remaining-credits"] == "999.5"
    assert answer.headers["x-seed-value"] == "77"
    assert float(answer.headers["x-generation-time"]) > 0
    assert answer.headers["x-rate-limit-reset-at-utc"]
    assert answer.headers["x-request-id"] == api.gateway.ledger()["jobs"][0]["request_id"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(GOOD | {"ratio": "1:1"}, 400, id="a wrong value"),
        pytest.param(GOOD | {"promptText": "forbidden"}, 400, id="blocked content"),
    ],
)
def test_the_blocking_call_says_that_its_job_failed(open_api, body, status):
    api = open_api(time_scale=0.005)
    assert api.post(f"/v1/{ALPHA}", body).status_code == status


def test_credits_go_down_when_a_job_completes_and_not_before(api):
    before = api.get("/v1/get-user-credits").json()
    request_id = api.submit()
    during = api.get("/v1/get-user-credits").json()
    api.finish(request_id)
    after = api.get("/v1/get-user-credits").json()
    assert before == during == {"credits": 1000.0, "free-credits": 0.0}
    assert after == {"credits": 999.5, "free-credits": 0.0}


@pytest.mark.parametrize("field", ["file_urls", "urls"])
def test_an_upload_is_served_back(open_api, field):
    api = open_api(upload_field=field)
    data_url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    answer = api.post("/upload-asset", {"data_urls": [data_url, data_url]})
    first, second = answer.json()[field]
    served = requests.get(first, timeout=10)
    assert first != second
    assert first.endswith(".png")
    assert (served.content, served.headers["content-type"]) == (PNG, "image/png")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="no list"),
        pytest.param({"data_urls": []}, id="an empty list"),
        pytest.param({"data_urls": ["hello"]}, id="no data URL"),
        pytest.param({"data_urls": ["data:image/png;base64,!"]}, id="not base64"),
    ],
)
def test_an_upload_of_nothing_is_400(api, body):
    assert api.post("/upload-asset", body).status_code == 400


def test_an_output_needs_no_key_and_knows_head_and_range(api):
    url = api.result(api.done()).json()["output"]
    whole = requests.get(url, timeout=10)
    head = requests.head(url, timeout=10)
    size = len(whole.content)
    assert whole.headers["content-type"] == "video/mp4"
    assert int(head.headers["content-length"]) == size
    assert head.content == b""
    for asked, first, last in (("0-99", 0, 99), ("100-", 100, size - 1), ("-10", size - 10, size - 1)):
        part = requests.get(url, headers={"range": f"bytes={asked}"}, timeout=10)
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert part.content == whole.content[first : last + 1]
    beyond = requests.get(url, headers={"range": f"bytes={size}-"}, timeout=10)
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{size}"


def test_a_part_comes_only_of_the_version_that_is_named(api):
    url = api.result(api.done()).json()["output"]
    whole = requests.get(url, timeout=10)
    etag, changed = whole.headers["etag"], whole.headers["last-modified"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', etag), "a strong one, the same at every request"
    for named, status in ((etag, 206), (changed, 206), (f"W/{etag}", 200), ('"another"', 200)):
        part = requests.get(url, headers={"range": "bytes=100-", "if-range": named}, timeout=10)
        assert (part.status_code, part.headers["etag"]) == (status, etag)
        assert part.content == (whole.content[100:] if status == 206 else whole.content)


def test_an_output_is_there_from_completion_for_seven_days(api, gateway):
    early = api.submit()
    path = f"/outputs/{uuid.uuid4()}.mp4"
    assert requests.get(gateway.url + path, timeout=10).status_code == 404
    api.finish(early)
    url = api.result(early).json()["output"]
    gateway.advance(6.9 * 86400)
    assert requests.get(url, timeout=10).status_code == 200
    gateway.advance(0.2 * 86400)
    assert requests.get(url, timeout=10).status_code == 404


def test_a_record_is_forgotten_an_hour_after_submission(api, gateway):
    request_id = api.submit()
    gateway.advance(3590)
    assert api.status(request_id).status_code == 200
    gateway.advance(11)
    for path in (f"/v2/requests/{request_id}/status", f"/v2/requests/{request_id}", f"/v1/requests/{request_id}"):
        assert api.get(path).status_code == 404
    assert api.status(str(uuid.uuid4())).status_code == 404


def test_a_record_can_be_made_to_expire(api, gateway):
    one, other = api.submit(), api.submit()
    assert gateway.expire(one) == 1
    assert (api.status(one).status_code, api.status(other).status_code) == (404, 200)
    assert gateway.expire() == 2
    assert api.status(other).status_code == 404
    with pytest.raises(KeyError):
        gateway.expire("nobody")
