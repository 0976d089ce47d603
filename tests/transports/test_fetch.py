"""Fetching a finished video: whole or not at all, again and again, and never with the key."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import DownloadFailed
from airflow_provider_runway.segmind import calls
from airflow_provider_runway.segmind.flow import carry_out
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.transports.blocking import BlockingTransport
from airflow_provider_runway.transports.fetch import fetch
from airflow_provider_runway.transports.settings import Settings

Serve = Callable[..., Any]
LOG = logging.getLogger(__name__)
QUICK = RetryPolicy(attempts=4, patience_s=10.0, first_pause_s=0.01, longest_pause_s=0.02)
BODY = {"promptImage": "https://images.segmind.com/a.png", "promptText": "a cat", "seed": 7}


@pytest.fixture
def video(gateway: Emulator, settings: Settings) -> str:
    """The address of a finished video."""
    with BlockingTransport(settings) as transport:
        made = calls.submit(settings.endpoints, "runway-gen3-alphaturbo", BODY)
        job = transport.run(carry_out(made, QUICK))
        gateway.advance(120)
        return transport.run(carry_out(calls.result(settings.endpoints, job.request_id), QUICK)).output_urls[0]


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
    ],
)
def test_a_video_arrives_whole(gateway: Emulator, settings: Settings, video: str, fault: str | None) -> None:
    if fault:
        gateway.add_fault(fault)
    sink = io.BytesIO(b"left from before")
    size = fetch(video, sink, settings, LOG, QUICK)
    assert sink.getvalue()[4:8] == b"ftyp"
    assert size == len(sink.getvalue())
    assert gateway.ledger()["posts"] == 1


def test_a_video_that_stays_away_is_given_up_and_still_there(gateway: Emulator, settings: Settings, video: str) -> None:
    gateway.add_fault("output:cut_body:times=0")
    with pytest.raises(DownloadFailed, match="Not fetched in 4 attempts") as caught:
        fetch(video, io.BytesIO(), settings, LOG, QUICK)
    assert caught.value.facts == {"url": video}


def test_a_video_that_is_gone_is_asked_for_once(gateway: Emulator, settings: Settings) -> None:
    with pytest.raises(DownloadFailed, match=r"HTTP 404.*7 days"):
        fetch(f"{gateway.url}/outputs/never-was.mp4", io.BytesIO(), settings, LOG, QUICK)
    assert len(gateway.requests()) == 1


def test_the_key_is_not_sent_and_a_redirect_is_followed(serve: Serve, settings: Settings) -> None:
    with (
        serve(body=b"\x00\x00\x00\x18ftypmp42", headers={"Content-Type": "video/mp4"}) as files,
        serve(status=302, headers={"Location": f"{files.url}/a.mp4"}) as front,
    ):
        assert fetch(f"{front.url}/a.mp4", io.BytesIO(), settings, LOG, QUICK) == 12
        for _, _, headers in front.seen + files.seen:
            assert settings.api_key not in str(headers)


def test_even_the_gateways_own_host_gets_no_key_for_a_video(gateway: Emulator, settings: Settings, video: str) -> None:
    fetch(video, io.BytesIO(), settings, LOG, QUICK)
    assert [entry["key"] for entry in gateway.requests() if entry["call"] == "output"] == [False]
