"""A user's own models: the same in every process; a bad file stops submits, and never a wait."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import TaskInstance, resume, run_trigger
from submits import count_requests, get_only_job_id
from tasks import make_operator, make_sensor

from airflow_provider_runway.compat import AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.hooks import custom_models_file
from airflow_provider_runway.hooks.custom_models_file import load_models
from airflow_provider_runway.segmind.models import BUILT_IN_MODELS, DEFAULT_MODEL, MODELS

pytestmark = pytest.mark.usefixtures("connection", "quick")

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


def forget_models() -> None:
    """Forget what this process has read, like a new process."""
    MODELS.clear()
    MODELS.update(BUILT_IN_MODELS)
    custom_models_file._read_file.cache_clear()
    custom_models_file._warned.clear()


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    forget_models()
    yield
    forget_models()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes the configured models file."""
    path = tmp_path / "models.json"
    monkeypatch.setenv("AIRFLOW__RUNWAY__CATALOGUE", str(path))

    def write_file(text: str) -> Path:
        path.write_text(text)
        return path

    return write_file


@pytest.fixture
def models(write: Callable[[str], Path]) -> Path:
    """A valid file with a new model, and another latency for a built-in one."""
    return write(json.dumps(ENTRIES))


def submit(ti: TaskInstance, **arguments: Any) -> None:
    make_operator(**{"model": "veo-9", "duration": 8, "wait_for_completion": False, **arguments}).execute(ti.context())


@pytest.mark.usefixtures("models")
def test_a_custom_model_gets_its_fields_and_a_derived_seed(
    gateway: Emulator, ti: TaskInstance, image_file: Path
) -> None:
    submit(ti, prompt_image=str(image_file), model_params={"cfg": "0.5"})
    (job,) = gateway.ledger()["jobs"]
    body = job["body"]
    assert set(body) == {"text", "image_url", "seconds", "noise", "cfg"}
    assert (body["seconds"], body["cfg"]) == (8, 0.5)
    assert body["image_url"].startswith(gateway.url)
    assert 1 <= body["noise"] <= 99_999


@pytest.mark.usefixtures("models")
def test_a_lost_submit_of_a_custom_model_is_found_by_its_seed(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:cut_after")
    submit(ti)
    assert gateway.ledger()["posts"] == 1


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"duration": 5}, "duration is 5; allowed: a whole number: 4, 8", id="an argument"),
        pytest.param({"model_params": {"cfg": 2}}, "cfg is 2; allowed: a number from 0 to 1", id="a parameter"),
        pytest.param({"prompt_text": None}, "prompt_text is missing", id="what it needs"),
        pytest.param({"ratio": "16:9"}, "veo-9 has no field for ratio", id="an argument it has no field for"),
    ],
)
def test_inputs_of_a_custom_model_are_checked(
    gateway: Emulator, ti: TaskInstance, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(AirflowFailException) as caught:
        submit(ti, **arguments)
    assert message in str(caught.value)
    assert gateway.http_requests() == []


@pytest.mark.usefixtures("models")
def test_the_sensor_knows_the_latency_of_a_custom_model(gateway: Emulator, ti: TaskInstance) -> None:
    submit(ti)
    forget_models()  # the sensor's, which never builds a request
    make_sensor(get_only_job_id(gateway), deferrable=False).execute(TaskInstance(task_id="sense").context())
    assert (MODELS["veo-9"].latency_s, MODELS[DEFAULT_MODEL].latency_s) == (80, 99)


@pytest.mark.usefixtures("models")
def test_a_triggerer_that_never_ran_the_dag_file_knows_a_custom_model(ti: TaskInstance) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        submit(ti, wait_for_completion=True)
    forget_models()
    assert run_trigger(deferred.value.trigger)["status"] == "completed"
    assert MODELS["veo-9"].latency_s == 80


def test_without_a_file_there_are_the_built_in_models() -> None:
    load_models()
    assert dict(BUILT_IN_MODELS) == MODELS


def test_a_process_reads_the_file_once(models: Path) -> None:
    load_models()
    models.write_text("no longer JSON")
    load_models()
    assert "veo-9" in MODELS


INVALID = [
    pytest.param("{", "It is not JSON", id="no JSON"),
    pytest.param('{"veo-9": {"latency": 1}}', "Entry 'veo-9', latency: is no known property", id="a bad entry"),
    pytest.param(None, "cannot be read: No such file", id="no file"),
]


@pytest.mark.parametrize(("text", "message"), INVALID)
def test_an_invalid_file_fails_the_task_before_the_submit(
    gateway: Emulator, ti: TaskInstance, write: Callable[[str], Path], text: str | None, message: str
) -> None:
    path = write(text or "")
    if text is None:
        path.unlink()
    for _ in range(2):  # the second task of a process fails, too
        with pytest.raises(AirflowFailException) as caught:
            submit(ti, model=DEFAULT_MODEL, duration=5)
        for part in (str(path), message, "Nothing was sent"):
            assert part in str(caught.value)
    assert gateway.http_requests() == []
    assert dict(BUILT_IN_MODELS) == MODELS, "half of a file is not used"


def test_a_binary_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models.json").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("AIRFLOW__RUNWAY__CATALOGUE", str(tmp_path / "models.json"))
    with pytest.raises(BadInputError, match="cannot be read"):
        load_models()


@pytest.mark.parametrize(("text", "message"), INVALID)
def test_an_invalid_file_ends_no_wait_and_gives_one_warning(
    gateway: Emulator,
    write: Callable[[str], Path],
    caplog: pytest.LogCaptureFixture,
    text: str | None,
    message: str,
) -> None:
    waiting = [TaskInstance(map_index=index) for index in range(2)]
    deferrals = []
    write("{}")
    for ti in waiting:
        with pytest.raises(TaskDeferred) as deferred:
            make_operator().execute(ti.context())
        deferrals.append(deferred.value)
    path = write(text or "")
    if text is None:
        path.unlink()
    forget_models()
    for ti, deferral in zip(waiting, deferrals, strict=True):
        event = run_trigger(deferral.trigger)
        assert resume(make_operator(), ti, deferral, event)["status"] == "COMPLETED"
    assert gateway.ledger()["posts"] == 2
    warned = [record for record in caplog.records if "models file" in record.getMessage()]
    assert [record.levelname for record in warned] == ["WARNING"]
    assert message in warned[0].getMessage()


def test_an_invalid_file_at_a_retry_names_the_job(
    gateway: Emulator, ti: TaskInstance, write: Callable[[str], Path]
) -> None:
    write("{}")
    submit(ti, model=DEFAULT_MODEL, duration=5)
    write("{")
    forget_models()
    ti.retry()
    with pytest.raises(AirflowFailException) as caught:
        submit(ti, model=DEFAULT_MODEL, duration=5)
    assert f'RunwayJobSensor(request_id="{get_only_job_id(gateway)}")' in str(caught.value)
    assert count_requests(gateway, "submit") == 1
