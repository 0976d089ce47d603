"""Reads and writes files on any storage that Airflow knows. A file is written in one step, never half."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast
from uuid import uuid4

from airflow_provider_runway.compat import make_storage_path

#: Storages where an upload appears under its name when it is complete, or not at all, and where renaming is a copy that
#: needs more permissions. On any other storage a file is uploaded under a temporary name, and renamed.
ATOMIC_UPLOAD_SCHEMES = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "adl", "az", "wasb", "wasbs"})


@contextmanager
def open_text(path: str, conn_id: str | None = None) -> Iterator[TextIO]:
    """Open a UTF-8 text to be read as a stream; line ends stay as they are, as ``csv`` wants them.

    :raises OSError: as the storage says it. Clients of storages have errors of their own, too.
    """
    local_path = get_local_path(path, conn_id)
    source: Any = make_storage_path(path, conn_id) if local_path is None else local_path
    stream: Any = source.open("rb")
    with stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        yield text


@contextmanager
def write_in_one_step(path: str, conn_id: str | None = None) -> Iterator[BinaryIO]:
    """Write a file that appears under its name when the block ends, and not at all if the block raises.

    :raises OSError: it could not be stored.
    """
    local_path = get_local_path(path, conn_id)
    with open_temporary_file(local_path) as sink:
        temporary_path = Path(sink.name)
        try:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
            if local_path is not None:
                temporary_path.replace(local_path)
            else:  # storages take the content type from the extension of the uploaded file
                temporary_path = temporary_path.rename(temporary_path.with_suffix(Path(path).suffix))
                upload_file(temporary_path, path, conn_id)
        finally:
            temporary_path.unlink(missing_ok=True)


def open_temporary_file(local_path: Path | None) -> BinaryIO:
    """Open a new file to download into: beside its final place where that is local, so the last step is one rename.

    There it gets the permissions of the process's umask, like any new file, because it becomes the video. A file that
    is only uploaded stays private.
    """
    if local_path is None:
        return cast("BinaryIO", tempfile.NamedTemporaryFile(prefix=".runway-", suffix=".part", delete=False))
    local_path.parent.mkdir(parents=True, exist_ok=True)
    return cast("BinaryIO", (local_path.parent / f".runway-{uuid4().hex}.part").open("x+b"))


def get_local_path(path: str, conn_id: str | None) -> Path | None:
    """Return a path on this machine's file system, or None for another storage."""
    if "://" not in path:
        # A plain path is taken as it is: Airflow 2.11 would begin a relative one at the root.
        return Path(path)
    on_storage = make_storage_path(path, conn_id)
    return Path(on_storage.path) if on_storage.protocol == "file" else None


def upload_file(file: Path, path: str, conn_id: str | None) -> None:
    """Upload a complete local file, so that it appears under its name in one step.

    Writing through ``ObjectStoragePath.open("wb")`` would not do: an exception closes it, and closing publishes what
    was written so far (fsspec 2026.9).
    """
    try:
        target = make_storage_path(path, conn_id)
        if target.protocol in ATOMIC_UPLOAD_SCHEMES:
            target.fs.put_file(str(file), target.path)
        else:
            _upload_and_rename(target.fs, file, target.path)
    except OSError:
        raise
    except Exception as problem:  # storage clients have errors of their own; none may hide what was paid for
        raise OSError(f"{type(problem).__name__}: {problem}") from problem


def _upload_and_rename(file_system: Any, file: Path, path: str) -> None:
    """Upload under a temporary name in the same folder, and rename."""
    folder = path.rpartition("/")[0]
    temporary_path = f"{folder}/.runway-{uuid4().hex}.part"
    try:
        file_system.makedirs(folder, exist_ok=True)
        file_system.put_file(str(file), temporary_path)
        try:
            file_system.mv(temporary_path, path)
        except OSError as problem:
            # Some storages, like SMB, do not rename onto a file that exists.
            if problem.errno != errno.EEXIST:
                raise
            file_system.rm_file(path)
            file_system.mv(temporary_path, path)
    except BaseException:
        with suppress(Exception):  # if this fails, a hidden file stays under a name that nobody reads
            file_system.rm_file(temporary_path)
        raise
