from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag, task

IMAGE = "https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png"


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def animate_what_a_function_returns():
    @task.runway_batch(result_path="/tmp/seasons/{{ run_id }}", prompt_image=IMAGE)
    def animate(seasons):
        return [{"custom_id": season, "prompt_text": f"The field in {season}"} for season in seasons]

    animate(["spring", "autumn"])


animate_what_a_function_returns()
