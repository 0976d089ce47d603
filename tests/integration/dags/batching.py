"""Every way in which rows reach a batch: from another task, mapped over lists, and from a decorated function."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_runway.batch import read_results
from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator

IMAGE = "https://example.com/image.png"
FOLDER = "{{ params.folder }}"


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), params={"label": "batching", "folder": ""})
def batching():
    @task
    def make_rows(label: str, count: int) -> list[dict]:
        # Rows are not rendered: this is the prompt as it is.
        return [
            {"custom_id": f"row-{index}", "prompt_text": f"{label} {{{{ no jinja }}}} {index}"}
            for index in range(count)
        ]

    @task
    def list_prompts(manifest: dict) -> list[str]:
        return [row["prompt_text"] for row in read_results(manifest) if row["status"] == "success"]

    from_xcom = RunwayGenerateBatchOperator(
        task_id="from_xcom",
        requests=make_rows("{{ params.label }} xcom", 2),
        result_path=f"{FOLDER}/xcom",
        prompt_image=IMAGE,
    )
    list_prompts(from_xcom.output)

    RunwayGenerateBatchOperator.partial(
        task_id="mapped", result_path=f"{FOLDER}/mapped-{{{{ ti.map_index }}}}", prompt_image=IMAGE
    ).expand(requests=[[{"prompt_text": "mapped 0"}], [{"prompt_text": "mapped 1"}, {"prompt_text": "mapped 2"}]])

    @task.runway_batch(result_path=f"{FOLDER}/decorated", prompt_image=IMAGE)
    def decorated(label: str, run_id=None):
        return [{"prompt_text": f"{label} decorated {run_id}"}]

    list_prompts.override(task_id="list_decorated")(decorated("{{ params.label }}"))


batching()
