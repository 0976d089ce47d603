"""Other ways to wait for many jobs in one event loop, as they are seen in the field; each polls at a fixed interval."""

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

#: The mean latency of the jobs, from the catalogue.
CATALOGUED_S = 27.38


class Peer(ABC):
    """Waits for one job after another's example: look, sleep an interval, look again; at the end fetch the result."""

    def __init__(self, url: str, key: str, interval_s: float) -> None:
        self.url = url
        self.headers = {"x-api-key": key}
        self.interval_s = interval_s

    @abstractmethod
    async def get(self, url: str) -> Any:
        """Return the JSON at a URL."""

    async def close(self) -> None:  # noqa: B027  not all keep something open
        """Let go of what is kept open."""

    async def wait(self, request_id: str, submitted_at: float) -> float:
        """Wait for a job; return how many seconds after its end its output was known."""
        record = f"{self.url}/v2/requests/{request_id}"
        await asyncio.sleep(random.uniform(0, self.interval_s))  # else all would look in the same moment
        while (await self.get(f"{record}/status"))["status"] != "COMPLETED":  # noqa: ASYNC110
            await asyncio.sleep(self.interval_s)
        metrics = (await self.get(record))["metrics"]
        return float(time.time() - submitted_at - metrics["total_time"])


class BareLoop(Peer):
    """One session for all, and nothing else: the least that asking costs."""

    _session: aiohttp.ClientSession | None = None

    async def get(self, url: str) -> Any:
        """Ask over the one session."""
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self.headers)
        async with self._session.get(url) as answer:
            return json.loads(await answer.read())

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()


class SessionPerPoll(Peer):
    """A session for each request, as async hooks of several providers have it."""

    async def get(self, url: str) -> Any:
        """Open a session, ask, close it."""
        async with aiohttp.ClientSession(headers=self.headers) as session, session.get(url) as answer:
            return json.loads(await answer.read())


class ThreadPerPoll(Peer):
    """A blocking client in the loop's threads."""

    async def get(self, url: str) -> Any:
        """Ask in a thread."""
        return await asyncio.to_thread(lambda: requests.get(url, headers=self.headers, timeout=60).json())


class BlockingCall(Peer):
    """A blocking client in the loop itself."""

    async def get(self, url: str) -> Any:
        """Ask, and let everybody wait."""
        return requests.get(url, headers=self.headers, timeout=60).json()  # noqa: ASYNC210  # that is the point


class HttpSensor(Peer):
    """``HttpSensorTrigger`` of the http provider, made anew for each look, as its sensor does.

    It fires at the first answer that is no 404, whatever that says, and hands no body on. So it can't tell when a job
    ends: here it looks until the job has lived the catalogue's mean, and no lateness is known.
    """

    def __init__(self, url: str, key: str, interval_s: float) -> None:
        super().__init__(url, key, interval_s)
        parts = urlsplit(url)
        connection = {"conn_type": "http", "schema": parts.scheme, "host": parts.hostname, "port": parts.port}
        os.environ["AIRFLOW_CONN_PEER"] = json.dumps(connection)

    async def get(self, url: str) -> Any:
        """Run a trigger to its event."""
        from airflow.providers.http.triggers.http import HttpSensorTrigger

        trigger = HttpSensorTrigger(
            endpoint=urlsplit(url).path.lstrip("/"),
            http_conn_id="peer",
            method="GET",
            headers=self.headers,
            poke_interval=self.interval_s,
        )
        async for _ in trigger.run():
            break

    async def wait(self, request_id: str, submitted_at: float) -> float:
        """Look until most jobs are done; return that no lateness is known."""
        await asyncio.sleep(random.uniform(0, self.interval_s))
        while time.time() < submitted_at + CATALOGUED_S:
            await self.get(f"{self.url}/v2/requests/{request_id}/status")
            await asyncio.sleep(self.interval_s)
        return math.nan


PEERS: dict[str, type[Peer]] = {
    "bare loop": BareLoop,
    "session per poll": SessionPerPoll,
    "thread per poll": ThreadPerPoll,
    "blocking call": BlockingCall,
    "HttpSensorTrigger": HttpSensor,
}


def why_not(name: str) -> str | None:
    """Return why a peer cannot take part, or None."""
    if name == "HttpSensorTrigger" and find_spec("airflow.providers.http") is None:
        return "apache-airflow-providers-http is not installed"
    return None
