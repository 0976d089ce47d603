"""Turn a folder of images into a folder of videos with a manifest. Copy it, and change the prompt."""

import json
from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import ObjectStoragePath, dag, task

from airflow_provider_runway.operators.runway import RunwayGenerateOperator

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def keep_error(context):
    """Store why a task failed, for the manifest."""
    context["ti"].xcom_push(key="error", value=str(context["exception"]))


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    params={  # folders that all workers can read, or in a bucket: s3://aws_default@bucket/images
        "images": "/tmp/runway/images",  # noqa: S108
        "videos": "/tmp/runway/videos",  # noqa: S108
        "prompt_text": "The camera moves slowly around the subject",
    },
    tags=["runway"],
    doc_md="""\
Each run submits **one job for each image** in the folder `images`, about USD 0.50 each, and stores the videos in the
folder `videos`. Both may be on any storage. Beside the videos it writes `manifest.json`: for each image its video and
cost, or why there is none.

To continue a run in which some jobs failed, clear its failed tasks and `write_manifest`. Jobs that are paid for are
found again. Clearing all tasks pays again.

To limit how many jobs are under way at once, make a pool, and then use it in the task `animate`. The pool has to count
deferred tasks, because jobs wait deferred. A task whose pool does not exist never starts:

    airflow pools set runway 4 "Videos at once" --include-deferred
""",
)
def runway_pipeline():
    @task
    def list_images(folder: str) -> list[str]:
        """Lists the folder's JPEG, PNG and WebP files. Costs nothing."""
        files = ObjectStoragePath(folder).iterdir()
        return sorted(str(file) for file in files if file.suffix.lower() in IMAGE_SUFFIXES)

    images = list_images("{{ params.images }}")
    animated = RunwayGenerateOperator.partial(
        task_id="animate",
        prompt_text="{{ params.prompt_text }}",
        wait_for_completion=True,
        output_path="{{ params.videos }}/",  # a folder: each video is named after its job
        map_index_template="{{ task.prompt_image.rpartition('/')[2] }}",  # the grid shows the image's name
        on_failure_callback=keep_error,
        # pool="runway",
        doc_md="Submits **one job for each image** (USD 0.50 each), waits without a worker slot, stores the video.",
    ).expand(prompt_image=images)

    @task(trigger_rule="all_done")
    def write_manifest(folder: str, images: list[str], ti=None) -> str:
        """Writes `manifest.json` beside the videos, whatever failed. Costs nothing."""
        rows = []
        for index, image in enumerate(images):
            job = ti.xcom_pull(task_ids="animate", map_indexes=index) or {}
            rows.append(
                {
                    "image": image,
                    "request_id": ti.xcom_pull(task_ids="animate", map_indexes=index, key="request_id"),
                    "url": job.get("output_url"),  # kept by Segmind for 7 days
                    "stored": job.get("output_path"),
                    "cost": job.get("cost"),
                    "error": ti.xcom_pull(task_ids="animate", map_indexes=index, key="error"),
                }
            )
        manifest = ObjectStoragePath(folder) / "manifest.json"
        manifest.write_text(json.dumps(rows, indent=2))
        return str(manifest)

    animated >> write_manifest("{{ params.videos }}", images)


runway_pipeline()
