"""Every way in which a DAG can hand jobs on: mapped and not, whole results and single keys, task groups.

Airflow refuses to expand over a single key of any task (``.expand(url=job.output["output_url"])``: "cannot map over
XCom with custom key"); ``.output.map(…)`` takes the key out of each mapped result instead.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag, task, task_group

from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor

PICTURE = "https://example.com/picture.png"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    params={"raw_status": "forms"},
)
def forms():
    @task
    def collect(found):
        return list(found) if not isinstance(found, str) else found

    # Not mapped: a single key, and one that is a list, to expand over by way of a task.
    alone = RunwayGenerateOperator(
        task_id="alone",
        prompt_image=PICTURE,
        prompt_text="alone {{ params.word }} slow",
        wait_for_completion=True,
        priority_weight=9,  # the first to start where tasks start one after the other
    )
    collect.override(task_id="each_url_alone").expand(
        found=collect.override(task_id="urls_alone")(alone.output["output_urls"])
    )

    # Mapped over a plain list; then the sensor over the jobs, and single keys of it both ways.
    submit = RunwayGenerateOperator.partial(task_id="submit", prompt_image=PICTURE).expand(
        prompt_text=["submit 0 {{ params.word }}", "submit 1 {{ params.word }}"]
    )
    wait = RunwayJobSensor.partial(task_id="wait", model="runway-gen3-alphaturbo").expand(
        request_id=submit.output.map(lambda job: job["request_id"])
    )
    collect.override(task_id="urls")(wait.output["output_url"])
    collect.override(task_id="each_url").expand(found=wait.output.map(lambda job: job["output_url"]))

    # Mapped over whole sets of arguments.
    RunwayGenerateOperator.partial(task_id="kwargs", prompt_image=PICTURE, wait_for_completion=True).expand_kwargs(
        [{"prompt_text": "kwargs {{ params.word }}", "seed": 7, "ratio": "9:16"}]
    )

    # A mapped group: inside it, single keys are as in a DAG that is not mapped. (Airflow renders no templates in
    # what a group is expanded over.)
    @task_group
    def group(seed):
        submit = RunwayGenerateOperator(
            task_id="submit", prompt_image=PICTURE, prompt_text="group {{ ti.map_index }} {{ params.word }}", seed=seed
        )
        RunwayJobSensor(task_id="wait", request_id=submit.output["request_id"], model=submit.model)

    group.expand(seed=[11, 12])


forms()
