"""Jobs in every state that the Videos pages show, and results that someone has tampered with.

The folder of the videos is the parameter ``videos``, so that it can lie below ``[runway] videos_roots``.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator
from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.sensors.runway import RunwayJobSensor

IMAGE = "https://example.com/image.png"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ROWS = 26


class ReturnResultOperator(RunwayGenerateOperator):
    """Submits nothing, and returns the result of a finished job as if it had."""

    template_fields = (*RunwayGenerateOperator.template_fields, "result")

    def __init__(self, *, result, **kwargs):
        super().__init__(**kwargs)
        self.result = result

    def execute(self, context):
        return {"status": "COMPLETED", "request_id": self.task_id, "prompt_text": self.prompt_text, **self.result}


@dag(schedule=None, start_date=START, params={"videos": "/tmp/videos", "bucket": "/tmp/videos"})
def clips():
    one = {"prompt_image": IMAGE, "wait_for_completion": True}
    RunwayGenerateOperator(
        task_id="sunflowers",
        prompt_text="The camera drifts over a field of sunflowers while the sun goes down",
        output_path="{{ params.videos }}/",
        **one,
    )
    RunwayGenerateOperator.partial(task_id="each", output_path="{{ params.videos }}/", **one).expand(
        prompt_text=["A lighthouse <b>at night</b>", "A harbour in the fog"]
    )
    RunwayGenerateOperator(
        task_id="in_bucket", prompt_text="Waves at a pier", output_path="{{ params.bucket }}/", **one
    )
    RunwayGenerateOperator(task_id="url_only", prompt_text="Rain on a tin roof", ratio="9:16", **one)
    submit = RunwayGenerateOperator(task_id="submit", prompt_image=IMAGE, prompt_text="A train in the snow")
    RunwayJobSensor(task_id="wait", request_id=submit.output["request_id"])
    RunwayGenerateOperator(task_id="refused", prompt_text="A storm over the sea", **one)
    RunwayGenerateOperator(task_id="slow", prompt_text="A glacier in the morning sun", **one)


@dag(schedule=None, start_date=START, params={"videos": "/tmp/videos"})
def shots():
    prompts = [f"Shot {number} of the trailer" for number in range(1, ROWS)] + ["A storm over the last shot"]
    RunwayGenerateBatchOperator(
        task_id="trailer",
        requests=[{"custom_id": f"shot-{n}", "prompt_text": prompt} for n, prompt in enumerate(prompts, 1)],
        result_path="{{ params.videos }}/trailer",
        prompt_image=IMAGE,
    )


@dag(schedule=None, start_date=START, params={"outside": "/etc/passwd", "inside": "/tmp/videos/x.mp4"})
def tampered():
    def make(task_id, **result):
        ReturnResultOperator(task_id=task_id, prompt_text="<script>window.hacked = 1</script>", result=result)

    make("markup", output_path="{{ params.inside }}", model="<img src=x onerror='window.hacked = 1'>", seed="<b>1</b>")
    make("script_url", output_url="javascript:window.hacked=1", output_urls=["javascript:window.hacked=1"])
    make("header", output_url="https://example.com; script-src *\r\nX-Bad: 1/", cost="1e400", submitted_at="9" * 40)
    make("outside", output_path="{{ params.outside }}", request_id='"><script>window.hacked=1</script>')
    make("parent", output_path="{{ params.inside }}/../../../../../../../../etc/passwd")
    make("file_url", output_path="file://{{ params.outside }}")
    make("types", output_paths={"a": 1}, output_urls=7, prompt_text=["x"], cost=True, model={})
    make("batch", result_uri="/etc/passwd", counts={"<b>": 3, "success": "many"})


clips()
shots()
tampered()
