"""The poller: one session for all jobs, joining and leaving, and that one job's trouble does not affect others."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
from typing import Any

import aiohttp
import psutil
import pytest
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
from submits import count_requests

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.polling.poll_queue import PollQueue
from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.triggers import pending_job, poller
from airflow_provider_runway.triggers.poller import MAX_CONCURRENT_REQUESTS, get_poller

pytestmark = pytest.mark.usefixtures("connection", "quick")


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[aiohttp.ClientSession]:
    """Every session that is opened; they are real ones."""
    opened: list[aiohttp.ClientSession] = []
    real = aiohttp.ClientSession.__init__

    def record(session: aiohttp.ClientSession, *values: Any, **named: Any) -> None:
        opened.append(session)
        real(session, *values, **named)

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", record)
    return opened


def count_tcp_connections(gateway: Emulator) -> int:
    """Return how many TCP connections this process has to a gateway."""
    port = int(gateway.url.rpartition(":")[2])
    return sum(bool(each.raddr) and each.raddr.port == port for each in psutil.Process().net_connections("tcp"))


async def test_many_jobs_share_one_session_with_few_connections_which_closes_with_the_last(
    gateway: Emulator, sessions: list[aiohttp.ClientSession]
) -> None:
    all_waits, most = asyncio.ensure_future(wait_for_all(submit_jobs(gateway, 100))), 0
    while not all_waits.done():
        most = max(most, count_tcp_connections(gateway))
        await asyncio.sleep(0.01)
    assert get_kinds(await all_waits) == {"completed"}
    assert len(sessions) == 1
    assert sessions[0].closed
    assert 0 < most <= MAX_CONCURRENT_REQUESTS
    gc.collect()  # what was left open would warn here, and warnings are errors


async def test_a_poller_that_was_idle_polls_again(gateway: Emulator, sessions: list[aiohttp.ClientSession]) -> None:
    for _ in range(2):
        assert get_kinds(await wait_for_all(submit_jobs(gateway, 5))) == {"completed"}
    assert [session.closed for session in sessions] == [True, True]


async def test_jobs_may_join_while_others_wait(gateway: Emulator, sessions: list[aiohttp.ClientSession]) -> None:
    gateway.add_fault("submit:job_latency:seconds=1.5")
    (slow,) = start_waits(submit_jobs(gateway, 1))
    await asyncio.sleep(0.2)
    assert (await wait(submit_jobs(gateway, 1)[0])).kind == "completed"
    assert not slow.done()
    assert (await slow).kind == "completed"
    assert len(sessions) == 1
    await wait_until_idle(get_poller(CONN_ID))


async def test_cancelling_one_wait_affects_no_other_and_nothing_remote(gateway: Emulator) -> None:
    gateway.add_fault("submit:job_latency:seconds=1,times=0")
    waits = start_waits(submit_jobs(gateway, 6))
    await asyncio.sleep(0.2)
    for each in waits[::2]:
        each.cancel()
    results = await asyncio.gather(*waits, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in results[::2])
    assert [each.kind.value for each in results[1::2] if isinstance(each, WaitOutcome)] == ["completed"] * 3
    assert gateway.ledger()["posts"] == 6
    await wait_until_idle(get_poller(CONN_ID))


async def test_when_all_waits_are_cancelled_the_session_closes(
    gateway: Emulator, sessions: list[aiohttp.ClientSession]
) -> None:
    gateway.add_fault("submit:job_sticks:times=0")
    waits = start_waits(submit_jobs(gateway, 3))
    await asyncio.sleep(0.2)
    for each in waits:
        each.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await wait_until_idle(get_poller(CONN_ID))
    before = count_requests(gateway, "status")
    await asyncio.sleep(0.15)
    assert count_requests(gateway, "status") == before
    assert sessions[0].closed


async def test_two_waits_for_one_job_both_get_its_outcome(gateway: Emulator) -> None:
    (summary,) = submit_jobs(gateway, 1)
    first, second = await wait_for_all([summary, summary])
    assert first.job.output_url == second.job.output_url is not None


async def test_each_job_is_logged_in_its_own_log_and_in_the_context_of_its_own_wait(gateway: Emulator) -> None:
    """Airflow routes a line by the context variables that are set where it is logged."""
    gateway.add_fault("submit:job_latency:seconds=60,times=0")
    summaries = submit_jobs(gateway, 5)
    noisy = summaries[3].request_id
    gateway.add_fault(f"status:server_error:times=2,match={noisy}")
    current_task: contextvars.ContextVar[str] = contextvars.ContextVar("current_task", default="triggerer")
    lines: list[tuple[str, str, str]] = []

    class RoutedLog(RecordingLog):
        def __init__(self, owner: str) -> None:
            super().__init__()
            self.owner = owner

        def info(self, message: str, *values: Any) -> None:
            lines.append((self.owner, current_task.get(), message % values))

        warning = info

    async def run_trigger(summary: JobSummary) -> WaitOutcome:
        current_task.set(summary.request_id)
        return await wait(summary, log=RoutedLog(summary.request_id))

    triggers = [asyncio.create_task(run_trigger(summary)) for summary in summaries]
    async with asyncio.timeout(20):
        while sum("PROCESSING" in text for _, _, text in lines) < len(summaries):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    gateway.advance(60)
    assert get_kinds(await asyncio.gather(*triggers)) == {"completed"}
    for summary in summaries:
        own = [line for line in lines if summary.request_id in line[2]]
        assert {(owner, task) for owner, task, _ in own} == {(summary.request_id, summary.request_id)}
        assert [text.rpartition(" ")[2] for _, _, text in own if "PROCESSING" in text or "COMPLETED" in text] == [
            "PROCESSING",
            "COMPLETED",
        ]
    assert sum("Polling goes on" in text for _, _, text in lines) == 1
    await wait_until_idle(get_poller(CONN_ID))


async def test_what_belongs_to_no_job_runs_in_no_jobs_context(
    gateway: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    current_task: contextvars.ContextVar[str] = contextvars.ContextVar("current_task", default="triggerer")
    seen: set[str] = set()
    real_send = aiohttp.ClientSession._request

    async def record_send(*values: Any, **named: Any) -> Any:
        seen.add(current_task.get())
        return await real_send(*values, **named)

    def record_housekeeping(*_: object) -> None:
        seen.add(current_task.get())

    monkeypatch.setattr(aiohttp.ClientSession, "_request", record_send)
    monkeypatch.setattr(poller.metrics, "set_jobs_waiting", record_housekeeping)
    current_task.set("a task")
    assert get_kinds(await wait_for_all(submit_jobs(gateway, 3))) == {"completed"}
    assert seen == {"triggerer"}


async def test_a_bug_in_the_poller_ends_every_wait_and_later_jobs_are_polled(
    gateway: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    summaries = submit_jobs(gateway, 4)
    with monkeypatch.context() as patch:
        patch.setattr(PollQueue, "pop_due", fail)
        results = await asyncio.gather(*start_waits(summaries), return_exceptions=True)
    assert [type(each) for each in results] == [ZeroDivisionError] * 4
    await wait_until_idle(get_poller(CONN_ID))
    assert get_kinds(await wait_for_all(summaries)) == {"completed"}


async def test_a_bug_in_one_poll_ends_that_wait_alone(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    summaries, real = submit_jobs(gateway, 3), pending_job.poll_status

    def fail_for_one(base_urls: Any, summary: Any) -> Any:
        return real(base_urls, summary) if summary is not summaries[1] else 1 / 0

    monkeypatch.setattr(pending_job, "poll_status", fail_for_one)
    results = await asyncio.gather(*start_waits(summaries), return_exceptions=True)
    assert [type(each) for each in results] == [WaitOutcome, ZeroDivisionError, WaitOutcome]
    await wait_until_idle(get_poller(CONN_ID))


async def test_it_learns_latencies_and_keeps_them(gateway: Emulator) -> None:
    gateway.add_fault("submit:job_latency:seconds=0.5,times=0")
    latency = get_poller(CONN_ID)._get_latency(DEFAULT_MODEL)
    before_s = latency.expected_s
    await wait_for_all(submit_jobs(gateway, 20))
    assert get_poller(CONN_ID)._get_latency(DEFAULT_MODEL) is latency
    assert latency.expected_s == pytest.approx(0.5, rel=0.2) != before_s


async def test_metrics_that_are_no_numbers_are_not_learnt(gateway: Emulator) -> None:
    gateway.add_fault("result:nonsense_json:times=0,body=types,probability=0.5")
    latency = get_poller(CONN_ID)._get_latency(DEFAULT_MODEL)
    assert get_kinds(await wait_for_all(submit_jobs(gateway, 10))) == {"completed"}
    assert 0 < latency.expected_s < 60


async def test_every_event_loop_has_one_poller_for_each_connection() -> None:
    async def get_own_poller() -> Any:
        return get_poller(CONN_ID)

    assert get_poller(CONN_ID) is get_poller(CONN_ID)
    assert get_poller(CONN_ID) is not get_poller("another")
    assert await asyncio.to_thread(asyncio.run, get_own_poller()) is not get_poller(CONN_ID)


async def test_an_outcome_holds_no_key_and_no_prompt(gateway: Emulator) -> None:
    (outcome,) = await wait_for_all(submit_jobs(gateway, 1, prompt="a very private prompt"))
    text = json.dumps(outcome.to_event())
    assert gateway.test_key not in text
    assert "private prompt" not in text
