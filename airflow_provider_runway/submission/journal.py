"""What a task instance remembers of its submit across tries: one entry in Airflow's state store.

The intent is written before the POST, the request id right after it, the delivery at the end.
Airflow 3.3 and later have the store; XComs can't stand in for it, for a retry clears them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Protocol

#: Renaming it would forget the jobs of tasks that are under way during an upgrade.
KEY = "runway_submission"


class Phase(StrEnum):
    """How far a submit came, as far as the journal knows."""

    INTENT = "intent"  # a POST was about to be sent; whether it arrived is not known
    NOT_ACCEPTED = "withdrawn"  # the POST certainly came to nothing
    SUBMITTED = "submitted"  # the job's id is known
    DELIVERED = "delivered"  # the task handed its result on


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal. ``at`` is the POST's moment in epoch seconds.

    :param fingerprint: of the inputs. :param seed: as sent, None where the model takes none.
    :param generation: 0, and one more each time the same task asks for a new job.
    :param picture: the digest of an uploaded picture's URL, as sent.
    :param spent: request ids of earlier generations, which must never be adopted again.
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
    picture: str | None = None
    spent: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the entry as the store keeps it."""
        return {**asdict(self), "phase": self.phase.value, "spent": list(self.spent)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Entry:
        """Return the entry that :meth:`to_json` wrote; fields of a later version are passed over."""
        known = {field.name for field in fields(cls)}
        kept = {name: item for name, item in value.items() if name in known}
        return cls(**{**kept, "phase": Phase(kept["phase"]), "spent": tuple(kept.get("spent", ()))})


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

    def read(self) -> Entry | None:
        """Return the entry, or None where none was ever written (or it was cleaned)."""
        value = self.store.get(KEY)
        return Entry.from_json(value) if isinstance(value, dict) else None

    def write(self, entry: Entry) -> None:
        """Replace the entry."""
        self.store.set(KEY, entry.to_json())
