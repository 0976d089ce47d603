"""The operator returns the XCom contract, and pushes its parts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from airflow_runtime import IMAGE_URL, PROMPT, TaskInstance, run_task
from submits import count_requests, get_only_job_id
from tasks import CONTRACT, assert_contract, make_operator

from airflow_provider_runway.emulator import Emulator

pytestmark = pytest.mark.usefixtures("connection", "quick")


@pytest.fixture(params=[True, False], ids=["deferrable", "polling in the worker"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_the_result_has_all_facts_of_the_finished_job(gateway: Emulator, ti: TaskInstance, deferrable: bool) -> None:
    result = run_task(lambda: make_operator(deferrable=deferrable), ti)
    assert_contract(result)
    (job,) = gateway.ledger()["jobs"]
    expected = {
        "request_id": job["request_id"],
        "status": "COMPLETED",
        "model": "runway-gen3-alphaturbo",
        "output_url": job["output_url"],
        "output_urls": [job["output_url"]],
        "output_path": None,
        "output_paths": [],
        "prompt_text": PROMPT,
        "cost": 0.5,
        "remaining_credits": 999.5,
        "seed": job["body"]["seed"],
    }
    assert {name: result[name] for name in expected} == expected
    assert result["metrics"]["total_time"] > 0
    submitted, completed, expires = (
        datetime.fromisoformat(result[name]) for name in ("submitted_at", "completed_at", "record_expires_at")
    )
    assert submitted <= completed < expires
    assert (expires - submitted).total_seconds() == 3600


def test_parts_of_the_result_are_pushed_under_their_own_names(ti: TaskInstance, deferrable: bool) -> None:
    result = run_task(lambda: make_operator(deferrable=deferrable), ti)
    pushed = {key: ti.xcom(key) for key in ("request_id", "output_url", "output_urls")}
    assert pushed == {key: result[key] for key in pushed}
    assert ti.pushes == ["request_id", "runway_job", "output_url", "output_urls"], "each push is a round trip"


def test_the_request_id_and_the_facts_of_the_submit_are_pushed_before_the_first_poll(
    gateway: Emulator, deferrable: bool
) -> None:
    calls_before_push: dict[str, list[str]] = {}

    class WatchedTaskInstance(TaskInstance):
        def xcom_push(self, key: str, value: Any, **rest: Any) -> None:
            calls_before_push[key] = [request["call"] for request in gateway.http_requests()]
            super().xcom_push(key, value, **rest)

    ti = WatchedTaskInstance()
    result = run_task(lambda: make_operator(deferrable=deferrable, timeout=600), ti)
    assert calls_before_push["request_id"] == calls_before_push["runway_job"] == ["credits", "submit"]
    facts = ti.xcom("runway_job")
    deadline = facts.pop("deadline")
    assert facts == {name: result[name] for name in ("request_id", "model", "seed", "submitted_at")}
    assert deadline == pytest.approx(ti.store.entry["at"] + 600)


def test_a_task_that_only_submits_returns_the_same_keys(gateway: Emulator, ti: TaskInstance) -> None:
    result = make_operator(wait_for_completion=False).execute(ti.context())
    assert_contract(result)
    assert (result["request_id"], result["status"]) == (get_only_job_id(gateway), "QUEUED")
    empty = {name for name in CONTRACT if not result[name]}
    assert empty >= {"output_url", "output_urls", "output_path", "cost", "remaining_credits", "metrics", "completed_at"}
    assert ti.pushes == ["request_id"]
    assert count_requests(gateway, "status", "result") == 0


@pytest.mark.parametrize("shape", ["list,count=3", "images,count=3", "video", "plain"])
def test_every_documented_shape_of_an_output_is_read(gateway: Emulator, ti: TaskInstance, shape: str) -> None:
    gateway.add_fault(f"submit:output_shape:shape={shape}")
    result = run_task(make_operator, ti)
    assert result["output_url"] == result["output_urls"][0] == gateway.ledger()["jobs"][0]["output_url"]
    assert len(set(result["output_urls"])) == (3 if "count" in shape else 1)


def test_the_body_has_the_fields_of_the_api(gateway: Emulator, ti: TaskInstance) -> None:
    make_operator(wait_for_completion=False, duration="10", ratio="9:16", seed="77").execute(ti.context())
    assert gateway.ledger()["jobs"][0]["body"] == {
        "promptText": PROMPT,
        "promptImage": IMAGE_URL,
        "duration": 10,
        "ratio": "9:16",
        "seed": 77,
    }


def test_model_params_win_over_the_arguments_and_none_takes_a_field_out(gateway: Emulator, ti: TaskInstance) -> None:
    params = {"promptText": "another prompt", "duration": None, "watermark": False}
    make_operator(wait_for_completion=False, model="an-unlisted-model", model_params=params).execute(ti.context())
    body = gateway.ledger()["jobs"][0]["body"]
    assert (body["promptText"], body["watermark"], "duration" in body) == ("another prompt", False, False)


def test_a_video_model_takes_its_video_from_model_params(gateway: Emulator, ti: TaskInstance) -> None:
    video = {"video": "https://videos.example/1.mp4"}
    result = run_task(lambda: make_operator(model="runway-gen4-aleph", prompt_image=None, model_params=video), ti)
    assert result["status"] == "COMPLETED"


def test_an_existing_job_is_waited_for_and_nothing_is_submitted(gateway: Emulator, ti: TaskInstance) -> None:
    other = TaskInstance(task_id="other")
    request_id = make_operator(wait_for_completion=False).execute(other.context())["request_id"]
    result = run_task(lambda: make_operator(prompt_text=None, prompt_image=None, request_id=request_id), ti)
    assert_contract(result)
    assert (result["request_id"], result["status"]) == (request_id, "COMPLETED")
    assert gateway.ledger()["posts"] == 1


def test_each_mapped_instance_submits_its_own_job(gateway: Emulator) -> None:
    instances = [TaskInstance(map_index=index) for index in range(4)]
    results = [make_operator(wait_for_completion=False).execute(ti.context()) for ti in instances]
    assert len({result["seed"] for result in results}) == 4
    assert gateway.ledger()["accepted"] == 4


def test_a_mapped_instance_whose_response_was_lost_does_not_adopt_the_job_of_another(gateway: Emulator) -> None:
    shared: dict[Any, str] = {}
    first, second = (TaskInstance(map_index=index, xcoms=shared) for index in range(2))
    make_operator(wait_for_completion=False, seed=7).execute(first.context())
    gateway.add_fault("submit:cut_after")
    make_operator(wait_for_completion=False, seed=7).execute(second.context())
    assert first.xcom("request_id") != second.xcom("request_id")
    assert gateway.ledger()["posts"] == 2


def test_no_key_prompt_or_image_is_kept_in_xcoms_or_the_state_store(gateway: Emulator, ti: TaskInstance) -> None:
    run_task(make_operator, ti)
    kept = json.dumps([list(ti.xcoms.values()), list(ti.store.values.values())])
    for secret in (gateway.test_key, PROMPT, IMAGE_URL):
        assert secret not in kept


def test_the_log_names_cost_seconds_and_the_output_without_its_query(
    gateway: Emulator, ti: TaskInstance, logged: Any
) -> None:
    result = run_task(make_operator, ti)
    (line,) = [line for line in logged().splitlines() if "COMPLETED," in line]
    url = result["output_url"].partition("?")[0]
    assert f"Job {result['request_id']}: COMPLETED, 0 s, cost 0.50 USD, output at {url}." in line
