"""docs/poller.md lists every metric that the poller sends, and the poll cost of every priority."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runway.polling.schedule import POLL_COSTS_S
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.triggers import metrics

PAGE = (Path(__file__).parents[1] / "docs" / "poller.md").read_text()


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
    summary = JobSummary("r-1", model="m", cost=0.5, submitted_at=100.0, completed_at=130.0)
    metrics.record_completed("runway_default", summary, 28.0)
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


def test_the_page_lists_every_metric() -> None:
    rows = [
        f"| `{metric.name}` | {metric.kind} | {metric.unit} | {', '.join(metric.tags)} | {metric.description} |"
        for metric in metrics.ALL_METRICS
    ]
    assert "\n".join(rows) in PAGE


@pytest.mark.parametrize("priority", range(len(POLL_COSTS_S)))
def test_the_page_lists_the_poll_cost_of_every_priority(priority: int) -> None:
    assert f"\n| {priority} | {POLL_COSTS_S[priority]:g} |" in PAGE
