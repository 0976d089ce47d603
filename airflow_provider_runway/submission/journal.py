"""What a task instance remembers of its submit across tries: one entry in Airflow's state store.

The intent is written before the POST, the request id right after it, the delivery at the end.
Airflow 3.3 and later have the store; XComs can't stand in for it, for a retry clears them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Protocol

#: Renaming it would forget the jobs of tasks that are under way during an upgrade.
KEY = "runway_submission"
#: Field -> its name in the store, where they differ. Stored names never change.
_STORED_NAMES = {"image_digest": "picture", "previous_request_ids": "spent"}


class Phase(StrEnum):
    """How far a submit came, as far as the journal knows."""

    INTENT = "intent"  # a POST was about to be sent; whether it arrived is not known
    NOT_ACCEPTED = "withdrawn"  # the POST certainly came to nothing
    SUBMITTED = "submitted"  # the job's id is known
    DELIVERED = "delivered"  # the task handed its result on


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What is known of a task instance's submit. ``at`` is the time of the POST in epoch seconds.

    :param fingerprint: a digest of the inputs. :param seed: as sent, None where the model takes none.
    :param generation: 0, and one more each time the same task asks for a new job.
    :param image_digest: the digest of an uploaded image's URL, as sent.
    :param previous_request_ids: jobs of earlier generations, which must never be adopted again.
    """

    phase: Phase
    fingerprint: str
    model: str
    generation: int
    seed: int | None
    try_number: int
    max_tries: int
    at: float
    request_id: str | None = None
    image_digest: str | None = None
    previous_request_ids: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the entry as the store keeps it."""
        values = {_STORED_NAMES.get(field.name, field.name): getattr(self, field.name) for field in fields(self)}
        return {**values, "phase": self.phase.value, "spent": list(self.previous_request_ids)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> JournalEntry:
        """Return the entry that :meth:`to_json` wrote; fields of a later version are passed over."""
        names = {_STORED_NAMES.get(field.name, field.name): field.name for field in fields(cls)}
        known = {names[key]: item for key, item in value.items() if key in names}
        previous = tuple(known.get("previous_request_ids", ()))
        return cls(**{**known, "phase": Phase(known["phase"]), "previous_request_ids": previous})


class StateStore(Protocol):
    """Airflow's ``TaskStateStoreAccessor``, as far as it is used."""

    def get(self, key: str) -> Any:
        """Return the value, or None."""

    def set(self, key: str, value: Any) -> None:
        """Write the value."""


@dataclass(frozen=True, slots=True)
class Journal:
    """The entry of one task instance, in a store that survives its tries."""

    store: StateStore

    def read(self) -> JournalEntry | None:
        """Return the entry, or None where none was ever written (or it was cleaned)."""
        value = self.store.get(KEY)
        return JournalEntry.from_json(value) if isinstance(value, dict) else None

    def write(self, entry: JournalEntry) -> None:
        """Replace the entry."""
        self.store.set(KEY, entry.to_json())
