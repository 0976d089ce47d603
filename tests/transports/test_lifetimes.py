"""The sessions of both transports: when they are opened and closed, and what a cancellation leaves."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace

import pytest
import requests
import requests_mock

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import NoUsableResponseError, SubmitOutcomeUnknownError
from airflow_provider_runway.segmind import api_calls
from airflow_provider_runway.segmind.exchange import SleepStep, execute, run_step
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.retry import NO_RETRY
from airflow_provider_runway.transports.aiohttp_transport import AiohttpTransport
from airflow_provider_runway.transports.client_settings import ClientSettings
from airflow_provider_runway.transports.requests_transport import RequestsTransport


async def test_many_jobs_share_one_session(settings: ClientSettings) -> None:
    async with AiohttpTransport(settings) as transport:
        assert transport._session is None
        flows = [transport.run(execute(api_calls.make_credits_call(settings.base_urls), NO_RETRY)) for _ in range(20)]
        found = await asyncio.gather(*flows)
        opened = transport._session
        assert all(balance.is_known for balance in found)
    assert opened is not None
    assert opened.closed
    gc.collect()  # a session that a race left behind would warn here


async def test_a_closed_transport_opens_again(settings: ClientSettings) -> None:
    transport = AiohttpTransport(settings)
    await transport.close()
    for _ in range(2):
        await transport.run(execute(api_calls.make_credits_call(settings.base_urls), NO_RETRY))
        await transport.close()
    assert transport._session is None


async def test_a_cancelled_request_leaves_the_transport_usable(gateway: Emulator, settings: ClientSettings) -> None:
    gateway.add_fault("credits:slow:seconds=5")
    async with AiohttpTransport(settings) as transport:
        task = asyncio.create_task(transport.run(execute(api_calls.make_credits_call(settings.base_urls), NO_RETRY)))
        while not gateway.http_requests():  # noqa: ASYNC110  # the gateway lives in another thread and sets no event here
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await transport.run(execute(api_calls.make_credits_call(settings.base_urls), NO_RETRY))).is_known
    assert len(gateway.http_requests()) == 2


async def test_a_pause_does_not_block_the_event_loop(settings: ClientSettings) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    gateway_down = replace(settings, base_urls=BaseUrls("http://127.0.0.1:9"))
    ticking = asyncio.create_task(other())
    async with AiohttpTransport(gateway_down) as transport:
        with pytest.raises(NoUsableResponseError):
            await transport.run(execute(api_calls.make_credits_call(gateway_down.base_urls), NO_RETRY))
        await transport.run(run_step(SleepStep(0.2)))
    ticking.cancel()
    assert turns > 10


def test_a_submit_never_uses_a_kept_connection(settings: ClientSettings) -> None:
    with RequestsTransport(settings) as transport:
        closed: list[None] = []
        keep = transport.session.close
        transport.session.close = lambda: (closed.append(None), keep())[1]  # type: ignore[method-assign]
        transport.run(execute(api_calls.make_credits_call(settings.base_urls), NO_RETRY))
        assert closed == []
        with pytest.raises(Exception, match="400"):
            transport.run(
                execute(api_calls.make_submit_call(settings.base_urls, "runway-gen3-alphaturbo", {}), NO_RETRY)
            )
        assert closed == [None]


def test_any_unexpected_end_of_a_submit_leaves_its_outcome_unknown(subtests: pytest.Subtests) -> None:
    for case, answer in (
        ("204", {"status_code": 204}),
        ("207", {"status_code": 207, "text": "x"}),
        ("599", {"status_code": 599}),
        ("broken chunks", {"exc": requests.exceptions.ChunkedEncodingError}),
        ("broken gzip", {"exc": requests.exceptions.ContentDecodingError}),
        ("aborted", {"exc": requests.exceptions.ConnectionError("Connection aborted.")}),
        ("a proxy's error without a cause", {"exc": requests.exceptions.ProxyError("odd")}),
        ("read timeout", {"exc": requests.exceptions.ReadTimeout}),
    ):
        with subtests.test(case):
            settings = ClientSettings("SG_x", BaseUrls())
            with requests_mock.Mocker() as mocked, RequestsTransport(settings) as transport:
                mocked.post("https://api.segmind.com/v2/m", **answer)
                with pytest.raises(SubmitOutcomeUnknownError):
                    transport.run(execute(api_calls.make_submit_call(settings.base_urls, "m", {}), NO_RETRY))
                assert mocked.call_count == 1
