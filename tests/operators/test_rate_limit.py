"""A submit that gets HTTP 429 was not queued: the task waits for the reset without a worker slot, then submits."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import IMAGE_URL, PROMPT, TaskInstance, run_task
from submits import count_requests, get_only_job_id
from tasks import make_operator

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.segmind import retry

pytestmark = pytest.mark.usefixtures("connection", "quick")


def defer_by_429(ti: TaskInstance, **arguments: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        make_operator(**arguments).execute(ti.context())
    return caught.value


def submit_again(ti: TaskInstance, deferred: TaskDeferred, **arguments: Any) -> Any:
    kwargs = json.loads(json.dumps(deferred.kwargs))
    return make_operator(**arguments).submit_again(ti.context(), event="now", **kwargs)


def test_a_deferrable_task_waits_for_the_reset_without_a_slot(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:rate_limited:window=40")
    deferred = defer_by_429(ti)
    due = datetime.fromisoformat(str(deferred.trigger.serialize()[1]["moment"]))
    assert 35 <= (due - datetime.now(UTC)).total_seconds() <= 40 + 15
    assert (count_requests(gateway, "submit"), gateway.ledger()["accepted"]) == (1, 0)


def test_the_deferral_has_no_prompt_no_image_and_no_key(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:rate_limited:window=40")
    deferred = defer_by_429(ti)
    stored = json.dumps([str(deferred.trigger.serialize()), deferred.kwargs])
    for secret in (PROMPT, IMAGE_URL, gateway.test_key):
        assert secret not in stored


def test_the_resumed_task_submits_in_the_same_try(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "MIN_SPREAD_S", 0.0)
    gateway.add_fault("submit:rate_limited:window=6")
    deferred = defer_by_429(ti, wait_for_completion=False)
    result = submit_again(ti, deferred, wait_for_completion=False)
    assert result["request_id"] == get_only_job_id(gateway)
    assert ti.try_number == 1


def test_all_429s_of_a_task_count_against_one_deadline(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:rate_limited:window=40,times=0")
    first = defer_by_429(ti, timeout=100)
    with pytest.raises(TaskDeferred) as again:
        submit_again(ti, first, timeout=100)
    kwargs = [deferred.kwargs or {} for deferred in (first, again.value)]
    assert [each["throttle_count"] for each in kwargs] == [1, 2]
    assert kwargs[0]["give_up_at"] == kwargs[1]["give_up_at"] == pytest.approx(time.time() + 100, abs=20)


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "polling in the worker"])
def test_after_the_deadline_the_task_ends_and_says_that_nothing_is_billed(
    gateway: Emulator, ti: TaskInstance, deferrable: bool, logged: Any
) -> None:
    gateway.add_fault("submit:rate_limited:window=60,times=0")
    with pytest.raises(AirflowException, match="429") as caught:
        make_operator(deferrable=deferrable, timeout=20).execute(ti.context())
    assert "nothing is billed" in str(caught.value) + logged()
    assert not isinstance(caught.value, AirflowFailException), "a retry can help"
    assert gateway.ledger()["accepted"] == 0


def test_a_task_that_is_not_deferrable_waits_in_the_worker_and_submits(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "MIN_SPREAD_S", 0.0)
    gateway.add_fault("submit:rate_limited:window=6")
    result = run_task(partial(make_operator, deferrable=False), ti)
    assert result["request_id"] == get_only_job_id(gateway)
