"""Checks that the images of many jobs exist, without reading them: their sizes, and the first bytes of local ones.

The images themselves are read where a job is submitted, and checked as a whole there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from airflow_provider_runway.compat import BaseHook, get_storage_conn_id, is_storage_path, make_storage_path
from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.inputs.local_image_placeholders import LocalImage
from airflow_provider_runway.inputs.prompt_image_upload import check_conn_id, make_image_error, read_image
from airflow_provider_runway.segmind.images import check_image_size, check_image_type
from airflow_provider_runway.segmind.model_fields import safe_repr

#: How many object storage requests are under way at once.
MAX_THREADS = 32
#: How many images are remembered, for rows that share one.
_MAX_REMEMBERED = 4096
#: The first bytes of a file tell its type.
_HEAD_BYTES = 16


class PromptImageChecker:
    """Checks the images of many jobs. One that several of them use is looked at once, and so is each connection."""

    def __init__(self) -> None:
        self._check_path = lru_cache(_MAX_REMEMBERED)(self._find_problem)
        self._open_storage = lru_cache(None)(_open_storage_or_return_error)

    def find_problems(self, images: Sequence[tuple[LocalImage, Any]]) -> list[str | None]:
        """Return what is wrong with each image, None where nothing is.

        :param images: each with the ``image_conn_id`` of its job.
        :raises UnreachableError: a storage did not respond; a retry may help.
        """
        checks = [self._prepare(image, conn_id) for image, conn_id in images]
        remote = [check for check in checks if callable(check)]
        with ThreadPoolExecutor(max(1, min(MAX_THREADS, len(remote)))) as pool:
            found = pool.map(lambda check: check(), remote)
            return [next(found) if callable(check) else check for check in checks]

    def _prepare(self, local_image: LocalImage, conn_id: Any) -> str | Callable[[], str | None] | None:
        """Return what is wrong with an image, or how to ask its storage in another thread."""
        image, argument = local_image.source, local_image.argument
        try:
            if conn_id is not None:
                check_conn_id("image_conn_id", conn_id)
            if (path := _get_path(image)) is None:
                read_image(image, conn_id, argument)
                return None
            if "://" in path:
                storage = self._open_storage(*_get_storage(path, conn_id))
                if isinstance(storage, Exception):
                    raise storage
                if storage.fs.async_impl:  # only such a storage may be used by several threads
                    return lambda: self._check_path(path, conn_id, argument)
            return self._check_path(path, conn_id, argument)
        except BadInputError as problem:
            return str(problem)
        except Exception as problem:
            return str(_as_bad_input(f"{argument}={safe_repr(str(image))}", problem))

    def _find_problem(self, path: str, conn_id: str | None, argument: str) -> str | None:
        name = f"{argument}={safe_repr(path)}"
        try:
            if "://" in path:
                storage = make_storage_path(path, conn_id)
                information = storage.fs.info(storage.path)
                if information.get("type") == "directory":
                    raise IsADirectoryError("it is a folder")
                check_image_size(int(information.get("size") or 0), name)
            else:
                with Path(path).open("rb") as stream:
                    check_image_size(os.fstat(stream.fileno()).st_size, name)
                    check_image_type(stream.read(_HEAD_BYTES), name)
        except BadInputError as problem:
            return str(problem)
        except Exception as problem:
            return str(_as_bad_input(name, problem))
        return None


def _as_bad_input(name: str, problem: Exception) -> BadInputError:
    error = make_image_error(name, problem)
    if not isinstance(error, BadInputError):
        raise error from None
    return error


def _get_path(image: Any) -> str | None:
    """Return where an image is, or None where it is in the value itself, or the value is no image."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        return None
    if isinstance(image, str):
        scheme = image[:10].partition(":")[0].lower()
        in_value = not image.strip() or scheme in ("data", "http", "https") or image.startswith(("b'", 'b"'))
        return None if in_value else image
    if is_storage_path(image):
        return str(image)
    return os.fsdecode(image) if isinstance(image, os.PathLike) else None


def _get_storage(path: str, conn_id: str | None) -> tuple[str, str | None]:
    scheme, _, rest = path.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/", get_storage_conn_id(path, conn_id)


def _open_storage_or_return_error(root: str, conn_id: str | None) -> Any:
    """Return the storage, or the exception that tells why there is none.

    It is opened once before threads use it, for its first use reads the connection.
    """
    try:
        if conn_id is not None:
            BaseHook.get_connection(conn_id)  # the amazon provider would continue with anonymous credentials
        storage = make_storage_path(root, conn_id)
        _ = storage.fs
    except Exception as problem:
        return problem
    return storage
