"""Where a download may go, and what is said of where it may not."""

from __future__ import annotations

import pytest

from airflow_provider_runway.outputs.download_allowlist import DownloadAllowlist
from airflow_provider_runway.segmind.http import BaseUrls

OUTPUT = "https://images.segmind.com/a.mp4"
REACH = DownloadAllowlist.for_job(BaseUrls(), [OUTPUT, "no address at all"])
PLAIN = DownloadAllowlist.for_job(
    BaseUrls("http://127.0.0.1:8081", "http://127.0.0.1:8081", "http://127.0.0.1:8081/h"), []
)


@pytest.mark.parametrize("after", [None, OUTPUT])
@pytest.mark.parametrize(
    ("url", "rejection_reason"),
    [
        pytest.param(OUTPUT, "", id="the output's host"),
        pytest.param("https://IMAGES.segmind.com:443/b?c=d", "", id="the same host, written otherwise"),
        pytest.param("https://workflows-api.segmind.com/x", "", id="the connection's storage"),
        pytest.param("https://elsewhere.example/a.mp4", "elsewhere.example:443, which neither", id="another host"),
        pytest.param("https://images.segmind.com.evil.example/", "which neither", id="a host that only looks so"),
        pytest.param("https://images.segmind.com:8443/", "images.segmind.com:8443, which neither", id="another port"),
        pytest.param("http://images.segmind.com/a.mp4", "plain http", id="plain http"),
        pytest.param("https://user:word@images.segmind.com/a.mp4", "user part", id="a user part"),
        pytest.param("ftp://images.segmind.com/a.mp4", "no http(s) address", id="FTP"),
        pytest.param("file:///etc/passwd", "no http(s) address", id="a file"),
        pytest.param("s3://images.segmind.com/a.mp4", "no http(s) address", id="a bucket"),
        pytest.param("https:///a.mp4", "no http(s) address", id="no host"),
        pytest.param("https://images.segmind.com:port/", "no http(s) address", id="no port"),
    ],
)
def test_only_known_hosts_are_asked(url: str, rejection_reason: str, after: str | None) -> None:
    said = REACH.rejection_reason(url, after)
    assert rejection_reason in said
    assert bool(said) is bool(rejection_reason)
    assert "raw_status" not in said


@pytest.mark.parametrize(
    ("url", "after", "rejection_reason"),
    [
        pytest.param("http://127.0.0.1:8081/b", "http://127.0.0.1:8081/a", "", id="plain to plain"),
        pytest.param("https://127.0.0.1/b", "http://127.0.0.1:8081/a", "", id="up to https"),
        pytest.param("http://127.0.0.1:8081/b", "https://127.0.0.1/a", "from https to http", id="down to http"),
        pytest.param("http://127.0.0.1:9999/b", "http://127.0.0.1:8081/a", "which neither", id="another port"),
    ],
)
def test_a_plain_gateway_permits_plain_outputs_and_no_step_down(url: str, after: str, rejection_reason: str) -> None:
    said = PLAIN.rejection_reason(url, after)
    assert rejection_reason in said
    assert bool(said) is bool(rejection_reason)
