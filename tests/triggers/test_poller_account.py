"""The account behind many jobs: its connection may change, its rate limit is small, and others may use it, too."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from itertools import pairwise
from typing import Any

import pytest
from airflow.secrets.environment_variables import EnvironmentVariablesBackend
from pending_jobs import (
    CONN_ID,
    RecordingLog,
    get_kinds,
    start_waits,
    submit_jobs,
    wait,
    wait_for_all,
    wait_until_idle,
)
from submits import set_connection_extra

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import UnreachableError
from airflow_provider_runway.hooks.runway import RunwayAsyncHook
from airflow_provider_runway.polling import adaptive_rate_limit
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.triggers import poller, poller_connection
from airflow_provider_runway.triggers.poller import get_poller

pytestmark = pytest.mark.usefixtures("connection", "quick")

OLD_KEY, NEW_KEY = "SG_00000000000000aa", "SG_00000000000000bb"
#: A minute of the account is this long here.
WINDOW_S = 1.0


def set_gateway(monkeypatch: pytest.MonkeyPatch, gateway: Emulator, key: str = "", **extra: Any) -> None:
    """Change the connection to another gateway."""
    fields = {"host": gateway.url, "password": key or gateway.test_key}
    set_connection_extra(monkeypatch, fields, history_url=gateway.history_url, **extra)


@pytest.fixture
def short_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a learnt rate begin with as many requests a window as it usually does a minute."""
    for name in ("INITIAL_PER_MINUTE", "MIN_PER_MINUTE", "MAX_PER_MINUTE"):
        monkeypatch.setattr(adaptive_rate_limit, name, getattr(adaptive_rate_limit, name) * 60 / WINDOW_S)


async def let_polls_happen(waits: list[asyncio.Future[WaitOutcome]], seconds: float = 0.3) -> None:
    """Wait for a while; no job may end meanwhile."""
    await asyncio.sleep(seconds)
    assert not any(each.done() for each in waits)


async def finish(waits: list[asyncio.Future[WaitOutcome]]) -> set[str]:
    """Wait until all jobs ended and the poller is idle; return the kinds of outcomes."""
    outcomes = await asyncio.gather(*waits)
    await wait_until_idle(get_poller(CONN_ID))
    return get_kinds(outcomes)


