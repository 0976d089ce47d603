"""What the task hands on: the XCom contract, and what is pushed when."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from airflow_runtime import PICTURE_URL, PROMPT, TaskInstance, run_task
from submits import count, only_job
from tasks import CONTRACT, assert_contract, generate

from airflow_provider_runway.emulator import Emulator

pytestmark = pytest.mark.usefixtures("connection", "quick")


@pytest.fixture(params=[True, False], ids=["deferrable", "polling in the worker"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_a_finished_job_is_handed_on_whole(gateway: Emulator, ti: TaskInstance, deferrable: bool) -> None:
    outcome = run_task(lambda: generate(deferrable=deferrable), ti)
    assert_contract(outcome)
    (job,) = gateway.ledger()["jobs"]
    assert outcome["request_id"] == job["request_id"]
    assert outcome["status"] == "COMPLETED"
    assert outcome["model"] == "runway-gen3-alphaturbo"
    assert outcome["output_url"] == job["output_url"]
    assert outcome["output_urls"] == [job["output_url"]]
    assert (outcome["output_path"], outcome["output_paths"]) == (None, [])
    assert outcome["prompt_text"] == job["body"]["promptText"]
    assert outcome["cost"] == job["cost"] == 0.5
    assert outcome["remaining_credits"] == 999.5
    assert outcome["metrics"]["total_time"] > 0
    assert outcome["seed"] == job["body"]["seed"]
    submitted, completed, expires = (
        datetime.fromisoformat(outcome[name]) for name in ("submitted_at", "completed_at", "record_expires_at")
    )
    assert submitted <= completed < expires
    assert (expires - submitted).total_seconds() == 3600


def test_a_finished_job_is_pushed_under_the_names_of_its_parts(ti: TaskInstance, deferrable: bool) -> None:
    outcome = run_task(lambda: generate(deferrable=deferrable), ti)
    pushed = {key: ti.xcom(key) for key in ("request_id", "output_url", "output_urls")}
    assert pushed == {key: outcome[key] for key in pushed}
    assert ti.pushes == ["request_id", "runway_job", "output_url", "output_urls"], "each push is a round trip"


def test_a_task_that_only_submits_hands_on_the_same_keys(gateway: Emulator, ti: TaskInstance) -> None:
    outcome = generate(wait_for_completion=False).execute(ti.context())
    assert_contract(outcome)
    assert outcome["request_id"] == only_job(gateway)
    assert outcome["status"] == "QUEUED"
    empty = {name for name in CONTRACT if not outcome[name]}
    assert empty == {
        "output_url",
        "output_urls",
        "output_path",
        "output_paths",
        "last_frame_url",
        "cost",
        "remaining_credits",
        "metrics",
        "completed_at",
    }
    assert ti.pushes == ["request_id"]
    assert count(gateway, "status", "result") == 0


def test_several_outputs_are_all_handed_on(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:output_shape:shape=list,count=3")
    outcome = run_task(generate, ti)
    assert len(set(outcome["output_urls"])) == 3
    assert outcome["output_url"] == outcome["output_urls"][0]


@pytest.mark.parametrize("shape", ["list", "images", "video", "plain"])
def test_every_documented_shape_of_an_output_is_read(gateway: Emulator, ti: TaskInstance, shape: str) -> None:
    gateway.add_fault(f"submit:output_shape:shape={shape}")
    assert run_task(generate, ti)["output_url"] == gateway.ledger()["jobs"][0]["output_url"]


def test_the_id_is_pushed_before_the_job_is_looked_at(gateway: Emulator, deferrable: bool) -> None:
    seen: dict[str, list[str]] = {}

    class Watching(TaskInstance):
        def xcom_push(self, key: str, value: Any, **rest: Any) -> None:
            seen[key] = [request["call"] for request in gateway.requests()]
            super().xcom_push(key, value, **rest)

    run_task(lambda: generate(deferrable=deferrable), Watching())
    assert seen["request_id"] == ["submit"]


def test_the_body_has_the_fields_of_the_api(gateway: Emulator, ti: TaskInstance) -> None:
    generate(wait_for_completion=False, duration="10", ratio="9:16", seed="77").execute(ti.context())
    assert gateway.ledger()["jobs"][0]["body"] == {
        "promptText": PROMPT,
        "promptImage": PICTURE_URL,
        "duration": 10,
        "ratio": "9:16",
        "seed": 77,
    }


def test_model_params_win_over_the_arguments_and_none_takes_a_field_out(gateway: Emulator, ti: TaskInstance) -> None:
    params = {"promptText": "another prompt", "duration": None, "watermark": False}
    generate(wait_for_completion=False, model="someone-elses-model", model_params=params).execute(ti.context())
    body = gateway.ledger()["jobs"][0]["body"]
    assert (body["promptText"], body["watermark"], "duration" in body) == ("another prompt", False, False)


def test_a_video_model_takes_its_video_from_model_params(gateway: Emulator, ti: TaskInstance) -> None:
    video = {"video": "https://videos.example/1.mp4"}
    outcome = run_task(lambda: generate(model="runway-gen4-aleph", prompt_image=None, model_params=video), ti)
    assert outcome["status"] == "COMPLETED"


def test_a_named_job_is_waited_for_and_nothing_is_submitted(gateway: Emulator, ti: TaskInstance) -> None:
    request_id = generate(wait_for_completion=False).execute(TaskInstance(task_id="other").context())["request_id"]
    outcome = run_task(lambda: generate(prompt_text=None, prompt_image=None, request_id=request_id), ti)
    assert_contract(outcome)
    assert (outcome["request_id"], outcome["status"]) == (request_id, "COMPLETED")
    assert gateway.ledger()["posts"] == 1


def test_mapped_siblings_submit_a_job_each(gateway: Emulator) -> None:
    outcomes = [generate(wait_for_completion=False).execute(TaskInstance(map_index=at).context()) for at in range(4)]
    assert len({outcome["seed"] for outcome in outcomes}) == 4
    assert gateway.ledger()["accepted"] == 4


def test_a_mapped_sibling_whose_answer_was_lost_does_not_take_anothers_job(gateway: Emulator) -> None:
    shared: dict[Any, str] = {}
    first = TaskInstance(map_index=0, xcoms=shared)
    generate(wait_for_completion=False, seed=7).execute(first.context())
    gateway.add_fault("submit:cut_after")
    second = TaskInstance(map_index=1, xcoms=shared)
    generate(wait_for_completion=False, seed=7).execute(second.context())
    assert first.xcom("request_id") != second.xcom("request_id")
    assert gateway.ledger()["posts"] == 2


def test_nothing_that_is_secret_is_handed_on(gateway: Emulator, ti: TaskInstance) -> None:
    run_task(generate, ti)
    kept = json.dumps([list(ti.xcoms.values()), list(ti.store.values.values())])
    for secret in (gateway.test_key, PROMPT, PICTURE_URL):
        assert secret not in kept
