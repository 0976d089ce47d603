"""The headers of a request, where the key goes, and what of the environment counts, on both transports."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runway import __version__
from airflow_provider_runway.exceptions import SubmitOutcomeUnknownError, UnreachableError
from airflow_provider_runway.segmind import api_calls
from airflow_provider_runway.segmind.exchange import LogStep, SendStep, SleepStep, execute, run_step
from airflow_provider_runway.segmind.http import BaseUrls, Request
from airflow_provider_runway.segmind.retry import NO_RETRY, RetryPolicy
from airflow_provider_runway.transports.client_settings import ClientSettings, log_step

Run = Callable[..., Any]
QUICK = RetryPolicy(attempts=3, max_elapsed_s=5.0, first_pause_s=0.01, max_pause_s=0.02)


def test_a_request_has_a_user_agent_and_the_key(run: Run, pointed: Run, recorder: Any) -> None:
    settings = pointed(recorder.url)
    run(settings, execute(api_calls.make_credits_call(settings.base_urls), NO_RETRY))
    ((method, path, headers),) = recorder.seen
    assert (method, path) == ("GET", "/v1/get-user-credits")
    assert headers["x-api-key"] == settings.api_key
    assert headers["user-agent"] == f"airflow-provider-runway/{__version__}"
    assert "content-type" not in headers
    assert "cookie" not in headers


def test_a_body_has_the_json_content_type(run: Run, pointed: Run, recorder: Any) -> None:
    settings = pointed(recorder.url)
    with pytest.raises(SubmitOutcomeUnknownError):  # a balance is no answer to a submit
        run(settings, execute(api_calls.make_submit_call(settings.base_urls, "m", {"promptText": "é"}), NO_RETRY))
    ((method, path, headers),) = recorder.seen
    assert (method, path, headers["content-type"]) == ("POST", "/v2/m", "application/json")


def test_a_query_is_encoded(run: Run, pointed: Run, recorder: Any) -> None:
    settings = pointed(recorder.url)
    request = Request("history", "GET", f"{recorder.url}/rows", query=(("model_name", "a b&c=d/é"), ("page", "1")))

    def flow() -> Any:
        yield SendStep(request)

    run(settings, flow())
    (_, path, _) = recorder.seen[0]
    assert re.fullmatch(r"/rows\?model_name=a(\+|%20)b%26c(%3D|=)d(%2F|/)%C3%A9&page=1", path)


def test_another_host_never_receives_the_key(run: Run, settings: ClientSettings, recorder: Any) -> None:
    def flow() -> Any:
        return (yield SendStep(Request("status", "GET", f"{recorder.url}/v2/requests/a/status")))

    run(settings, flow())
    ((_, _, headers),) = recorder.seen
    assert settings.api_key not in str(headers)
    assert "x-api-key" not in headers


def test_a_netrc_file_is_not_used(
    run: Run, pointed: Run, recorder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text("default login somebody password s3cret\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = pointed(recorder.url)
    run(settings, execute(api_calls.make_credits_call(settings.base_urls), NO_RETRY))
    ((_, _, headers),) = recorder.seen
    assert "authorization" not in headers


@pytest.mark.parametrize("form", ["{url}", "{bare}"])
def test_a_proxy_of_the_environment_is_used(
    run: Run, pointed: Run, recorder: Any, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("http_proxy", form.format(url=recorder.url, bare=recorder.url.removeprefix("http://")))
    settings = pointed("http://gateway.invalid")
    found = run(settings, execute(api_calls.make_credits_call(settings.base_urls), NO_RETRY))
    ((_, path, headers),) = recorder.seen
    assert path == "http://gateway.invalid/v1/get-user-credits"
    assert headers["host"] == "gateway.invalid"
    assert found.credits == 7.0


def test_no_proxy_is_respected(
    run: Run, gateway: Any, settings: ClientSettings, recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", recorder.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    run(settings, execute(api_calls.make_credits_call(settings.base_urls), NO_RETRY))
    assert recorder.seen == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_unreachable_proxy_was_sent_nothing(
    run: Run, pointed: Run, dead_port: int, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{dead_port}")
    settings = pointed(f"{scheme}://gateway.invalid")
    with pytest.raises(UnreachableError):
        run(settings, execute(api_calls.make_submit_call(settings.base_urls, "m", {}), QUICK))


def test_a_proxy_that_refuses_a_tunnel_forwarded_nothing(
    run: Run, serve: Run, pointed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pointed("https://gateway.invalid")
    with serve(status=403) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(UnreachableError):
            run(settings, execute(api_calls.make_submit_call(settings.base_urls, "m", {}), QUICK))
        assert set(proxy.methods) == {"CONNECT"}
        assert settings.api_key not in str(proxy.seen)


def test_a_submit_lost_behind_a_proxy_is_not_sent_again(
    run: Run, serve: Run, pointed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pointed("http://gateway.invalid")
    with serve(hangs_up=True) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(SubmitOutcomeUnknownError):
            run(settings, execute(api_calls.make_submit_call(settings.base_urls, "m", {}), QUICK))
        assert proxy.methods == ["POST"]


def test_the_key_is_in_no_log_and_no_repr(
    run: Run, gateway: Any, settings: ClientSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.add_fault("credits:server_error")
    run(settings, execute(api_calls.make_credits_call(settings.base_urls), QUICK))
    assert "Next request in" in caplog.text
    assert settings.api_key not in caplog.text
    assert settings.api_key not in repr(settings)


def test_log_lines_of_an_exchange_go_to_the_given_log(settings: ClientSettings, run: Run) -> None:
    lines: list[tuple[str, str]] = []

    class Log:
        def info(self, message: str, /, *values: Any) -> None:
            lines.append(("info", message % values))

        def warning(self, message: str, /, *values: Any) -> None:
            lines.append(("warning", message % values))

    for step in (LogStep("calm"), LogStep("odd", problem=True), SleepStep(1.5), SleepStep(1.5, "429.")):
        log_step(step, Log())
    assert lines == [("info", "calm"), ("warning", "odd"), ("info", "429. Next request in 1.5 s.")]


def test_a_pause_takes_its_time(run: Run, settings: ClientSettings) -> None:
    def flow() -> Any:
        before = yield from run_step(SleepStep(0.0))
        return (yield from run_step(SleepStep(0.05))) - before

    assert run(settings, flow()) >= 0.04


def test_only_the_blocking_call_has_a_long_read_timeout(subtests: pytest.Subtests) -> None:
    for call in ("status", "run_sync", "submit"):
        with subtests.test(call=call):
            short = ClientSettings("SG_x", BaseUrls(), read_timeout_s=5.0)
            assert short.get_read_timeout_s(Request(call, "GET", "https://h")) == (600.0 if call == "run_sync" else 5.0)
            long = ClientSettings("SG_x", BaseUrls(), read_timeout_s=900.0)
            assert long.get_read_timeout_s(Request(call, "GET", "https://h")) == 900.0
