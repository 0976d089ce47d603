"""Nothing but the request itself goes to the host of a video, and no other host is asked for it."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.media_files import read_clip
from airflow_provider_runway.exceptions import DownloadFailedError, OutputRejectedError
from airflow_provider_runway.outputs.download import MOST_REDIRECTS, download
from airflow_provider_runway.outputs.download_allowlist import DownloadAllowlist
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.transports.client_settings import ClientSettings

Serve = Callable[..., Any]
LOG = logging.getLogger(__name__)
QUICK = RetryPolicy(attempts=4, max_elapsed_s=10.0, first_pause_s=0.01, max_pause_s=0.02)
CLIP = read_clip("05s-16x9.mp4")
#: What a request for a video has, and nothing else.
PLAIN_HEADERS = {"host", "accept", "accept-encoding", "user-agent", "connection"}


def get(url: str, settings: ClientSettings, *known: str) -> bytes:
    """Fetch a file of a job that has outputs at ``url`` and at the ``known`` ones."""
    sink = io.BytesIO()
    download(url, sink, settings, LOG, QUICK, reach=DownloadAllowlist.for_job(settings.base_urls, [url, *known]))
    return sink.getvalue()


def test_a_redirect_to_a_known_host_is_followed_with_nothing_in_its_hands(
    serve: Serve, settings: ClientSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with (
        serve(body=CLIP, headers={"Content-Type": "video/mp4", "Set-Cookie": "b=2"}) as files,
        serve(status=302, headers={"Location": f"{files.url}/a.mp4", "Set-Cookie": "a=1; Path=/"}) as front,
    ):
        assert get(f"{front.url}/a.mp4", settings, files.url) == CLIP
        assert len(front.seen) == len(files.seen) == 1
        for _, _, headers in front.seen + files.seen:
            assert set(headers) == PLAIN_HEADERS
            assert settings.api_key not in str(headers)


def test_even_the_gateways_own_host_gets_no_key_for_a_video(
    gateway: Emulator, settings: ClientSettings, video: str
) -> None:
    get(video, settings)
    assert [entry["key"] for entry in gateway.requests() if entry["call"] == "output"] == [False]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(serve: Serve, settings: ClientSettings, status: int) -> None:
    with (
        serve(body=CLIP) as files,
        serve(status=status, headers={"Location": f"{files.url}/a.mp4"}) as front,
    ):
        with pytest.raises(OutputRejectedError, match="which neither the connection names nor the API returned"):
            get(f"{front.url}/a.mp4", settings)
        assert (len(front.seen), len(files.seen)) == (1, 0)


def test_a_redirect_may_stay_where_it_is(gateway: Emulator, settings: ClientSettings, video: str) -> None:
    gateway.add_fault(f"output:redirect:to={urlsplit(video).path}")
    assert get(video, settings) == CLIP


def test_a_redirect_in_a_circle_ends(serve: Serve, settings: ClientSettings) -> None:
    with serve(status=302, headers={"Location": "/again"}) as front:
        with pytest.raises(DownloadFailedError, match="redirects"):
            get(f"{front.url}/a.mp4", settings)
        assert len(front.seen) == QUICK.attempts * (MOST_REDIRECTS + 1)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://images.segmind.com/a.mp4", "plain http"),
        ("https://me:secret@images.segmind.com/a.mp4", "user part"),
        ("ftp://images.segmind.com/a.mp4", r"no http\(s\) address"),
        ("file:///etc/passwd", r"no http\(s\) address"),
    ],
)
def test_an_address_that_is_none_to_be_asked_is_not(settings: ClientSettings, url: str, why: str) -> None:
    secure = ClientSettings(settings.api_key, BaseUrls())
    with pytest.raises(OutputRejectedError, match=why) as caught:
        get(url, secure)
    assert "secret" not in str(caught.value)
