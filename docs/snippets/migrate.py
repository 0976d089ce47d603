"""The same video three times: with requests, with Segmind's SDK, and with this provider."""

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag, task

from airflow_provider_runway.operators.runway import RunwayGenerateOperator

IMAGE = "https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png"


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def migrate():
    # [start: requests]
    @task
    def make_video_with_requests(prompt: str) -> str:
        import os
        import time

        import requests

        headers = {"x-api-key": os.environ["SEGMIND_API_KEY"]}
        body = {"promptText": prompt, "promptImage": IMAGE, "duration": 5}
        response = requests.post("https://api.segmind.com/v2/runway-gen3-alphaturbo", json=body, headers=headers)
        response.raise_for_status()
        job = response.json()
        while True:
            time.sleep(5)  # holds a worker slot
            status = requests.get(job["status_url"], headers=headers).json()
            if status["status"] == "COMPLETED":
                return requests.get(job["response_url"], headers=headers).json()["output"]
            if status["status"] == "FAILED":
                raise RuntimeError(status["error"])

    # [end: requests]
    # [start: sdk]
    @task
    def make_video_with_the_sdk(prompt: str) -> str:
        from segmind import SegmindClient

        client = SegmindClient()  # the key is in SEGMIND_API_KEY
        return client.run("runway-gen3-alphaturbo", promptText=prompt, promptImage=IMAGE, duration=5)["output"]

    # [end: sdk]
    prompt = "The camera drifts over a field of sunflowers"
    make_video_with_requests(prompt)
    make_video_with_the_sdk(prompt)

    # [start: provider]
    video = RunwayGenerateOperator(
        task_id="make_video",
        prompt_text=prompt,
        prompt_image=IMAGE,
        duration=5,
        wait_for_completion=True,
    )
    # [end: provider]

    # [start: downstream]
    @task
    def publish(url: str) -> str:
        return f"published {url}"

    publish(video.output["output_url"])
    # [end: downstream]


migrate()
