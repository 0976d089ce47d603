"""Every way in which a DAG can pass on results: mapped and not mapped, whole results and single keys, task groups.

Airflow refuses to expand over a single key of any task (``.expand(url=job.output["output_url"])``: "cannot map over
XCom with custom key"); ``.output.map(…)`` takes the key out of each mapped result instead.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag, task, task_group

from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor

IMAGE = "https://example.com/image.png"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    params={"label": "mapping"},
)
def mapping():
    @task
    def copy_value(value):
        return list(value) if not isinstance(value, str) else value

    # Not mapped: a single key, and a list that a task returns to expand over.
    unmapped = RunwayGenerateOperator(
        task_id="unmapped",
        prompt_image=IMAGE,
        prompt_text="unmapped {{ params.label }} slow",
        wait_for_completion=True,
        priority_weight=9,  # the first to start where the executor runs one task at a time
    )
    copy_value.override(task_id="each_url_unmapped").expand(
        value=copy_value.override(task_id="urls_unmapped")(unmapped.output["output_urls"])
    )

    # Mapped over a plain list; then the sensor over the jobs, and its single keys together and one by one.
    submit = RunwayGenerateOperator.partial(task_id="submit", prompt_image=IMAGE).expand(
        prompt_text=["submit 0 {{ params.label }}", "submit 1 {{ params.label }}"]
    )
    wait = RunwayJobSensor.partial(task_id="wait", model="runway-gen3-alphaturbo").expand(
        request_id=submit.output.map(lambda job: job["request_id"])
    )
    copy_value.override(task_id="urls")(wait.output["output_url"])
    copy_value.override(task_id="each_url").expand(value=wait.output.map(lambda job: job["output_url"]))

    # Mapped over whole sets of arguments.
    RunwayGenerateOperator.partial(task_id="kwargs", prompt_image=IMAGE, wait_for_completion=True).expand_kwargs(
        [{"prompt_text": "kwargs {{ params.label }}", "seed": 7, "ratio": "9:16"}]
    )

    # A mapped group: inside it, single keys work as without mapping. (Airflow renders no templates in the values
    # that a group is expanded over.)
    @task_group
    def group(seed):
        submit = RunwayGenerateOperator(
            task_id="submit", prompt_image=IMAGE, prompt_text="group {{ ti.map_index }} {{ params.label }}", seed=seed
        )
        RunwayJobSensor(task_id="wait", request_id=submit.output["request_id"], model=submit.model)

    group.expand(seed=[11, 12])


mapping()
