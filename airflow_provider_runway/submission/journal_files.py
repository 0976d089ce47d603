"""A journal store of small JSON files, for ``[runway] journal_path``: works on any Airflow and survives every clear."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_runway.inputs.job_request import JobIdentity
from airflow_provider_runway.submission.journal import UnreadableEntryError

#: A file that was not written for so long is deleted. The history, which alone could still say something of such
#: a job, is asked for 31 days at most.
KEEP_S = 90 * 86_400.0
#: One of so many new files looks for old ones; so listing the folder costs next to nothing for each job.
SWEEP_EVERY = 200

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")


class StoragePath(Protocol):
    """What is used of ``ObjectStoragePath``."""

    def __truediv__(self, name: str) -> Any:
        """Return the path of a file in this folder."""


class JournalFile:
    """The journal of one logical job, as one file below a folder on any storage.

    :param folder: an ``ObjectStoragePath``. :param identity: whose journal it is.
    """

    def __init__(self, folder: StoragePath, identity: JobIdentity) -> None:
        self.folder = folder
        self.path = folder / make_file_name(identity)

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
        local = _local_path(self.path)
        if local is None:  # an object store replaces an object as a whole
            self.path.write_bytes(data)
            is_new = False
        else:
            is_new = not local.exists()
            _replace_file(local, data)
        if is_new and _digest(self.path.name + str(time.time())) % SWEEP_EVERY == 0:
            delete_old_files(self.folder, time.time() - KEEP_S)


def make_file_name(identity: JobIdentity) -> str:
    """Return a name that people can read and that no other logical job has."""
    parts = (identity.dag_id, identity.task_id, identity.run_id, str(identity.map_index))
    readable = "-".join(_NOT_IN_A_NAME.sub("_", part)[:40] for part in parts)
    digest = hashlib.sha256(identity.key.encode()).hexdigest()[:20]
    return f"{readable}-{digest}.json"


def delete_old_files(folder: Any, older_than: float) -> int:
    """Delete the journal files that were last written before a time (epoch seconds), and return how many."""
    deleted = 0
    for path in _list_files(folder):
        try:
            if _modified_at(path) < older_than:
                path.unlink()
                deleted += 1
        except OSError:  # somebody else deleted it, or it is not ours to delete
            continue
    return deleted


def _list_files(folder: Any) -> Iterator[Any]:
    try:
        yield from [path for path in folder.iterdir() if path.name.endswith(".json")]
    except OSError:
        return


def _modified_at(path: Any) -> float:
    """Return when a file was last written; infinity where the storage does not say."""
    modified = getattr(path.stat(), "st_mtime", None)
    return float(modified) if modified else float("inf")


def _local_path(path: Any) -> Path | None:
    return Path(path.path) if getattr(path, "protocol", "file") in ("file", "local", "") else None


def _replace_file(path: Path, data: bytes) -> None:
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


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
