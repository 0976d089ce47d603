"""One batch of many jobs, for tests that kill what runs it. Each prompt names its row."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from airflow.providers.common.compat.sdk import dag
from killable_operators import KillableBatchOperator
from short_times import use_short_times

use_short_times(intent_margin_s=5.0)

ROWS = int(os.environ.get("RUNWAY_CHAOS_ROWS", "20"))


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), max_active_runs=4)
def killed_batch():
    KillableBatchOperator(
        task_id="generate",
        requests=[{"custom_id": f"row-{index}", "prompt_text": f"batch row {index}"} for index in range(ROWS)],
        prompt_image="https://example.com/image.png",
        result_path=os.environ.get("RUNWAY_CHAOS_FOLDER", "/tmp") + "/results/{{ run_id }}",
        retries=80,
        retry_delay=timedelta(seconds=1),
    )


killed_batch()