async def test_a_rotated_key_is_read_after_the_first_401(monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(time_scale=0.02, keys=[f"{OLD_KEY},{NEW_KEY}"]) as gateway:
        set_gateway(monkeypatch, gateway, OLD_KEY)
        waits = start_waits(submit_jobs(gateway, 5))
        await let_polls_happen(waits, 0.1)
        set_gateway(monkeypatch, gateway, NEW_KEY)
        gateway.add_fault("status:refuse_auth")
        async with asyncio.timeout(5):
            while (used := get_poller(CONN_ID)._connection.transport) is None or used.settings.api_key != NEW_KEY:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await finish(waits) == {"completed"}


async def test_a_changed_host_is_noticed_after_a_while(monkeypatch: pytest.MonkeyPatch, gateway: Emulator) -> None:
    monkeypatch.setattr(poller_connection, "MAX_AGE_S", 0.2)
    summaries = submit_jobs(gateway, 5)
    with Emulator() as other:
        other.add_fault("any:server_error:times=0,status=503")
        set_gateway(monkeypatch, other)
        waits = start_waits(summaries)
        await let_polls_happen(waits, 0.1)
        set_gateway(monkeypatch, gateway)
        assert await finish(waits) == {"completed"}


async def test_a_connection_that_cannot_be_read_again_is_used_as_it_was(
    monkeypatch: pytest.MonkeyPatch, gateway: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(poller_connection, "MAX_AGE_S", 0.05)
    gateway.add_fault("submit:job_latency:seconds=0.8,times=0")
    waits = start_waits(submit_jobs(gateway, 3))
    await let_polls_happen(waits)

    async def fail(_: object) -> None:
        raise ConnectionError("the secrets backend is down")

    monkeypatch.setattr(RunwayAsyncHook, "get_async_conn", fail)
    assert await finish(waits) == {"completed"}
    assert "cannot be read again" in caplog.text


@pytest.mark.parametrize("fields", [{"password": ""}, {"host": "ftp://nowhere"}], ids=["no key", "no address"])
async def test_an_unusable_connection_ends_every_wait_and_says_why(
    monkeypatch: pytest.MonkeyPatch, gateway: Emulator, fields: dict[str, str]
) -> None:
    summaries = submit_jobs(gateway, 10)
    set_connection_extra(monkeypatch, fields)
    outcomes = await wait_for_all(summaries)
    assert get_kinds(outcomes) == {"error"}
    assert {outcome.code for outcome in outcomes} == {"bad_connection"}
    assert all(outcome.job.request_id in str(outcome.error) for outcome in outcomes)


class FailingReads:
    """Lets the first reads of the connection fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failures: int, error: Exception) -> None:
        self.times: list[float] = []
        real = RunwayAsyncHook.get_async_conn

        async def fail_at_first(hook: RunwayAsyncHook) -> Any:
            self.times.append(asyncio.get_running_loop().time())
            if len(self.times) <= failures:
                raise error
            return await real(hook)

        monkeypatch.setattr(RunwayAsyncHook, "get_async_conn", fail_at_first)


@pytest.mark.parametrize("error", [ConnectionError("down"), PermissionError("denied"), UnreachableError("down.")])
async def test_a_connection_that_cannot_be_read_at_first_fails_no_job_and_is_one_warning_a_job(
    monkeypatch: pytest.MonkeyPatch, gateway: Emulator, error: Exception
) -> None:
    summaries, logs = submit_jobs(gateway, 5), [RecordingLog() for _ in range(5)]
    reads = FailingReads(monkeypatch, 4, error)
    waits = [asyncio.ensure_future(wait(summary, log=log)) for summary, log in zip(summaries, logs, strict=True)]
    assert await finish(waits) == {"completed"}
    pauses_s = [later - earlier for earlier, later in pairwise(reads.times)]
    assert len(pauses_s) == 4
    least_s = [get_timing().min_poll_gap_s * 2.0**failures for failures in (1, 2, 3, 4)]
    assert all(pause_s > 0.99 * least for pause_s, least in zip(pauses_s, least_s, strict=True)), "each pause doubles"
    for summary, log in zip(summaries, logs, strict=True):
        assert len(log.warnings) == 1
        assert summary.request_id in log.warnings[0]
        assert "Polling goes on" in log.warnings[0]


async def test_a_connection_that_is_never_read_ends_each_wait_at_its_own_deadline(
    monkeypatch: pytest.MonkeyPatch, gateway: Emulator
) -> None:
    monkeypatch.setattr(poller, "MAX_SLEEP_S", 0.05)
    monkeypatch.setattr(poller, "HOUSEKEEPING_S", 0.05)
    FailingReads(monkeypatch, 1_000, ConnectionError("down"))
    first, second = submit_jobs(gateway, 2)
    began = time.monotonic()
    soon, late = (asyncio.ensure_future(wait(summary, seconds)) for summary, seconds in ((first, 0.5), (second, 1.5)))
    assert (await soon).kind == "timeout"
    assert 0.4 < time.monotonic() - began < 1.4
    assert not late.done()
    assert (await late).kind == "timeout"
    assert 1.4 < time.monotonic() - began < 5
    await wait_until_idle(get_poller(CONN_ID))


async def test_a_read_without_an_end_is_cut(monkeypatch: pytest.MonkeyPatch, gateway: Emulator) -> None:
    monkeypatch.setattr(poller_connection, "READ_TIMEOUT_S", 0.1)
    real, reads = RunwayAsyncHook.get_async_conn, 0

    async def hang_once(hook: RunwayAsyncHook) -> Any:
        nonlocal reads
        reads += 1
        if reads == 1:
            await asyncio.sleep(60)
        return await real(hook)

    monkeypatch.setattr(RunwayAsyncHook, "get_async_conn", hang_once)
    assert get_kinds(await wait_for_all(submit_jobs(gateway, 3))) == {"completed"}


@pytest.mark.usefixtures("empty_connection_table")
async def test_a_missing_connection_is_an_error_only_if_every_secrets_backend_answers(
    monkeypatch: pytest.MonkeyPatch, gateway: Emulator
) -> None:
    summaries = submit_jobs(gateway, 2)
    monkeypatch.delenv("AIRFLOW_CONN_RUNWAY_DEFAULT")
    with monkeypatch.context() as patch:
        patch.setattr(EnvironmentVariablesBackend, "get_conn_value", fail_to_answer)
        waits = start_waits(summaries)
        await let_polls_happen(waits, 0.5)
    assert await finish(waits) == {"error"}
    assert "There is no connection" in str(waits[0].result().error)


def fail_to_answer(*_: object, **__: object) -> None:
    raise ConnectionError("the secrets backend is down")


@pytest.mark.parametrize("configured", [None, 600.0], ids=["learnt", "configured"])
@pytest.mark.usefixtures("short_minutes")
async def test_a_small_rate_limit_fails_no_job(monkeypatch: pytest.MonkeyPatch, configured: float | None) -> None:
    with Emulator(time_scale=0.02, requests_per_minute=10, rate_window=WINDOW_S) as gateway:
        summaries = submit_jobs(gateway, 9)
        set_gateway(monkeypatch, gateway, requests_per_minute=configured)
        assert get_kinds(await wait_for_all(summaries)) == {"completed"}
        requests = gateway.http_requests()
    assert sum(request["status"] == 429 for request in requests) < len(requests) / 2


async def test_a_changed_connection_is_logged_without_its_key(
    monkeypatch: pytest.MonkeyPatch, gateway: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(poller_connection, "MAX_AGE_S", 0.1)
    gateway.add_fault("submit:job_latency:seconds=0.8,times=0")
    waits = start_waits(submit_jobs(gateway, 2))
    await let_polls_happen(waits)
    set_connection_extra(monkeypatch, timeout=7)
    assert await finish(waits) == {"completed"}
    assert f"Connection {CONN_ID} was changed" in caplog.text
    assert gateway.test_key not in caplog.text + json.dumps(gateway.http_requests())
