"""Types for a job: its states, what the API returns of it, and its summary, the JSON of trigger events and XCom.

The states and their meaning are from the model's page on Segmind (section "Status states").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from airflow_provider_runway.segmind.numbers_and_times import format_timestamp, parse_number, parse_timestamp

#: A record exists this long after the submission; then all three endpoints return 404.
#: Source: "Results are retained for 1 hour, then expire", the model's page on Segmind.
RECORD_LIFETIME_S = 3600.0
#: Keys of a task's result that are XComs of their own, too, as ``request_id`` is, where they have a value.
OUTPUT_KEYS = ("output_url", "output_urls", "output_path", "last_frame_url")
#: An output can be fetched for this long after its job's end. Source: Segmind's docs, "files are kept 7 days".
OUTPUT_LIFETIME_S = 7 * 86400.0


class JobState(StrEnum):
    """The state of a job. UNKNOWN stands for a status that the API never documented."""

    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def parse(cls, raw_status: object) -> JobState:
        """Return the state for a status word in any case; UNKNOWN for any other."""
        try:
            return cls(raw_status.strip().upper()) if isinstance(raw_status, str) else cls.UNKNOWN
        except ValueError:
            return cls.UNKNOWN


#: Which states may follow which. A poll can miss a state, so QUEUED may be followed by any other.
#: Nothing follows a final state. UNKNOWN claims nothing, so everything may follow it.
NEXT_STATES: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.PROCESSING, JobState.COMPLETED, JobState.FAILED, JobState.UNKNOWN}),
    JobState.PROCESSING: frozenset({JobState.QUEUED, JobState.COMPLETED, JobState.FAILED, JobState.UNKNOWN}),
    JobState.UNKNOWN: frozenset({JobState.QUEUED, JobState.PROCESSING, JobState.COMPLETED, JobState.FAILED}),
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset(),
}
FINAL_STATES = frozenset(state for state, next_states in NEXT_STATES.items() if not next_states)


@dataclass(frozen=True, slots=True)
class Job:
    """A submitted job, as the response to ``POST /v2/{slug}`` has it.

    :param submitted_at: epoch seconds by our clock. :param clock_offset_s: the server's clock minus ours, if known.
    """

    request_id: str
    model: str
    submitted_at: float
    state: JobState = JobState.QUEUED
    clock_offset_s: float | None = None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job's status at one poll. ``raw_status`` is the API's own word for the state."""

    request_id: str
    state: JobState
    raw_status: str = ""
    error: str | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Has the job ended, one way or the other?"""
        return self.state in FINAL_STATES


@dataclass(frozen=True, slots=True)
class JobRecord(JobStatus):
    """The full record of a job. ``output_urls`` has no duplicates and keeps the API's order."""

    output_urls: tuple[str, ...] = ()
    last_frame_url: str | None = None


@dataclass(frozen=True, slots=True)
class SyncResult:
    """The result of the blocking v1 call: the output itself, and what its headers say.

    ``cost`` and ``remaining_credits`` are USD, ``generation_time_s`` seconds; None where a header is missing.
    """

    content: bytes = field(repr=False)
    content_type: str
    request_id: str | None
    cost: float | None
    remaining_credits: float | None
    generation_time_s: float | None
    seed: int | None


@dataclass(frozen=True, slots=True)
class Credits:
    """The account's balance in USD. ``is_known`` is False for a valid key without a balance record."""

    credits: float
    free_credits: float
    is_known: bool = True


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
