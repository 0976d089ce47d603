from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def sunflowers_in_two_steps():
    job = RunwayGenerateOperator(
        task_id="submit",
        prompt_text="The camera drifts over a field of sunflowers",
        prompt_image="https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png",
    )
    video = RunwayJobSensor(task_id="wait", request_id=job.output)

    @task
    def publish(url: str) -> str:
        return f"published {url}"

    publish(video.output["output_url"])


sunflowers_in_two_steps()
