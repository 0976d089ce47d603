"""Fetching a finished video: whole or not at all, again and again, and never with the key."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.media_files import read_clip
from airflow_provider_runway.exceptions import BadConnectionError, DownloadFailedError, OutputRejectedError
from airflow_provider_runway.outputs.download import download
from airflow_provider_runway.outputs.media_check import Media
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.transports.client_settings import ClientSettings

LOG = logging.getLogger(__name__)
QUICK = RetryPolicy(attempts=4, max_elapsed_s=10.0, first_pause_s=0.01, max_pause_s=0.02)
CLIP = read_clip("05s-16x9.mp4")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(None, id="no fault"),
        pytest.param("output:cut_before:times=2", id="cut before"),
        pytest.param("output:cut_body:times=2", id="cut in the body"),
        pytest.param("output:html_200", id="HTML"),
        pytest.param("output:output_wrong_type", id="a page in its place"),
        pytest.param("output:empty_body", id="empty"),
        pytest.param("output:server_error:status=503,times=3", id="503"),
        pytest.param("output:output_truncated:times=2", id="half of it, and a length that agrees"),
        pytest.param("output:cut_body:how=close,times=2", id="ended in the body"),
    ],
)
def test_a_video_arrives_whole(gateway: Emulator, settings: ClientSettings, video: str, fault: str | None) -> None:
    if fault:
        gateway.add_fault(fault)
    sink = io.BytesIO(b"left from before")
    fetched = download(video, sink, settings, LOG, QUICK)
    assert sink.getvalue() == CLIP
    assert (fetched.size, fetched.media) == (len(CLIP), Media("video/mp4"))
    assert gateway.ledger()["posts"] == 1


def test_a_video_that_stays_away_is_given_up_and_still_there(
    gateway: Emulator, settings: ClientSettings, video: str
) -> None:
    gateway.add_fault("output:cut_body:times=0")
    with pytest.raises(DownloadFailedError, match="Not fetched in 4 attempts") as caught:
        download(video, io.BytesIO(), settings, LOG, QUICK)
    assert caught.value.facts == {"url": video}


def test_a_video_that_is_gone_is_asked_for_once(gateway: Emulator, settings: ClientSettings) -> None:
    with pytest.raises(DownloadFailedError, match=r"HTTP 404.*7 days"):
        download(f"{gateway.url}/outputs/never-was.mp4", io.BytesIO(), settings, LOG, QUICK)
    assert len(gateway.requests()) == 1


@pytest.mark.parametrize("fault", ["output:output_size:bytes=300000", "output:output_size:bytes=300000,told=false"])
def test_a_file_at_the_limit_is_taken(gateway: Emulator, settings: ClientSettings, video: str, fault: str) -> None:
    gateway.add_fault(fault)
    assert download(video, io.BytesIO(), settings, LOG, QUICK, most_bytes=300_000).size == 300_000


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param("output:output_size:bytes=300000", "has 300,000 bytes", id="the length is told"),
        pytest.param("output:output_size:bytes=300000,told=false", "does not say how many", id="it is not"),
    ],
)
def test_a_file_above_the_limit_is_refused_once_and_for_all(
    gateway: Emulator, settings: ClientSettings, video: str, fault: str, said: str
) -> None:
    gateway.add_fault(fault)
    sink = io.BytesIO()
    with pytest.raises(OutputRejectedError, match=r"299,999 bytes: raise max_output_bytes") as caught:
        download(video, sink, settings, LOG, QUICK, most_bytes=299_999)
    assert said in str(caught.value)
    assert len(sink.getvalue()) <= 299_999
    assert len([entry for entry in gateway.requests() if entry["call"] == "output"]) == 1


def test_a_file_that_stays_half_is_no_video(gateway: Emulator, settings: ClientSettings, video: str) -> None:
    gateway.add_fault("output:output_truncated:times=0")
    with pytest.raises(DownloadFailedError, match=r"Not fetched in 4 attempts.*'mdat' goes on for") as caught:
        download(video, io.BytesIO(), settings, LOG, QUICK)
    assert not isinstance(caught.value, OutputRejectedError), "the server may have all of it later"


@pytest.mark.parametrize(("kind", "mime"), [("png", "image/png"), ("unknown", None)])
def test_a_file_of_another_kind_is_taken_for_what_it_is(
    gateway: Emulator, settings: ClientSettings, video: str, kind: str, mime: str | None
) -> None:
    gateway.add_fault(f"output:output_kind:kind={kind}")
    fetched = download(video, io.BytesIO(), settings, LOG, QUICK)
    assert fetched.media.mime == mime
    assert bool(fetched.media.warning) is (mime is None)
    assert len([entry for entry in gateway.requests() if entry["call"] == "output"]) == 1


@pytest.mark.parametrize(
    ("kind", "body", "taken"),
    [
        pytest.param("text/plain", b"The queue is full, come back later", False, id="a message"),
        pytest.param("text/plain", CLIP, True, id="a video by its bytes, whatever the server calls it"),
        pytest.param("application/octet-stream", b"\x7fRAW" + bytes(9), True, id="bytes of no known kind"),
        pytest.param("video/mp4", b"<html>Sorry</html>", False, id="a page that is called a video"),
    ],
)
def test_the_bytes_count_more_than_their_name(
    serve: Callable[..., Any], settings: ClientSettings, kind: str, body: bytes, taken: bool
) -> None:
    with serve(body=body, headers={"Content-Type": kind}) as files:
        if taken:
            assert download(files.url, io.BytesIO(), settings, LOG, QUICK).size == len(body)
            return
        with pytest.raises(DownloadFailedError, match="text"):
            download(files.url, io.BytesIO(), settings, LOG, QUICK)


def test_certificate_authorities_that_cannot_be_read_are_no_missing_video(settings: ClientSettings) -> None:
    with pytest.raises(BadConnectionError, match="certificate authorities cannot be read"):
        download("https://127.0.0.1:1/a.mp4", io.BytesIO(), replace(settings, verify="/nowhere.pem"), LOG, QUICK)
