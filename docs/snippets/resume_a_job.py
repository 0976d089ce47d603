from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), params={"request_id": "the job's id"})
def resume_a_job():
    RunwayGenerateOperator(
        task_id="video",
        request_id="{{ params.request_id }}",
        wait_for_completion=True,
        output_path="/tmp/resumed/",
    )


resume_a_job()
