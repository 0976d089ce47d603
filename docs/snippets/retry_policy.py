from datetime import datetime, timedelta, timezone

from airflow.sdk import RetryDecision, RetryPolicy, dag

from airflow_provider_runway.exceptions import JobFailedError, find_runway_error
from airflow_provider_runway.operators.runway import RunwayGenerateOperator


# [start: policy]
class OneNewJob(RetryPolicy):
    """Submit one new job after a failed one. Resume a job that goes on as often as ``retries`` says."""

    def evaluate(self, exception, try_number, max_tries, context=None):
        error = find_runway_error(exception)
        if isinstance(error, JobFailedError) and try_number > 1:
            return RetryDecision.fail("the second job failed, too")
        return RetryDecision.default()


# [end: policy]
@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def one_new_job():
    # [start: task]
    RunwayGenerateOperator(
        task_id="video",
        prompt_text="{{ dag_run.conf.get('prompt', 'The camera drifts over a field of sunflowers') }}",
        prompt_image="https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png",
        wait_for_completion=True,
        retries=5,
        retry_delay=timedelta(seconds=20),
        retry_policy=OneNewJob(),
    )
    # [end: task]


one_new_job()
