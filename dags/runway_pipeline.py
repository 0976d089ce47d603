"""A folder of pictures becomes a folder of videos with a list of them. Copy it, and change the prompt."""

import json
from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import ObjectStoragePath, dag, task

from airflow_provider_runway.operators.runway import RunwayGenerateOperator

KINDS = (".jpg", ".jpeg", ".png", ".webp")


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    params={  # folders that all workers can reach, or in a bucket: s3://aws_default@bucket/pictures
        "pictures": "/tmp/runway/pictures",  # noqa: S108
        "videos": "/tmp/runway/videos",  # noqa: S108
        "prompt_text": "The camera moves slowly around the subject",
    },
    tags=["runway"],
    doc_md="""\
Each run submits **one job for each picture** in the folder `pictures`, about USD 0.50 each, and stores the videos in
the folder `videos`; both may be on any storage. Beside the videos it writes `manifest.json`: which picture became which
video, and what that cost.

The pool says how many jobs are under way at once. It has to count deferred tasks, for that is where they wait:

    airflow pools set runway 4 "Videos at once" --include-deferred

To pick up a run that failed, clear its failed tasks: what is paid for is found again. Clearing all tasks pays again.
""",
)
def runway_pipeline():
    @task
    def list_pictures(folder: str) -> list[str]:
        """Lists the folder's JPEG, PNG and WebP files. Costs nothing."""
        return sorted(str(file) for file in ObjectStoragePath(folder).iterdir() if file.suffix.lower() in KINDS)

    pictures = list_pictures("{{ params.pictures }}")
    animated = RunwayGenerateOperator.partial(
        task_id="animate",
        prompt_text="{{ params.prompt_text }}",
        wait_for_completion=True,
        output_path="{{ params.videos }}/",  # a folder: each video is named after its job
        pool="runway",
        doc_md="Submits **one job for each picture** (USD 0.50 each), waits without a worker slot, stores the video.",
    ).expand(prompt_image=pictures)

    @task
    def write_manifest(folder: str, pictures: list[str], jobs: list[dict]) -> str:
        """Writes `manifest.json` beside the videos. Costs nothing."""
        rows = [
            {
                "picture": picture,
                "request_id": job["request_id"],
                "url": job["output_url"],  # kept by Segmind for 7 days
                "stored": job["output_path"],
                "cost": job["cost"],
            }
            for picture, job in zip(pictures, jobs, strict=True)
        ]
        manifest = ObjectStoragePath(folder) / "manifest.json"
        manifest.write_text(json.dumps(rows, indent=2))
        return str(manifest)

    write_manifest("{{ params.videos }}", pictures, animated.output)


runway_pipeline()
