"""A job that outlives its task's timeout, so that each retry has to find it again."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.segmind.timing import Timing, set_timing

# The emulator's rows are complete at once, so that the history can tell sooner, too.
set_timing(
    Timing(
        latency_scale=0.03,
        history_pauses_s=(1.0, 2.0),
        history_lag_s=2.0,
        intent_margin_s=2.0,
        response_margin_s=1.0,
    )
)


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def outliving():
    RunwayGenerateOperator(
        task_id="generate",
        prompt_image="https://example.com/image.png",
        prompt_text="a job that outlives its timeout",
        wait_for_completion=True,
        timeout=5,
        retries=10,
        retry_delay=timedelta(seconds=4),
    )


outliving()
