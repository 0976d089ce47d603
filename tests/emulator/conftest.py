"""A gateway of these tests' own, and a plain HTTP client for it: none of ours, so that only the wire is judged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_runway.emulator import Emulator

MODEL = "runway-gen3-alphaturbo"
BODY = {"promptText": "a sunflower at dusk", "promptImage": "https://example.com/flower.png"}


class Api:
    """The calls of the API with a key and a short timeout."""

    def __init__(self, gateway: Emulator, key: str | None = None) -> None:
        self.gateway = gateway
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["x-api-key"] = key or gateway.test_key

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send one request; redirects are shown, not followed."""
        url = path if "://" in path else self.gateway.url + path
        more = {"timeout": 10, "allow_redirects": False} | more
        return self.session.request(method, url, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        """GET."""
        return self.ask("GET", path, **more)

    def post(self, path: str = f"/v2/{MODEL}", body: Any = None, **more: Any) -> requests.Response:
        """POST a JSON body; by default a good submit."""
        return self.ask("POST", path, json=BODY if body is None else body, **more)

    def submit(self, model: str = MODEL, **fields: Any) -> str:
        """Submit a good job; return its id."""
        answer = self.post(f"/v2/{model}", BODY | fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["request_id"])

    def status(self, request_id: str) -> requests.Response:
        """Look at the status."""
        return self.get(f"/v2/requests/{request_id}/status")

    def result(self, request_id: str) -> requests.Response:
        """Get the full answer."""
        return self.get(f"/v2/requests/{request_id}")

    def finish(self, request_id: str) -> requests.Response:
        """Let an hour minus a bit pass, so that the job is done; return its status."""
        self.gateway.advance(1800)
        return self.status(request_id)

    def done(self, **fields: Any) -> str:
        """Submit a job and let it end; return its id."""
        request_id = self.submit(**fields)
        self.gateway.advance(1800)
        return request_id

    def wait(self, request_id: str, within_s: float = 5) -> requests.Response:
        """Poll in real time until the job is done."""
        until = time.monotonic() + within_s
        while (answer := self.status(request_id)).json()["status"] in ("QUEUED", "PROCESSING"):
            assert time.monotonic() < until, answer.text
            time.sleep(0.02)
        return answer

    def rows(self, **query: Any) -> list[dict[str, Any]]:
        """Return the rows of the history."""
        answer = self.get(self.gateway.history_url, params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"])


@pytest.fixture
def gateway() -> Iterator[Emulator]:
    """A gateway in real time: a job ends when a test lets the time pass."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def api(gateway: Emulator) -> Iterator[Api]:
    """A client of that gateway."""
    client = Api(gateway)
    with client.session:
        yield client


@pytest.fixture
def open_api() -> Iterator[Any]:
    """Start gateways with settings of a test's own: ``open_api(credits=1)`` gives a client."""
    opened: list[Api] = []

    def start(**settings: Any) -> Api:
        opened.append(Api(Emulator(**settings).start()))
        return opened[-1]

    yield start
    for client in opened:
        client.session.close()
        client.gateway.close()
