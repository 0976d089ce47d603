from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import AssetAlias, dag, task

from airflow_provider_runway.operators.runway import RunwayGenerateOperator

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
VIDEOS = AssetAlias("videos")


@dag(schedule=None, start_date=START)
def make_a_video():
    RunwayGenerateOperator(
        task_id="animate",
        prompt_image="https://picsum.photos/id/1015/1280/720",
        prompt_text="The river flows, and the light changes",
        wait_for_completion=True,
        output_path="/tmp/videos/",
        outlets=[VIDEOS],
    )


@dag(schedule=[VIDEOS], start_date=START)
def follow_the_videos():
    @task
    def list_costs(triggering_asset_events=None) -> dict[str, float]:
        return {event.asset.uri: event.extra["cost"] for events in triggering_asset_events.values() for event in events}

    list_costs()


make_a_video()
follow_the_videos()
