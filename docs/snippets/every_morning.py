from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator


@dag(schedule="0 6 * * *", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False)
def every_morning():
    RunwayGenerateOperator(
        task_id="video",
        prompt_text="Sunflowers on a {{ logical_date.strftime('%A') }} morning",
        prompt_image="https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png",
        wait_for_completion=True,
        output_path="/tmp/mornings/{{ ds }}.mp4",
        retries=3,
    )


every_morning()
