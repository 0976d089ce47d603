"""Jobs that wait in a poller, many at once, the way triggers have them wait."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import requests
from airflow_runtime import PICTURE_URL, PROMPT

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.triggers.poller import Poller, poller_for

CONN_ID = "runway_default"


@dataclass
class Lines:
    """A log that keeps its lines."""

    infos: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def info(self, message: str, *values: Any) -> None:
        self.infos.append(message % values)

    def warning(self, message: str, *values: Any) -> None:
        self.warnings.append(message % values)


def submit(gateway: Emulator, many: int, prompt: str = PROMPT) -> list[JobSummary]:
    """Submit jobs past the hook."""
    reports = []
    with requests.Session() as session:
        session.headers["x-api-key"] = gateway.test_key
        for seed in range(1, many + 1):
            body = {"promptText": prompt, "promptImage": PICTURE_URL, "seed": seed}
            answer = session.post(f"{gateway.url}/v2/{DEFAULT_MODEL}", json=body)
            reports.append(JobSummary(answer.json()["request_id"], model=DEFAULT_MODEL, submitted_at=time.time()))
    return reports


async def wait(report: JobSummary, wait_s: float = 20.0, log: Lines | None = None) -> WaitOutcome:
    """Wait for a job in this event loop's poller."""
    return await poller_for(CONN_ID).wait(report, time.time() + wait_s, log or Lines())


async def wait_for_all(reports: list[JobSummary], wait_s: float = 20.0) -> list[WaitOutcome]:
    """Wait for jobs, and until their poller is idle."""
    endings = await asyncio.gather(*(wait(report, wait_s) for report in reports))
    await idle(poller_for(CONN_ID))
    return endings


async def idle(poller: Poller) -> None:
    """Wait until a poller has closed its session."""
    async with asyncio.timeout(10):
        while poller._runner is not None:  # noqa: ASYNC110  there is no event for it
            await asyncio.sleep(0.01)


def outcomes(endings: list[WaitOutcome]) -> set[str]:
    """Return the kinds of endings."""
    return {ending.kind.value for ending in endings}
