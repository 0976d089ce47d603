"""What is templated, and that a prompt stays a prompt."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow_runtime import PICTURE_URL
from tasks import generate

from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.segmind.models import DEFAULT_MODEL

TEMPLATED = {
    "prompt_text",
    "prompt_image",
    "duration",
    "ratio",
    "seed",
    "model",
    "model_params",
    "runway_conn_id",
    "request_id",
    "output_path",
    "output_conn_id",
    "image_conn_id",
}


def rendered(**arguments: Any) -> RunwayGenerateOperator:
    """Return the operator in a DAG, rendered as the task runner does it."""
    with DAG("videos", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        operator = generate(**arguments)
    operator.render_template_fields({"params": {"who": "a heron", "seconds": 10}, "run_id": "manual"})
    return operator


def test_the_inputs_of_a_job_are_templated() -> None:
    assert set(RunwayGenerateOperator.template_fields) == TEMPLATED


def test_no_ending_of_a_text_makes_it_a_file() -> None:
    assert RunwayGenerateOperator.template_ext == ()


@pytest.mark.parametrize("ending", [".json", ".sql", ".txt", ".md", ".html", ".j2"])
def test_a_prompt_that_ends_like_a_file_stays_a_prompt(ending: str) -> None:
    assert rendered(prompt_text=f"a screen that shows data{ending}").prompt_text == f"a screen that shows data{ending}"


def test_templates_are_filled_in() -> None:
    operator = rendered(
        prompt_text="{{ params.who }} in the reeds",
        duration="{{ params.seconds }}",
        model_params={"note": "{{ run_id }}"},
        output_path="/videos/{{ run_id }}/",
    )
    assert operator.prompt_text == "a heron in the reeds"
    assert operator.duration == "10"
    assert operator.model_params == {"note": "manual"}
    assert operator.output_path == "/videos/manual/"
    assert operator.prompt_image == PICTURE_URL


#: The operator's face towards DAG files; DAGs depend on it.
SIGNATURE = {
    "prompt_text": None,
    "prompt_image": None,
    "duration": 5,
    "ratio": None,
    "seed": None,
    "model": DEFAULT_MODEL,
    "model_params": None,
    "runway_conn_id": "runway_default",
    "wait_for_completion": False,
    "deferrable": True,
    "timeout": 900,
    "durable": True,
    "request_id": None,
    "output_path": None,
    "output_conn_id": None,
    "image_conn_id": None,
    "max_output_bytes": 2 * 1024**3,
}


def test_the_arguments_and_their_defaults_stay() -> None:
    operator = RunwayGenerateOperator(task_id="generate")
    assert {name: getattr(operator, name) for name in SIGNATURE} == SIGNATURE
    parameters = inspect.signature(RunwayGenerateOperator.__init__).parameters
    assert [name for name in parameters if name not in ("self", "kwargs")] == list(SIGNATURE)


@pytest.mark.parametrize("name", sorted(TEMPLATED))
def test_each_templated_argument_can_be_mapped(name: str) -> None:
    with DAG("videos", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        mapped = RunwayGenerateOperator.partial(task_id="mapped", wait_for_completion=True).expand(**{name: ["a", "b"]})
    assert mapped.operator_class is RunwayGenerateOperator
