"""Where a picture comes from: a file, a storage that Airflow knows, or bytes of an upstream task.

Nothing is sent to Segmind here. A picture is read to the end of its 16 MB and never further, and no
message holds a byte of it.
"""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO

from airflow_provider_runway.compat import AirflowNotFoundException, BaseHook, make_storage_path
from airflow_provider_runway.exceptions import BadInputError, RunwayError, UnreachableError
from airflow_provider_runway.hooks.runway import read_image_file
from airflow_provider_runway.outputs.path_template import connection_of
from airflow_provider_runway.segmind.images import MAX_IMAGE_BYTES, check_image, decode_data_url
from airflow_provider_runway.segmind.model_fields import TEXT, ModelField, is_https_url, safe_repr

TAKES = (
    "an https URL, the path of a file, a URL of a storage that Airflow knows (s3://, gs://, file://), bytes, "
    "or a data: URL"
)
#: What asking again will not change; everything else that a storage raises may pass. Object stores report
#: their refusals by these, too (s3fs: 404 is FileNotFoundError, 403 PermissionError, a bad name ValueError).
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ValueError, NotImplementedError)
_FINAL_NAMES = {"ParamValidationError"}  # botocore's, for the name of a bucket that can be none
_FINAL_ERRNOS = {errno.EINVAL, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOSYS, errno.ENODEV, errno.ENXIO}
#: How Airflow says that no provider serves a scheme: when it looks one up, and on Airflow 3 even before that.
_UNSERVED = ("No filesystem registered", "Unsupported filesystem")
#: Object stores fetch so much more than they are asked for, 50 MB otherwise.
_READ_AHEAD_BYTES = 256 * 1024


@dataclass(frozen=True)
class InputImage:
    """A picture's bytes, checked. ``name`` is for messages."""

    data: bytes = field(repr=False)
    name: str

    @cached_property
    def sha256(self) -> str:
        """The digest by which the same picture is known again."""
        return hashlib.sha256(self.data).hexdigest()


def is_url_for_segmind(image: Any) -> bool:
    """Is this a URL that Segmind fetches itself, so that nothing has to be read here?"""
    return isinstance(image, str) and is_https_url(image)


def read_prompt_image(image: Any, conn_id: Any = None) -> InputImage:
    """Return the picture that an author named, or handed on.

    :param conn_id: the connection for a storage; one in the URL (``s3://conn@bucket/key``) wins.
    :raises BadInputError: there is no such picture, it may not be read, or the models do not take it.
    :raises UnreachableError: the storage had no answer; asking again may help.
    """
    if conn_id is not None:
        check_conn_id("image_conn_id", conn_id)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _checked(bytes(image), "of prompt_image's bytes")
    if isinstance(image, str):
        return _checked(*_from_text(image, conn_id))
    if hasattr(image, "protocol") and hasattr(image, "open"):  # an ObjectStoragePath; on 3.3 it is no os.PathLike
        url = str(image)
        return _checked(_from_storage(url, conn_id, None if conn_id else image), f"prompt_image={safe_repr(url)}")
    if isinstance(image, os.PathLike):
        return _checked(*_from_text(os.fsdecode(image), conn_id))
    raise BadInputError(f"prompt_image is of type {type(image).__name__}; allowed: {TAKES}. Nothing was sent.")


def check_conn_id(name: str, value: Any) -> None:
    """Find out whether this can be a connection's id at all.

    :raises BadInputError: it is no text, or an empty one.
    """
    try:
        ModelField(name, TEXT).validate(value)
    except BadInputError as problem:
        raise BadInputError(f"{problem} Nothing was sent.") from None


def _from_text(image: str, conn_id: str | None) -> tuple[bytes, str]:
    scheme = image[:10].partition(":")[0].lower()
    name = f"prompt_image={safe_repr(image)}"
    if not image.strip():
        raise BadInputError(f"prompt_image is empty; allowed: {TAKES}. Nothing was sent.")
    if scheme == "data":
        return decode_data_url(image), "in prompt_image's data URL"
    if scheme in ("http", "https"):
        raise BadInputError(  # without its text: the query of a signed URL is a secret
            f"prompt_image must be an https URL that Segmind can fetch, with a host and without blanks, not {scheme} "
            "as it is written here. Nothing was sent."
        )
    if image.startswith(("b'", 'b"')):
        raise BadInputError(
            "prompt_image is the text of a bytes value, as a template renders it. Hand the bytes on as they are: "
            "prompt_image=upstream.output. Nothing was sent."
        )
    return (_from_storage(image, conn_id) if "://" in image else read_image_file(image, name)), name


def _from_storage(url: str, conn_id: str | None, path: Any = None) -> bytes:
    try:
        if (named := connection_of(url, conn_id)) is not None:
            BaseHook.get_connection(named)  # the amazon provider would go on without it, as nobody
        opened = make_storage_path(url, conn_id) if path is None else path
        with opened.open("rb", block_size=_READ_AHEAD_BYTES) as stream:
            return read_bounded(stream)
    except Exception as problem:
        raise _unread(url, problem) from problem


def read_bounded(stream: BinaryIO) -> bytes:
    """Return what a stream holds, and of too much just enough to see that it is too much."""
    data = bytearray()
    while len(data) <= MAX_IMAGE_BYTES and (part := stream.read(MAX_IMAGE_BYTES + 1 - len(data))):
        data += part
    return bytes(data)


def _unread(path: str, problem: Exception) -> RunwayError:
    """Return the error for a picture that could not be read. A storage's own code may raise anything at all."""
    why = (problem.strerror if isinstance(problem, OSError) else None) or str(problem) or type(problem).__name__
    said = f"The picture prompt_image={safe_repr(path)} cannot be read: {shown_line(why)}."
    if isinstance(problem, AirflowNotFoundException):
        return BadInputError(f"{said} Add the connection, or name another with image_conn_id. Nothing was sent.")
    if isinstance(problem, ImportError) or any(words in why for words in _UNSERVED):
        return BadInputError(
            f"{said} Install the Airflow provider that serves it, such as apache-airflow-providers-amazon[s3fs] for "
            f"s3:// or apache-airflow-providers-google for gs://; allowed: {TAKES}. Nothing was sent."
        )
    known = isinstance(problem, _FINAL) or type(problem).__name__ in _FINAL_NAMES
    if known or getattr(problem, "errno", None) in _FINAL_ERRNOS:
        return BadInputError(f"{said} Correct the path, or what its connection may read. Nothing was sent.")
    return UnreachableError(f"{said} Nothing was sent, and nothing is billed; a retry reads it again.")


def shown_line(text: str) -> str:
    """Return a foreign error's text on one line of bounded length."""
    line = " ".join(text.split()).rstrip(".")
    return (line if len(line) <= 300 else f"{line[:300]}…").encode("utf-8", "backslashreplace").decode()


def _checked(data: bytes, name: str) -> InputImage:
    check_image(data, name)
    return InputImage(data, name)
