from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def two_accounts():
    # [start: tasks]
    shots = ["The camera rises", "The camera falls", "The camera stands still"]
    accounts = ["runway_default", "runway_second"]
    RunwayGenerateOperator.partial(
        task_id="video",
        prompt_image="https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png",
        wait_for_completion=True,
    ).expand_kwargs(
        [
            {"prompt_text": prompt, "runway_conn_id": accounts[number % len(accounts)]}
            for number, prompt in enumerate(shots)
        ]
    )
    # [end: tasks]


two_accounts()
