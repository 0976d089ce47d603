"""Make many videos after a person has seen their price and the first one. Airflow 3.1+. Copy it, and change it."""

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import dag, task
from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator
from airflow_provider_runway.operators.runway import RunwayGenerateOperator

IMAGE = "https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    params={
        "prompts": [
            "The camera drifts over a field of sunflowers in the morning",
            "The camera drifts over a field of sunflowers at noon",
            "The camera drifts over a field of sunflowers in the evening",
        ],
        "prompt_image": IMAGE,
        "videos": "/tmp/runway/approved",  # noqa: S108  a folder that all workers can read, or in a bucket
    },
    tags=["runway"],
    doc_md="""\
Each run makes the first video (**USD 0.50**), and asks a person before it makes the others (USD 0.50 each). The task
`approve` shows the price of all and a link to the first video. Answer it under *Required Actions*. While it waits it
holds no worker slot, and from Airflow 3.3 on nothing in the triggerer either.

*Reject*, or no answer for a day, skips the others. They are one batch, which may not spend more than the person has
approved, also over its retries and clears. The `cost_limit` of the first video pays for one more after a clear.
""",
)
def runway_approval():
    @task
    def list_requests(params=None) -> list[dict[str, str]]:
        """Lists a row of the batch for each prompt of the run. Costs nothing."""
        return [{"prompt_text": prompt} for prompt in params["prompts"]]

    @task
    def list_others(params=None) -> list[dict[str, str]]:
        """Lists the rows of all prompts but the first. Costs nothing."""
        return [{"prompt_text": prompt} for prompt in params["prompts"][1:]]

    estimate = RunwayGenerateBatchOperator(
        task_id="estimate",
        requests=list_requests(),
        prompt_image="{{ params.prompt_image }}",
        result_path="{{ params.videos }}/{{ run_id }}/others",
        estimate_only=True,
        doc_md="Checks the inputs of all videos and says what they will cost. Costs nothing.",
    )

    sample = RunwayGenerateOperator(
        task_id="sample",
        prompt_text="{{ params.prompts[0] }}",
        prompt_image="{{ params.prompt_image }}",
        wait_for_completion=True,
        output_path="{{ params.videos }}/{{ run_id }}/sample.mp4",
        cost_limit=1,
        doc_md="Submits **one job** (USD 0.50), and stores its video.",
    )
    approve = ApprovalOperator(
        task_id="approve",
        subject="Make {{ params.prompts | length - 1 }} more videos?",
        body="""\
All {{ params.prompts | length }} videos cost
**USD {{ '%.2f' | format(ti.xcom_pull('estimate')['estimated_cost']) }}**, of which
USD {{ '%.2f' | format(ti.xcom_pull('sample')['cost']) }} are spent.

[The first video]({{ ti.xcom_pull('sample')['output_url'] }})
""",
        defaults="Reject",
        response_timeout=timedelta(days=1),
        doc_md="Shows a person the price and the first video, and waits for the answer. Costs nothing.",
    )
    others = RunwayGenerateBatchOperator(
        task_id="others",
        requests=list_others(),
        prompt_image="{{ params.prompt_image }}",
        result_path="{{ params.videos }}/{{ run_id }}/others",
        cost_limit="{{ ti.xcom_pull('estimate')['estimated_cost'] - ti.xcom_pull('sample')['cost'] }}",
        cost_limit_policy="all_or_nothing",
        doc_md="Submits **one job for each other prompt** (USD 0.50 each), and stores the videos and their table.",
    )
    estimate >> sample >> approve >> others


runway_approval()
