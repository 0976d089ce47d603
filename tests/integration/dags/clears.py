"""Jobs that are cleared at various moments: one waits deferred, one polls in its worker, one is split in two tasks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor

PICTURE = "https://example.com/picture.png"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1), "prompt_image": PICTURE},
    params={"raw_status": "once"},
)
def clears():
    RunwayGenerateOperator(task_id="deferred", prompt_text="deferred {{ params.word }}", wait_for_completion=True)
    RunwayGenerateOperator(
        task_id="polling", prompt_text="polling {{ params.word }}", wait_for_completion=True, deferrable=False
    )
    submit = RunwayGenerateOperator(task_id="submit", prompt_text="submit {{ params.word }}")
    RunwayJobSensor(task_id="wait", request_id=submit.output["request_id"], model=submit.model)


clears()
