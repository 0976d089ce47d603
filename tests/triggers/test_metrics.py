"""The poller sends each declared metric, with its kind and tags, in its unit."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.triggers import metrics


class RecordingStats:
    """Takes the place of Airflow's metrics: name -> (kind, value, tags)."""

    def __init__(self) -> None:
        self.sent: dict[str, tuple[str, Any, set[str]]] = {}

    def gauge(self, name: str, value: Any, tags: dict[str, str]) -> None:
        self.sent[name] = ("gauge", value, set(tags))

    def incr(self, name: str, count: int = 1, tags: dict[str, str] | None = None) -> None:
        self.sent[name] = ("counter", count, set(tags or {}))

    def timing(self, name: str, value: Any, tags: dict[str, str]) -> None:
        self.sent[name] = ("timing", value, set(tags))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, Any, set[str]]]:
    """Every metric, sent once."""
    stats = RecordingStats()
    monkeypatch.setattr(metrics, "get_stats", lambda: stats)
    metrics.set_jobs_waiting("runway_default", 3)
    metrics.count_poll("runway_default")
    metrics.count_throttled("runway_default")
    metrics.count_history_page("runway_default")
    metrics.count_job_settled_by_page("runway_default")
    times: dict[str, Any] = {"submitted_at": 100.0, "completed_at": 130.0, "metrics": {"total_time": 28.0}}
    metrics.count_completed_job("runway_default", JobSummary("r-1", model="m", cost=0.5, **times))
    return stats.sent


def test_every_metric_is_sent_with_the_tags_and_kind_that_are_declared(
    sent: dict[str, tuple[str, Any, set[str]]],
) -> None:
    declared = {metric.name: (metric.kind, set(metric.tags)) for metric in metrics.ALL_METRICS}
    assert {name: (kind, tags) for name, (kind, _, tags) in sent.items()} == declared


def test_cost_is_in_cents_and_lateness_in_milliseconds(sent: dict[str, tuple[str, Any, set[str]]]) -> None:
    assert sent["runway.cost_cents"][1] == 50
    assert sent["runway.lateness"][1] == pytest.approx(2000)
    assert sent["runway.jobs_waiting"][1] == 3
