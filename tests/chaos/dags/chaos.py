"""Mapped jobs in both forms, for tests that kill what runs them. Each prompt names its logical job."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from airflow.providers.common.compat.sdk import dag
from mortal import MortalGenerateOperator, MortalSensor

from airflow_provider_runway.submission import submitter

# The emulator's rows land within seconds here, and so does the certainty that one will not land.
submitter.SETTLED_S = float(os.environ.get("RUNWAY_CHAOS_SETTLED_S", "12"))

PICTURE = "https://example.com/picture.png"
RETRIES = {"retries": 12, "retry_delay": timedelta(seconds=1)}


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), max_active_runs=4, default_args=RETRIES)
def chaos():
    one, two = int(os.environ.get("RUNWAY_CHAOS_ONE", "6")), int(os.environ.get("RUNWAY_CHAOS_TWO", "6"))
    MortalGenerateOperator.partial(task_id="one_task", prompt_image=PICTURE, wait_for_completion=True).expand(
        prompt_text=[f"one_task {index}" for index in range(one)]
    )
    submitted = MortalGenerateOperator.partial(task_id="submit", prompt_image=PICTURE).expand(
        prompt_text=[f"submit {index}" for index in range(two)]
    )
    MortalSensor.partial(task_id="wait", model="runway-gen3-alphaturbo").expand(
        request_id=submitted.output.map(lambda job: job["request_id"])
    )


chaos()
