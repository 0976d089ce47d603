"""The poller: one session for all, joining and leaving, and that no job's trouble is another's."""

from __future__ import annotations

import asyncio
import gc
import json
import re
from typing import Any

import aiohttp
import psutil
import pytest
from crowd import CONN_ID, Lines, idle, outcomes, submit, wait, wait_for_all
from submits import count

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.polling.poll_queue import PollQueue
from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.triggers import poller
from airflow_provider_runway.triggers.poller import MOST_UNDER_WAY, poller_for

pytestmark = pytest.mark.usefixtures("connection", "quick")


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[aiohttp.ClientSession]:
    """Every session that is made; they are real ones."""
    made: list[aiohttp.ClientSession] = []
    real = aiohttp.ClientSession.__init__

    def noted(session: aiohttp.ClientSession, *values: Any, **named: Any) -> None:
        made.append(session)
        real(session, *values, **named)

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", noted)
    return made


def lines_to(gateway: Emulator) -> int:
    """Return how many TCP connections this process has to a gateway."""
    port = int(gateway.url.rpartition(":")[2])
    return sum(bool(each.raddr) and each.raddr.port == port for each in psutil.Process().net_connections("tcp"))


async def test_a_crowd_shares_one_session_of_few_connections_which_closes_with_the_last(
    gateway: Emulator, sessions: list[aiohttp.ClientSession]
) -> None:
    reports, most = submit(gateway, 100), 0
    all_of_them = asyncio.ensure_future(wait_for_all(reports))
    while not all_of_them.done():
        most = max(most, lines_to(gateway))
        await asyncio.sleep(0.01)
    assert outcomes(await all_of_them) == {"completed"}
    assert len(sessions) == 1
    assert sessions[0].closed
    assert 0 < most <= MOST_UNDER_WAY
    gc.collect()  # what was left open would warn here, and warnings are errors


async def test_the_session_opens_with_the_first_look(gateway: Emulator, sessions: list[aiohttp.ClientSession]) -> None:
    waiting = asyncio.ensure_future(wait(submit(gateway, 1)[0]))
    await asyncio.sleep(0)
    assert sessions == []
    await waiting
    await idle(poller_for(CONN_ID))


async def test_a_second_crowd_finds_the_poller_awake_again(
    gateway: Emulator, sessions: list[aiohttp.ClientSession]
) -> None:
    for _ in range(2):
        assert outcomes(await wait_for_all(submit(gateway, 5))) == {"completed"}
    assert [session.closed for session in sessions] == [True, True]


async def test_jobs_may_join_while_others_wait(gateway: Emulator, sessions: list[aiohttp.ClientSession]) -> None:
    gateway.add_fault("submit:job_latency:seconds=0.5")
    first = asyncio.ensure_future(wait(submit(gateway, 1)[0]))
    await asyncio.sleep(0.2)
    assert (await wait(submit(gateway, 1)[0])).kind == "completed"
    assert not first.done()
    assert (await first).kind == "completed"
    assert len(sessions) == 1
    await idle(poller_for(CONN_ID))


async def test_cancelling_one_wait_touches_no_other_and_nothing_remote(gateway: Emulator) -> None:
    gateway.add_fault("submit:job_latency:seconds=0.4,times=0")
    waits = [asyncio.ensure_future(wait(report)) for report in submit(gateway, 6)]
    await asyncio.sleep(0.2)
    for cancelled in waits[::2]:
        cancelled.cancel()
    ended = await asyncio.gather(*waits, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended[::2])
    assert [each.kind.value for each in ended[1::2] if isinstance(each, WaitOutcome)] == ["completed"] * 3
    assert gateway.ledger()["posts"] == 6
    await idle(poller_for(CONN_ID))


