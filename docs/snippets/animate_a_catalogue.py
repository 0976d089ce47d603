from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_runway.batch import read_results
from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator

IMAGE = "https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
)
def animate_a_catalogue():
    animate = RunwayGenerateBatchOperator(
        task_id="animate",
        requests=[  # or requests_path="s3://aws_default@bucket/products.csv"
            {"custom_id": "morning", "prompt_text": "The sun rises over the field"},
            {"custom_id": "evening", "prompt_text": "The sun goes down", "duration": 10},
        ],
        prompt_image=IMAGE,  # for each row without one
        result_path="/tmp/catalogue/{{ run_id }}",
    )

    @task
    def list_videos(manifest: dict) -> list[str]:
        return [row["output_path"] for row in read_results(manifest) if row["status"] == "success"]

    @task
    def publish(path: str) -> str:
        print(f"A video is at {path}")
        return path

    publish.expand(path=list_videos(animate.output))


animate_a_catalogue()
