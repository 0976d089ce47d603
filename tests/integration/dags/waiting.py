"""Three DAGs whose jobs wait at the same time on one connection: four operators, and an operator with a sensor each."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor

IMAGE = "https://example.com/image.png"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
PARAMS = {"label": "waiting"}


def generate(task_id, **arguments):
    return RunwayGenerateOperator(
        task_id=task_id, prompt_image=IMAGE, prompt_text=f"{task_id} {{{{ params.label }}}}", **arguments
    )


@dag(schedule=None, start_date=START, params=PARAMS)
def waiting_first():
    generate("generate_one", wait_for_completion=True)
    generate("generate_two", wait_for_completion=True)


@dag(schedule=None, start_date=START, params=PARAMS)
def waiting_second():
    generate("generate_one", wait_for_completion=True)
    generate("generate_two", wait_for_completion=True)


@dag(schedule=None, start_date=START, params=PARAMS)
def waiting_third():
    generate("generate_one", wait_for_completion=True)
    submit = generate("submit")
    RunwayJobSensor(task_id="wait", request_id=submit.output["request_id"], model=submit.model)


waiting_first()
waiting_second()
waiting_third()
