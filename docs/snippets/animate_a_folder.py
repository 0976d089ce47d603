import json
from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import ObjectStoragePath, dag, task

from airflow_provider_runway.operators.runway import RunwayGenerateOperator


def keep_error(context):
    context["ti"].xcom_push(key="error", value=str(context["exception"]))


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def animate_a_folder():
    @task
    def list_images(folder: str) -> list[str]:
        suffixes = (".jpg", ".jpeg", ".png", ".webp")
        return sorted(str(file) for file in ObjectStoragePath(folder).iterdir() if file.suffix.lower() in suffixes)

    images = list_images("/tmp/images")
    jobs = RunwayGenerateOperator.partial(
        task_id="animate",
        prompt_text="The camera moves slowly around the subject",
        wait_for_completion=True,
        output_path="/tmp/videos/",
        map_index_template="{{ task.prompt_image.rpartition('/')[2] }}",
        on_failure_callback=keep_error,
        # pool="runway",  # at most 4 jobs at once; make the pool first, see below
    ).expand(prompt_image=images)

    @task(trigger_rule="all_done")
    def write_manifest(images: list[str], path: str, ti=None) -> None:
        rows = []
        for index, image in enumerate(images):
            result = ti.xcom_pull(task_ids="animate", map_indexes=index) or {}
            error = ti.xcom_pull(task_ids="animate", map_indexes=index, key="error")
            rows.append(
                {"image": image, "video": result.get("output_path"), "cost": result.get("cost"), "error": error}
            )
        ObjectStoragePath(path).write_text(json.dumps(rows, indent=2))

    jobs >> write_manifest(images, "/tmp/videos/manifest.json")


animate_a_folder()
