from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.exceptions import find_runway_error
from airflow_provider_runway.operators.runway import RunwayGenerateOperator


# [start: callback]
def report_failure(context):
    """Print what a person needs to know. Send it to a chat or a pager instead."""
    error = find_runway_error(context["exception"])
    if error is None:
        print(f"{context['ti'].task_id} failed for another reason: {context['exception']}")
        return
    job = error.facts.get("request_id", "no job")
    print(f"{context['ti'].task_id} failed with {error.code} ({job}): {error}")


# [end: callback]
@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def report_failures():
    # [start: task]
    RunwayGenerateOperator(
        task_id="video",
        prompt_text="{{ dag_run.conf.get('prompt', 'The camera drifts over a field of sunflowers') }}",
        prompt_image="https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png",
        wait_for_completion=True,
        retries=3,
        retry_delay=timedelta(minutes=2),
        on_failure_callback=report_failure,
    )
    # [end: task]


report_failures()
