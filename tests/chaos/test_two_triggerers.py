"""Two triggerers on one key: two processes, a poller each, and nobody who tells them of each other."""

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
EACH = 6


def submit(gateway: Emulator, many: int) -> list[str]:
    """Submit jobs past the package; return their ids."""
    body = {"promptText": "a walk along the beach", "promptImage": "https://example.com/picture.jpg"}
    headers = {"x-api-key": gateway.test_key}
    asked = [
        requests.post(f"{gateway.url}/v2/{DEFAULT_MODEL}", json={**body, "seed": seed}, headers=headers, timeout=10)
        for seed in range(1, many + 1)
    ]
    return [answer.json()["request_id"] for answer in asked]


@pytest.mark.timeout(300)
def test_two_triggerers_on_one_key_lose_no_job_and_both_get_on(tmp_path: Path) -> None:
    # Sixty requests a minute in windows of twelve seconds, the first of which the submits use up. A poller
    # that is told nothing begins at 120 a minute, so the two together ask for four times what there is.
    with Emulator(time_scale=0.4, requests_per_minute=2 * EACH, rate_window=2.0 * EACH) as gateway:
        ids = submit(gateway, 2 * EACH)
        connection = json.dumps({"conn_type": "runway", "host": gateway.url, "password": gateway.test_key})
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
        told = [json.loads(triggerer.communicate()[0].splitlines()[-1]) for triggerer in triggerers]
        sent = gateway.requests()
    assert [each["outcomes"] for each in told] == [{"completed": EACH}] * 2
    assert any(request["status"] == 429 for request in sent), "the key was large enough for both: nothing was shown"
    handed_out = [each["path"].rsplit("/", 1)[-1] for each in sent if (each["call"], each["status"]) == ("result", 200)]
    for number in range(2):
        assert set(handed_out[:EACH]) & set(ids[number::2]), "one had to wait until the other was done"
