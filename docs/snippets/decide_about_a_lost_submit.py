from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def decide_about_a_lost_submit():
    RunwayGenerateOperator(
        task_id="video",
        prompt_text="The camera drifts over a field of sunflowers",
        prompt_image="https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png",
        wait_for_completion=True,
        # [start: parameter]
        on_orphaned_intent="{{ dag_run.conf.get('on_orphaned_intent', 'fail') }}",
        # [end: parameter]
    )


decide_about_a_lost_submit()
