from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    end_date=datetime(2026, 1, 31, tzinfo=timezone.utc),
    catchup=False,
)
def one_video_a_day():
    RunwayGenerateOperator(
        task_id="video",
        prompt_text="Sunflowers on {{ ds }}",
        prompt_image="https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png",
        wait_for_completion=True,
        output_path="/tmp/archive/{{ ds }}.mp4",
    )


one_video_a_day()
