"""A task whose outlet is an alias, and a DAG that runs when a video is there. It reads what the event says."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import Asset, AssetAlias, dag, task

from airflow_provider_runway.operators.runway import RunwayGenerateOperator

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
VIDEOS = AssetAlias("videos")
SHOTS = Asset("s3://shots/list.csv")


@dag(schedule=None, start_date=START)
def making_videos():
    RunwayGenerateOperator(
        task_id="animate",
        prompt_image="https://images.example/in.png?X-Amz-Signature=s3cret",
        prompt_text="a prompt that is private",
        wait_for_completion=True,
        output_path="{{ var.value.video_folder }}/video.mp4",
        inlets=[SHOTS],
        outlets=[VIDEOS],
    )


@dag(schedule=[VIDEOS], start_date=START)
def following_videos():
    @task
    def read_events(**context):
        events = context.get("triggering_asset_events") or context["triggering_dataset_events"]
        # Airflow 3 lists an event under its asset and again under its alias, so one group has them all.
        return [event.extra for event in next(iter(dict(events).values()))]

    read_events()


making_videos()
following_videos()
