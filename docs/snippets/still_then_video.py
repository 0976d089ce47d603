from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def still_then_video():
    still = RunwayGenerateOperator(
        task_id="still",
        model="runway-gen4-image",
        prompt_text="@flowers on a table, in the light of @evening",
        reference_images=[
            {"uri": "/tmp/images/one.jpg", "tag": "flowers"},
            {"uri": "https://example.com/evening.jpg", "tag": "evening"},
        ],
        ratio="1280:720",
        wait_for_completion=True,
        output_path="/tmp/still.png",
    )
    RunwayGenerateOperator(
        task_id="video",
        prompt_text="The petals move in the wind",
        prompt_image=still.output["output_path"],
        wait_for_completion=True,
        output_path="/tmp/still.mp4",
    )


still_then_video()
