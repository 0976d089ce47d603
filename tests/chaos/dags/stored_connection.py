"""Jobs on a connection that Airflow's own database stores. They may not fail once: there are no retries."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def stored_connection():
    RunwayGenerateOperator.partial(
        task_id="generate",
        prompt_image="https://example.com/image.png",
        runway_conn_id="runway_stored",
        wait_for_completion=True,
    ).expand(prompt_text=[f"stored {index}" for index in range(5)])


stored_connection()
