"""Redirects of a download over real sockets: followed without the key, and bounded."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.media_handlers import read_sample_file
from airflow_provider_runway.exceptions import DownloadFailedError, OutputRejectedError
from airflow_provider_runway.outputs.download import MAX_REDIRECTS, download
from airflow_provider_runway.outputs.download_allowlist import DownloadAllowlist
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.transports.client_settings import ClientSettings

Serve = Callable[..., Any]
LOG = logging.getLogger(__name__)
TWO_ATTEMPTS = RetryPolicy(attempts=2, max_elapsed_s=10.0, first_pause_s=0.01, max_pause_s=0.02)
CLIP = read_sample_file("05s-16x9.mp4")
#: The headers of a request for a video, and nothing else.
PLAIN_HEADERS = {"host", "accept", "accept-encoding", "user-agent", "connection"}


def fetch(url: str, settings: ClientSettings) -> bytes:
    """Download a job's only output."""
    sink = io.BytesIO()
    allowlist = DownloadAllowlist.for_job(settings.base_urls, [url])
    download(url, sink, settings, LOG, TWO_ATTEMPTS, allowlist=allowlist)
    return sink.getvalue()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_followed_with_plain_headers_only(
    serve: Serve, settings: ClientSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with (
        serve(body=CLIP, headers={"Content-Type": "video/mp4", "Set-Cookie": "b=2"}) as files,
        serve(status=status, headers={"Location": f"{files.url}/a.mp4", "Set-Cookie": "a=1; Path=/"}) as front,
    ):
        assert fetch(f"{front.url}/a.mp4", settings) == CLIP
        assert len(front.seen) == len(files.seen) == 1
        for _, _, headers in front.seen + files.seen:
            assert set(headers) == PLAIN_HEADERS
            assert settings.api_key not in str(headers)


def test_a_redirect_within_the_same_host_is_followed(gateway: Emulator, settings: ClientSettings, video: str) -> None:
    gateway.add_fault(f"output:redirect:to={urlsplit(video).path}")
    assert fetch(video, settings) == CLIP


def test_a_video_on_the_gateways_own_host_is_fetched_without_the_key(
    gateway: Emulator, settings: ClientSettings, video: str
) -> None:
    fetch(video, settings)
    assert [entry["key"] for entry in gateway.http_requests() if entry["call"] == "output"] == [False]


def test_a_redirect_into_the_private_network_is_rejected_for_a_public_gateway(
    serve: Serve, settings: ClientSettings, secure: Any, certificate: Path
) -> None:
    secure.status, secure.headers = 302, {"Location": "https://127.0.0.1:1/a.mp4"}
    public = replace(settings, base_urls=BaseUrls(*3 * ["https://8.8.8.8"]), verify=str(certificate))
    with pytest.raises(OutputRejectedError, match=r"leads to 127\.0\.0\.1, which is in a private network"):
        fetch(f"{secure.url}/a.mp4", public)
    assert len(secure.seen) == 1


def test_a_redirect_to_a_name_that_is_not_found_is_tried_again(
    gateway: Emulator, settings: ClientSettings, video: str
) -> None:
    gateway.add_fault("output:redirect:to=https://nowhere.invalid/a.mp4,times=1")
    assert fetch(video, settings) == CLIP


def test_redirects_in_a_circle_end(serve: Serve, settings: ClientSettings) -> None:
    with serve(status=302, headers={"Location": "/again"}) as front:
        with pytest.raises(DownloadFailedError, match="redirects"):
            fetch(f"{front.url}/a.mp4", settings)
        assert len(front.seen) == TWO_ATTEMPTS.attempts * (MAX_REDIRECTS + 1)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://images.segmind.com/a.mp4", "plain http"),
        ("https://me:secret@images.segmind.com/a.mp4", "user part"),
        ("file:///etc/passwd", r"no http\(s\) URL"),
    ],
)
def test_a_url_that_must_not_be_requested_is_rejected(settings: ClientSettings, url: str, reason: str) -> None:
    with pytest.raises(OutputRejectedError, match=reason) as caught:
        fetch(url, replace(settings, base_urls=BaseUrls()))
    assert "secret" not in str(caught.value)
