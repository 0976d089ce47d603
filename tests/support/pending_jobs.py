"""Jobs that wait in a poller, many at once, as triggers have them wait."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import requests
from airflow_runtime import IMAGE_URL, PROMPT

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.triggers.poller import Poller, get_poller

CONN_ID = "runway_default"


@dataclass
class RecordingLog:
    """A log that keeps its lines."""

    infos: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def info(self, message: str, *values: Any) -> None:
        self.infos.append(message % values)

    def warning(self, message: str, *values: Any) -> None:
        self.warnings.append(message % values)


def submit_jobs(gateway: Emulator, count: int, prompt: str = PROMPT) -> list[JobSummary]:
    """Submit jobs without the hook."""
    summaries = []
    with requests.Session() as session:
        session.headers["x-api-key"] = gateway.test_key
        for seed in range(1, count + 1):
            body = {"promptText": prompt, "promptImage": IMAGE_URL, "seed": seed}
            response = session.post(f"{gateway.url}/v2/{DEFAULT_MODEL}", json=body)
            summaries.append(JobSummary(response.json()["request_id"], model=DEFAULT_MODEL, submitted_at=time.time()))
    return summaries


async def wait(summary: JobSummary, timeout_s: float = 20.0, log: RecordingLog | None = None) -> WaitOutcome:
    """Wait for a job in this event loop's poller."""
    return await get_poller(CONN_ID).wait(summary, time.time() + timeout_s, log or RecordingLog())


def start_waits(summaries: list[JobSummary]) -> list[asyncio.Future[WaitOutcome]]:
    """Begin to wait for jobs."""
    return [asyncio.ensure_future(wait(summary)) for summary in summaries]


async def wait_for_all(summaries: list[JobSummary], timeout_s: float = 20.0) -> list[WaitOutcome]:
    """Wait for jobs, and until their poller is idle."""
    outcomes = await asyncio.gather(*(wait(summary, timeout_s) for summary in summaries))
    await wait_until_idle(get_poller(CONN_ID))
    return outcomes


async def wait_until_idle(poller: Poller) -> None:
    """Wait until a poller has closed its session."""
    async with asyncio.timeout(10):
        while poller._runner is not None:  # noqa: ASYNC110  there is no event for it
            await asyncio.sleep(0.01)


def get_kinds(outcomes: list[WaitOutcome]) -> set[str]:
    """Return the kinds of outcomes."""
    return {outcome.kind.value for outcome in outcomes}
