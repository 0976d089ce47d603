"""Limits of a batch: by the emulator's ledger no row is submitted beyond them, over tries and clears."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from airflow_runtime import TaskInstance, WorkerDied, run_task
from batches import make_batch, make_rows, read_table
from submits import add_neighbour, count_requests, list_own_billable_ids, set_connection_extra

from airflow_provider_runway.batch import wave_submitter
from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.submission.send_intent import send_intent

pytestmark = pytest.mark.usefixtures("connection", "quick")


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    """Make a batch of ten rows, USD 0.50 each."""
    return partial(make_batch, tmp_path, make_rows(10))


def statuses(manifest: Any) -> list[str]:
    """Return the rows' statuses in their order."""
    return [row["status"] for row in read_table(manifest)]


def test_all_that_fits_is_submitted_in_order(gateway: Emulator, ti: TaskInstance, make: Callable[..., Any]) -> None:
    manifest = run_task(lambda: make(cost_limit=2.2), ti)
    assert statuses(manifest) == ["success"] * 4 + ["not_submitted"] * 6
    assert (manifest["terminal_reason"], manifest["cost"], manifest["estimated_cost"]) == ("cost_limit", 2.0, 5.0)
    assert "cost_limit" in read_table(manifest)[4]["error"]
    assert (gateway.ledger()["posts"], gateway.ledger()["billed_usd"]) == (4, 2.0)


def test_a_clear_spends_what_is_left_and_no_more(gateway: Emulator, ti: TaskInstance, make: Callable[..., Any]) -> None:
    run_task(lambda: make(cost_limit="2"), ti)
    for limit, count in (("2", 4), ("3", 6), ("3.49", 6), (None, 10)):
        ti.clear()
        manifest = run_task(lambda limit=limit: make(cost_limit=limit), ti)  # type: ignore[misc]
        assert manifest["counts"]["success"] == count == gateway.ledger()["billable"]


def test_rows_that_fail_give_their_reservation_to_the_next_ones(
    gateway: Emulator, ti: TaskInstance, make: Callable[..., Any]
) -> None:
    gateway.add_fault("submit:job_fails:times=3")
    manifest = run_task(lambda: make(cost_limit=2), ti)
    assert manifest["counts"]["error"] == 3
    assert manifest["counts"]["success"] == 4
    assert gateway.ledger()["billed_usd"] == 2.0


@pytest.mark.parametrize("sent", [0, 2], ids=["before the first POST", "after two"])
def test_a_worker_that_dies_in_the_middle_of_a_wave_leaves_the_limit_whole(
    gateway: Emulator, ti: TaskInstance, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, sent: int
) -> None:
    add_neighbour(gateway)
    left, lock = [sent], Lock()

    def send_or_die(*arguments: Any) -> Any:
        with lock:
            left[0] -= 1
            if left[0] < 0:
                raise WorkerDied("between an intent and its POST")
        return send_intent(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(wave_submitter, "send_intent", send_or_die)
        with pytest.raises(WorkerDied):
            run_task(lambda: make(cost_limit=2), ti)
    assert len(list_own_billable_ids(gateway)) == sent
    for begin_again in (TaskInstance.retry, TaskInstance.clear):
        begin_again(ti)
        manifest = run_task(lambda: make(cost_limit=2), ti)
        assert statuses(manifest) == ["success"] * 4 + ["not_submitted"] * 6
        assert len(list_own_billable_ids(gateway)) == 4


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        pytest.param(
            {"cost_limit": 4.99, "cost_limit_policy": "all_or_nothing"}, r"would make USD 5\.00", id="too much"
        ),
        pytest.param({"cost_limit": 50, "model": "my-own-model"}, "price of my-own-model is not known", id="no price"),
        pytest.param({"cost_limit": "much"}, "cost_limit is", id="no amount"),
        pytest.param({"cost_limit": 5, "cost_limit_policy": "some"}, "allowed: .*all_or_nothing", id="no such policy"),
    ],
)
def test_nothing_is_submitted_where_not_all_of_it_may_be(
    gateway: Emulator, ti: TaskInstance, make: Callable[..., Any], arguments: dict[str, Any], match: str
) -> None:
    with pytest.raises(AirflowFailException, match=match):
        run_task(lambda: make(**arguments), ti)
    assert gateway.ledger()["posts"] == 0


