"""The id that tells two Airflows with one API key apart: made once, kept in an Airflow Variable, and never a secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.providers.common.compat import sdk

from airflow_provider_runway import compat
from airflow_provider_runway.compat import DEPLOYMENT_VARIABLE, get_deployment_id
from airflow_provider_runway.inputs.job_request import JobIdentity


class Variables:
    """Airflow's Variables of one deployment, in place of a database."""

    def __init__(self, error: type[Exception] = KeyError) -> None:
        self.values: dict[str, str] = {}
        self.error = error

    def get(self, key: str) -> str:
        if key not in self.values:
            raise self.error(f"VARIABLE_NOT_FOUND: {key}")
        return self.values[key]

    def set(self, key: str, value: Any) -> None:
        self.values[key] = value


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what this process has read, and do not wait."""
    monkeypatch.setattr(compat.time, "sleep", lambda seconds: None)
    get_deployment_id.cache_clear()
    yield
    get_deployment_id.cache_clear()


def use(monkeypatch: pytest.MonkeyPatch, variables: Variables, fernet_key: str | None = None) -> str:
    """Return what a new process of a deployment reads."""
    get_deployment_id.cache_clear()
    monkeypatch.setattr(sdk, "Variable", variables)
    monkeypatch.setattr(compat, "get_config", lambda section, option: fernet_key)
    return get_deployment_id()


@pytest.mark.parametrize("error", [KeyError, RuntimeError], ids=["Airflow 2", "Airflow 3"])
def test_the_id_is_made_once_and_stays(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    variables = Variables(error)
    first = use(monkeypatch, variables)
    assert use(monkeypatch, variables, fernet_key="set later") == first
    assert variables.values == {DEPLOYMENT_VARIABLE: first}


def test_two_deployments_have_different_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    assert use(monkeypatch, Variables()) != use(monkeypatch, Variables())
    assert use(monkeypatch, Variables(), fernet_key="one") != use(monkeypatch, Variables(), fernet_key="two")


def test_tasks_that_make_it_at_the_same_time_agree_where_there_is_a_fernet_key(monkeypatch: pytest.MonkeyPatch) -> None:
    made = use(monkeypatch, Variables(), fernet_key="the key")
    assert made == use(monkeypatch, Variables(), fernet_key="the key")
    assert "the key" not in made


def test_an_error_of_the_lookup_is_not_taken_for_a_missing_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    class Down(Variables):
        def get(self, key: str) -> str:
            raise RuntimeError("API_SERVER_ERROR")

    variables = Down()
    with pytest.raises(RuntimeError, match="API_SERVER_ERROR"):
        use(monkeypatch, variables)
    assert variables.values == {}


def test_deployments_loops_and_siblings_never_send_the_same_seed() -> None:
    ours = JobIdentity("videos", "generate", "scheduled__2026-11-01", 0, deployment_id="one")
    others = [
        JobIdentity("videos", "generate", "scheduled__2026-11-01", 0, deployment_id="two"),
        JobIdentity("videos", "generate", "scheduled__2026-11-01", 0, deployment_id="one", region_id="loop-2"),
        *(JobIdentity("videos", "generate", "scheduled__2026-11-01", index, deployment_id="one") for index in (1, 2)),
    ]
    seeds = {identity.seed(0) for identity in (ours, *others)}
    assert len(seeds) == 5
    assert len({identity.key for identity in (ours, *others)}) == 5
