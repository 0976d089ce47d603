"""What is known of one job, as the plain JSON that goes through trigger events and XCom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_runway.segmind.history import HistoryRow
from airflow_provider_runway.segmind.jobs import RECORD_LIFETIME_S, JobRecord, JobState
from airflow_provider_runway.segmind.request_inputs import find_seed
from airflow_provider_runway.segmind.timestamps import format_timestamp, parse_number, parse_timestamp


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A job as its author sees it. Times are epoch seconds here, and ISO 8601 (UTC) in the JSON.

    ``cost`` and ``remaining_credits`` are USD. ``completed_at`` is when the completion was seen. The prompt is in
    here nowhere: it would travel in trigger events, which Airflow logs.
    """

    request_id: str
    status: str = JobState.QUEUED.value
    model: str | None = None
    output_urls: tuple[str, ...] = ()
    output_paths: tuple[str, ...] = ()
    last_frame_url: str | None = None
    cost: float | None = None
    remaining_credits: float | None = None
    metrics: Mapping[str, Any] | None = None
    seed: int | None = None
    submitted_at: float | None = None
    completed_at: float | None = None

    @property
    def output_url(self) -> str | None:
        """The first output, which for the video models is the only one."""
        return self.output_urls[0] if self.output_urls else None

    @property
    def output_path(self) -> str | None:
        """Where the first output is stored."""
        return self.output_paths[0] if self.output_paths else None

    def update_from_record(self, record: JobRecord, seen_at: float) -> JobSummary:
        """Return the summary of the job that has completed by its record."""
        return replace(
            self,
            status=record.state.value,
            output_urls=record.output_urls,
            last_frame_url=record.last_frame_url,
            cost=parse_number(record.metrics.get("cost")),
            remaining_credits=parse_number(record.metrics.get("remaining_credits")),
            metrics=dict(record.metrics),
            completed_at=seen_at,
        )

    def update_from_history(self, row: HistoryRow, seen_at: float) -> JobSummary:
        """Return the summary with what the account's history knows and the job's record does not say."""
        return replace(
            self,
            status=row.state.value,
            model=self.model or row.model,
            output_urls=row.output_urls,
            cost=self.cost if row.cost is None else row.cost,
            metrics=self.metrics or ({} if row.latency_s is None else {"total_time": row.latency_s}),
            seed=self.seed if self.seed is not None else find_seed(row.body),
            submitted_at=self.submitted_at or row.created_at,
            completed_at=seen_at,
        )

    def merged_with(self, seen: JobSummary) -> JobSummary:
        """Return what was seen of the job, with what only its submitter knows: the seed and the submission time."""
        return replace(
            seen,
            model=self.model or seen.model,
            seed=self.seed if self.seed is not None else seen.seed,
            submitted_at=self.submitted_at if self.submitted_at is not None else seen.submitted_at,
        )

    def add_output_paths(self, paths: Iterable[str]) -> JobSummary:
        """Return the summary with the paths of stored outputs, in the order of ``output_urls``."""
        return replace(self, output_paths=(*self.output_paths, *paths))

    def to_json(self) -> dict[str, Any]:
        """Return the summary as JSON types, always with the same keys."""
        expires_at = None if self.submitted_at is None else self.submitted_at + RECORD_LIFETIME_S
        return {
            "request_id": self.request_id,
            "status": self.status,
            "model": self.model,
            "output_url": self.output_url,
            "output_urls": list(self.output_urls),
            "output_path": self.output_path,
            "output_paths": list(self.output_paths),
            "last_frame_url": self.last_frame_url,
            "cost": self.cost,
            "remaining_credits": self.remaining_credits,
            "metrics": dict(self.metrics or {}),
            "seed": self.seed,
            "submitted_at": format_timestamp(self.submitted_at),
            "completed_at": format_timestamp(self.completed_at),
            "record_expires_at": format_timestamp(expires_at),
        }

    def to_xcom(self, prompt_text: str | None) -> dict[str, Any]:
        """Return what a task returns: the summary, and the prompt from the task's own field after the outputs."""
        value: dict[str, Any] = {}
        for name, part in self.to_json().items():
            value[name] = part
            if name == "last_frame_url":
                value["prompt_text"] = prompt_text
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> JobSummary:
        """Return the summary that :meth:`to_json` wrote."""
        return cls(
            request_id=value["request_id"],
            status=value["status"],
            model=value["model"],
            output_urls=tuple(value["output_urls"]),
            output_paths=tuple(value["output_paths"]),
            last_frame_url=value["last_frame_url"],
            cost=value["cost"],
            remaining_credits=value["remaining_credits"],
            metrics=value["metrics"],
            seed=value["seed"],
            submitted_at=parse_timestamp(value["submitted_at"]),
            completed_at=parse_timestamp(value["completed_at"]),
        )