async def test_when_all_are_cancelled_the_session_closes(
    gateway: Emulator, sessions: list[aiohttp.ClientSession]
) -> None:
    gateway.add_fault("submit:job_sticks:times=0")
    waits = [asyncio.ensure_future(wait(report)) for report in submit(gateway, 3)]
    await asyncio.sleep(0.2)
    for each in waits:
        each.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await idle(poller_for(CONN_ID))
    before = count(gateway, "status")
    await asyncio.sleep(0.15)
    assert count(gateway, "status") == before
    assert sessions[0].closed


async def test_two_waits_for_one_job_both_get_its_ending(gateway: Emulator) -> None:
    (report,) = submit(gateway, 1)
    first, second = await wait_for_all([report, report])
    assert first.job.output_url == second.job.output_url is not None


async def test_changes_of_state_go_to_the_log_of_their_own_job(gateway: Emulator) -> None:
    gateway.add_fault("submit:job_latency:seconds=2,times=0")
    reports = submit(gateway, 3)
    logs = [Lines() for _ in reports]
    await asyncio.gather(*(wait(report, log=log) for report, log in zip(reports, logs, strict=True)))
    for report, log in zip(reports, logs, strict=True):
        assert len(log.infos) == len(set(log.infos)) <= 3
        assert f"Job {report.request_id}: PROCESSING" in log.infos
        assert all(report.request_id in line for line in log.infos)
        assert log.warnings == []
    await idle(poller_for(CONN_ID))


async def test_a_bug_in_the_poller_reaches_everybody_who_waits_and_the_next_crowd_is_served(
    gateway: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    reports = submit(gateway, 4)
    with monkeypatch.context() as patch:
        patch.setattr(PollQueue, "take", broken)
        ended = await asyncio.gather(*map(wait, reports), return_exceptions=True)
    assert [type(each) for each in ended] == [ZeroDivisionError] * 4
    await idle(poller_for(CONN_ID))
    assert outcomes(await wait_for_all(reports)) == {"completed"}


async def test_a_bug_in_one_look_ends_that_wait_alone(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    reports, real = submit(gateway, 3), poller.poll_status

    def broken(at: Any, report: Any) -> Any:
        return real(at, report) if report is not reports[1] else 1 / 0

    monkeypatch.setattr(poller, "poll_status", broken)
    ended = await asyncio.gather(*map(wait, reports), return_exceptions=True)
    assert [type(each) for each in ended] == [WaitOutcome, ZeroDivisionError, WaitOutcome]
    await idle(poller_for(CONN_ID))


async def test_it_learns_how_long_jobs_take_and_remembers_it(gateway: Emulator) -> None:
    gateway.add_fault("submit:job_latency:seconds=0.5,times=0")
    model = poller_for(CONN_ID)._model(DEFAULT_MODEL)
    before_s = model.expected_s
    await wait_for_all(submit(gateway, 20))
    assert poller_for(CONN_ID)._model(DEFAULT_MODEL) is model
    assert model.expected_s == pytest.approx(0.5, rel=0.2) != before_s


async def test_what_is_no_number_in_the_metrics_teaches_nothing(gateway: Emulator) -> None:
    gateway.add_fault("result:nonsense_json:times=0,body=types,probability=0.5")
    model = poller_for(CONN_ID)._model(DEFAULT_MODEL)
    assert outcomes(await wait_for_all(submit(gateway, 10))) == {"completed"}
    assert 0 < model.expected_s < 60


async def test_every_event_loop_has_its_own_poller_for_each_connection() -> None:
    assert poller_for(CONN_ID) is poller_for(CONN_ID)
    assert poller_for(CONN_ID) is not poller_for("another")
    assert await asyncio.to_thread(asyncio.run, _poller()) is not poller_for(CONN_ID)


async def _poller() -> Any:
    return poller_for(CONN_ID)


async def test_nothing_secret_is_in_an_ending(gateway: Emulator) -> None:
    (ending,) = await wait_for_all(submit(gateway, 1, prompt="a very private prompt"))
    text = json.dumps(ending.to_event())
    assert gateway.test_key not in text
    assert not re.search("private prompt", text)
