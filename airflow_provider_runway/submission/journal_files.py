"""A journal store of small JSON files, for ``[runway] journal_path``: works on any Airflow and survives every clear."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow_provider_runway.inputs.job_request import JobIdentity
from airflow_provider_runway.segmind.numbers_and_times import parse_timestamp
from airflow_provider_runway.submission.journal import UnreadableEntryError

#: A file that was not written for so long is deleted. The history, which alone could still say something of such
#: a job, is asked for 31 days at most.
KEEP_S = 90 * 86_400.0
#: One of so many writes looks for old files, so listing the folder costs next to nothing for each job.
SWEEP_EVERY = 200

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")


class JournalFile:
    """The journal of one logical job, as one file below a folder on any storage.

    :param folder: a path or a URL. :param make_path: returns the ``ObjectStoragePath`` of a text.
    :param read_identity: returns whose journal it is; called when the file is used.
    """

    def __init__(self, folder: str, make_path: Callable[[str], Any], read_identity: Callable[[], JobIdentity]) -> None:
        self.folder = folder.rstrip("/")
        self.make_path = make_path
        self.read_identity = read_identity

    @cached_property
    def path(self) -> Any:
        """Where the file is."""
        return self.make_path(f"{self.folder}/{make_file_name(self.read_identity())}")

    def get(self, key: str) -> Any:
        """Return the value, or None where there is no file.

        :raises UnreadableEntryError: there is a file, and it is no JSON object.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return json.loads(text)[key]
        except (ValueError, KeyError, TypeError):
            raise UnreadableEntryError(f"the journal file {self.path.name} cannot be read") from None

    def set(self, key: str, value: Any) -> None:
        """Write the file in one step: a reader sees the old text or the new one, never a part."""
        data = json.dumps({key: value}).encode()
        local = find_local_path(self.path)
        if local is None:  # an object store replaces an object as a whole
            self.path.write_bytes(data)
        else:
            replace_file(local, data)
        if random.randrange(SWEEP_EVERY) == 0:
            delete_old_files(self.make_path(self.folder), time.time() - KEEP_S)


def make_file_name(identity: JobIdentity) -> str:
    """Return a name that people can read and that no other logical job has."""
    parts = (identity.dag_id, identity.task_id, identity.run_id, str(identity.map_index))
    readable = "-".join(_NOT_IN_A_NAME.sub("_", part)[:40] for part in parts)
    digest = hashlib.sha256(identity.key.encode()).hexdigest()[:20]
    return f"{readable}-{digest}.json"


def delete_old_files(folder: Any, older_than: float) -> int:
    """Delete the journal files that were last written before a time (epoch seconds), and return how many."""
    deleted = 0
    try:
        for item in folder.fs.ls(folder.path, detail=True):
            written_at = _find_write_time(item)
            if str(item.get("name", "")).endswith(".json") and written_at is not None and written_at < older_than:
                folder.fs.rm_file(item["name"])
                deleted += 1
    except OSError:  # another worker deletes them, too; the next sweep finds the rest
        pass
    return deleted


def _find_write_time(item: Mapping[str, Any]) -> float | None:
    """Return when a listed file was last written, under the names that storages use; None where none is there."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = item.get(name)
        if isinstance(value, datetime):
            return value.timestamp()
        if (seconds := parse_timestamp(value)) is not None:
            return seconds
    return None


def find_local_path(path: Any) -> Path | None:
    """Return where a storage path is on this machine; None for another storage."""
    return Path(path.path) if getattr(path, "protocol", "file") in ("file", "local", "") else None


def replace_file(path: Path, data: bytes) -> None:
    """Write a local file in one step, and make its folder: a reader sees the old bytes or the new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
