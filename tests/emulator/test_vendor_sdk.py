"""The vendor's own client runs its whole cycle against the emulator: a second reading of the same API."""

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
# Asked for by name: the package hides its module behind an object that is called the same.
GENERATIONS = importlib.import_module("segmind.generations")
Connect = Callable[..., SegmindClient]


@pytest.fixture
def quick() -> Iterator[Emulator]:
    """A gateway whose jobs take an eighth of a second."""
    with Emulator(time_scale=0.005) as emulator:
        yield emulator


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Make the vendor's client of a gateway; its other hosts are not arguments, so they are patched."""
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
def client(quick: Emulator, connect: Connect) -> SegmindClient:
    """The vendor's client of the quick gateway."""
    return connect(quick)


def test_submit_and_wait_give_the_video(client, quick):
    job = client.submit_async(ALPHA, **PAYLOAD)
    result = job.wait(timeout=20, interval=0.05)
    assert result["status"] == "COMPLETED"
    assert result["output"].startswith(f"{quick.url}/outputs/")
    assert client._client.get(result["output"]).content[4:8] == b"ftyp"
    assert quick.ledger()["jobs"][0]["body"] == PAYLOAD
    assert quick.ledger()["billed_usd"] == 0.5


def test_run_does_it_in_one_line(client):
    assert client.run(ALPHA, **PAYLOAD)["metrics"]["cost"] == 0.5


def test_run_sync_gives_the_bytes(client):
    answer = client.run_sync(ALPHA, **PAYLOAD)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.content[4:8] == b"ftyp"


def test_a_failed_job_raises_with_the_server_s_words(client, quick):
    quick.add_fault("submit:content_block")
    job = client.submit_async(ALPHA, **PAYLOAD)
    with pytest.raises(InferenceFailed) as failed:
        job.wait(timeout=20, interval=0.05)
    assert "Content blocked" in failed.value.detail
    assert failed.value.status_body["status"] == "FAILED"
    assert job.result()["status"] == "FAILED"


def test_a_job_that_sticks_times_out_with_its_id(client, quick):
    quick.add_fault("submit:job_sticks")
    job = client.submit_async(ALPHA, **PAYLOAD)
    with pytest.raises(InferenceTimeout) as late:
        job.wait(timeout=0.2, interval=0.05)
    assert late.value.request_id == job.request_id


def test_an_expired_record_is_a_404(client, quick):
    job = client.submit_async(ALPHA, **PAYLOAD)
    quick.expire(job.request_id)
    assert error_of(job.status).status == 404


def test_uploads_give_addresses(client, tmp_path):
    one, two = tmp_path / "one.png", tmp_path / "two.jpg"
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    urls = client.files.upload([one, two])["file_urls"]
    assert [client._client.get(url).content for url in urls] == [b"one", b"two"]


def test_history_finds_the_job_and_its_output(client, quick):
    job = client.submit_async(ALPHA, **PAYLOAD)
    output = job.wait(timeout=20, interval=0.05)["output"]
    quick.expire()
    (row,) = client.generations.history(model_name="gen3", status="COMPLETED", sort_by="model_created")["data"]
    assert ast.literal_eval(row["request_body"]) == PAYLOAD
    assert client.generations.get(job.request_id) == row
    assert row["generation_url"] == output
    assert error_of(lambda: client.generations.get("nobody")).status == 404


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        pytest.param("submit:refuse_auth", 401, id="a bad key"),
        pytest.param("submit:forbidden", 403, id="not permitted"),
        pytest.param("submit:out_of_credits", 406, id="out of credits"),
        pytest.param("submit:rate_limited", 429, id="too many requests"),
        pytest.param("submit:server_error:status=503,body=html", 503, id="a server fault in HTML"),
    ],
)
def test_refusals_raise_with_their_status(client, quick, rule, status):
    quick.add_fault(rule)
    assert error_of(lambda: client.submit_async(ALPHA, **PAYLOAD)).status == status
    assert quick.ledger()["accepted"] == 0


def test_a_key_that_opens_nothing_is_401(quick, connect):
    stranger = connect(quick, "SG_not-a-key")
    assert error_of(lambda: stranger.run(ALPHA, **PAYLOAD)).status == 401


def test_the_vendor_s_polling_runs_into_a_small_budget(connect):
    with Emulator(time_scale=0.05, requests_per_minute=5) as small:
        job = connect(small).submit_async(ALPHA, **PAYLOAD)
        began = time.monotonic()
        refused = error_of(lambda: job.wait(timeout=20, interval=0.05))
        assert (refused.status, refused.detail) == (429, "rate_limit_exceeded")
        assert time.monotonic() - began < 5


def error_of(act: Callable[[], Any]) -> SegmindError:
    """Return the error that an act raises."""
    with pytest.raises(SegmindError) as raised:
        act()
    return raised.value
