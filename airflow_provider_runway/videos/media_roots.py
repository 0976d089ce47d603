"""Decides which stored files the pages may read: those below ``[runway] videos_roots``, and no others.

Whoever can write an XCom chooses the path in it. Without this check the API server would read any file that it may
read, and use any connection of the deployment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

#: Stands in a root for the DAG's id, so that no DAG shows the files of another.
DAG_ID_PLACEHOLDER = "{dag_id}"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that may be read.

    :param path: an absolute local path without links, or a URL of a storage, without a connection in it.
    :param conn_id: the connection of its root; never the one that the XCom names.
    """

    path: str
    conn_id: str | None = None

    @property
    def is_local(self) -> bool:
        """Is it on this machine's file system?"""
        return "://" not in self.path


@dataclass(frozen=True, slots=True)
class _StorageUrl:
    """The parts of ``scheme://conn@bucket/key``. A key is no path: no part of it is decoded or resolved."""

    scheme: str
    conn_id: str | None
    bucket: str
    key: str

    @classmethod
    def parse(cls, url: str) -> _StorageUrl:
        scheme, _, rest = url.partition("://")
        authority, _, key = rest.partition("/")
        conn_id, _, bucket = authority.rpartition("@")
        return cls(scheme.lower(), conn_id or None, bucket, key)


class MediaRoots:
    """The roots that an administrator has allowed.

    :param roots: local folders, and folders of a storage as ``scheme://connection@bucket/folder``.
    """

    def __init__(self, roots: Iterable[str]) -> None:
        self.roots = tuple(root for root in roots if is_usable_root(root))

    @classmethod
    def from_config(cls, value: str | None) -> MediaRoots:
        """Return the roots that the option ``videos_roots`` lists, one a line or with commas between them."""
        return cls(part.strip() for part in (value or "").replace("\n", ",").split(",") if part.strip())

    def find_file(self, path: str, dag_id: str) -> StoredFile | None:
        """Return the file at a path if it is below a root, else None. Links of a local path are followed first."""
        if dag_id in ("", ".", "..") or not path.isprintable():
            return None
        for template in self.roots:
            root = template.replace(DAG_ID_PLACEHOLDER, dag_id)
            found = _find_local(path, root) if _is_local(root) else _find_in_storage(path, root)
            if found is not None:
                return found
        return None


def is_usable_root(root: str) -> bool:
    """Return whether a root is an absolute folder or a URL with a bucket; ``/`` alone would allow every file."""
    if _is_local(root):
        return _to_local_path(root).startswith("/") and os.path.realpath(_to_local_path(root)) != "/"
    return bool(_StorageUrl.parse(root).bucket)


def _is_local(path: str) -> bool:
    return "://" not in path or path.lower().startswith("file://")


def _to_local_path(path: str) -> str:
    return path[len("file://") :] if path.lower().startswith("file://") else path


def _find_local(path: str, root: str) -> StoredFile | None:
    if not _is_local(path) or not _to_local_path(path).startswith("/"):
        return None
    real_root = os.path.realpath(_to_local_path(root))
    real_path = os.path.realpath(_to_local_path(path))
    return StoredFile(real_path) if real_path.startswith(real_root.rstrip("/") + "/") else None


def _find_in_storage(path: str, root: str) -> StoredFile | None:
    if _is_local(path):
        return None
    wanted, allowed = _StorageUrl.parse(path), _StorageUrl.parse(root)
    if (wanted.scheme, wanted.bucket) != (allowed.scheme, allowed.bucket):
        return None
    if wanted.conn_id not in (None, allowed.conn_id):
        return None
    if not set(wanted.key.split("/")).isdisjoint({"", ".", ".."}):
        return None
    folder = allowed.key.strip("/")
    if folder and not wanted.key.startswith(f"{folder}/"):
        return None
    return StoredFile(f"{wanted.scheme}://{wanted.bucket}/{wanted.key}", allowed.conn_id)
