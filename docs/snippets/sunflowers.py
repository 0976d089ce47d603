from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def sunflowers():
    RunwayGenerateOperator(
        task_id="video",
        prompt_text="The camera drifts over a field of sunflowers",
        prompt_image="https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png",
        wait_for_completion=True,
        output_path="/tmp/sunflowers.mp4",
    )


sunflowers()
