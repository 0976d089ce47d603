"""Make one video for each day of the past, a few at a time. A second backfill does not pay again."""

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import ObjectStoragePath, dag, task

from airflow_provider_runway.operators.runway import RunwayGenerateOperator

IMAGE = "https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png"
STORED = "{{ var.value.get('runway_videos', '/tmp/runway') }}/archive/{{ ds }}.mp4"


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    end_date=datetime(2026, 1, 31, tzinfo=timezone.utc),  # so that unpausing starts no run of today, which would cost
    catchup=False,  # only a backfill makes runs
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["runway"],
    doc_md="""\
One video of 5 s a day, about **USD 0.50 for each date**, stored as `archive/2026-01-31.mp4` and so on in the folder
that the Airflow variable `runway_videos` names. For dates of the past, on Airflow 3:

    airflow dags unpause runway_backfill
    airflow backfill create --dag-id runway_backfill --from-date 2026-01-01 --to-date 2026-01-31 --max-active-runs 4

A backfill starts only when the DAG is unpaused. Without `end_date`, unpausing would also start the run of the last day,
and pay for it.

What a second backfill over the same dates pays, with `--reprocess-behavior`:

| | |
| --- | --- |
| `none` (the default) | nothing: dates that have a run are left alone |
| `failed` | nothing for a job that runs or is done: the job and its video are found again |
| `completed` | nothing for a date whose video is in the folder; **USD 0.50 for each date whose video was removed** |

Without `is_missing`, `completed` would pay for every date, because clearing a task that succeeded asks for a new job.
""",
)
def runway_backfill():
    @task.short_circuit
    def is_missing(path: str) -> bool:
        """Goes on only if the date has no video yet. Costs nothing."""
        return not ObjectStoragePath(path).exists()

    is_missing(STORED) >> RunwayGenerateOperator(
        task_id="video",
        prompt_text="The camera drifts over a field of sunflowers on {{ ds }}",
        prompt_image=IMAGE,
        seed="{{ logical_date.strftime('%y%j') }}",  # one for each date, so that a date always asks for the same video
        wait_for_completion=True,
        output_path=STORED,
        doc_md="Submits **one job** (USD 0.50), waits for it without a worker slot, and stores the date's video.",
    )


runway_backfill()
