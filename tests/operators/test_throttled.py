"""A submit that is refused with a 429: nothing was queued, so it waits for the reset, and not in a worker slot."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import PICTURE_URL, PROMPT, TaskInstance, run_task
from submits import count, only_job
from tasks import generate

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import ThrottledError
from airflow_provider_runway.segmind import retry
from airflow_provider_runway.segmind.retry import compute_resubmit_delay_s

pytestmark = pytest.mark.usefixtures("connection", "quick")


def deferral(ti: TaskInstance, **arguments: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        generate(**arguments).execute(ti.context())
    return caught.value


@pytest.mark.parametrize(
    ("reset_at", "rounds", "jitter", "wait_s"),
    [
        pytest.param(130.0, 0, 0.0, 30.0, id="at the reset"),
        pytest.param(130.0, 0, 1.0, 30.0 + 15.0, id="or a little later, for others come then, too"),
        pytest.param(130.0, 2, 1.0, 30.0 + 60.0, id="each refusal doubles the spread"),
        pytest.param(130.0, 40, 1.0, 30.0 + 300.0, id="up to five minutes"),
        pytest.param(90.0, 0, 0.0, 0.0, id="a reset that is past"),
        pytest.param(None, 0, 0.0, 15.0, id="no reset was named"),
    ],
)
def test_when_a_refused_submit_comes_back(reset_at: float | None, rounds: int, jitter: float, wait_s: float) -> None:
    assert compute_resubmit_delay_s(ThrottledError("429", reset_at=reset_at), rounds, 100.0, jitter) == wait_s


def test_a_deferrable_task_waits_for_the_reset_without_a_slot(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:rate_limited:window=40")
    deferred = deferral(ti)
    moment = deferred.trigger.serialize()[1]["moment"]
    assert 35 <= (datetime.fromisoformat(str(moment)) - datetime.now(UTC)).total_seconds() <= 40 + 15
    assert count(gateway, "submit") == 1
    assert gateway.ledger()["accepted"] == 0


def test_the_deferral_holds_no_prompt_and_no_image(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:rate_limited:window=40")
    deferred = deferral(ti)
    stored = json.dumps([str(deferred.trigger.serialize()), deferred.kwargs])
    assert PROMPT not in stored
    assert PICTURE_URL not in stored
    assert gateway.test_key not in stored


def test_the_task_submits_once_the_moment_has_come(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "MIN_SPREAD_S", 0.0)
    gateway.add_fault("submit:rate_limited:window=6")
    deferred = deferral(ti, wait_for_completion=False)
    returned = generate(wait_for_completion=False).submit_again(ti.context(), event="now", **(deferred.kwargs or {}))
    assert returned["request_id"] == only_job(gateway)
    assert ti.try_number == 1


def test_each_refusal_defers_once_more_and_counts_the_rounds(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:rate_limited:window=40,times=0")
    first = deferral(ti)
    with pytest.raises(TaskDeferred) as again:
        generate().submit_again(ti.context(), event="now", **(first.kwargs or {}))
    assert (first.kwargs, again.value.kwargs) == ({"throttle_count": 1}, {"throttle_count": 2})


def test_a_task_that_is_not_deferrable_sleeps_and_submits(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "MIN_SPREAD_S", 0.0)
    gateway.add_fault("submit:rate_limited:window=6")
    returned = run_task(partial(generate, deferrable=False), ti)
    assert returned["request_id"] == only_job(gateway)


def test_a_task_that_is_not_deferrable_gives_up_at_its_timeout(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:rate_limited:window=60,times=0")
    with pytest.raises(AirflowException, match="429") as caught:
        generate(deferrable=False, timeout=20).execute(ti.context())
    assert not isinstance(caught.value, AirflowFailException), "a retry helps: nothing was submitted"
    assert gateway.ledger()["accepted"] == 0
