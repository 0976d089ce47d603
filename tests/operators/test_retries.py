"""A retry that comes later than the record's hour is warned of when the job is submitted, and not before or after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from airflow_runtime import TaskInstance, run_task
from tasks import generate

from airflow_provider_runway.operators.retries import next_retry_s, retry_after_expiry_warning

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def task(delay: timedelta | float, factor: float | bool = 0, most: timedelta | None = None) -> Any:
    return SimpleNamespace(retry_delay=delay, retry_exponential_backoff=factor, max_retry_delay=most)


@pytest.mark.parametrize(
    ("given", "try_number", "seconds"),
    [
        pytest.param(task(5 * MINUTE), 3, 300, id="constant"),
        pytest.param(task(300.0), 1, 300, id="in seconds"),
        pytest.param(task(5 * MINUTE, False), 3, 300, id="no backoff on 2.11"),
        pytest.param(task(5 * MINUTE, True), 3, 1200, id="backoff on 2.11"),
        pytest.param(task(5 * MINUTE, 3.0), 3, 2700, id="a multiplier on 3"),
        pytest.param(task(5 * MINUTE, 1.0), 3, 300, id="a multiplier that multiplies nothing"),
        pytest.param(task(5 * MINUTE, 2.0, 10 * MINUTE), 9, 600, id="capped by the author"),
        pytest.param(task(5 * MINUTE, 2.0), 500, 86400, id="capped by Airflow"),
    ],
)
def test_the_next_retry(given: Any, try_number: int, seconds: float) -> None:
    assert next_retry_s(given, try_number) == seconds


@pytest.mark.parametrize(
    ("given", "try_number", "max_tries", "warned"),
    [
        pytest.param(task(59 * MINUTE), 1, 1, False, id="in time"),
        pytest.param(task(HOUR), 1, 1, True, id="when the record goes"),
        pytest.param(task(2 * HOUR), 2, 1, False, id="no retry left"),
        pytest.param(task(2 * HOUR), 1, 0, False, id="no retries"),
        pytest.param(task(20 * MINUTE, True), 1, 5, False, id="the first retry of a backoff"),
        pytest.param(task(20 * MINUTE, True), 3, 5, True, id="the third"),
    ],
)
def test_a_late_retry_is_warned_of(given: Any, try_number: int, max_tries: int, warned: bool) -> None:
    said = retry_after_expiry_warning(given, try_number, max_tries)
    assert (said is not None) == warned
    assert said is None or "1:00:00 after its submission (record_expires_at)" in said


@pytest.mark.usefixtures("connection", "quick")
@pytest.mark.parametrize(("delay", "warnings"), [(MINUTE, 0), (2 * HOUR, 1)])
def test_the_operator_says_so_in_the_tasks_log(
    ti: TaskInstance, said: Callable[[], str], delay: timedelta, warnings: int
) -> None:
    ti.max_tries = 2
    run_task(partial(generate, retries=2, retry_delay=delay, wait_for_completion=True), ti)
    assert said().count("would come after 2:00:00") == warnings
