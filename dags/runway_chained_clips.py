"""Make a longer scene of clips, each of which begins where the one before it ends. Copy it, and change the prompts."""

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator

IMAGE = "https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png"
PROMPTS = [
    "The camera rises slowly over a field of sunflowers",
    "The camera glides on towards the hills while the sun goes down",
    "The first stars come out above the hills",
]


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
    params={"prompt_image": IMAGE, "videos": "/tmp/runway/scene"},  # noqa: S108
    tags=["runway"],
    doc_md="""\
Each run submits **three jobs one after the other**, about USD 0.50 each, and stores `clip-1.mp4` to `clip-3.mp4` in the
folder `videos`. The first clip begins with `prompt_image`, each other one with the last frame of the clip before it
(`last_frame_url` in its result).

A clip whose result has no last frame ends the scene: the next task fails before anything is sent. That happens with a
model that returns none, and with a job that ended by a page of the account's history, which has no last frames. Clear
the clip before it to make that one again, which pays again.
""",
)
def runway_chained_clips():
    image = "{{ params.prompt_image }}"
    for number, prompt in enumerate(PROMPTS, start=1):
        clip = RunwayGenerateOperator(
            task_id=f"clip_{number}",
            prompt_text=prompt,
            prompt_image=image,
            wait_for_completion=True,  # in the triggerer, without a worker slot
            output_path=f"{{{{ params.videos }}}}/clip-{number}.mp4",
            doc_md="Submits **one job** (USD 0.50), waits for it, and stores the video.",
        )
        image = clip.output["last_frame_url"]  # this also makes the next clip wait for this one


runway_chained_clips()
