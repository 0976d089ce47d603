"""What the gateway may do to a crowd that waits: no noise fails a job, no fault makes the poller hammer."""

from __future__ import annotations

import asyncio
import time

import pytest
from crowd import CONN_ID, Lines, idle, outcomes, submit, wait, wait_for_all
from submits import count, set_extra

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.triggers import poller
from airflow_provider_runway.triggers.poller import poller_for

pytestmark = pytest.mark.usefixtures("connection", "quick")

NOISE = [
    "server_error:status=500",
    "server_error:status=503,body=html",
    "html_200",
    "cut_before",
    "cut_body",
    "empty_body",
    "nonsense_json:body=list",
    "nonsense_json:body=types",
    "nonsense_json:body=broken",
    "unknown_status",
    "missing_request_id",
    "foreign_status_url",
    "slow:seconds=0.1",
    "rate_limited:window=0.1",
    "rate_limited:window=0.2,hold=true",
]


@pytest.mark.parametrize("call", ["status", "result"])
@pytest.mark.parametrize("fault", NOISE)
async def test_noise_at_every_second_look_fails_no_job(gateway: Emulator, call: str, fault: str) -> None:
    name, _, values = fault.partition(":")
    gateway.add_fault(f"{call}:{name}:{values},times=0,probability=0.5".replace(":,", ":"))
    assert outcomes(await wait_for_all(submit(gateway, 12))) == {"completed"}
    assert gateway.ledger()["posts"] == 12


@pytest.mark.parametrize("reset_format", ["iso", "iso-naive", "iso-space", "epoch"])
async def test_a_window_of_refusals_is_waited_out_in_silence(gateway: Emulator, reset_format: str) -> None:
    reports = submit(gateway, 20)
    gateway.add_fault(f"status:rate_limited:window=1,hold=true,reset_format={reset_format}")
    began = time.time()
    assert outcomes(await wait_for_all(reports)) == {"completed"}
    assert time.time() - began >= 0.9
    # Those that were under way together are refused together; nobody asks again before the reset.
    assert sum(request["status"] == 429 for request in gateway.requests()) <= poller.MOST_UNDER_WAY


async def test_a_job_that_completed_is_not_asked_for_its_status_again_when_its_result_is_refused(
    gateway: Emulator,
) -> None:
    (report,) = submit(gateway, 1)
    gateway.advance(60)
    gateway.add_fault("result:rate_limited:times=2,window=0.2")
    assert outcomes(await wait_for_all([report])) == {"completed"}
    assert (count(gateway, "status"), count(gateway, "result")) == (1, 3)


async def test_a_first_stumble_is_told_once_and_a_429_not_at_all(gateway: Emulator) -> None:
    (noisy, busy), (one, other) = submit(gateway, 2), (Lines(), Lines())
    gateway.add_fault(f"status:server_error:times=3,match={noisy.request_id}")
    gateway.add_fault(f"status:rate_limited:times=2,window=0.1,match={busy.request_id}")
    await asyncio.gather(wait(noisy, log=one), wait(busy, log=other))
    assert len(one.warnings) == 1
    assert noisy.request_id in one.warnings[0]
    assert other.warnings == []
    await idle(poller_for(CONN_ID))


async def test_a_key_that_stays_refused_ends_each_wait_after_two_requests(gateway: Emulator) -> None:
    reports = submit(gateway, 20)
    gateway.add_fault("status:refuse_auth:times=0")
    endings = await wait_for_all(reports)
    assert outcomes(endings) == {"error"}
    assert {ending.code for ending in endings} == {"unauthorized"}
    assert count(gateway, "status") == 40


async def test_one_refused_key_a_job_fails_none(gateway: Emulator) -> None:
    reports = submit(gateway, 20)
    for report in reports:
        gateway.add_fault(f"status:refuse_auth:match={report.request_id}")
    assert outcomes(await wait_for_all(reports)) == {"completed"}


@pytest.mark.parametrize("fault", ["", "status:rate_limited:window=60,hold=true"], ids=["spent", "refused"])
async def test_deadlines_hold_where_the_budget_cannot_serve_them(
    gateway: Emulator, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    set_extra(monkeypatch, requests_per_minute=2)
    monkeypatch.setattr(poller, "GRACE_S", 0.3)
    monkeypatch.setattr(poller, "LONGEST_SLEEP_S", 0.05)
    gateway.add_fault("submit:job_sticks:times=0")
    reports = submit(gateway, 6)
    if fault:
        gateway.add_fault(fault)
    began = time.time()
    assert outcomes(await wait_for_all(reports, wait_s=0.5)) == {"timeout"}
    assert 0.4 < time.time() - began < 15  # the budget would serve them in minutes
    assert count(gateway, "status") <= 2


async def test_deadlines_hold_while_the_gateway_says_nothing(
    gateway: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many answers as may be under way are outstanding; the others' deadlines pass meanwhile."""
    set_extra(monkeypatch, timeout=5.0)
    monkeypatch.setattr(poller, "GRACE_S", 0.1)
    monkeypatch.setattr(poller, "LONGEST_SLEEP_S", 0.05)
    reports = submit(gateway, poller.MOST_UNDER_WAY + 4)
    gateway.add_fault("status:slow:seconds=6,times=0")
    began = time.time()
    waits = [asyncio.ensure_future(wait(report, 0.3)) for report in reports]
    done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    assert time.time() - began < 4  # before the first request that is under way can have ended
    assert outcomes([each.result() for each in done]) == {"timeout"}
    assert outcomes(await asyncio.gather(*waits)) == {"timeout"}
    await idle(poller_for(CONN_ID))


async def test_a_job_whose_record_is_gone_is_found_in_the_history(gateway: Emulator) -> None:
    reports = submit(gateway, 3)
    gateway.advance(3700)
    assert outcomes(await wait_for_all(reports)) == {"completed"}
