"""Fixtures of every folder that runs tasks: a quick gateway, waits of hundredths of a second, a task instance."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from airflow_runtime import TaskInstance
from submits import set_connection_extra

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.segmind import timing
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.segmind.timing import Timing

#: The gap between two polls of a job.
GAP_S = 0.03

__all__ = ["gateway", "has_state_store", "lineage_collector", "logged", "quick", "ti"]


@pytest.fixture
def gateway() -> Iterator[Emulator]:
    """A gateway whose jobs take thousandths of their usual time."""
    with Emulator(time_scale=0.001) as emulator:
        yield emulator


@pytest.fixture
def quick(connection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every wait short. The rules stay; only the lengths, which their own tests cover, change."""
    set_connection_extra(monkeypatch, requests_per_minute=60_000, timeout=[2.0, 2.0])
    hasty: Callable[..., Any] = partial(RetryPolicy, attempts=3, first_pause_s=0.01, max_elapsed_s=5.0)
    short = Timing(
        latency_scale=0.001,
        min_poll_gap_s=GAP_S,
        min_wait_s=GAP_S,
        history_pauses_s=(0.05,),
        history_lag_s=0.1,
        intent_margin_s=0.1,
        response_margin_s=0.1,
        read_retry=hasty(),
        submit_retry=hasty(max_elapsed_s=1.5),
        download_retry=hasty(),
    )
    monkeypatch.setattr(timing, "_current", short)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Return what was logged since the last call, one line a message."""
    caplog.set_level(logging.INFO)
    if find_spec("airflow.sdk") is not None:  # Airflow 3 logs to standard output, past the standard library
        return lambda: capsys.readouterr().out
    return lambda: caplog.text


@pytest.fixture
def ti() -> TaskInstance:
    """The first try of a task instance on Airflow 3.3 or later."""
    return TaskInstance()


@pytest.fixture(params=[True, False], ids=["with a state store (3.3)", "without one (before 3.3)"])
def has_state_store(request: pytest.FixtureRequest) -> bool:
    """Does Airflow keep state across tries?"""
    return bool(request.param)


@pytest.fixture
def lineage_collector(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A collector that collects: Airflow's own does so only where a lineage backend is installed."""
    from airflow.providers.common.compat import sdk
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    try:
        lineage = import_module("airflow.sdk.lineage")  # 3.2 and newer
    except ImportError:
        lineage = import_module("airflow.lineage.hook")
    collector = lineage.HookLineageCollector()
    # Newer releases of common-compat find it on their own `sdk`; older ones ask Airflow each time. `sdk` comes first:
    # what is replaced there is found by a look at the other.
    monkeypatch.setattr(sdk, "get_hook_lineage_collector", lambda: collector, raising=False)
    monkeypatch.setattr(lineage, "get_hook_lineage_collector", lambda: collector)
    return get_hook_lineage_collector()  # type: ignore[no-untyped-call]
