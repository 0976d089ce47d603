"""Jobs and a batch under a ``cost_limit``, for tests that kill what runs them."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from airflow.providers.common.compat.sdk import dag
from kill_plan import SUBMIT_POINTS
from killable_operators import KillableBatchOperator, KillableGenerateOperator
from short_times import use_short_times

use_short_times(intent_margin_s=5.0)

IMAGE = "https://example.com/image.png"
RETRIES = {"retries": 12, "retry_delay": timedelta(seconds=1)}


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), default_args=RETRIES)
def limited_jobs():
    KillableGenerateOperator.partial(
        task_id="single", prompt_image=IMAGE, wait_for_completion=True, cost_limit=0.5
    ).expand(prompt_text=[f"single {index}" for index in range(len(SUBMIT_POINTS))])
    KillableBatchOperator(
        task_id="batch",
        requests=[{"custom_id": f"row-{index}", "prompt_text": f"batch {index}"} for index in range(10)],
        prompt_image=IMAGE,
        result_path=os.environ.get("RUNWAY_CHAOS_FOLDER", "/tmp") + "/limited/{{ run_id }}",
        cost_limit=2,
    )


limited_jobs()
