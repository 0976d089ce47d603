"""Reads the prompt image of a job from wherever it is, checks it, and uploads it once a run.

At most 16 MB of an image are read, and no message ever holds a byte of it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow_provider_runway.compat import (
    AirflowNotFoundException,
    BaseHook,
    get_storage_conn_id,
    is_storage_path,
    make_storage_path,
)
from airflow_provider_runway.exceptions import BadInputError, RunwayError, UnreachableError
from airflow_provider_runway.hooks.runway import read_local_image
from airflow_provider_runway.segmind.images import MAX_IMAGE_BYTES, check_image, decode_data_url
from airflow_provider_runway.segmind.model_fields import TEXT, ModelField, is_https_url, safe_repr

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook

ALLOWED_SOURCES = (
    "an https URL, the path of a file, a URL of a storage that Airflow knows (s3://, gs://, file://), bytes, "
    "or a data: URL"
)
#: Errors that a retry does not change; everything else that a storage raises may pass. Object stores report
#: their refusals by these, too (s3fs: 404 is FileNotFoundError, 403 PermissionError, a bad name ValueError).
_FINAL_ERRORS = (
    FileNotFoundError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    ValueError,
    NotImplementedError,
)
_FINAL_ERROR_NAMES = {"ParamValidationError"}  # botocore's, for an invalid bucket name
_FINAL_ERRNOS = {errno.EINVAL, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOSYS, errno.ENODEV, errno.ENXIO}
#: How Airflow says that no provider serves a scheme: when it looks one up, and on Airflow 3 even before that.
_NO_FILESYSTEM_TEXTS = ("No filesystem registered", "Unsupported filesystem")
#: How far object stores read ahead; their default is 50 MB.
_READ_AHEAD_BYTES = 256 * 1024

#: The XCom in which a task instance keeps what it has uploaded.
UPLOAD_XCOM_KEY = "uploaded_picture"
#: How old an upload may be to be used again, in seconds. How long Segmind keeps uploads is not public; an
#: hour is the shortest life that it gives to anything (the record of a request), so nothing speaks for less.
MAX_UPLOAD_AGE_S = 3600.0


@dataclass(frozen=True)
class InputImage:
    """The checked bytes of an image. ``name`` is for messages."""

    data: bytes = field(repr=False)
    name: str

    @cached_property
    def sha256(self) -> str:
        """The digest that identifies the same image."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class UploadCache:
    """The uploads of one run, which the mapped instances of a task share.

    Instances that start at the same time cannot see each other's uploads, so each of them uploads; later ones
    do not. Uploads are free: nothing that costs money depends on this cache.

    :param read_entries: returns the entries of all map indexes of this task and run, each by itself or in lists.
    :param write_entry: keeps an entry of this task instance.
    """

    read_entries: Callable[[], list[Any]]
    write_entry: Callable[[dict[str, Any]], None]

    def find_url(self, sha256: str, conn_id: str) -> str | None:
        """Return the URL of an upload that is young enough. Another connection may be another account."""
        oldest = time.time() - MAX_UPLOAD_AGE_S
        for entry in _flatten(self.read_entries()):
            if (
                isinstance(entry, Mapping)
                and (entry.get("sha256"), entry.get("conn_id")) == (sha256, conn_id)
                and isinstance(entry.get("at"), (int, float))
                and entry["at"] >= oldest
                and isinstance(entry.get("url"), str)
            ):
                return str(entry["url"])
        return None


def _flatten(entries: list[Any]) -> Iterator[Any]:
    for entry in entries:
        yield from entry if isinstance(entry, list) else [entry]


def upload_once(hook: RunwayHook, image: InputImage, uploads: UploadCache) -> str:
    """Return the URL of an image: of an earlier upload of this run, else of a new one.

    :raises RunwayError: the upload failed. It is free, and no job was submitted.
    """
    if (known_url := uploads.find_url(image.sha256, hook.runway_conn_id)) is not None:
        hook.log.info("The image is not uploaded again: this run has uploaded it to Segmind already.")
        return known_url
    url = hook.upload_bytes(image.data, image.name)
    uploads.write_entry({"sha256": image.sha256, "url": url, "at": time.time(), "conn_id": hook.runway_conn_id})
    return url


def is_url_for_segmind(image: Any) -> bool:
    """Is this a URL that Segmind fetches itself, so that nothing has to be read here?"""
    return isinstance(image, str) and is_https_url(image)


