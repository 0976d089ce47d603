"""The page about the poller names the metrics that it sends, and the prices that it asks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runway.polling.schedule import POLL_COSTS_S
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.triggers import metrics

PAGE = (Path(__file__).parents[1] / "docs" / "poller.md").read_text()
TABLE = {
    name: (kind, {tag.strip() for tag in tags.split(",")})
    for name, kind, tags in re.findall(r"^\| `(runway\.\w+)` \| (\w+) \| [^|]+ \| ([^|]+) \|", PAGE, re.MULTILINE)
}


class Recorder:
    """Takes down what is sent to Airflow's metrics."""

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
    """Everything that the module can send, with its values."""
    recorder = Recorder()
    monkeypatch.setattr(metrics, "get_stats", lambda: recorder)
    metrics.waiting("runway_default", 3)
    metrics.looked("runway_default")
    metrics.throttled("runway_default")
    report = JobSummary("r-1", model="m", cost=0.5, submitted_at=100.0, completed_at=130.0)
    metrics.completed("runway_default", report, 28.0)
    return recorder.sent


def test_the_page_lists_what_is_sent_and_nothing_else(sent: dict[str, tuple[str, Any, set[str]]]) -> None:
    assert {name: (kind, tags) for name, (kind, _, tags) in sent.items()} == TABLE


def test_cost_is_in_cents_and_lateness_in_milliseconds(sent: dict[str, tuple[str, Any, set[str]]]) -> None:
    assert sent["runway.cost_cents"][1] == 50
    assert sent["runway.lateness"][1] == pytest.approx(2000)
    assert sent["runway.jobs_waiting"][1] == 3


def test_the_page_lists_the_ranks_prices() -> None:
    section = PAGE.split("| rank |")[1].split("\n\n")[0]
    listed = re.findall(r"^\| \d \| ([\d.]+) \|", section, re.MULTILINE)
    assert tuple(float(price) for price in listed) == POLL_COSTS_S
