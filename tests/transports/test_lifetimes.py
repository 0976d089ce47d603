"""Sessions: opened late, opened once, closed with their owner, and left in order by a cancellation."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from typing import Any

import pytest
import requests
import requests_mock

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import SubmissionUnknown, Unanswered
from airflow_provider_runway.segmind import calls
from airflow_provider_runway.segmind.flow import Pause, carry_out, when
from airflow_provider_runway.segmind.retry import ONCE
from airflow_provider_runway.segmind.wire import Endpoints
from airflow_provider_runway.transports.asynchronous import AsyncTransport
from airflow_provider_runway.transports.blocking import BlockingTransport
from airflow_provider_runway.transports.settings import Settings


async def test_many_jobs_share_one_session(settings: Settings) -> None:
    async with AsyncTransport(settings) as transport:
        assert transport._session is None
        flows = [transport.run(carry_out(calls.balance(settings.endpoints), ONCE)) for _ in range(20)]
        found = await asyncio.gather(*flows)
        opened = transport._session
        assert all(balance.known for balance in found)
    assert opened is not None
    assert opened.closed
    gc.collect()  # a session that a race left behind would warn here


async def test_a_closed_transport_opens_again(settings: Settings) -> None:
    transport = AsyncTransport(settings)
    await transport.close()
    for _ in range(2):
        await transport.run(carry_out(calls.balance(settings.endpoints), ONCE))
        await transport.close()
    assert transport._session is None


async def test_a_cancellation_passes_and_touches_nothing(gateway: Emulator, settings: Settings) -> None:
    gateway.add_fault("credits:slow:seconds=5")
    async with AsyncTransport(settings) as transport:
        task = asyncio.create_task(transport.run(carry_out(calls.balance(settings.endpoints), ONCE)))
        while not gateway.requests():  # noqa: ASYNC110  # the gateway lives in another thread and sets no event here
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await transport.run(carry_out(calls.balance(settings.endpoints), ONCE))).known
    assert len(gateway.requests()) == 2


async def test_a_pause_holds_nobody_else_up(settings: Settings) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    gateway_down = replace(settings, endpoints=Endpoints("http://127.0.0.1:9"))
    ticking = asyncio.create_task(other())
    async with AsyncTransport(gateway_down) as transport:
        with pytest.raises(Unanswered):
            await transport.run(carry_out(calls.balance(gateway_down.endpoints), ONCE))
        await transport.run(when(Pause(0.2)))
    ticking.cancel()
    assert turns > 10


def test_a_submit_never_goes_over_a_connection_that_was_kept(settings: Settings) -> None:
    with BlockingTransport(settings) as transport:
        closed: list[None] = []
        keep = transport.session.close
        transport.session.close = lambda: (closed.append(None), keep())[1]  # type: ignore[method-assign]
        transport.run(carry_out(calls.balance(settings.endpoints), ONCE))
        assert closed == []
        with pytest.raises(Exception, match="400"):
            transport.run(carry_out(calls.submit(settings.endpoints, "runway-gen3-alphaturbo", {}), ONCE))
        assert closed == [None]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"status_code": 204}, id="204"),
        pytest.param({"status_code": 207, "text": "x"}, id="207"),
        pytest.param({"status_code": 599}, id="599"),
        pytest.param({"exc": requests.exceptions.ChunkedEncodingError}, id="broken chunks"),
        pytest.param({"exc": requests.exceptions.ContentDecodingError}, id="broken gzip"),
        pytest.param({"exc": requests.exceptions.ConnectionError("Connection aborted.")}, id="aborted"),
        pytest.param({"exc": requests.exceptions.ProxyError("odd")}, id="a proxy's error without a cause"),
        pytest.param({"exc": requests.exceptions.ReadTimeout}, id="read timeout"),
    ],
)
def test_an_odd_end_of_a_submit_is_unknown(answer: dict[str, Any]) -> None:
    settings = Settings("SG_x", Endpoints())
    with requests_mock.Mocker() as mocked, BlockingTransport(settings) as transport:
        mocked.post("https://api.segmind.com/v2/m", **answer)
        with pytest.raises(SubmissionUnknown):
            transport.run(carry_out(calls.submit(settings.endpoints, "m", {}), ONCE))
        assert mocked.call_count == 1
