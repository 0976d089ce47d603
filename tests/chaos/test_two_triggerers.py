"""Two triggerer processes poll with one key, and neither knows of the other: no job is lost, both make progress."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.segmind.models import DEFAULT_MODEL

ROOT = Path(__file__).resolve().parents[2]
JOBS_PER_TRIGGERER = 6


def submit_jobs(emulator: Emulator, count: int) -> list[str]:
    """Submit jobs without the package; return their ids."""
    body = {"promptText": "a walk along the beach", "promptImage": "https://example.com/image.jpg"}
    headers = {"x-api-key": emulator.test_key}
    responses = [
        requests.post(f"{emulator.url}/v2/{DEFAULT_MODEL}", json={**body, "seed": seed}, headers=headers, timeout=10)
        for seed in range(1, count + 1)
    ]
    return [response.json()["request_id"] for response in responses]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("extra", [{}, {"requests_per_minute": 60}], ids=["learnt", "configured"])
def test_two_triggerers_on_one_key_lose_no_job_and_both_make_progress(tmp_path: Path, extra: dict[str, int]) -> None:
    # Sixty requests a minute in windows of twelve seconds. The submits use up the first window. A poller without a
    # configured rate begins at 120 a minute, so the two together want four times the limit.
    with Emulator(
        time_scale=0.4, requests_per_minute=2 * JOBS_PER_TRIGGERER, rate_window=2.0 * JOBS_PER_TRIGGERER
    ) as emulator:
        ids = submit_jobs(emulator, 2 * JOBS_PER_TRIGGERER)
        fields = {"conn_type": "runway", "host": emulator.url, "password": emulator.test_key, "extra": extra}
        connection = json.dumps(fields)
        triggerers = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.two_triggerers", "--ids", ",".join(ids[number::2])],
                cwd=ROOT,
                env={**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW_CONN_BENCHMARK": connection},
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(2)
        ]
        reports = [json.loads(triggerer.communicate()[0].splitlines()[-1]) for triggerer in triggerers]
        requests_sent = emulator.http_requests()
    assert [report["outcomes"] for report in reports] == [{"completed": JOBS_PER_TRIGGERER}] * 2
    assert any(request["status"] == 429 for request in requests_sent), (
        "the limit was never reached, so the test shows nothing"
    )
    delivered = [
        request["path"].rsplit("/", 1)[-1]
        for request in requests_sent
        if (request["call"], request["status"]) == ("result", 200)
    ]
    for number in range(2):
        assert set(delivered[:JOBS_PER_TRIGGERER]) & set(ids[number::2]), (
            "one triggerer made no progress until the other was done"
        )
