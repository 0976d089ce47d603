"""The submit journal: one entry a task instance, which says how far its submit came. Kept across tries.

The intent is written before the POST, the request id right after it, the delivery at the end.
XComs cannot stand in for it, because a retry clears them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Protocol

from airflow_provider_runway.segmind.jobs import JobState, JobSummary

#: Renaming it would forget the jobs of tasks that are under way during an upgrade.
KEY = "runway_submission"
#: Field -> its name in the store, where they differ. Stored names never change.
_STORED_NAMES = {
    "sent_at": "at",
    "image_digest": "picture",
    "prompt_digest": "prompt",
    "previous_request_ids": "spent",
}


class Phase(StrEnum):
    """How far a submit came, as far as the journal knows."""

    STARTED = "started"  # the first try began; nothing was sent yet
    INTENT = "intent"  # a POST was about to be sent; whether it arrived is not known
    NOT_ACCEPTED = "withdrawn"  # no job came of the POST, for certain
    SUBMITTED = "submitted"  # the job's id is known
    DELIVERED = "delivered"  # the task handed its result on


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What is known of a task instance's submit. It holds digests of the inputs, never the inputs.

    :param generation: 0, and one more each time the same task asks for a new job.
    :param seed: as sent; None where the body had none.
    :param sent_at: epoch seconds; the POST was sent at this time or later.
    :param expires_at: epoch seconds after which the writer of an intent sends nothing any more.
    :param image_digest: of the image's URL, as sent. :param prompt_digest: of the normalised prompt, as sent.
    :param previous_request_ids: jobs of earlier generations, which must never be adopted again.
    :param unanswered_submits: POSTs of this try without a usable response.
    :param is_presumed: no intent was found; this one stands for whatever an earlier try may have sent.
    :param spent_usd: what the jobs before this one have cost, or may have; None: not known, as in an old entry.
    :param reserved_usd: what is set aside for this job: its price, later its real cost; None: not known.
    """

    phase: Phase
    fingerprint: str
    model: str
    generation: int
    seed: int | None
    try_number: int
    max_tries: int
    sent_at: float
    request_id: str | None = None
    image_digest: str | None = None
    previous_request_ids: tuple[str, ...] = ()
    expires_at: float | None = None
    prompt_digest: str | None = None
    unanswered_submits: int = 0
    is_presumed: bool = False
    spent_usd: float | None = None
    reserved_usd: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry as the store keeps it."""
        values = {_STORED_NAMES.get(field.name, field.name): getattr(self, field.name) for field in fields(self)}
        return {**values, "phase": self.phase.value, "spent": list(self.previous_request_ids)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> JournalEntry:
        """Return the entry that :meth:`to_json` wrote. Fields of a later release are ignored.

        :raises UnreadableEntryError: it is no such entry.
        """
        try:
            names = {_STORED_NAMES.get(field.name, field.name): field.name for field in fields(cls)}
            known = {names[key]: item for key, item in value.items() if key in names}
            previous = tuple(str(request_id) for request_id in known.get("previous_request_ids", ()))
            entry = cls(**{**known, "phase": Phase(known["phase"]), "previous_request_ids": previous})
            return replace(
                entry,
                try_number=int(entry.try_number),
                max_tries=int(entry.max_tries),
                generation=int(entry.generation),
                sent_at=float(entry.sent_at),
                spent_usd=None if entry.spent_usd is None else float(entry.spent_usd),
                reserved_usd=None if entry.reserved_usd is None else float(entry.reserved_usd),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as problem:
            raise UnreadableEntryError(f"the journal's entry cannot be read: {type(problem).__name__}") from None


class UnreadableEntryError(ValueError):
    """There is a journal entry, and it cannot be read. It may say anything, so it proves nothing."""


def make_summary(entry: JournalEntry, state: JobState = JobState.QUEUED) -> JobSummary:
    """Return what the journal knows of a submitted job."""
    return JobSummary(
        request_id=entry.request_id or "",
        status=state.value,
        model=entry.model,
        seed=entry.seed,
        submitted_at=entry.sent_at,
    )


class StateStore(Protocol):
    """Where the journal keeps its entry, as JSON values: Airflow's task state store, or a file."""

    def get(self, key: str) -> Any:
        """Return the value, or None."""

    def set(self, key: str, value: Any) -> None:
        """Write the value."""


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal of one task instance, in a store that survives its tries."""

    store: StateStore

    def read(self) -> JournalEntry | None:
        """Return the entry, or None where the store has none.

        :raises UnreadableEntryError: there is something else.
        """
        value = self.store.get(KEY)
        return None if value is None else JournalEntry.from_json(value)

    def write(self, entry: JournalEntry) -> None:
        """Replace the entry."""
        self.store.set(KEY, entry.to_json())
