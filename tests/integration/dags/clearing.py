"""Jobs for tests that clear tasks: one waits deferred, one polls in its worker, one is split into two tasks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor

IMAGE = "https://example.com/image.png"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1), "prompt_image": IMAGE},
    params={"label": "once"},
)
def clearing():
    RunwayGenerateOperator(task_id="deferred", prompt_text="deferred {{ params.label }}", wait_for_completion=True)
    RunwayGenerateOperator(
        task_id="polling", prompt_text="polling {{ params.label }}", wait_for_completion=True, deferrable=False
    )
    submit = RunwayGenerateOperator(task_id="submit", prompt_text="submit {{ params.label }}")
    RunwayJobSensor(task_id="wait", request_id=submit.output["request_id"], model=submit.model)


clearing()