def test_all_or_nothing_submits_all_that_fit(gateway: Emulator, ti: TaskInstance, make: Callable[..., Any]) -> None:
    manifest = run_task(lambda: make(cost_limit=5, cost_limit_policy="all_or_nothing"), ti)
    assert manifest["terminal_reason"] == "succeeded"
    assert gateway.ledger()["billed_usd"] == 5.0


def test_without_durable_a_retry_under_a_limit_submits_nothing(
    gateway: Emulator, ti: TaskInstance, make: Callable[..., Any]
) -> None:
    run_task(lambda: make(cost_limit=5, durable=False), ti)
    ti.retry()
    with pytest.raises(AirflowFailException, match="not known what earlier tries of this task have spent"):
        run_task(lambda: make(cost_limit=50, durable=False), ti)
    assert gateway.ledger()["posts"] == 10


def test_the_balance_is_asked_once_and_stops_the_batch_before_its_first_job(
    ti: TaskInstance, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    with Emulator(time_scale=0.001, credits=3.0) as poor:
        extra = {"storage_url": poor.storage_url, "history_url": poor.history_url}
        set_connection_extra(monkeypatch, {"host": poor.url, "password": poor.test_key}, **extra)
        with pytest.raises(AirflowFailException, match=r"balance is USD 3\.00.*= USD 5\.00"):
            run_task(make, ti)
        assert poor.ledger()["posts"] == 0
        assert count_requests(poor, "credits") == 1
        ti.clear()
        manifest = run_task(lambda: make(cost_limit=3), ti)
        assert manifest["counts"]["success"] == 6, "what the limit lets through is covered"
    assert "Estimate: 10 jobs x USD 0.50 (runway-gen3-alphaturbo) = USD 5.00; cost_limit USD 3.00" in logged()


def test_the_limit_of_the_day_ends_a_batch_with_an_error_and_the_rest_not_submitted(
    gateway: Emulator, ti: TaskInstance, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection_extra(monkeypatch, daily_cost_limit=1.5)
    with pytest.raises(AirflowFailException, match=r"7 not_submitted.*daily_cost_limit is USD 1\.50"):
        run_task(make, ti)
    assert gateway.ledger()["billed_usd"] == 1.5
    assert statuses(ti.xcom("return_value")) == ["success"] * 3 + ["not_submitted"] * 7


def test_a_history_that_is_down_lets_a_batch_submit_nothing(
    gateway: Emulator,
    ti: TaskInstance,
    make: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    logged: Callable[[], str],
) -> None:
    set_connection_extra(monkeypatch, daily_cost_limit=100)
    gateway.add_fault("history:history_down:times=0")
    with pytest.raises(AirflowException, match="10 not_submitted"):
        run_task(lambda: make(timeout=0.3), ti)
    assert "does not tell what was spent today" in logged()
    assert gateway.ledger()["posts"] == 0


def test_an_estimate_of_a_batch_sends_nothing_and_leaves_the_folder_alone(
    gateway: Emulator, ti: TaskInstance, make: Callable[..., Any], tmp_path: Path
) -> None:
    result = run_task(lambda: make(estimate_only=True, cost_limit=4), ti)
    assert (result["job_count"], result["estimated_cost"], result["fits_cost_limit"]) == (10, 5.0, False)
    assert count_requests(gateway) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_a_batch_logs_the_estimate_or_why_there_is_none(tmp_path: Path, logged: Callable[[], str]) -> None:
    make_batch(tmp_path, make_rows(3, duration=10)).dry_run()
    assert "Estimate: 3 jobs x USD 1.00 (runway-gen3-alphaturbo) = USD 3.00. Nothing was sent." in logged()
    make_batch(tmp_path, make_rows(3, duration=7)).dry_run()
    assert "No estimate: 3 of 3 rows cannot be submitted" in logged()
