"""What a batch's journal says of each row: its submit, how its wait ended, and its result. Values without I/O.

The journal consists of lines, each about one row, in files that are read in the order of their names. A later line
replaces an earlier one, except that the id of a job is never forgotten.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_runway.batch.batch_rows import BatchRow
from airflow_provider_runway.batch.results import RowResult, RowStatus
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.submission.journal import JournalEntry

#: The columns of a result that the journal keeps. The others are those of the row itself.
_KEPT_COLUMNS = (
    "output_url",
    "output_path",
    "request_id",
    "model",
    "cost",
    "seed",
    "error",
    "submitted_at",
    "completed_at",
)


@dataclass(frozen=True, slots=True)
class StoredResult:
    """The result of a row as the journal keeps it, as text: thousands of them are kept in memory.

    :param code: the code of the error, if there was one. :param try_number: the try in which it was found.
    :param cost: USD.
    """

    status: RowStatus
    request_id: str | None
    try_number: int
    code: str | None
    cost: float | None
    text: bytes = field(repr=False)

    def to_row_result(self, row: BatchRow) -> RowResult:
        """Return the line of the table."""
        kept = dict(zip(_KEPT_COLUMNS, json.loads(self.text), strict=True))
        return replace(RowResult.from_job(row, self.status), **kept)

    def format(self, custom_id: str) -> bytes:
        """Return the journal's line about it."""
        columns = dict(zip(_KEPT_COLUMNS, json.loads(self.text), strict=True))
        record = {"status": self.status.value, "code": self.code, **columns}
        return _format_line({"row": custom_id, "result": record, "try": self.try_number})


@dataclass(frozen=True, slots=True)
class SeenOutcome:
    """How the wait for a row's job ended. :param try_number: of the try that waited."""

    outcome: WaitOutcome
    try_number: int


@dataclass(slots=True)
class RowState:
    """All that is known of one row.

    :param entry: its submit. :param outcome: how the wait for its job ended, as long as there is no result.
    :param result: its result, of this try or of an earlier one.
    """

    entry: JournalEntry | None = None
    outcome: SeenOutcome | None = None
    result: StoredResult | None = None

    @property
    def request_id(self) -> str | None:
        """The id of the row's job, where it is known."""
        return None if self.entry is None else self.entry.request_id

    @property
    def is_success(self) -> bool:
        """Is the row's video stored, and recorded as delivered?"""
        return self.result is not None and self.result.status is RowStatus.SUCCESS

    def has_result_of(self, try_number: int) -> bool:
        """Is there nothing left to do for this row in this try?"""
        return self.result is not None and (self.is_success or self.result.try_number == try_number)

    def add(self, record: Mapping[str, Any]) -> None:
        """Take one line of the journal.

        :raises ValueError: it cannot be read (``UnreadableEntryError`` is one), and may have said anything.
        """
        try:
            if "entry" in record:
                self._set_entry(JournalEntry.from_json(record["entry"]))
            elif "outcome" in record:
                self._set_outcome(SeenOutcome(WaitOutcome.from_event(record["outcome"]), int(record["try"])))
            elif "result" in record:
                self._set_result(_parse_result(record))
            else:
                raise ValueError("a line of the journal says nothing that is known here")
        except (KeyError, TypeError, AttributeError) as problem:
            raise ValueError(f"a line of the journal cannot be read: {problem!r}") from None

    def format_lines(self, custom_id: str) -> list[bytes]:
        """Return the lines of the journal that say all of this."""
        lines = []
        if self.entry is not None:
            lines.append(format_entry(custom_id, self.entry))
        if self.result is not None:
            lines.append(self.result.format(custom_id))
        if self.outcome is not None:
            lines.append(format_outcome(custom_id, self.outcome.outcome, self.outcome.try_number))
        return lines

    def _set_entry(self, entry: JournalEntry) -> None:
        if entry.request_id is not None:  # only a submit without an id is compared with the history
            entry = replace(entry, image_digest=None, prompt_digest=None, expires_at=None)
        entry = replace(entry, model=sys.intern(entry.model))
        self.entry = entry if self.entry is None else merge_entries(self.entry, entry)
        if self.outcome is not None and self.outcome.outcome.job.request_id != self.request_id:
            self.outcome = None
        if self.result is not None and self.result.request_id != self.request_id:
            self.result = None

    def _set_outcome(self, seen: SeenOutcome) -> None:
        if seen.outcome.job.request_id == self.request_id and not self.is_success:
            self.outcome = seen

    def _set_result(self, result: StoredResult) -> None:
        if result.request_id == self.request_id:
            self.result = result
            # A video that could not be stored is downloaded in the next try, without polling again.
            if self.outcome is not None and (self.is_success or self.outcome.outcome.to_error() is not None):
                self.outcome = None


def merge_entries(earlier: JournalEntry, later: JournalEntry) -> JournalEntry:
    """Return what two entries of one row mean together.

    A process that was stopped may write its entry long after its successor wrote one. An id outweighs an intent of
    the same generation, and where there are two ids, none is forgotten.
    """
    is_same = later.generation == earlier.generation
    would_lose_id = is_same and later.request_id is None and earlier.request_id is not None
    is_late = later.generation < earlier.generation
    kept, other = (earlier, later) if is_late or would_lose_id else (later, earlier)
    missing = [
        request_id
        for request_id in (*other.previous_request_ids, other.request_id)
        if request_id is not None and request_id != kept.request_id and request_id not in kept.previous_request_ids
    ]
    return replace(kept, previous_request_ids=(*kept.previous_request_ids, *missing)) if missing else kept


def format_entry(custom_id: str, entry: JournalEntry) -> bytes:
    """Return the journal's line about a row's submit."""
    return _format_line({"row": custom_id, "entry": entry.to_json()})


def format_outcome(custom_id: str, outcome: WaitOutcome, try_number: int) -> bytes:
    """Return the journal's line about the end of a wait."""
    return _format_line({"row": custom_id, "outcome": outcome.to_event(), "try": try_number})


def format_result(custom_id: str, result: RowResult, try_number: int, code: str | None) -> bytes:
    """Return the journal's line about a row's result. :param code: of its error; None: there is none."""
    columns = {name: getattr(result, name) for name in _KEPT_COLUMNS}
    record = {"status": result.status.value, "code": code, **columns}
    return _format_line({"row": custom_id, "result": record, "try": try_number})


def parse_lines(data: bytes) -> Iterable[dict[str, Any]]:
    """Yield the lines of one file of the journal.

    :raises ValueError: one of them cannot be read.
    """
    for line in io.BytesIO(data):
        if line.strip():
            record = json.loads(line)
            if not isinstance(record, dict) or not isinstance(record.get("row"), str):
                raise ValueError("a line of the journal is about no row")
            yield record


def _parse_result(record: Mapping[str, Any]) -> StoredResult:
    result = record["result"]
    return StoredResult(
        status=RowStatus(result["status"]),
        request_id=result["request_id"],
        try_number=int(record["try"]),
        code=result["code"],
        cost=result["cost"],
        text=json.dumps([result[name] for name in _KEPT_COLUMNS], separators=(",", ":")).encode(),
    )


def _format_line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
