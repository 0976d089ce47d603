"""Where a download may go, without a network: names resolve by a table."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from airflow_provider_runway.outputs.download_allowlist import DownloadAllowlist
from airflow_provider_runway.segmind.http import BaseUrls

OUTPUT = "https://images.segmind.com/a.mp4"
SEGMIND = DownloadAllowlist.for_job(BaseUrls(), [OUTPUT, "no address at all"])
LOOPBACK = DownloadAllowlist.for_job(
    BaseUrls("http://127.0.0.1:8081", "http://127.0.0.1:8081", "http://127.0.0.1:8081/h"), []
)
ADDRESSES = {
    "cdn.example": ["93.184.216.34", "2606:2800:220:1::1"],
    "half-private.example": ["93.184.216.34", "10.0.0.7"],
    "loopback.example": ["127.0.0.1"],
    "link-local.example": ["fe80::1%eth0"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:192.168.0.1"],
    "shared.example": ["100.64.0.1"],
    "api.segmind.com": ["104.18.0.1"],
}


def resolve(host: str, port: int) -> Iterable[str]:
    """Look a name up in the table; an address is its own."""
    if host in ADDRESSES:
        return ADDRESSES[host]
    if host.replace(".", "").isdigit() or ":" in host:
        return [host]
    raise OSError("Name or service not known")


def forbid_resolving(host: str, port: int) -> Iterable[str]:
    raise AssertionError(f"{host} need not be resolved")


@pytest.mark.parametrize("redirected_from", [None, OUTPUT], ids=["output", "redirect"])
@pytest.mark.parametrize(
    "url",
    [
        pytest.param(OUTPUT, id="the output's host"),
        pytest.param("https://IMAGES.segmind.com:443/b?c=d", id="the same host in another spelling"),
        pytest.param("https://workflows-api.segmind.com/x", id="the connection's storage"),
    ],
)
def test_known_hosts_are_allowed(url: str, redirected_from: str | None) -> None:
    assert SEGMIND.get_rejection_reason(url, redirected_from, forbid_resolving) == ""


@pytest.mark.parametrize("redirected_from", [None, OUTPUT], ids=["output", "redirect"])
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("http://images.segmind.com/a.mp4", "plain http", id="plain http"),
        pytest.param("https://user:word@images.segmind.com/a.mp4", "user part", id="a user part"),
        pytest.param("ftp://images.segmind.com/a.mp4", "no http(s) URL", id="FTP"),
        pytest.param("file:///etc/passwd", "no http(s) URL", id="a file"),
        pytest.param("https:///a.mp4", "no http(s) URL", id="no host"),
        pytest.param("https://images.segmind.com:port/", "no http(s) URL", id="an unreadable port"),
    ],
)
def test_urls_that_are_never_requested(url: str, reason: str, redirected_from: str | None) -> None:
    found = SEGMIND.get_rejection_reason(url, redirected_from, forbid_resolving)
    assert reason in found
    assert "word" not in found


def test_an_outputs_own_url_must_be_on_a_known_host(subtests: pytest.Subtests) -> None:
    for url in (
        "https://elsewhere.example/a.mp4",
        "https://images.segmind.com.evil.example/",
        "https://images.segmind.com:8443/",
    ):
        with subtests.test(url=url):
            assert "which neither the connection names" in SEGMIND.get_rejection_reason(url, None, forbid_resolving)


def test_a_redirect_goes_to_any_public_https_host(subtests: pytest.Subtests) -> None:
    for case, url, reason in (
        ("a public host", "https://cdn.example/a.mp4", ""),
        ("another port", "https://cdn.example:8443/a.mp4", ""),
        ("one private address among others", "https://half-private.example/", "in a private network"),
        ("loopback by name", "https://loopback.example/", "in a private network"),
        ("loopback", "https://127.0.0.1/", "in a private network"),
        ("loopback, IPv6", "https://[::1]/", "in a private network"),
        ("link-local", "https://metadata.example/", "in a private network"),
        ("link-local with a zone", "https://link-local.example/", "in a private network"),
        ("IPv4 in IPv6", "https://mapped.example/", "in a private network"),
        ("carrier-grade NAT", "https://shared.example/", "in a private network"),
        ("multicast", "https://224.0.1.1/", "in a private network"),
        ("the unspecified address", "https://0.0.0.0/", "in a private network"),
    ):
        with subtests.test(case):
            found = SEGMIND.get_rejection_reason(url, OUTPUT, resolve)
            assert reason in found
            assert bool(found) is bool(reason)


def test_a_redirect_to_a_name_without_an_address_is_no_final_refusal() -> None:
    with pytest.raises(OSError, match="not known"):
        SEGMIND.get_rejection_reason("https://nowhere.example/", OUTPUT, resolve)


def test_a_gateway_in_a_private_network_permits_redirects_there(subtests: pytest.Subtests) -> None:
    for case, url, redirected_from, reason in (
        ("http to http", "http://127.0.0.1:8081/b", "http://127.0.0.1:8081/a", ""),
        ("http to https", "https://127.0.0.1/b", "http://127.0.0.1:8081/a", ""),
        ("another port", "http://127.0.0.1:9999/b", "http://127.0.0.1:8081/a", ""),
        ("https to http", "http://127.0.0.1:8081/b", "https://127.0.0.1/a", "from https to http"),
        ("a public host by http", "http://cdn.example/b", "http://127.0.0.1:8081/a", "plain http"),
    ):
        with subtests.test(case):
            found = LOOPBACK.get_rejection_reason(url, redirected_from, resolve)
            assert reason in found
            assert bool(found) is bool(reason)
