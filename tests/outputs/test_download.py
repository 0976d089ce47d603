"""Downloads of finished videos: complete or not at all, tried again within bounds, and never with the key."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.media_handlers import read_sample_file
from airflow_provider_runway.exceptions import BadConnectionError, DownloadFailedError, OutputRejectedError
from airflow_provider_runway.outputs import download as download_module
from airflow_provider_runway.outputs.download import download
from airflow_provider_runway.outputs.media_check import Media
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.segmind.timing import Timing, set_timing
from airflow_provider_runway.transports.client_settings import ClientSettings

LOG = logging.getLogger(__name__)
FOUR_ATTEMPTS = RetryPolicy(attempts=4, max_elapsed_s=10.0, first_pause_s=0.01, max_pause_s=0.02)
CLIP = read_sample_file("05s-16x9.mp4")


def count_downloads(gateway: Emulator) -> int:
    return sum(entry["call"] == "output" for entry in gateway.http_requests())


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        pytest.param(None, 1, id="no fault"),
        pytest.param("output:cut_before:times=2", 3, id="cut before the response"),
        pytest.param("output:cut_body:times=2", 3, id="reset in the body"),
        pytest.param("output:cut_body:how=close,times=2", 3, id="closed in the body"),
        pytest.param("output:html_200", 2, id="an HTML page"),
        pytest.param("output:output_wrong_type", 2, id="a page with a video's content type"),
        pytest.param("output:empty_body", 2, id="an empty body"),
        pytest.param("output:server_error:status=503,times=3", 4, id="503"),
        pytest.param("output:output_truncated:times=2", 3, id="half of it with a matching length"),
    ],
)
def test_a_broken_download_starts_again_until_it_is_complete(
    gateway: Emulator, settings: ClientSettings, video: str, fault: str | None, attempts: int
) -> None:
    if fault:
        gateway.add_fault(fault)
    sink = io.BytesIO(b"left from before")
    file = download(video, sink, settings, LOG, FOUR_ATTEMPTS)
    assert sink.getvalue() == CLIP
    assert (file.size, file.media) == (len(CLIP), Media("video/mp4"))
    assert count_downloads(gateway) == attempts
    assert gateway.ledger()["posts"] == 1


def test_a_download_fails_after_the_policys_attempts(gateway: Emulator, settings: ClientSettings, video: str) -> None:
    gateway.add_fault("output:cut_body:times=0")
    with pytest.raises(DownloadFailedError, match="Not downloaded in 4 attempts") as caught:
        download(video, io.BytesIO(), settings, LOG, FOUR_ATTEMPTS)
    assert caught.value.facts == {"url": video}
    assert count_downloads(gateway) == 4


def test_the_default_policy_is_that_of_the_timing(gateway: Emulator, settings: ClientSettings, video: str) -> None:
    gateway.add_fault("output:cut_body:times=0")
    before = set_timing(Timing(download_retry=replace(FOUR_ATTEMPTS, attempts=2)))
    try:
        with pytest.raises(DownloadFailedError, match="Not downloaded in 2 attempts"):
            download(video, io.BytesIO(), settings, LOG)
    finally:
        set_timing(before)


def test_a_response_that_comes_in_drips_is_cut(
    serve: Callable[..., Any], settings: ClientSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "MAX_ATTEMPT_S", 0.3)
    one_attempt = replace(FOUR_ATTEMPTS, attempts=1)
    with (
        serve(body=CLIP, seconds_between_bytes=0.05) as files,
        pytest.raises(DownloadFailedError, match="ReadTimeout"),
    ):
        download(files.url, io.BytesIO(), settings, LOG, one_attempt)


def test_an_output_that_is_gone_is_requested_once(gateway: Emulator, settings: ClientSettings) -> None:
    with pytest.raises(DownloadFailedError, match=r"HTTP 404.*7 days"):
        download(f"{gateway.url}/outputs/never-was.mp4", io.BytesIO(), settings, LOG, FOUR_ATTEMPTS)
    assert len(gateway.http_requests()) == 1


@pytest.mark.parametrize("told", ["true", "false"], ids=["with a length", "without a length"])
def test_a_file_at_the_size_limit_is_accepted(
    gateway: Emulator, settings: ClientSettings, video: str, told: str
) -> None:
    gateway.add_fault(f"output:output_size:bytes=300000,told={told}")
    assert download(video, io.BytesIO(), settings, LOG, FOUR_ATTEMPTS, max_bytes=300_000).size == 300_000


@pytest.mark.parametrize(("told", "words"), [("true", "has 300,000 bytes"), ("false", "its length is not given")])
def test_a_file_above_the_size_limit_is_rejected_without_a_retry(
    gateway: Emulator, settings: ClientSettings, video: str, told: str, words: str
) -> None:
    gateway.add_fault(f"output:output_size:bytes=300000,told={told}")
    sink = io.BytesIO()
    with pytest.raises(OutputRejectedError, match=r"299,999 bytes: raise max_output_bytes") as caught:
        download(video, sink, settings, LOG, FOUR_ATTEMPTS, max_bytes=299_999)
    assert words in str(caught.value)
    assert len(sink.getvalue()) <= 299_999
    assert count_downloads(gateway) == 1


def test_a_file_that_stays_incomplete_fails_but_is_not_rejected(
    gateway: Emulator, settings: ClientSettings, video: str
) -> None:
    gateway.add_fault("output:output_truncated:times=0")
    with pytest.raises(DownloadFailedError, match=r"Not downloaded in 4 attempts.*'mdat' continues for") as caught:
        download(video, io.BytesIO(), settings, LOG, FOUR_ATTEMPTS)
    assert not isinstance(caught.value, OutputRejectedError), "the server may have all of it later"


@pytest.mark.parametrize(("kind", "mime"), [("png", "image/png"), ("unknown", None)])
def test_a_file_of_another_type_is_accepted(
    gateway: Emulator, settings: ClientSettings, video: str, kind: str, mime: str | None
) -> None:
    gateway.add_fault(f"output:output_kind:kind={kind}")
    file = download(video, io.BytesIO(), settings, LOG, FOUR_ATTEMPTS)
    assert file.media.mime == mime
    assert bool(file.media.warning) is (mime is None)
    assert count_downloads(gateway) == 1


@pytest.mark.parametrize(
    ("content_type", "body", "is_accepted"),
    [
        pytest.param("text/plain", b"The queue is full, come back later", False, id="a text"),
        pytest.param("text/plain", CLIP, True, id="a video that is called text"),
        pytest.param("application/octet-stream", b"\x7fRAW" + bytes(9), True, id="bytes of an unknown type"),
        pytest.param("video/mp4", b"<html>Sorry</html>", False, id="a page that is called a video"),
    ],
)
def test_a_files_bytes_count_more_than_its_content_type(
    serve: Callable[..., Any], settings: ClientSettings, content_type: str, body: bytes, is_accepted: bool
) -> None:
    with serve(body=body, headers={"Content-Type": content_type}) as files:
        if is_accepted:
            assert download(files.url, io.BytesIO(), settings, LOG, FOUR_ATTEMPTS).size == len(body)
            return
        with pytest.raises(DownloadFailedError, match="text"):
            download(files.url, io.BytesIO(), settings, LOG, FOUR_ATTEMPTS)


def test_an_unreadable_ca_bundle_is_a_bad_connection(settings: ClientSettings) -> None:
    with pytest.raises(BadConnectionError, match="certificate authorities cannot be read"):
        download("https://127.0.0.1:1/a.mp4", io.BytesIO(), replace(settings, verify="/nowhere.pem"), LOG)
