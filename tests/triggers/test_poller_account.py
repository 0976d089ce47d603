"""The account behind a crowd: its connection may change, its budget is small, and others may use it, too."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from crowd import CONN_ID, idle, outcomes, submit, wait, wait_for_all
from submits import set_extra

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.hooks.runway import RunwayAsyncHook
from airflow_provider_runway.polling import rate_limiter
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.triggers import connection_cache
from airflow_provider_runway.triggers.poller import poller_for

pytestmark = pytest.mark.usefixtures("connection", "quick")

OLD, NEW = "SG_00000000000000aa", "SG_00000000000000bb"
#: A minute of the account is this long here.
WINDOW_S = 1.0


def point(monkeypatch: pytest.MonkeyPatch, gateway: Emulator, key: str = "", **extra: Any) -> None:
    """Point the connection at a gateway."""
    fields = {"host": gateway.url, "password": key or gateway.test_key}
    set_extra(monkeypatch, fields, history_url=gateway.history_url, **extra)


@pytest.fixture
def short_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pace that is found out begins with as much for a window as it usually does for a minute."""
    for name in ("FIRST_PER_MINUTE", "LEAST_PER_MINUTE", "MOST_PER_MINUTE"):
        monkeypatch.setattr(rate_limiter, name, getattr(rate_limiter, name) * 60 / WINDOW_S)


async def soon(waits: list[asyncio.Future[WaitOutcome]], seconds: float = 0.3) -> None:
    """Let looks happen, and see that nobody's wait has ended."""
    await asyncio.sleep(seconds)
    assert not any(each.done() for each in waits)


def begin(reports: list[Any]) -> list[asyncio.Future[WaitOutcome]]:
    """Begin to wait for jobs."""
    return [asyncio.ensure_future(wait(report)) for report in reports]


async def ended(waits: list[asyncio.Future[WaitOutcome]]) -> set[str]:
    """Wait until all waits are over and the poller is idle."""
    endings = await asyncio.gather(*waits)
    await idle(poller_for(CONN_ID))
    return outcomes(endings)


async def test_a_rotated_key_is_read_with_the_first_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(time_scale=0.02, keys=[f"{OLD},{NEW}"]) as gateway:
        point(monkeypatch, gateway, OLD)
        waits = begin(submit(gateway, 5))
        await soon(waits, 0.1)
        point(monkeypatch, gateway, NEW)
        gateway.add_fault("status:refuse_auth")
        async with asyncio.timeout(5):
            while (used := poller_for(CONN_ID)._access.transport) is None or used.settings.api_key != NEW:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await ended(waits) == {"completed"}


async def test_a_changed_host_is_noticed_after_a_while(monkeypatch: pytest.MonkeyPatch, gateway: Emulator) -> None:
    monkeypatch.setattr(connection_cache, "REREAD_S", 0.2)
    reports = submit(gateway, 5)
    with Emulator() as other:
        other.add_fault("any:server_error:times=0,status=503")
        point(monkeypatch, other)
        waits = begin(reports)
        await soon(waits, 0.1)
        point(monkeypatch, gateway)
        assert await ended(waits) == {"completed"}


async def test_a_connection_that_cannot_be_read_afresh_is_used_as_it_was(
    monkeypatch: pytest.MonkeyPatch, gateway: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection_cache, "REREAD_S", 0.05)
    gateway.add_fault("submit:job_latency:seconds=0.8,times=0")
    waits = begin(submit(gateway, 3))
    await soon(waits)

    async def broken(_: object) -> None:
        raise ConnectionError("the secrets backend is down")

    monkeypatch.setattr(RunwayAsyncHook, "get_async_conn", broken)
    assert await ended(waits) == {"completed"}
    assert "can't be read afresh" in caplog.text


@pytest.mark.parametrize("fields", [{"password": ""}, {"host": "ftp://nowhere"}], ids=["no key", "no address"])
async def test_a_connection_that_is_none_ends_every_wait_and_says_why(
    monkeypatch: pytest.MonkeyPatch, gateway: Emulator, fields: dict[str, str]
) -> None:
    reports = submit(gateway, 10)
    set_extra(monkeypatch, fields)
    endings = await wait_for_all(reports)
    assert outcomes(endings) == {"error"}
    assert {ending.code for ending in endings} == {"bad_connection"}
    assert all(ending.job.request_id in str(ending.error) for ending in endings)


async def test_a_secrets_backend_that_breaks_reaches_every_wait(
    monkeypatch: pytest.MonkeyPatch, gateway: Emulator
) -> None:
    async def broken(_: object) -> None:
        raise ConnectionError("the secrets backend is down")

    monkeypatch.setattr(RunwayAsyncHook, "get_async_conn", broken)
    found = await asyncio.gather(*begin(submit(gateway, 5)), return_exceptions=True)
    assert [type(each) for each in found] == [ConnectionError] * 5
    await idle(poller_for(CONN_ID))


@pytest.mark.parametrize("told", [None, 600.0], ids=["budget found out", "budget told"])
@pytest.mark.usefixtures("short_minutes")
async def test_a_small_budget_fails_no_job(monkeypatch: pytest.MonkeyPatch, told: float | None) -> None:
    with Emulator(time_scale=0.02, requests_per_minute=10, rate_window=WINDOW_S) as gateway:
        reports = submit(gateway, 9)
        point(monkeypatch, gateway, requests_per_minute=told)
        assert outcomes(await wait_for_all(reports)) == {"completed"}
        requests = gateway.requests()
    refused = sum(request["status"] == 429 for request in requests)
    assert refused < len(requests) / 2


@pytest.mark.usefixtures("short_minutes")
async def test_a_change_of_connection_is_told_in_the_log_without_the_key(
    monkeypatch: pytest.MonkeyPatch, gateway: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(connection_cache, "REREAD_S", 0.1)
    gateway.add_fault("submit:job_latency:seconds=0.8,times=0")
    waits = begin(submit(gateway, 2))
    await soon(waits)
    set_extra(monkeypatch, timeout=7)
    assert await ended(waits) == {"completed"}
    assert f"Connection {CONN_ID} was changed" in caplog.text
    assert gateway.test_key not in caplog.text + json.dumps(gateway.requests())
