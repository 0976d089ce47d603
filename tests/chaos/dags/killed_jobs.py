"""Mapped jobs, in one task and in two, for tests that kill what runs them. Each prompt names its logical job."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from airflow.providers.common.compat.sdk import dag
from killable_operators import KillableGenerateOperator, KillableSensor
from short_times import use_short_times

use_short_times(intent_margin_s=2.0)

IMAGE = "https://example.com/image.png"
RETRIES = {"retries": 12, "retry_delay": timedelta(seconds=1)}
ONE_TASK_JOBS = int(os.environ.get("RUNWAY_CHAOS_ONE_TASK_JOBS", "6"))
TWO_TASK_JOBS = int(os.environ.get("RUNWAY_CHAOS_TWO_TASK_JOBS", "6"))


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), max_active_runs=4, default_args=RETRIES)
def killed_jobs():
    KillableGenerateOperator.partial(task_id="one_task", prompt_image=IMAGE, wait_for_completion=True).expand(
        prompt_text=[f"one_task {index}" for index in range(ONE_TASK_JOBS)]
    )
    submitted = KillableGenerateOperator.partial(task_id="submit", prompt_image=IMAGE).expand(
        prompt_text=[f"submit {index}" for index in range(TWO_TASK_JOBS)]
    )
    KillableSensor.partial(task_id="wait", model="runway-gen3-alphaturbo").expand(
        request_id=submitted.output.map(lambda job: job["request_id"])
    )


killed_jobs()
