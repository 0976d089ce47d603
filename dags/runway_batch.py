"""Animate a catalogue of products in one task: a CSV of pictures becomes videos and a table of results."""

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_runway.batch import read_results
from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    params={  # a file and a folder that all workers can read, or in a bucket: s3://aws_default@bucket/products.csv
        "products": "/tmp/runway/products.csv",  # noqa: S108
        "clips": "/tmp/runway/clips",  # noqa: S108
        "prompt_text": "The product turns slowly on a white table, and the camera stays still",
    },
    tags=["runway"],
    doc_md="""\
Each run submits **one job for each row** of the file `products`, about USD 0.50 each, all in one task. The file is a
CSV:

    custom_id,prompt_image,prompt_text
    shoe-1,s3://aws_default@bucket/pictures/shoe-1.jpg,
    hat-7,s3://aws_default@bucket/pictures/hat-7.jpg,The hat sways in the wind

A row without a `prompt_text` gets that of the DAG. `ratio`, `duration`, `seed` and other arguments may be columns,
too. All rows are checked before the first is submitted.

The folder `clips` gets a folder for each run, with the videos (`shoe-1.mp4`) and the table `results.jsonl`. To continue
a run in which some rows failed, clear `animate` and what follows: only the failed rows are submitted, and the others
cost nothing.
""",
)
def runway_batch():
    animate = RunwayGenerateBatchOperator(
        task_id="animate",
        requests_path="{{ params.products }}",
        result_path="{{ params.clips }}/{{ run_id }}",  # the same for each retry of this run
        prompt_text="{{ params.prompt_text }}",
        doc_md="Submits **one job for each row** (USD 0.50 each), waits without a worker slot, stores the videos.",
    )

    @task
    def report(manifest: dict) -> dict[str, str]:
        """Reads the table row by row and reports what has no video. Costs nothing."""
        failed = {row["custom_id"]: row["error"] for row in read_results(manifest) if row["status"] != "success"}
        print(
            f"{manifest['request_count'] - len(failed)} videos for USD {manifest['cost']}, {len(failed)} rows without"
        )
        return failed

    @task
    def list_videos(manifest: dict) -> list[dict[str, str]]:
        """Lists the videos for the mapped task after it, which takes at most 1,024. Costs nothing."""
        return [
            {"product": row["custom_id"], "url": row["output_url"]}
            for row in read_results(manifest)
            if row["status"] == "success"
        ]

    @task(doc_md="Stands for what you do with each video. Costs nothing.")
    def publish(product: str, url: str) -> str:
        print(f"The video of {product} is at {url}")  # Segmind keeps it for 7 days
        return product

    report(animate.output)
    publish.expand_kwargs(list_videos(animate.output))


runway_batch()
