"""Connections as the environment brings them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from task_fixtures import has_state_store, newest_airflow, quick, said, ti  # noqa: F401

from airflow_provider_runway.emulator import Emulator


@dataclass
class Plain:
    """What is read of an Airflow connection."""

    host: str | None = None
    schema: str | None = None
    port: int | None = None
    password: str | None = "SG_0123456789abcdef"
    extra_dejson: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def plain() -> type[Plain]:
    """Make a connection without Airflow."""
    return Plain


@pytest.fixture
def connect(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Define ``runway_default``; what is given replaces a field of the connection to the gateway."""

    def define(**changes: Any) -> None:
        extra = {"storage_url": gateway.storage_url, "history_url": gateway.history_url}
        fields = {"conn_type": "runway", "host": gateway.url, "password": gateway.test_key, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_RUNWAY_DEFAULT", json.dumps(fields | changes))

    return define
