"""Turn an image into a video: in two tasks, and in one. Copy the form that you need."""

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor

PROMPT = "The camera drifts over a field of sunflowers while the sun goes down"
IMAGE = "https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["runway"],
    doc_md="Each run submits **two jobs**, about USD 0.50 each: one for each form.",
    params={"prompt_text": PROMPT, "prompt_image": IMAGE, "output_path": "/tmp/runway/"},  # noqa: S108
)
def runway_image_to_video():
    # Two tasks: other tasks can run between the submission and the video.
    generate = RunwayGenerateOperator(
        task_id="generate",
        prompt_text="{{ params.prompt_text }}",
        prompt_image="{{ params.prompt_image }}",  # an https URL, or a local file, which is uploaded
        doc_md="Submits **one job** (USD 0.50) and ends; its id is in XCom.",
    )
    wait = RunwayJobSensor(
        task_id="wait",
        request_id=generate.output,  # the whole result, so that seed and submission time are in the sensor's, too
        doc_md="Waits for the job of `generate`, without a worker slot. Costs nothing.",
    )

    @task
    def show_url(url: str) -> str:
        """Takes the video's URL, which Segmind keeps for 7 days. Costs nothing."""
        print(f"The video is at {url}")
        return url

    show_url(wait.output["output_url"])

    # One task: submits, waits in the triggerer without a worker slot, and stores the file.
    RunwayGenerateOperator(
        task_id="one_task",
        prompt_text="{{ params.prompt_text }}",
        prompt_image="{{ params.prompt_image }}",
        wait_for_completion=True,
        output_path="{{ params.output_path }}",  # a folder (it ends in "/") or a file, on any storage
        doc_md="Submits **one job** (USD 0.50), waits for it without a worker slot, and stores the video.",
    )


runway_image_to_video()
