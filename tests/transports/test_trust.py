"""Certificates on both transports: which settings count, and that an untrusted host receives nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import pytest

from airflow_provider_runway.exceptions import (
    BadConnectionError,
    NoUsableResponseError,
    SubmitOutcomeUnknownError,
    UnreachableError,
)
from airflow_provider_runway.segmind import api_calls
from airflow_provider_runway.segmind.exchange import execute
from airflow_provider_runway.segmind.retry import NO_RETRY

Run = Callable[..., Any]
BUNDLES = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]


@pytest.fixture(autouse=True)
def no_ca_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the CA bundles of the machine."""
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)


def request_credits(run: Run, settings: Any) -> float:
    """Request the balance once."""
    found: float = run(settings, execute(api_calls.make_credits_call(settings.base_urls), NO_RETRY)).credits
    return found


def test_an_untrusted_host_receives_nothing(run: Run, pointed: Run, secure: Any) -> None:
    settings = pointed(secure.url)
    with pytest.raises(BadConnectionError, match=r"certificate was not accepted; nothing was sent.*verify"):
        run(settings, execute(api_calls.make_submit_call(settings.base_urls, "m", {}), NO_RETRY))
    assert secure.seen == []


def test_a_ca_file_of_the_connection_is_trusted(run: Run, pointed: Run, secure: Any, certificate: Path) -> None:
    assert request_credits(run, pointed(secure.url, verify=str(certificate))) == 7.0


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_verification_can_be_switched_off(run: Run, pointed: Run, secure: Any) -> None:
    assert request_credits(run, pointed(secure.url, verify=False)) == 7.0


@pytest.mark.parametrize("name", BUNDLES)
def test_a_ca_bundle_of_the_environment_is_trusted(
    run: Run, pointed: Run, secure: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(certificate))
    assert request_credits(run, pointed(secure.url)) == 7.0


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_the_connection_overrides_the_environment(
    run: Run, pointed: Run, secure: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, certifi.where())
    assert request_credits(run, pointed(secure.url, verify=str(certificate))) == 7.0
    assert request_credits(run, pointed(secure.url, verify=False)) == 7.0


@pytest.mark.parametrize("by", ["verify", *BUNDLES])
def test_a_missing_ca_bundle_is_named_before_anything_is_sent(
    run: Run, pointed: Run, secure: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by: str
) -> None:
    missing = str(tmp_path / "missing.pem")
    if by != "verify":
        monkeypatch.setenv(by, missing)
    settings = pointed(secure.url, **({"verify": missing} if by == "verify" else {}))
    with pytest.raises(BadConnectionError, match=r"certificate authorities cannot be read .*REQUESTS_CA_BUNDLE"):
        run(settings, execute(api_calls.make_submit_call(settings.base_urls, "m", {}), NO_RETRY))
    assert secure.seen == []


def test_a_ca_folder_is_read(run: Run, pointed: Run, secure: Any, tmp_path: Path) -> None:
    with pytest.raises(BadConnectionError, match="not accepted"):
        request_credits(run, pointed(secure.url, verify=str(tmp_path)))


def test_a_host_without_tls_is_a_lost_connection_and_no_bad_certificate(run: Run, pointed: Run, recorder: Any) -> None:
    settings = pointed(recorder.url.replace("http:", "https:"))
    with pytest.raises(NoUsableResponseError):
        request_credits(run, settings)
    with pytest.raises((SubmitOutcomeUnknownError, UnreachableError)):
        run(settings, execute(api_calls.make_submit_call(settings.base_urls, "m", {}), NO_RETRY))
    assert recorder.seen == []
