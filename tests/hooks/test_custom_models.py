"""A user's own catalogue: the same in every process, strict where money moves, patient where jobs are waited for."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import TaskInstance, event_of, resume
from submits import count, only_job
from tasks import generate, sense

from airflow_provider_runway.compat import AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.hooks import custom_models
from airflow_provider_runway.hooks.custom_models import load_models
from airflow_provider_runway.segmind.models import BUILT_IN_MODELS, DEFAULT_MODEL, MODELS, expected_latency_s

pytestmark = pytest.mark.usefixtures("connection", "quick")

LOG = logging.getLogger("tests.catalogue")
ENTRIES = {
    "veo-9": {
        "latency_s": 80,
        "fields": [
            {"name": "text", "kind": "text", "argument": "prompt_text", "required": True},
            {"name": "image_url", "kind": "url", "argument": "prompt_image"},
            {"name": "seconds", "kind": "integer", "argument": "duration", "allowed": [4, 8]},
            {"name": "noise", "kind": "integer", "argument": "seed", "low": 0, "high": 999999},
            {"name": "cfg", "kind": "number", "low": 0, "high": 1},
        ],
    },
    DEFAULT_MODEL: {"latency_s": 99},
}


def begin_process() -> None:
    """Forget what this process has read, as a new one has read nothing."""
    MODELS.clear()
    MODELS.update(BUILT_IN_MODELS)
    custom_models._read.cache_clear()
    custom_models._told.clear()


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    begin_process()
    yield
    begin_process()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write the file of the configuration."""
    path = tmp_path / "models.json"
    monkeypatch.setenv("AIRFLOW__RUNWAY__CATALOGUE", str(path))

    def written(text: str) -> Path:
        path.write_text(text)
        return path

    return written


@pytest.fixture
def models(write: Callable[[str], Path]) -> Path:
    """A good catalogue with a model of its own, and another latency for a built-in one."""
    return write(json.dumps(ENTRIES))


def submit(ti: TaskInstance, **arguments: Any) -> None:
    generate(**{"model": "veo-9", "duration": 8, "wait_for_completion": False, **arguments}).execute(ti.context())


@pytest.mark.usefixtures("models")
def test_a_model_of_the_users_own_gets_its_fields_and_a_seed(
    gateway: Emulator, ti: TaskInstance, picture: Path
) -> None:
    submit(ti, prompt_image=str(picture), model_params={"cfg": "0.5"})
    (job,) = gateway.ledger()["jobs"]
    body = job["body"]
    assert set(body) == {"text", "image_url", "seconds", "noise", "cfg"}
    assert (body["seconds"], body["cfg"]) == (8, 0.5)
    assert body["image_url"].startswith(gateway.url)
    assert 1 <= body["noise"] <= 99_999


@pytest.mark.usefixtures("models")
def test_a_lost_submit_of_such_a_model_is_found_by_that_seed(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:cut_after")
    submit(ti)
    assert gateway.ledger()["posts"] == 1


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"duration": 5}, "duration is 5; allowed: a whole number: 4, 8", id="an argument"),
        pytest.param({"model_params": {"cfg": 2}}, "cfg is 2; allowed: a number from 0 to 1", id="a parameter"),
        pytest.param({"prompt_text": None}, "prompt_text is missing", id="what it needs"),
        pytest.param({"ratio": "16:9"}, "veo-9 has no place for ratio", id="an argument it has no place for"),
    ],
)
def test_its_inputs_are_checked_like_those_of_the_built_in_ones(
    gateway: Emulator, ti: TaskInstance, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(AirflowFailException) as caught:
        submit(ti, **arguments)
    assert said in str(caught.value)
    assert gateway.requests() == []


@pytest.mark.usefixtures("models")
def test_its_latency_is_known_wherever_a_job_is_waited_for(gateway: Emulator, ti: TaskInstance) -> None:
    submit(ti)
    begin_process()  # the sensor's, which never makes an order
    sense(only_job(gateway), deferrable=False).execute(TaskInstance(task_id="sense").context())
    assert (expected_latency_s("veo-9"), expected_latency_s(DEFAULT_MODEL)) == pytest.approx((0.08, 0.099))


@pytest.mark.usefixtures("models")
def test_a_triggerer_that_never_ran_the_dag_file_knows_it(ti: TaskInstance) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        submit(ti, wait_for_completion=True)
    begin_process()
    assert event_of(deferred.value.trigger)["status"] == "completed"
    assert expected_latency_s("veo-9") == pytest.approx(0.08)


def test_without_a_file_the_built_in_models_are_all() -> None:
    load_models()
    assert dict(BUILT_IN_MODELS) == MODELS


def test_the_file_is_read_once_in_a_process(models: Path) -> None:
    load_models()
    models.write_text("no longer JSON")
    load_models()
    assert "veo-9" in MODELS


BAD = [
    pytest.param("{", "is not JSON", id="no JSON"),
    pytest.param('{"veo-9": {"latency": 1}}', "Entry 'veo-9': it has 'latency'", id="a bad entry"),
    pytest.param(None, "cannot be read: No such file", id="no file"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_bad_file_ends_a_task_before_money_moves(
    gateway: Emulator, ti: TaskInstance, write: Callable[[str], Path], text: str | None, said: str
) -> None:
    path = write(text or "")
    if text is None:
        path.unlink()
    for _ in range(2):  # the second task of a process hears of it, too
        with pytest.raises(AirflowFailException) as caught:
            submit(ti, model=DEFAULT_MODEL, duration=5)
        for part in (str(path), said, "Nothing was sent"):
            assert part in str(caught.value)
    assert gateway.requests() == []
    assert dict(BUILT_IN_MODELS) == MODELS, "half of a file is not used"


def test_a_file_that_is_no_text_is_bad_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models.json").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("AIRFLOW__RUNWAY__CATALOGUE", str(tmp_path / "models.json"))
    with pytest.raises(BadInputError, match="cannot be read"):
        load_models()


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_bad_file_ends_no_wait_and_is_warned_of_once(
    gateway: Emulator,
    write: Callable[[str], Path],
    caplog: pytest.LogCaptureFixture,
    text: str | None,
    said: str,
) -> None:
    waiting = [TaskInstance(map_index=index) for index in range(2)]
    deferrals = []
    write("{}")
    for ti in waiting:
        with pytest.raises(TaskDeferred) as deferred:
            generate().execute(ti.context())
        deferrals.append(deferred.value)
    path = write(text or "")
    if text is None:
        path.unlink()
    begin_process()
    for ti, deferral in zip(waiting, deferrals, strict=True):
        event = event_of(deferral.trigger)
        assert resume(generate(), ti, deferral, event)["status"] == "COMPLETED"
    assert gateway.ledger()["posts"] == 2
    warned = [record for record in caplog.records if "catalogue" in record.getMessage()]
    assert [record.levelname for record in warned] == ["WARNING"]
    assert said in warned[0].getMessage()


def test_a_bad_file_that_meets_a_retry_names_the_job(
    gateway: Emulator, ti: TaskInstance, write: Callable[[str], Path]
) -> None:
    write("{}")
    submit(ti, model=DEFAULT_MODEL, duration=5)
    write("{")
    begin_process()
    ti.retry()
    with pytest.raises(AirflowFailException) as caught:
        submit(ti, model=DEFAULT_MODEL, duration=5)
    assert f'RunwayJobSensor(request_id="{only_job(gateway)}")' in str(caught.value)
    assert count(gateway, "submit") == 1
