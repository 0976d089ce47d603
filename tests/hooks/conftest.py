"""Connections as the environment brings them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from task_fixtures import has_state_store, logged, quick, ti  # noqa: F401

from airflow_provider_runway.emulator import Emulator


@dataclass
class PlainConnection:
    """The fields that are read of an Airflow connection."""

    host: str | None = None
    schema: str | None = None
    port: int | None = None
    password: str | None = "SG_0123456789abcdef"
    extra_dejson: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def make_connection() -> type[PlainConnection]:
    """Makes a connection without Airflow."""
    return PlainConnection


@pytest.fixture
def connect(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Defines ``runway_default`` as a connection to the gateway; keyword arguments replace its fields."""

    def define(**changes: Any) -> None:
        extra = {"storage_url": gateway.storage_url, "history_url": gateway.history_url}
        fields = {"conn_type": "runway", "host": gateway.url, "password": gateway.test_key, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_RUNWAY_DEFAULT", json.dumps(fields | changes))

    return define
