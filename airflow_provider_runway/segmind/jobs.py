"""Types for a job: its states, its status and record as the API returns them, and the account's balance.

The states and their meaning are from the model's page on Segmind (section "Status states").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

#: A record exists this long after the submission; then all three endpoints return 404.
#: Source: "Results are retained for 1 hour, then expire", the model's page on Segmind.
RECORD_LIFETIME_S = 3600.0
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

#: Phrases in the error text of a FAILED job that mean "the same inputs will never succeed".
#: The API has no state or code for it ("Content / RAI blocks surface as FAILED").
BLOCKED_PHRASES = (
    r"rai",
    r"nsfw",
    r"moderat(ed|ion|or)",
    r"flagged",
    r"prohibited",
    r"safety",
    r"unsafe",
    r"sensitive",
    r"violat(e|es|ed|ing|ion|ions)",
    r"(content|usage|use) (policy|policies|guidelines?|rules?|filters?|filtering|blocks?|blocked)",
    r"(content|prompt|image|video|input) (is |was |has been )?(blocked|rejected|refused|not allowed|inappropriate)",
    r"(blocked|rejected|refused|disallowed|inappropriate|harmful|explicit|adult|violent|restricted) content",
)
#: Phrases that mean "an input could not be fetched". A text with one of them is not about what the input shows,
#: whatever else it says: "blocked by CORS policy", "failed to fetch content".
_CANNOT = r"(failed|failure|unable|not|cannot|couldn t|can t|error|while)"
FETCH_PHRASES = (
    rf"{_CANNOT} (to )?(fetch|download|retriev|load|read|access|open|reach|resolv|connect|decod)(e|ing)?",
    rf"{_CANNOT} (to )?be (fetched|downloaded|retrieved|loaded|read|accessed|opened|reached|resolved|decoded)",
    r"(fetch|download|retriev|load)(e|ed|es|ing|al)? (\w+ ){0,4}(fail(ed|ure|s)?|errors?|timed out|timeouts?)",
    r"cors",
    r"cross origin",
    r"referrer policy",
    r"content (type|length|encoding|disposition)",
)


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


def is_content_block_error(error: str | None) -> bool:
    """Does a FAILED job's error text say that the content was refused, and not that an input could not be fetched?"""
    words = "".join(letter if letter.isalnum() else " " for letter in (error or "").lower()).split()
    text = " ".join(words)
    return _has_phrase(BLOCKED_PHRASES, text) and not _has_phrase(FETCH_PHRASES, text)


def _has_phrase(phrases: tuple[str, ...], text: str) -> bool:
    return re.search(rf"\b({'|'.join(phrases)})\b", text) is not None