def read_image(image: Any, conn_id: Any = None, argument: str = "prompt_image") -> InputImage:
    """Return the checked image that an argument names or holds.

    :param conn_id: the connection for a storage; one in the URL (``s3://conn@bucket/key``) wins.
    :param argument: where the author wrote it, for messages.
    :raises BadInputError: there is no such image, it may not be read, or the models do not take it.
    :raises UnreachableError: the storage did not respond; a retry may help.
    """
    if conn_id is not None:
        check_conn_id("image_conn_id", conn_id)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _check(bytes(image), f"of {argument}'s bytes")
    if isinstance(image, str):
        return _check(*_read_from_text(image, conn_id, argument))
    if is_storage_path(image):
        name = f"{argument}={safe_repr(str(image))}"
        return _check(_read_from_storage(str(image), conn_id, name, None if conn_id else image), name)
    if isinstance(image, os.PathLike):
        return _check(*_read_from_text(os.fsdecode(image), conn_id, argument))
    raise BadInputError(f"{argument} is of type {type(image).__name__}; allowed: {ALLOWED_SOURCES}. Nothing was sent.")


def check_conn_id(name: str, value: Any) -> None:
    """Raise where a value cannot be a connection id.

    :raises BadInputError: it is empty, or not a text.
    """
    try:
        ModelField(name, TEXT).validate(value)
    except BadInputError as problem:
        raise BadInputError(f"{problem} Nothing was sent.") from None


def _read_from_text(image: str, conn_id: str | None, argument: str) -> tuple[bytes, str]:
    scheme = image[:10].partition(":")[0].lower()
    name = f"{argument}={safe_repr(image)}"
    if not image.strip():
        raise BadInputError(f"{argument} is empty; allowed: {ALLOWED_SOURCES}. Nothing was sent.")
    if scheme == "data":
        return decode_data_url(image, argument), f"in {argument}'s data URL"
    if scheme in ("http", "https"):
        raise BadInputError(  # without its text: the query of a signed URL is a secret
            f"{argument} must be an https URL that Segmind can fetch, with a host and without blanks, not {scheme} "
            "as it is written here. Nothing was sent."
        )
    if image.startswith(("b'", 'b"')):
        raise BadInputError(
            f"{argument} is the text of a bytes value, as a template renders it. Hand the bytes on as they are: "
            f"{argument}=upstream.output. Nothing was sent."
        )
    return (_read_from_storage(image, conn_id, name) if "://" in image else read_local_image(image, name)), name


def _read_from_storage(url: str, conn_id: str | None, name: str, path: Any = None) -> bytes:
    try:
        if (named := get_storage_conn_id(url, conn_id)) is not None:
            BaseHook.get_connection(named)  # the amazon provider would continue with anonymous credentials
        opened = make_storage_path(url, conn_id) if path is None else path
        with opened.open("rb", block_size=_READ_AHEAD_BYTES) as stream:
            return read_bounded(stream)
    except Exception as problem:
        raise make_image_error(name, problem) from None


def read_bounded(stream: BinaryIO) -> bytes:
    """Return the bytes of a stream; of one that is too large, one byte more than allowed."""
    data = bytearray()
    while len(data) <= MAX_IMAGE_BYTES and (part := stream.read(MAX_IMAGE_BYTES + 1 - len(data))):
        data += part
    return bytes(data)


def make_read_error(subject: str, problem: Exception, allowed: str, other_conn: str) -> RunwayError:
    """Return the error for a file that could not be read. A storage's own code may raise any exception.

    :param subject: which file, as the beginning of a sentence. :param allowed: from where such files are read.
    :param other_conn: how the author names another connection.
    """
    why = (problem.strerror if isinstance(problem, OSError) else None) or str(problem) or type(problem).__name__
    message = f"{subject} cannot be read: {to_one_line(why)}."
    if isinstance(problem, AirflowNotFoundException):
        return BadInputError(f"{message} Add the connection, or name another {other_conn}. Nothing was sent.")
    if isinstance(problem, ImportError) or any(text in why for text in _NO_FILESYSTEM_TEXTS):
        return BadInputError(
            f"{message} Install the Airflow provider that serves it, such as apache-airflow-providers-amazon[s3fs] for "
            f"s3:// or apache-airflow-providers-google for gs://; allowed: {allowed}. Nothing was sent."
        )
    is_final = isinstance(problem, _FINAL_ERRORS) or type(problem).__name__ in _FINAL_ERROR_NAMES
    if is_final or getattr(problem, "errno", None) in _FINAL_ERRNOS:
        return BadInputError(f"{message} Correct the path, or the rights of its connection. Nothing was sent.")
    return UnreachableError(f"{message} Nothing was sent, and nothing is billed; a retry reads it again.")


def make_image_error(name: str, problem: Exception) -> RunwayError:
    """Return the error for an image that could not be read.

    :param name: where the author wrote it, and what it says there: "prompt_image='/data/1.png'".
    """
    return make_read_error(f"The image {name}", problem, ALLOWED_SOURCES, "with image_conn_id")


def to_one_line(text: str) -> str:
    """Return the text of a foreign error on one line of bounded length."""
    line = " ".join(text.split()).rstrip(".")
    return (line if len(line) <= 300 else f"{line[:300]}…").encode("utf-8", "backslashreplace").decode()


def _check(data: bytes, name: str) -> InputImage:
    check_image(data, name)
    return InputImage(data, name)
