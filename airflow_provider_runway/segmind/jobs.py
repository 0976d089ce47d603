"""A job's states, the moves between them, and what the API tells about a job.

States and their meaning are from the model's page on Segmind (section "Status states").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

#: A record can be asked for this long after the submission; then all three endpoints answer 404.
#: Source: "Results are retained for 1 hour, then expire", the model's page on Segmind.
RECORD_LIFETIME_S = 3600.0
#: An output can be fetched for this long after its job's end. Source: Segmind's docs, "files are kept 7 days".
OUTPUT_LIFETIME_S = 7 * 86400.0


class JobState(StrEnum):
    """What a record says. UNKNOWN is ours: a word that the API never documented."""

    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def parse(cls, raw_status: object) -> JobState:
        """Return the state for a status word in any case; UNKNOWN for what nobody listed."""
        try:
            return cls(raw_status.strip().upper()) if isinstance(raw_status, str) else cls.UNKNOWN
        except ValueError:
            return cls.UNKNOWN


#: From where to where a job moves. A look can miss a state, so QUEUED may be followed by any other.
#: Final states have no moves. UNKNOWN claims nothing, so everything may follow it.
NEXT_STATES: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.PROCESSING, JobState.COMPLETED, JobState.FAILED, JobState.UNKNOWN}),
    JobState.PROCESSING: frozenset({JobState.QUEUED, JobState.COMPLETED, JobState.FAILED, JobState.UNKNOWN}),
    JobState.UNKNOWN: frozenset({JobState.QUEUED, JobState.PROCESSING, JobState.COMPLETED, JobState.FAILED}),
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset(),
}
FINAL_STATES = frozenset(state for state, moves in NEXT_STATES.items() if not moves)

#: Words in the error text of a FAILED job that mean "the same inputs will never succeed".
#: The API has no state or code for it ("Content / RAI blocks surface as FAILED").
_BLOCK_WORDS = ("content", "rai", "moderation", "safety", "policy", "nsfw", "sensitive", "prohibited")


@dataclass(frozen=True, slots=True)
class Job:
    """A submitted job: what ``POST /v2/{slug}`` answered, and when (epoch seconds)."""

    request_id: str
    model: str
    submitted_at: float
    state: JobState = JobState.QUEUED


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One look at a job. ``raw_status`` is the API's own word for the state."""

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
    """The full record of a job. ``output_urls`` has no doubles and keeps the API's order."""

    output_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What the blocking v1 call answered: the output itself, and what its headers say.

    ``cost`` and ``remaining_credits`` are USD, ``generation_time_s`` seconds; None when not told.
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


def is_content_block_error(error: str | None) -> bool:
    """Does a FAILED job's error text say that the content was refused?"""
    words = "".join(letter if letter.isalnum() else " " for letter in (error or "").lower()).split()
    return any(raw_status in words for raw_status in _BLOCK_WORDS)
