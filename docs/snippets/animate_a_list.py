from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_runway.batch.results import read_results
from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def animate_a_list():
    batch = RunwayGenerateBatchOperator(
        task_id="animate",
        requests=[
            {"custom_id": "dawn", "prompt_text": "The sun rises over a field of sunflowers"},
            {"custom_id": "dusk", "prompt_text": "The sun sets over a field of sunflowers", "duration": 10},
        ],
        prompt_image="https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png",
        result_path="/tmp/batch/{{ run_id }}/",
    )

    @task
    def list_videos(manifest: dict) -> list[str]:
        return [row["output_path"] for row in read_results(manifest) if row["status"] == "success"]

    list_videos(batch.output)


animate_a_list()
