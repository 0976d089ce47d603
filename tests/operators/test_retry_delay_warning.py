"""The operator warns where its next retry would come after the job's record is gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from airflow_runtime import TaskInstance, run_task
from tasks import make_operator

from airflow_provider_runway.compat import compute_next_retry_delay_s
from airflow_provider_runway.segmind.billing_advice import make_late_retry_warning

MINUTE = timedelta(minutes=1)


def task(delay: timedelta | float, factor: float | bool = 0, max_delay: timedelta | None = None) -> Any:
    return SimpleNamespace(retry_delay=delay, retry_exponential_backoff=factor, max_retry_delay=max_delay)


def test_the_next_retry_delay_is_computed_as_airflow_does_it(subtests: pytest.Subtests) -> None:
    for case, operator, try_number, seconds in (
        ("constant", task(5 * MINUTE), 3, 300),
        ("in seconds", task(300.0), 1, 300),
        ("backoff on 2.11", task(5 * MINUTE, True), 3, 1200),
        ("a multiplier on 3", task(5 * MINUTE, 3.0), 3, 2700),
        ("limited by the author", task(5 * MINUTE, 2.0, 10 * MINUTE), 9, 600),
        ("limited by Airflow", task(5 * MINUTE, 2.0), 500, 86400),
    ):
        with subtests.test(case):
            assert compute_next_retry_delay_s(operator, try_number) == seconds


def test_a_retry_is_late_from_the_end_of_the_record_on() -> None:
    assert make_late_retry_warning(3599) is None
    assert "1:00:00 after its submission (record_expires_at)" in str(make_late_retry_warning(3600))


@pytest.mark.usefixtures("connection", "quick")
@pytest.mark.parametrize(
    ("delay", "max_tries", "warnings"),
    [
        pytest.param(MINUTE, 2, 0, id="an early retry"),
        pytest.param(120 * MINUTE, 2, 1, id="a late retry"),
        pytest.param(120 * MINUTE, 0, 0, id="no retry left"),
    ],
)
def test_the_warning_is_logged_once_and_only_where_a_retry_would_be_late(
    ti: TaskInstance, logged: Callable[[], str], delay: timedelta, max_tries: int, warnings: int
) -> None:
    ti.max_tries = max_tries
    run_task(partial(make_operator, retries=2, retry_delay=delay), ti)
    assert logged().count("would come after 2:00:00") == warnings
