"""Small files of a batch's journal in a folder on any storage. Each is written in one step, and read as a whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from airflow_provider_runway.exceptions import NoUsableResponseError
from airflow_provider_runway.submission.journal_files import find_local_path, replace_file
from airflow_provider_runway.transports.client_settings import Log


class RecordFolder:
    """The files in one folder. Names are looked up anew each time, because other processes write there, too.

    :param folder: a path or a URL. :param make_path: returns the ``ObjectStoragePath`` of a text.
    """

    def __init__(self, folder: str, make_path: Callable[[str], Any]) -> None:
        self.folder = folder.rstrip("/")
        self._make_path = make_path

    def write(self, name: str, data: bytes) -> None:
        """Write a file in one step: a reader sees the old bytes or the new ones.

        :raises NoUsableResponseError: the storage did not take it.
        """
        with self._explain(f"{name} cannot be written"):
            path = self._make_path(f"{self.folder}/{name}")
            local = find_local_path(path)
            if local is None:  # an object store replaces an object as a whole
                path.fs.pipe_file(path.path, data)
            else:
                replace_file(local, data)

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is no such file.

        :raises NoUsableResponseError: the storage did not respond.
        """
        with self._explain(f"{name} cannot be read"):
            path = self._make_path(f"{self.folder}/{name}")
            local = find_local_path(path)
            try:
                return bytes(path.fs.cat_file(path.path)) if local is None else local.read_bytes()
            except FileNotFoundError:
                return None

    def list_names(self) -> list[str]:
        """Return the sorted names of all files.

        :raises NoUsableResponseError: the storage did not respond.
        """
        with self._explain("the folder cannot be listed"):
            path = self._make_path(self.folder)
            local = find_local_path(path)
            try:
                if local is not None:
                    return sorted(item.name for item in local.iterdir() if not item.name.startswith("."))
                path.fs.invalidate_cache()  # a listing may be kept from before another process wrote
                return sorted(str(name).rpartition("/")[2] for name in path.fs.ls(path.path, detail=False))
            except FileNotFoundError:
                return []

    def delete(self, name: str) -> None:
        """Delete a file, if it is there.

        :raises NoUsableResponseError: the storage did not respond.
        """
        with self._explain(f"{name} cannot be deleted"):
            path = self._make_path(f"{self.folder}/{name}")
            with suppress(FileNotFoundError):
                path.fs.rm_file(path.path)

    @contextmanager
    def _explain(self, what: str) -> Iterator[None]:
        """Turn the errors of a storage, which has its own for each provider, into one that may be retried."""
        try:
            yield
        except Exception as problem:
            raise NoUsableResponseError(
                f"The batch's journal in {self.folder} does not respond: {what} ({type(problem).__name__}: {problem})."
            ) from problem


class GrowingFile:
    """A file whose lines are replaced and added by several threads, and written as a whole in the background.

    A write takes all changes since the last one with it, so that a slow storage does not hold up those who change it.

    :param log: gets one warning where a write fails. The next one tries again.
    """

    def __init__(self, folder: RecordFolder, name: str, log: Log) -> None:
        self._folder = folder
        self.name = name
        self._log = log
        self._lines: dict[str, bytes] = {}
        self._changed = threading.Condition()
        self._version = self._written_version = 0
        self._is_closed = self._has_failed = False
        self._writer: threading.Thread | None = None

    def set_lines(self, lines: dict[str, bytes]) -> None:
        """Set lines by their keys, without writing them yet."""
        with self._changed:
            self._lines.update(lines)
            self._version += 1
            self._changed.notify_all()

    def write(self) -> None:
        """Write the file now.

        :raises NoUsableResponseError: the storage did not take it.
        """
        with self._changed:
            version, data = self._version, b"".join(self._lines.values())
        self._folder.write(self.name, data)
        with self._changed:
            self._written_version = max(self._written_version, version)

    def start_writer_thread(self) -> None:
        """Write each change from now on, in a thread of its own, until :meth:`close`."""
        self._writer = threading.Thread(target=self._write_changes, name="runway-batch-journal", daemon=True)
        self._writer.start()

    def close(self) -> bool:
        """Write what is not written yet; return whether all of it is."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join()
        if self._version > self._written_version:
            self._try_to_write()
        return self._version == self._written_version

    def _write_changes(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._version > self._written_version)
                if self._is_closed:
                    return
            if not self._try_to_write():
                with self._changed:
                    self._changed.wait_for(lambda: self._is_closed, timeout=1.0)

    def _try_to_write(self) -> bool:
        try:
            self.write()
        except NoUsableResponseError as problem:
            if not self._has_failed:
                self._log.warning("%s It is tried again.", problem)
            self._has_failed = True
            return False
        self._has_failed = False
        return True
