"""``@task.runway_batch``: a function returns the rows, once in each try."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow_runtime import IMAGE_URL, TaskInstance, run_task
from batches import find_wrong_rows, read_table
from submits import list_own_billable_ids

from airflow_provider_runway.compat import AirflowFailException
from airflow_provider_runway.decorators.batch import runway_batch_task
from airflow_provider_runway.emulator import Emulator

pytestmark = pytest.mark.usefixtures("connection", "quick")


def make_task(function: Callable[..., Any], folder: Path, *args: Any, **arguments: Any) -> Any:
    """Return the operator of a decorated function that is called in a DAG."""
    usual = {"task_id": "generate", "result_path": str(folder), "prompt_image": IMAGE_URL}
    with DAG("videos", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        return runway_batch_task(function, **{**usual, **arguments})(*args).operator


def make_no_rows() -> list[Any]:
    return []


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "in the worker"])
def test_each_row_of_the_function_is_one_job(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, deferrable: bool
) -> None:
    def make_rows(count: int, run_id: Any = None) -> list[dict[str, Any]]:
        return [
            {"custom_id": f"{run_id}-{index}".replace(":", "."), "prompt_text": str(index)} for index in range(count)
        ]

    manifest = run_task(lambda: make_task(make_rows, tmp_path, 3, deferrable=deferrable), ti)
    table = read_table(manifest)
    assert [row["custom_id"] for row in table] == [f"{ti.run_id}-{index}" for index in range(3)]
    assert find_wrong_rows(gateway, table) == []
    assert len(list_own_billable_ids(gateway)) == 3


def test_the_function_is_called_once_in_a_try_and_its_rows_stay(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path
) -> None:
    calls = []

    def make_rows() -> Any:
        calls.append(1)
        yield {"prompt_text": f"call {len(calls)}"}

    run_task(lambda: make_task(make_rows, tmp_path), ti)
    assert len(calls) == 1
    assert json.loads((tmp_path / "requests.jsonl").read_text()) == {"prompt_text": "call 1"}
    assert [job["body"]["promptText"] for job in gateway.ledger()["jobs"]] == ["call 1"]


def test_a_clear_pays_for_the_rows_that_are_new_or_changed_alone(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path
) -> None:
    rows = [{"custom_id": "a", "prompt_text": "one"}, {"custom_id": "b", "prompt_text": "two"}]
    run_task(lambda: make_task(lambda: rows, tmp_path), ti)
    ti.clear()
    rows[1:] = [{"custom_id": "b", "prompt_text": "other"}, {"custom_id": "c", "prompt_text": "three"}]
    manifest = run_task(lambda: make_task(lambda: rows, tmp_path), ti)
    assert manifest["counts"]["success"] == 3
    prompts = [job["body"]["promptText"] for job in gateway.ledger()["jobs"]]
    assert sorted(prompts) == ["one", "other", "three", "two"]


@pytest.mark.parametrize("returned", ["a prompt", None, [], {"prompt_text": "x"}, [{"duration": 7}]])
def test_a_function_that_returns_no_rows_fails_before_any_request(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, returned: Any
) -> None:
    with pytest.raises(AirflowFailException):
        run_task(lambda: make_task(lambda: returned, tmp_path), ti)
    assert gateway.ledger()["jobs"] == []


def test_the_estimate_is_that_of_the_functions_rows(gateway: Emulator, ti: TaskInstance, tmp_path: Path) -> None:
    def make_rows() -> list[dict[str, Any]]:
        return [{"prompt_text": "one"}, {"prompt_text": "two", "duration": 10}]

    estimate = run_task(lambda: make_task(make_rows, tmp_path, estimate_only=True), ti)
    assert (estimate["job_count"], estimate["estimated_cost"]) == (2, 1.5)
    assert gateway.ledger()["jobs"] == []


def test_a_dry_run_does_not_call_the_function(tmp_path: Path, logged: Callable[[], str]) -> None:
    calls: list[int] = []
    make_task(lambda: calls.append(1), tmp_path).dry_run()
    assert calls == []
    assert "estimate_only=True runs it" in logged()


def test_rows_are_given_by_the_function_alone(tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError)):
        make_task(make_no_rows, tmp_path, requests=[{}])


def test_arguments_are_templates_and_rows_are_none(tmp_path: Path) -> None:
    task = make_task(make_no_rows, tmp_path)
    assert {"op_args", "op_kwargs", "result_path", "prompt_text"} <= set(task.template_fields)
    assert not {"requests", "requests_path"} & set(task.template_fields)
