"""The vendor's own SDK works against the emulator: an independent client of the same API."""

from __future__ import annotations

import ast
import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from segmind import InferenceFailed, InferenceTimeout, SegmindClient, SegmindError
from segmind.files import Files

from airflow_provider_runway.emulator import Emulator

ALPHA = "runway-gen3-alphaturbo"
PAYLOAD = {
    "promptText": "an astronaut with a mirrored helmet running in the field of sunflowers",
    "promptImage": "https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png",
    "seed": 56698,
    "ratio": "16:9",
    "duration": "5",
}
# Imported by name: the package hides this module behind an object of the same name.
GENERATIONS = importlib.import_module("segmind.generations")
Connect = Callable[..., SegmindClient]


@pytest.fixture
def fast() -> Iterator[Emulator]:
    """An emulator whose jobs take an eighth of a second."""
    with Emulator(time_scale=0.005) as emulator:
        yield emulator


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Make the vendor's client of an emulator. Its other hosts are not arguments, so they are patched."""
    clients: list[SegmindClient] = []

    def make(emulator: Emulator, key: str | None = None) -> SegmindClient:
        monkeypatch.setattr(Files, "STORAGE_BASE_URL", emulator.storage_url)
        monkeypatch.setattr(GENERATIONS, "REQUEST_HISTORY_URL", emulator.history_url)
        clients.append(SegmindClient(api_key=key or emulator.test_key, base_url=f"{emulator.url}/v1"))
        return clients[-1]

    yield make
    for client in clients:
        client._client.close()


@pytest.fixture
def client(fast: Emulator, connect: Connect) -> SegmindClient:
    """The vendor's client of the fast emulator."""
    return connect(fast)


def test_submit_and_wait_return_the_video(client, fast):
    job = client.submit_async(ALPHA, **PAYLOAD)
    result = job.wait(timeout=20, interval=0.05)
    assert result["status"] == "COMPLETED"
    assert result["output"].startswith(f"{fast.url}/outputs/")
    assert client._client.get(result["output"]).content[4:8] == b"ftyp"
    assert fast.ledger()["jobs"][0]["body"] == PAYLOAD
    assert fast.ledger()["billed_usd"] == 0.5


def test_run_submits_and_waits(client):
    assert client.run(ALPHA, **PAYLOAD)["metrics"]["cost"] == 0.5


def test_run_sync_returns_the_video(client):
    response = client.run_sync(ALPHA, **PAYLOAD)
    assert response.headers["content-type"] == "video/mp4"
    assert response.content[4:8] == b"ftyp"


def test_a_failed_job_raises_with_the_server_s_message(client, fast):
    fast.add_fault("submit:content_block")
    job = client.submit_async(ALPHA, **PAYLOAD)
    with pytest.raises(InferenceFailed) as failed:
        job.wait(timeout=20, interval=0.05)
    assert "Content blocked" in failed.value.detail
    assert failed.value.status_body["status"] == "FAILED"
    assert job.result()["status"] == "FAILED"


def test_a_stuck_job_times_out_with_its_request_id(client, fast):
    fast.add_fault("submit:job_sticks")
    job = client.submit_async(ALPHA, **PAYLOAD)
    with pytest.raises(InferenceTimeout) as late:
        job.wait(timeout=0.2, interval=0.05)
    assert late.value.request_id == job.request_id


def test_an_expired_record_is_a_404(client, fast):
    job = client.submit_async(ALPHA, **PAYLOAD)
    fast.expire(job.request_id)
    assert catch_error(job.status).status == 404


def test_uploads_return_urls(client, tmp_path):
    one, two = tmp_path / "one.png", tmp_path / "two.jpg"
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    urls = client.files.upload([one, two])["file_urls"]
    assert [client._client.get(url).content for url in urls] == [b"one", b"two"]


def test_history_finds_the_job_and_its_output(client, fast):
    job = client.submit_async(ALPHA, **PAYLOAD)
    output = job.wait(timeout=20, interval=0.05)["output"]
    fast.expire()
    (row,) = client.generations.history(model_name="gen3", status="COMPLETED", sort_by="model_created")["data"]
    assert ast.literal_eval(row["request_body"]) == PAYLOAD
    assert client.generations.get(job.request_id) == row
    assert row["generation_url"] == output
    assert catch_error(lambda: client.generations.get("unknown-id")).status == 404


def test_a_refusal_raises_with_its_status(client, fast):
    for rule, status in (
        ("submit:refuse_auth", 401),
        ("submit:forbidden", 403),
        ("submit:out_of_credits", 406),
        ("submit:rate_limited", 429),
        ("submit:server_error:status=503,body=html", 503),
    ):
        fast.add_fault(rule)
        assert catch_error(lambda: client.submit_async(ALPHA, **PAYLOAD)).status == status
    assert fast.ledger()["accepted"] == 0


def test_an_invalid_key_is_401(fast, connect):
    other = connect(fast, "SG_not-a-key")
    assert catch_error(lambda: other.run(ALPHA, **PAYLOAD)).status == 401


def test_the_vendor_s_polling_exceeds_a_small_rate_limit(connect):
    with Emulator(time_scale=0.05, requests_per_minute=5) as small:
        job = connect(small).submit_async(ALPHA, **PAYLOAD)
        started_at = time.monotonic()
        refused = catch_error(lambda: job.wait(timeout=20, interval=0.05))
        assert (refused.status, refused.detail) == (429, "rate_limit_exceeded")
        assert time.monotonic() - started_at < 5


def catch_error(action: Callable[[], Any]) -> SegmindError:
    """Return the error that an action raises."""
    with pytest.raises(SegmindError) as raised:
        action()
    return raised.value
