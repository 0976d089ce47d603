"""Make one video every morning. Copy it, and change the prompt, the image and the folder."""

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator

IMAGE = "https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png"


@dag(
    schedule="0 6 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,  # earlier days are not made up for: each would cost
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},  # well within the hour that a job's record lives
    tags=["runway"],
    doc_md="""\
One video of 5 s a day, about **USD 0.50 a day**, stored as `daily/2026-01-31.mp4` and so on.

The folder is the Airflow variable `runway_videos`: a local path, or a bucket such as `s3://aws_default@bucket/videos`.
Unpausing starts the latest missed run at once, which pays for one video; earlier days are not made up for.
A retry finds the job of the earlier try and does not pay again. Clearing a day that succeeded pays again.
""",
)
def runway_scheduled():
    RunwayGenerateOperator(
        task_id="video_of_the_day",
        prompt_text="The camera drifts over a field of sunflowers, as light as a {{ logical_date.strftime('%A') }}",
        prompt_image=IMAGE,
        wait_for_completion=True,  # in the triggerer, without a worker slot
        output_path="{{ var.value.get('runway_videos', '/tmp/runway') }}/daily/{{ ds }}.mp4",
        doc_md="Submits **one job** (USD 0.50), waits for it, and stores the video under the day's name.",
    )


runway_scheduled()
