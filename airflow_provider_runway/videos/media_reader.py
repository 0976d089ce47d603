"""Reads stored videos in parts, and which part a request asks for: local files, and any storage of Airflow.

What opens or reads a file blocks.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import Any, BinaryIO

from airflow_provider_runway.compat import make_storage_path
from airflow_provider_runway.outputs.media_check import detect_media_type
from airflow_provider_runway.videos.media_roots import StoredFile

_HEAD_BYTES = 512
_RANGE_HEADER = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
#: An SVG is a document that can contain scripts, so it is never shown.
_NEVER_SHOWN = frozenset({"image/svg+xml"})


class MediaNotFoundError(Exception):
    """There is no such file, it cannot be read, or it is neither a video nor an image."""


class MediaFile:
    """An open file that is a video or an image.

    :param size: in bytes.
    :param version: changes whenever the file does; for the header ``ETag``.
    """

    def __init__(self, source: _LocalSource | _StorageSource, mime: str) -> None:
        self.mime = mime
        self.size = source.size
        self.version = source.version
        self.read = source.read
        self.close = source.close


def open_media(file: StoredFile) -> MediaFile:
    """Open a file and find out from its first bytes what it is.

    :raises MediaNotFoundError: it cannot be shown.
    """
    source = _open(file)
    try:
        mime = detect_media_type(source.read(0, _HEAD_BYTES))
    except Exception as problem:
        source.close()
        raise MediaNotFoundError(f"{type(problem).__name__}: {problem}") from problem
    if mime is None or mime in _NEVER_SHOWN:
        source.close()
        raise MediaNotFoundError("it is neither a video nor an image")
    return MediaFile(source, mime)


def read_text(file: StoredFile, max_bytes: int) -> str:
    """Return the text of a small file.

    :raises MediaNotFoundError: it cannot be read, or is larger.
    """
    source = _open(file)
    try:
        if source.size > max_bytes:
            raise MediaNotFoundError(f"it has {source.size} bytes, more than {max_bytes}")
        return source.read(0, source.size).decode("utf-8", errors="replace")
    except MediaNotFoundError:
        raise
    except Exception as problem:
        raise MediaNotFoundError(f"{type(problem).__name__}: {problem}") from problem
    finally:
        source.close()


def _open(file: StoredFile) -> _LocalSource | _StorageSource:
    try:
        return _LocalSource(file.path) if file.is_local else _StorageSource(file)
    except Exception as problem:  # storage clients have errors of their own, and each means the same here
        raise MediaNotFoundError(f"{type(problem).__name__}: {problem}") from problem


class _LocalSource:
    """A regular file. A device or a pipe is refused, and opening one does not wait for it."""

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        self._file: BinaryIO = os.fdopen(descriptor, "rb", buffering=0)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            self._file.close()
            raise OSError("it is no regular file")
        self.size = status.st_size
        self.version = f"{status.st_size:x}-{status.st_mtime_ns:x}"

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the file; fewer at its end."""
        return os.pread(self._file.fileno(), length, offset)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _StorageSource:
    """A file of a storage. Each read is a request of its own, so nothing stays open."""

    def __init__(self, file: StoredFile) -> None:
        path = make_storage_path(file.path, file.conn_id)
        self._fs: Any = path.fs
        self._path = path.path
        info = self._fs.info(self._path)
        if info.get("type") != "file":
            raise OSError("it is no file")
        self.size = int(info["size"])
        version = info.get("ETag") or info.get("etag") or info.get("LastModified") or info.get("mtime") or ""
        self.version = f"{self.size:x}-{str(version).encode().hex()[:64]}"

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the file; fewer at its end."""
        end = min(offset + length, self.size)
        return bytes(self._fs.cat_file(self._path, start=offset, end=end)) if end > offset else b""

    def close(self) -> None:
        """Nothing is open."""


class RangeNotSatisfiableError(ValueError):
    """The range lies outside of the file."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``first`` to ``last`` of a file, both included, counted from 0."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return self.last - self.first + 1


def parse_range(header: str | None, size: int, max_open_length: int) -> ByteRange | None:
    """Return the range that a request's header ``Range`` asks for (RFC 9110, section 14); None for the whole file.

    A header that cannot be read, or that asks for several ranges, is ignored, as the RFC allows.

    :param size: the file's size in bytes.
    :param max_open_length: of a range without an end, at most so many bytes are sent; the RFC allows less than asked.
    :raises RangeNotSatisfiableError: answer it with 416.
    """
    match = _RANGE_HEADER.fullmatch((header or "").replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return None
    first_text, last_text = match[1][:20], match[2][:20]
    if not first_text:  # the last N bytes
        count = int(last_text)
        if count == 0 or size == 0:
            raise RangeNotSatisfiableError
        return ByteRange(max(size - count, 0), size - 1)
    first = int(first_text)
    last = int(last_text) if last_text else first + max_open_length - 1
    if last_text and last < first:
        return None
    if first >= size:
        raise RangeNotSatisfiableError
    return ByteRange(first, min(last, size - 1))
