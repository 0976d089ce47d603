"""The operator's arguments: their names and defaults, which are templated, and which are refused at once."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow_runtime import IMAGE_URL
from tasks import make_operator

from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.segmind.models import DEFAULT_MODEL

#: DAGs depend on these names and defaults.
DEFAULTS: dict[str, Any] = {
    "prompt_text": None,
    "prompt_image": None,
    "reference_images": None,
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
    "on_orphaned_intent": "fail",
    "cost_limit": None,
    "estimate_only": False,
}
NOT_TEMPLATED = {"wait_for_completion", "deferrable", "timeout", "durable", "max_output_bytes", "estimate_only"}


def render(**arguments: Any) -> RunwayGenerateOperator:
    """Return the operator in a DAG, rendered as the task runner does it."""
    with DAG("videos", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        operator = make_operator(**arguments)
    operator.render_template_fields({"params": {"who": "a heron", "seconds": 10}, "run_id": "manual"})
    return operator


def test_the_arguments_and_their_defaults_stay() -> None:
    operator = RunwayGenerateOperator(task_id="generate")
    assert {name: getattr(operator, name) for name in DEFAULTS} == DEFAULTS
    parameters = inspect.signature(RunwayGenerateOperator.__init__).parameters
    assert [name for name in parameters if name not in ("self", "kwargs")] == list(DEFAULTS)


def test_every_argument_that_describes_the_job_is_templated() -> None:
    assert set(RunwayGenerateOperator.template_fields) == set(DEFAULTS) - NOT_TEMPLATED


def test_every_templated_argument_can_be_mapped() -> None:
    for name in RunwayGenerateOperator.template_fields:
        with DAG("videos", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
            partial = RunwayGenerateOperator.partial(task_id="mapped", wait_for_completion=True)
            assert partial.expand(**{name: ["a", "b"]}).operator_class is RunwayGenerateOperator


def test_templates_are_rendered() -> None:
    operator = render(
        prompt_text="{{ params.who }} in the reeds",
        duration="{{ params.seconds }}",
        model_params={"note": "{{ run_id }}"},
        output_path="/videos/{{ run_id }}/",
    )
    assert operator.prompt_text == "a heron in the reeds"
    assert operator.duration == "10"
    assert operator.model_params == {"note": "manual"}
    assert operator.output_path == "/videos/manual/"
    assert operator.prompt_image == IMAGE_URL


def test_a_prompt_that_ends_like_a_file_name_is_not_read_as_a_file() -> None:
    assert RunwayGenerateOperator.template_ext == ()
    for ending in (".json", ".sql", ".txt"):
        assert render(prompt_text=f"a screen with data{ending}").prompt_text == f"a screen with data{ending}"


def test_output_path_needs_a_task_that_waits() -> None:
    with pytest.raises(ValueError, match="output_path needs wait_for_completion=True"):
        make_operator(wait_for_completion=False, output_path="/videos/")


@pytest.mark.parametrize("timeout", [float("nan"), float("inf"), 10**5000, "900", None, True, [900]], ids=type)
def test_a_timeout_that_is_not_a_number_of_seconds_is_refused(timeout: Any) -> None:
    with pytest.raises(ValueError, match=r"timeout is .*; give a number of seconds"):
        make_operator(timeout=timeout)


def test_a_size_limit_that_is_not_a_number_of_bytes_is_refused(subtests: pytest.Subtests) -> None:
    for max_output_bytes in (0, -1, 1.5, True, "1000"):
        with (
            subtests.test(max_output_bytes=max_output_bytes),
            pytest.raises(ValueError, match=r"max_output_bytes is .*; give a number of bytes"),
        ):
            make_operator(max_output_bytes=max_output_bytes)
