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
    :param damaged_at: when such a file was last found (epoch seconds): a row may have had a submit before that of
        which no line is left.
    """

    is_new: bool
    epoch: int
    rows: dict[str, RowState] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    damaged_at: float | None = None


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
        if self._read_owner()["try_number"] > self._attempt.try_number:
            raise _make_taken_over_error()
        self._write_json(_OWNER, {"token": self._token, "try_number": self._attempt.try_number, "at": time.time()})
        epoch = self._attempt.max_tries if batch is None else int(batch.get("epoch", 0))
        content = JournalContent(is_new=batch is None, epoch=epoch)
        if batch is not None and batch.get("damaged_at") is not None:
            content.damaged_at = float(batch["damaged_at"])
        names = self._list_record_files()
        for name in names:
            self._read_file(name, content)
        if content.damaged:
            content.damaged_at = time.time()
        self._sequence = max((_parse_sequence(name) for name in names), default=0)
        if len(names) > MAX_FILES and not content.damaged and self._durable:
            self._merge_files(names, content)
        return content

    def write_start(self, content: JournalContent) -> None:
        """Write down that this batch exists. From then on a row without a line is one that was not sent."""
        if content.is_new:
            self._write_batch(content)

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
        if self._read_owner()["token"] != self._token:
            raise _make_taken_over_error()

    def delete_damaged(self, content: JournalContent) -> None:
        """Delete the files that cannot be read, once each row has a line again that says so.

        That there were some stays written down: jobs that are known may have been followed by others.
        """
        if content.damaged:
            self._write_batch(content)
        for name in content.damaged:
            self.folder.delete(name)
        content.damaged.clear()

    def _read_file(self, name: str, content: JournalContent) -> None:
        data = self.folder.read(name)
        if data is None:  # another execution, which was taken over, has merged it: the next one in the list has it
            return
        try:
            if not data:
                raise ValueError("a file of the journal is empty")
            for record in parse_lines(data):
                if self._is_from_counted_try(record):
                    content.rows.setdefault(record["row"], RowState()).add(record)
        except (ValueError, KeyError, AttributeError, RecursionError) as problem:
            self._log.warning(
                "The file %s of the batch's journal in %s cannot be read (%s). The account's history is asked before "
                "anything is paid for that it may have recorded.",
                name,
                self.folder.folder,
                type(problem).__name__,
            )
            content.damaged.append(name)

    def _is_from_counted_try(self, record: Mapping[str, Any]) -> bool:
        if self._durable:
            return True
        try_number = record["entry"].get("try_number") if "entry" in record else record.get("try")
        return bool(try_number == self._attempt.try_number)

    def _merge_files(self, names: list[str], content: JournalContent) -> None:
        """Write what many files mean together into one, and then delete them. A row's newest line is not enough.

        An execution that takes over in between has either the old files in its list, or the new one, too.
        """
        lines = [line for custom_id, state in content.rows.items() for line in state.format_lines(custom_id)]
        if lines:
            self.folder.write(self.make_file_name("merged"), b"".join(lines))
        self.check_owner()
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
                f"The file {name} in {self.folder.folder} is damaged, or not one of this package. Nothing was sent. If "
                "the folder is this batch's, delete this file alone and clear the task: the rows' jobs are in the "
                "other files, and are not paid again. Else give another result_path."
            )
        return value

    def _read_owner(self) -> dict[str, Any]:
        """Return who owns the journal. Where it cannot be read, no execution does."""
        try:
            value = json.loads(self.folder.read(_OWNER) or b"{}")
            return {"token": value.get("token"), "try_number": int(value.get("try_number", 0))}
        except (ValueError, TypeError, AttributeError):
            return {"token": None, "try_number": 0}

    def _write_batch(self, content: JournalContent) -> None:
        value = {"version": 1, "owner": self._owner, "epoch": content.epoch, "at": time.time()}
        self._write_json(_BATCH, {**value, "damaged_at": content.damaged_at})

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        self.folder.write(name, json.dumps(value).encode())


def _make_taken_over_error() -> NoUsableResponseError:
    return NoUsableResponseError("Another try of this task has taken over its batch, so this one stops.")


def _parse_sequence(name: str) -> int:
    head = name.partition("-")[0]
    return int(head) if head.isdigit() else 0
