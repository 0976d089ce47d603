"""Faults of the gateway while many jobs wait: noise fails no job, and no fault makes the poller hammer."""

from __future__ import annotations

import asyncio
import contextlib
import time

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
from submits import count_requests, set_connection_extra

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.polling.history_page_policy import MIN_JOBS
from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.triggers import poller
from airflow_provider_runway.triggers.poller import get_poller

pytestmark = pytest.mark.usefixtures("connection", "quick")

#: One fault of each kind that says nothing about the job.
NOISE = [
    "server_error:status=503,body=html",
    "html_200",
    "cut_before",
    "cut_body",
    "nonsense_json:body=types",
    "unknown_status",
    "missing_request_id",
    "slow:seconds=0.1",
    "rate_limited:window=0.2,hold=true",
]


@pytest.mark.parametrize("call", ["status", "result"])
@pytest.mark.parametrize("fault", NOISE)
async def test_noise_at_every_second_poll_fails_no_job(gateway: Emulator, call: str, fault: str) -> None:
    name, _, values = fault.partition(":")
    gateway.add_fault(f"{call}:{name}:{values},times=0,probability=0.5".replace(":,", ":"))
    assert get_kinds(await wait_for_all(submit_jobs(gateway, 12))) == {"completed"}
    assert gateway.ledger()["posts"] == 12


@pytest.mark.parametrize("reset_format", ["iso-naive", "epoch"])
async def test_no_request_is_sent_before_the_reset_of_a_429(gateway: Emulator, reset_format: str) -> None:
    summaries = submit_jobs(gateway, MIN_JOBS - 1)  # so few that no history page answers for them
    gateway.add_fault(f"status:rate_limited:window=1,hold=true,reset_format={reset_format}")
    began = time.time()
    assert get_kinds(await wait_for_all(summaries)) == {"completed"}
    assert time.time() - began >= 0.9
    # Requests that were under way together are refused together.
    assert sum(request["status"] == 429 for request in gateway.http_requests()) <= poller.MAX_CONCURRENT_REQUESTS


async def test_a_completed_job_is_not_polled_again_when_its_result_is_refused(gateway: Emulator) -> None:
    (summary,) = submit_jobs(gateway, 1)
    gateway.advance(60)
    gateway.add_fault("result:rate_limited:times=2,window=0.2")
    assert get_kinds(await wait_for_all([summary])) == {"completed"}
    assert (count_requests(gateway, "status"), count_requests(gateway, "result")) == (1, 3)


async def test_the_first_of_several_failed_polls_is_logged_and_a_429_is_not(gateway: Emulator) -> None:
    (noisy, busy), (noisy_log, busy_log) = submit_jobs(gateway, 2), (RecordingLog(), RecordingLog())
    gateway.add_fault(f"status:server_error:times=3,match={noisy.request_id}")
    gateway.add_fault(f"status:rate_limited:times=2,window=0.1,match={busy.request_id}")
    await asyncio.gather(wait(noisy, log=noisy_log), wait(busy, log=busy_log))
    assert len(noisy_log.warnings) == 1
    assert noisy.request_id in noisy_log.warnings[0]
    assert busy_log.warnings == []
    await wait_until_idle(get_poller(CONN_ID))


async def test_a_key_that_stays_rejected_ends_each_wait_after_two_requests(gateway: Emulator) -> None:
    summaries = submit_jobs(gateway, 20)
    gateway.add_fault("status:refuse_auth:times=0")
    gateway.add_fault("history:refuse_auth:times=0")
    outcomes = await wait_for_all(summaries)
    assert {(outcome.kind.value, outcome.code) for outcome in outcomes} == {("error", "unauthorized")}
    assert count_requests(gateway, "status") == 40


async def test_one_401_a_job_fails_none(gateway: Emulator) -> None:
    summaries = submit_jobs(gateway, 20)
    for summary in summaries:
        gateway.add_fault(f"status:refuse_auth:match={summary.request_id}")
    assert get_kinds(await wait_for_all(summaries)) == {"completed"}


@pytest.mark.parametrize("fault", ["", "status:rate_limited:window=60,hold=true"], ids=["used up", "refused"])
async def test_deadlines_hold_where_the_rate_limit_leaves_no_request(
    gateway: Emulator, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    set_connection_extra(monkeypatch, requests_per_minute=2)
    monkeypatch.setattr(poller, "GRACE_S", 0.3)
    monkeypatch.setattr(poller, "MAX_SLEEP_S", 0.05)
    gateway.add_fault("submit:job_sticks:times=0")
    summaries = submit_jobs(gateway, 6)
    if fault:
        gateway.add_fault(fault)
    began = time.time()
    assert get_kinds(await wait_for_all(summaries, timeout_s=0.5)) == {"timeout"}
    assert 0.4 < time.time() - began < 15  # the rate limit would allow their polls within minutes
    assert count_requests(gateway, "status") <= 2


async def test_deadlines_hold_while_no_response_comes(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many requests as may be are under way; the deadlines of the other jobs pass meanwhile."""
    set_connection_extra(monkeypatch, timeout=5.0)
    monkeypatch.setattr(poller, "GRACE_S", 0.1)
    monkeypatch.setattr(poller, "MAX_SLEEP_S", 0.05)
    summaries = submit_jobs(gateway, poller.MAX_CONCURRENT_REQUESTS + 4)
    gateway.add_fault("status:slow:seconds=6,times=0")
    gateway.add_fault("history:slow:seconds=6,times=0")
    began = time.time()
    waits = [asyncio.ensure_future(wait(summary, 0.3)) for summary in summaries]
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    assert time.time() - began < 4  # before the first request that is under way can have ended
    assert get_kinds([each.result() for each in done]) == {"timeout"}
    assert get_kinds(await asyncio.gather(*waits)) == {"timeout"}
    await wait_until_idle(get_poller(CONN_ID))


async def test_responses_that_drip_free_their_places_after_a_total_time(
    gateway: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many polls as may be under way get a byte now and then, which passes the read timeout, and no end."""
    dripping = poller.MAX_CONCURRENT_REQUESTS
    statuses = 0

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal statuses
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while path := (await reader.readuntil(b"\r\n\r\n")).split()[1].decode():
                statuses += path.endswith("/status")
                if path.endswith("/status") and statuses <= dripping:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                    while True:
                        writer.write(b" ")
                        await writer.drain()
                        await asyncio.sleep(0.1)
                body = b'{"status": "COMPLETED", "output": "https://images.segmind.com/a.mp4"}'
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    set_connection_extra(monkeypatch, {"host": url}, timeout="0.5, 0.5")
    summaries = [JobSummary(f"job-{number}", submitted_at=time.time()) for number in range(dripping + 8)]
    began = time.time()
    assert get_kinds(await wait_for_all(summaries)) == {"completed"}
    assert 1.4 < time.time() - began < 10  # the total time is 1.5 s
    server.close()
    await asyncio.sleep(0.2)


async def test_a_job_whose_record_expired_is_found_in_the_history(gateway: Emulator) -> None:
    summaries = submit_jobs(gateway, 3)
    gateway.advance(3700)
    assert get_kinds(await wait_for_all(summaries)) == {"completed"}


async def test_a_wait_that_was_cancelled_before_its_first_poll_sends_nothing(gateway: Emulator) -> None:
    waits = start_waits(submit_jobs(gateway, 2))
    await asyncio.sleep(0)
    for each in waits:
        each.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    await wait_until_idle(get_poller(CONN_ID))
    assert count_requests(gateway, "status") == 0
