"""What a job has cost is counted once, wherever its end is seen, and compared with the price of its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from airflow_runtime import TaskInstance, run_task
from tasks import make_operator, make_sensor

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.hooks import price_warnings
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.segmind.job_price import make_price
from airflow_provider_runway.segmind.models import MODELS
from airflow_provider_runway.triggers import metrics

pytestmark = pytest.mark.usefixtures("connection", "quick")
SLUG = "runway-gen3-alphaturbo"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The counters that were sent, in their order: (name, count)."""
    sent: list[tuple[str, int]] = []

    class Stats:
        def incr(self, name: str, count: int = 1, tags: Any = None) -> None:
            assert tags["conn_id"] == "runway_default"
            sent.append((name, count))

        def gauge(self, *_: Any, **__: Any) -> None: ...

        def timing(self, *_: Any, **__: Any) -> None: ...

    monkeypatch.setattr(metrics, "get_stats", Stats)
    return sent


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry says 0.30 for 5 s and 0.50 for 10 s; a job of 5 s costs 0.50. Nothing was warned of yet."""
    price = make_price({5: 0.30, 10: 0.50}, "an old page")
    monkeypatch.setitem(MODELS, SLUG, replace(MODELS[SLUG], price=price))
    monkeypatch.setattr(price_warnings, "_warned", set())


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "polling in the worker"])
def test_the_cost_of_a_job_is_counted_once(ti: TaskInstance, counted: list[tuple[str, int]], deferrable: bool) -> None:
    run_task(lambda: make_operator(deferrable=deferrable), ti)
    assert [each for each in counted if each[0] == "runway.cost_cents"] == [("runway.cost_cents", 50)]
    assert [each for each in counted if each[0] == "runway.jobs_completed"] == [("runway.jobs_completed", 1)]


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "poking"])
def test_the_sensor_counts_it_for_a_job_that_another_task_submitted(
    ti: TaskInstance, counted: list[tuple[str, int]], deferrable: bool
) -> None:
    submitted = make_operator(wait_for_completion=False).execute(ti.context())
    assert counted == []
    run_task(lambda: make_sensor(submitted, deferrable=deferrable), TaskInstance())
    assert [each for each in counted if each[0] == "runway.cost_cents"] == [("runway.cost_cents", 50)]


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "polling in the worker"])
def test_a_price_that_a_job_contradicts_is_warned_of_once_in_a_process(
    logged: Callable[[], str], deferrable: bool
) -> None:
    run_task(lambda: make_operator(deferrable=deferrable), TaskInstance())
    first = logged()
    assert first.count(f"A job of {SLUG} has cost USD 0.50, and its price in the model registry is USD 0.30") == 1
    run_task(lambda: make_operator(deferrable=deferrable), TaskInstance(run_id="another"))
    assert "has cost" not in logged().removeprefix(first)


@pytest.mark.usefixtures("cheap")
def test_a_job_whose_duration_is_not_known_may_cost_any_listed_amount(
    gateway: Emulator, logged: Callable[[], str]
) -> None:
    with RunwayHook() as hook:
        job = hook.submit(SLUG, {"promptText": "x", "promptImage": "https://example.com/x.png", "duration": 5})
    assert gateway.ledger()["jobs"][0]["cost"] == 0.5
    run_task(lambda: make_operator(request_id=job.request_id, duration=10), TaskInstance())
    assert "has cost" not in logged()
