"""Every method of both hooks, against the emulator and through an Airflow connection."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import (
    BadConnectionError,
    BadInputError,
    NotFoundError,
    UnauthorizedError,
    UnreachableError,
)
from airflow_provider_runway.hooks.runway import RunwayAsyncHook, RunwayHook
from airflow_provider_runway.segmind.images import MAX_IMAGE_BYTES
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.retry import UI_RETRY

MODEL = "runway-gen3-alphaturbo"
BODY = {"promptImage": "https://images.segmind.com/a.png", "promptText": "a cat", "seed": 7}
Connect = Callable[..., None]
pytestmark = pytest.mark.usefixtures("connection")


def list_reading_methods(hook: type) -> dict[str, inspect.Signature]:
    """The reading methods of a hook: those that begin with get or find, of its own."""
    return {
        name: inspect.signature(method)
        for name, method in vars(hook).items()
        if name.startswith(("get_", "find_")) and not isinstance(method, classmethod) and "conn" not in name
    }


def test_both_hooks_have_the_same_reading_methods() -> None:
    assert list_reading_methods(RunwayHook) == list_reading_methods(RunwayAsyncHook)
    assert set(list_reading_methods(RunwayHook)) == {
        "get_status",
        "get_result",
        "get_credits",
        "get_request",
        "find_requests",
    }
    assert all(
        inspect.iscoroutinefunction(getattr(RunwayAsyncHook, name)) for name in list_reading_methods(RunwayAsyncHook)
    )
    assert inspect.signature(RunwayHook) == inspect.signature(RunwayAsyncHook)


def test_the_async_hook_has_no_method_that_costs(subtests: pytest.Subtests) -> None:
    for name in ("submit", "run_sync", "upload_asset", "upload_bytes"):
        with subtests.test(name=name):
            assert hasattr(RunwayHook, name)
            assert not hasattr(RunwayAsyncHook, name)


@pytest.mark.parametrize("hook", [RunwayHook, RunwayAsyncHook])
def test_creating_a_hook_does_no_io(gateway: Emulator, hook: type) -> None:
    hook("there_is_no_such_connection")
    assert gateway.http_requests() == []


def test_a_job_from_its_submit_to_its_history_row(gateway: Emulator) -> None:
    gateway.add_fault("submit:job_latency:seconds=60")
    with RunwayHook() as hook:
        job = hook.submit(MODEL, BODY)
        assert (job.model, job.state) == (MODEL, JobState.QUEUED)
        assert job.submitted_at == pytest.approx(time.time(), abs=10)
        assert hook.get_status(job.request_id).state in {JobState.QUEUED, JobState.PROCESSING}
        gateway.advance(120)
        assert hook.get_status(job.request_id).state is JobState.COMPLETED
        result = hook.get_result(job.request_id)
        row = hook.get_request(job.request_id)
        (found,) = hook.find_requests(model="gen3", since=job.submitted_at - 200, until=job.submitted_at)
    assert found == row
    assert (row.output_urls, row.cost) == (result.output_urls, 0.5)
    assert row.body == BODY
    assert gateway.ledger()["posts"] == 1


async def test_the_async_hook_returns_the_same_as_the_blocking_one(gateway: Emulator) -> None:
    job = await asyncio.to_thread(lambda: RunwayHook().submit(MODEL, BODY))
    gateway.advance(120)
    blocking = RunwayHook()
    async with RunwayAsyncHook() as hook:
        for name, argument in (
            ("get_status", True),
            ("get_result", True),
            ("get_request", True),
            ("get_credits", False),
        ):
            arguments = [job.request_id] if argument else []
            here = await getattr(hook, name)(*arguments)
            assert here == await asyncio.to_thread(getattr(blocking, name), *arguments)
        assert [row.request_id for row in await hook.find_requests()] == [job.request_id]
    blocking.close()


def test_run_sync_returns_the_video_and_its_cost(gateway: Emulator) -> None:
    with RunwayHook() as hook:
        found = hook.run_sync(MODEL, BODY)
    assert (found.content_type, found.cost, found.seed) == ("video/mp4", 0.5, 7)
    assert found.request_id == gateway.ledger()["jobs"][0]["request_id"]


@pytest.mark.parametrize("as_text", [True, False])
def test_an_image_is_uploaded(gateway: Emulator, image_file: Path, as_text: bool) -> None:
    with RunwayHook() as hook:
        url = hook.upload_asset(str(image_file) if as_text else image_file)
        gateway.add_fault("upload:upload_urls")
        assert hook.upload_bytes(image_file.read_bytes()) != url
    assert url.startswith(f"{gateway.url}/assets/")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, "cannot be read", id="missing"),
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"GIF89a", "JPEG, PNG or WebP", id="another kind"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(MAX_IMAGE_BYTES), "more than 16 MB", id="too large"),
    ],
)
def test_a_file_that_is_no_valid_image_is_not_sent(
    gateway: Emulator, tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with RunwayHook() as hook, pytest.raises(BadInputError, match=words):
        hook.upload_asset(path)
    assert gateway.http_requests() == []


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with RunwayHook() as hook, pytest.raises(BadInputError, match="cannot be read"):
        hook.upload_asset(tmp_path)


def test_a_slug_or_an_id_that_leaves_its_url_path_is_not_sent(gateway: Emulator) -> None:
    with RunwayHook() as hook:
        with pytest.raises(BadInputError):
            hook.submit("../v1/x", BODY)
        with pytest.raises(BadInputError):
            hook.get_status("../get-user-credits")
    assert gateway.http_requests() == []


def test_a_body_that_is_no_json_is_not_sent(gateway: Emulator) -> None:
    with RunwayHook() as hook, pytest.raises(BadInputError, match="not plain JSON"):
        hook.submit(MODEL, {"seed": object()})
    assert gateway.http_requests() == []


def test_a_time_window_that_is_too_wide_is_refused(gateway: Emulator) -> None:
    with RunwayHook() as hook, pytest.raises(BadInputError, match="31 days"):
        hook.find_requests(since=time.time() - 40 * 86_400)
    assert gateway.http_requests() == []


@pytest.mark.parametrize(
    ("fault", "changes", "good", "words"),
    [
        pytest.param(None, {}, True, "The key is valid. Credits: 1000.00 USD, free credits: 0.00 USD.", id="good key"),
        pytest.param(None, {"password": "SG_nonsense"}, False, "Put a valid key", id="bad key"),
        pytest.param(None, {"password": ""}, False, "it has no API key", id="no key"),
        pytest.param("credits:refuse_auth:text=missing", {}, False, "No key arrived", id="a proxy took the key"),
        pytest.param("credits:no_balance", {}, True, "no balance record yet", id="no balance record"),
        pytest.param("credits:html_200:times=0", {}, False, "not usable", id="HTML"),
        pytest.param("credits:server_error:times=0", {}, False, "HTTP 500", id="5xx"),
        pytest.param("credits:cut_before", {}, True, "The key is valid", id="one connection reset"),
        pytest.param(None, {}, True, "not known yet, because the history has no rows yet", id="an empty history"),
        pytest.param("history:server_error:times=0", {}, True, "The history cannot be read.", id="no history"),
        pytest.param("credits:rate_limited:window=60,times=0", {}, False, "requests a minute", id="429"),
        pytest.param("credits:redirect:times=0", {}, False, "redirects are not followed", id="a redirect"),
        pytest.param(None, {"host": "http://127.0.0.1:9"}, False, "Nothing was sent", id="unreachable"),
        pytest.param(None, {"host": "ftp://x"}, False, "not an http(s) address", id="no address"),
    ],
)
def test_test_connection_says_in_words_what_it_found(
    gateway: Emulator, connect: Connect, fault: str | None, changes: dict[str, Any], good: bool, words: str
) -> None:
    connect(**changes)
    if fault:
        gateway.add_fault(fault)
    with RunwayHook() as hook:
        found = hook.test_connection()
    assert found[0] is good
    assert words in found[1]
    assert gateway.ledger()["posts"] == 0


def test_an_unknown_connection_says_how_to_add_it() -> None:
    with pytest.raises(BadConnectionError, match=r"no connection 'nope'.*airflow connections add nope"):
        RunwayHook("nope").get_credits()


@pytest.mark.usefixtures("empty_connection_table")
async def test_an_unknown_connection_says_the_same_in_the_async_hook() -> None:
    async with RunwayAsyncHook("nope") as hook:
        with pytest.raises(BadConnectionError, match=r"no connection 'nope'.*airflow connections add nope"):
            await hook.get_credits()


def test_the_key_may_come_from_the_vendors_environment_variable(
    gateway: Emulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(password=None)
    monkeypatch.setenv("SEGMIND_API_KEY", gateway.test_key)
    with RunwayHook() as hook:
        assert hook.get_credits().credits == 1000.0


async def test_a_closed_hook_reads_the_connection_again(connect: Connect, gateway: Emulator) -> None:
    connect(password="SG_nonsense")
    async with RunwayAsyncHook(policy=UI_RETRY) as hook:
        with pytest.raises(UnauthorizedError):
            await hook.get_credits()
        connect()
        await hook.close()
        assert (await hook.get_credits()).is_known


def test_a_hook_may_be_closed_at_any_time() -> None:
    hook = RunwayHook()
    hook.close()
    hook.get_credits()
    hook.close()
    assert hook.get_credits().is_known
    hook.close()


def test_an_expired_record_is_not_found_but_its_history_row_is(gateway: Emulator) -> None:
    with RunwayHook() as hook:
        job = hook.submit(MODEL, BODY)
        gateway.advance(7200)
        with pytest.raises(NotFoundError, match="one hour"):
            hook.get_result(job.request_id)
        assert hook.get_request(job.request_id).state is JobState.COMPLETED


def test_the_key_is_masked_and_in_no_log(
    gateway: Emulator, connect: Connect, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked: list[str] = []
    monkeypatch.setattr("airflow_provider_runway.hooks.async_hook.mask_secret", masked.append)
    caplog.set_level(logging.DEBUG)
    gateway.add_fault("credits:server_error")
    with RunwayHook() as hook:
        hook.get_credits()
        assert gateway.test_key not in repr(hook.settings) + repr(vars(hook)) + repr(hook.get_conn())
    assert masked == [gateway.test_key]
    assert gateway.test_key not in caplog.text
    connect(host="http://127.0.0.1:9")
    with RunwayHook(policy=UI_RETRY) as hook, pytest.raises(UnreachableError) as caught:
        hook.get_credits()
    assert gateway.test_key not in str(caught.value) + repr(caught.value.facts)


def find_redact() -> Callable[[str], Any]:
    """Return what hides secrets in logs, from where this Airflow has it: 3.1 and later, 3.0, 2."""
    for name in ("airflow.sdk.log", "airflow.sdk.execution_time.secrets_masker", "airflow.utils.log.secrets_masker"):
        with suppress(ImportError, AttributeError):
            found: Callable[[str], Any] = import_module(name).redact
            return found
    raise AssertionError("this Airflow hides nothing")


def test_airflow_itself_masks_the_key(gateway: Emulator) -> None:
    with RunwayHook() as hook:
        hook.get_credits()
    assert gateway.test_key not in str(find_redact()(f"the key is {gateway.test_key}"))
