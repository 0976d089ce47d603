"""An emulator for each test, and a plain HTTP client for it that uses none of the package's own clients."""

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
    """The calls of the API, with a key and a short timeout."""

    def __init__(self, gateway: Emulator, key: str | None = None) -> None:
        self.gateway = gateway
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["x-api-key"] = key or gateway.test_key

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send one request. Redirects are returned, not followed."""
        url = path if "://" in path else self.gateway.url + path
        return self.session.request(method, url, **({"timeout": 10, "allow_redirects": False} | options))

    def get(self, path: str, **options: Any) -> requests.Response:
        """Send a GET."""
        return self.request("GET", path, **options)

    def post(self, path: str = f"/v2/{MODEL}", body: Any = None, **options: Any) -> requests.Response:
        """Send a POST with a JSON body; by default a valid submit."""
        return self.request("POST", path, json=BODY if body is None else body, **options)

    def submit(self, model: str = MODEL, **fields: Any) -> str:
        """Submit a job; return its request id."""
        response = self.post(f"/v2/{model}", BODY | fields)
        assert response.status_code == 200, response.text
        return str(response.json()["request_id"])

    def get_status(self, request_id: str) -> requests.Response:
        """Poll the status of a job."""
        return self.get(f"/v2/requests/{request_id}/status")

    def get_result(self, request_id: str) -> requests.Response:
        """Get the result of a job."""
        return self.get(f"/v2/requests/{request_id}")

    def finish(self, request_id: str) -> requests.Response:
        """Let half an hour pass, so that the job is finished; return its status."""
        self.gateway.advance(1800)
        return self.get_status(request_id)

    def submit_finished(self, **fields: Any) -> str:
        """Submit a job and let it finish; return its request id."""
        request_id = self.submit(**fields)
        self.gateway.advance(1800)
        return request_id

    def get_video_url(self) -> str:
        """Return the URL of a finished job's video."""
        return str(self.get_result(self.submit_finished()).json()["output"])

    def poll_until_finished(self, request_id: str, within_s: float = 5) -> requests.Response:
        """Poll in real time until the job is finished."""
        deadline = time.monotonic() + within_s
        while (response := self.get_status(request_id)).json()["status"] in ("QUEUED", "PROCESSING"):
            assert time.monotonic() < deadline, response.text
            time.sleep(0.02)
        return response

    def list_rows(self, **query: Any) -> list[dict[str, Any]]:
        """Return the rows of the history."""
        response = self.get(self.gateway.history_url, params=query)
        assert response.status_code == 200, response.text
        return list(response.json()["data"])


@pytest.fixture
def gateway() -> Iterator[Emulator]:
    """An emulator in real time: a job finishes when the test advances the time."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def api(gateway: Emulator) -> Iterator[Api]:
    """A client of that emulator."""
    client = Api(gateway)
    with client.session:
        yield client


@pytest.fixture
def start_api() -> Iterator[Any]:
    """Start emulators with options: ``start_api(credits=1)`` returns a client."""
    started: list[Api] = []

    def start(**options: Any) -> Api:
        started.append(Api(Emulator(**options).start()))
        return started[-1]

    yield start
    for client in started:
        client.session.close()
        client.gateway.close()
