"""Other ways to poll many jobs in one event loop, as seen in the field; each polls at a fixed interval."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import time
from abc import ABC, abstractmethod
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import requests

#: The mean latency of the jobs, from the model registry.
REGISTRY_MEAN_S = 27.38


class AlternativePoller(ABC):
    """Waits for a job: polls, sleeps, polls again, and at the end fetches the result."""

    def __init__(self, url: str, key: str, interval_s: float) -> None:
        self.url = url
        self.headers = {"x-api-key": key}
        self.interval_s = interval_s

    @abstractmethod
    async def get(self, url: str) -> Any:
        """Return the JSON at a URL."""

    async def close(self) -> None:  # noqa: B027  not all keep something open
        """Close what is kept open."""

    async def wait(self, request_id: str, submitted_at: float) -> float:
        """Wait for a job; return how many seconds after its end its output was known."""
        record = f"{self.url}/v2/requests/{request_id}"
        await asyncio.sleep(random.uniform(0, self.interval_s))  # else all would poll at the same time
        while (await self.get(f"{record}/status"))["status"] != "COMPLETED":  # noqa: ASYNC110
            await asyncio.sleep(self.interval_s)
        metrics = (await self.get(record))["metrics"]
        return float(time.time() - submitted_at - metrics["total_time"])


class BareLoop(AlternativePoller):
    """One session for all, and nothing else: the least that polling can cost."""

    _session: aiohttp.ClientSession | None = None

    async def get(self, url: str) -> Any:
        """Send the request over the one session."""
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self.headers)
        async with self._session.get(url) as response:
            return json.loads(await response.read())

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()


class SessionPerPoll(AlternativePoller):
    """A session for each request, as async hooks of several providers have it."""

    async def get(self, url: str) -> Any:
        """Open a session, send the request, and close it."""
        async with aiohttp.ClientSession(headers=self.headers) as session, session.get(url) as response:
            return json.loads(await response.read())


class ThreadPerPoll(AlternativePoller):
    """A blocking client in the loop's threads."""

    async def get(self, url: str) -> Any:
        """Send the request in a thread."""
        return await asyncio.to_thread(lambda: requests.get(url, headers=self.headers, timeout=60).json())


class BlockingCall(AlternativePoller):
    """A blocking client in the loop itself."""

    async def get(self, url: str) -> Any:
        """Send the request and block the loop meanwhile."""
        return requests.get(url, headers=self.headers, timeout=60).json()  # noqa: ASYNC210  # that is the point


class HttpSensor(AlternativePoller):
    """``HttpSensorTrigger`` of the http provider, created for each poll, as its sensor does.

    It fires at the first response that is no 404 and does not pass the body on, so it cannot tell when a job ends.
    Here it polls until the job is as old as the registry's mean, and its lateness is unknown.
    """

    def __init__(self, url: str, key: str, interval_s: float) -> None:
        super().__init__(url, key, interval_s)
        parts = urlsplit(url)
        connection = {"conn_type": "http", "schema": parts.scheme, "host": parts.hostname, "port": parts.port}
        os.environ["AIRFLOW_CONN_ALTERNATIVE"] = json.dumps(connection)

    async def get(self, url: str) -> Any:
        """Run a trigger to its event."""
        from airflow.providers.http.triggers.http import HttpSensorTrigger

        trigger = HttpSensorTrigger(
            endpoint=urlsplit(url).path.lstrip("/"),
            http_conn_id="alternative",
            method="GET",
            headers=self.headers,
            poke_interval=self.interval_s,
        )
        async for _ in trigger.run():
            break

    async def wait(self, request_id: str, submitted_at: float) -> float:
        """Poll until most jobs are done; return NaN, because the lateness is unknown."""
        await asyncio.sleep(random.uniform(0, self.interval_s))
        while time.time() < submitted_at + REGISTRY_MEAN_S:
            await self.get(f"{self.url}/v2/requests/{request_id}/status")
            await asyncio.sleep(self.interval_s)
        return math.nan


ALTERNATIVES: dict[str, type[AlternativePoller]] = {
    "bare loop": BareLoop,
    "session per poll": SessionPerPoll,
    "thread per poll": ThreadPerPoll,
    "blocking call": BlockingCall,
    "HttpSensorTrigger": HttpSensor,
}


def missing_requirement(name: str) -> str | None:
    """Return why an alternative cannot run here, or None."""
    if name == "HttpSensorTrigger" and find_spec("airflow.providers.http") is None:
        return "apache-airflow-providers-http is not installed"
    return None
