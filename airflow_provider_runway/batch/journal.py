"""The journal of a batch: a folder below ``result_path`` that survives every retry and clear, on any storage.

``batch.json`` says whose batch it is, ``owner.json`` which execution of its task may write, and the other files hold
lines about rows (see ``row_state``): the submits of a wave, the ends of waits, the results. A file can be lost, or a
process stopped, at any time without a job being paid twice:

- The intents of a wave are written before its first POST, and expire.
- An execution takes the journal over before it reads it, and the one before it looks whether it still owns the journal
  between its intents and its first POST. So either that one stops, or its intents are seen.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_runway.batch.atomic_record_files import GrowingFile, RecordFolder
from airflow_provider_runway.batch.row_state import RowState, parse_lines
from airflow_provider_runway.exceptions import BadInputError, NoUsableResponseError
from airflow_provider_runway.submission.journal_session import TaskAttempt
from airflow_provider_runway.transports.client_settings import Log

#: The folder of the journal in ``result_path``.
JOURNAL_FOLDER = "_journal"
_BATCH, _OWNER = "batch.json", "owner.json"
#: From so many files on, they are merged into one when the journal is opened.
MAX_FILES = 40


@dataclass(slots=True)
class JournalContent:
    """What the journal says.

    :param is_new: there was no journal before this execution.
    :param epoch: tells apart the batches of one task instance whose folder was emptied in between.
    :param rows: custom_id -> state. :param damaged: names of files that cannot be read.
    """

    is_new: bool
    epoch: int
    rows: dict[str, RowState] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)


class BatchJournal:
    """The journal of one batch, for one execution of its task.

    :param result_path: the batch's folder. :param owner: names the task instance, for people and for comparison.
    :param durable: False: lines of earlier tries are left out.
    """

    def __init__(
        self,
        result_path: str,
        make_path: Callable[[str], Any],
        owner: Mapping[str, Any],
        attempt: TaskAttempt,
        log: Log,
        *,
        durable: bool = True,
    ) -> None:
        self.folder = RecordFolder(f"{result_path.rstrip('/')}/{JOURNAL_FOLDER}", make_path)
        self._result_path = result_path
        self._owner = dict(owner)
        self._attempt = attempt
        self._log = log
        self._durable = durable
        self._token = uuid.uuid4().hex
        self._sequence = 0

    def open(self) -> JournalContent:
        """Take the journal over from any earlier execution, and read it.

        :raises BadInputError: it belongs to another task instance.
        :raises NoUsableResponseError: the storage did not respond, or a later try owns it already.
        """
        batch = self._read_json(_BATCH)
        if batch is not None and batch.get("owner") != self._owner:
            raise BadInputError(
                f"The folder {self._result_path} holds the results of another task instance ({batch.get('owner')}). "
                "Give each its own result_path, such as one with {{ run_id }} in it, and for mapped tasks also with "
                "{{ ti.map_index }}. Nothing was sent."
            )
        owner = self._read_json(_OWNER) or {}
        if int(owner.get("try_number", 0)) > self._attempt.try_number:
            raise _make_taken_over_error()
        self._write_json(_OWNER, {"token": self._token, "try_number": self._attempt.try_number, "at": time.time()})
        epoch = self._attempt.max_tries if batch is None else int(batch.get("epoch", 0))
        content = JournalContent(is_new=batch is None, epoch=epoch)
        names = self._list_record_files()
        for name in names:
            self._read_file(name, content)
        self._sequence = max((_parse_sequence(name) for name in names), default=0)
        if len(names) > MAX_FILES and not content.damaged and self._durable:
            self._merge_files(names)
        return content

    def write_start(self, content: JournalContent) -> None:
        """Write down that this batch exists. From then on a row without a line is one that was not sent."""
        if content.is_new:
            self._write_json(_BATCH, {"version": 1, "owner": self._owner, "epoch": content.epoch, "at": time.time()})

    def start_file(self, kind: str) -> GrowingFile:
        """Return a new file for lines about rows. Nothing is written yet."""
        return GrowingFile(self.folder, self.make_file_name(kind), self._log)

    def make_file_name(self, kind: str) -> str:
        """Return the name of a new file, which sorts after all others and which no other process uses."""
        self._sequence += 1
        return f"{self._sequence:06}-{kind}-{self._token[:8]}.jsonl"

    def write_lines(self, kind: str, lines: Mapping[str, bytes]) -> None:
        """Write lines about rows into a file of their own, in one step.

        :raises NoUsableResponseError: the storage did not take it.
        """
        if lines:
            self.folder.write(self.make_file_name(kind), b"".join(lines.values()))

    def check_owner(self) -> None:
        """Check that no other execution has taken the journal over.

        :raises NoUsableResponseError: one has, or the storage did not respond.
        """
        if (self._read_json(_OWNER) or {}).get("token") != self._token:
            raise _make_taken_over_error()

    def delete_damaged(self, content: JournalContent) -> None:
        """Delete the files that cannot be read, once each row has a line again that says so."""
        for name in content.damaged:
            self.folder.delete(name)
        content.damaged.clear()

    def _read_file(self, name: str, content: JournalContent) -> None:
        data = self.folder.read(name)
        try:
            for record in parse_lines(data or b""):
                if self._is_wanted(record):
                    content.rows.setdefault(record["row"], RowState()).add(record)
        except (ValueError, KeyError, AttributeError) as problem:
            self._log.warning("The file %s of the batch's journal cannot be read (%s).", name, type(problem).__name__)
            content.damaged.append(name)

    def _is_wanted(self, record: Mapping[str, Any]) -> bool:
        if self._durable:
            return True
        try_number = record["entry"].get("try_number") if "entry" in record else record.get("try")
        return bool(try_number == self._attempt.try_number)

    def _merge_files(self, names: list[str]) -> None:
        """Write the lines of many files into one, and delete them. Their order, and so their meaning, is kept."""
        newest: dict[tuple[str, str], bytes] = {}
        for name in names:
            for line in (self.folder.read(name) or b"").splitlines(keepends=True):
                record = json.loads(line)
                kind = next(kind for kind in ("entry", "outcome", "result") if kind in record)
                key = (record["row"], kind if kind != "entry" else f"entry {record['entry']['generation']}")
                newest.pop(key, None)  # so that the line moves to the end
                newest[key] = line
        self.folder.write(self.make_file_name("merged"), b"".join(newest.values()))
        for name in names:
            self.folder.delete(name)

    def _list_record_files(self) -> list[str]:
        return [name for name in self.folder.list_names() if name.endswith(".jsonl")]

    def _read_json(self, name: str) -> dict[str, Any] | None:
        data = self.folder.read(name)
        if data is None:
            return None
        try:
            value = json.loads(data)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise BadInputError(
                f"The file {name} in {self.folder.folder} is not one of this package. Give another result_path, or "
                "empty the folder. Nothing was sent."
            )
        return value

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        self.folder.write(name, json.dumps(value).encode())


def _make_taken_over_error() -> NoUsableResponseError:
    return NoUsableResponseError("Another try of this task has taken over its batch, so this one stops.")


def _parse_sequence(name: str) -> int:
    head = name.partition("-")[0]
    return int(head) if head.isdigit() else 0
