"""The API's rules for input images: type and size by the bytes, and images as ``data:`` URLs."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_to_bytes

from airflow_provider_runway.exceptions import BadInputError

#: "Images must be JPEG, PNG, or WebP and are limited to 16MB": the model's page on Segmind.
MAX_IMAGE_BYTES = 16 * 1024 * 1024
ALLOWED_TYPES = "JPEG, PNG or WebP"
#: 16 MB as base64 with line breaks and a media type. A longer text is not even decoded.
_MAX_DATA_URL_LENGTH = MAX_IMAGE_BYTES * 3 // 2


def detect_image_type(data: bytes) -> str | None:
    """Return the MIME type by the first bytes, or None where it is none of the three."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def check_image(data: bytes, name: str) -> str:
    """Return the image's MIME type.

    :raises BadInputError: it is empty, larger than 16 MB, or not one of the three types.
    """
    check_image_size(len(data), name)
    return check_image_type(data, name)


def check_image_size(size: int, name: str) -> None:
    """Raise where an image of so many bytes is not taken.

    :raises BadInputError: it is empty, or larger than 16 MB.
    """
    if size == 0:
        raise BadInputError(f"The image {name} is empty. Nothing was sent.")
    if size > MAX_IMAGE_BYTES:
        raise BadInputError(
            f"The image {name} has more than 16 MB ({MAX_IMAGE_BYTES:,} bytes), which is the most the models take. "
            "Nothing was sent."
        )


def check_image_type(head: bytes, name: str) -> str:
    """Return the image's MIME type.

    :param head: its first bytes.
    :raises BadInputError: it is not one of the three types.
    """
    if (mime := detect_image_type(head)) is None:
        raise BadInputError(
            f"{name} is not a {ALLOWED_TYPES} image: its first bytes are {head[:8]!r}. Nothing was sent."
        )
    return mime


def make_data_url(data: bytes) -> str:
    """Return an image as a ``data:`` URL, which an XCom can carry and ``prompt_image`` takes.

    Airflow's own XCom refuses bytes (2.11.2 and 3.3.2: ``TypeError`` in the task that returns them). A
    ``@task`` also logs what it returns: give it ``show_return_value_in_logs=False``. For more than a small
    image, return an ``ObjectStoragePath`` instead.

    :raises BadInputError: as :func:`check_image`.
    """
    return f"data:{check_image(data, 'data')};base64,{base64.b64encode(data).decode()}"


def decode_data_url(text: str, argument: str = "prompt_image") -> bytes:
    """Return the bytes in a ``data:`` URL (RFC 2397). Its media type is ignored, and so are line breaks.

    :param argument: where the author wrote it, for messages.
    :raises BadInputError: it has no data, more than the models take, or malformed base64.
    """
    head, comma, data = text.partition(",")
    if not comma:
        raise BadInputError(f"{argument} is a data URL without a comma: data:image/png;base64,… Nothing was sent.")
    if len(data) > _MAX_DATA_URL_LENGTH:
        raise BadInputError(
            f"{argument} is a data URL of more than 16 MB ({MAX_IMAGE_BYTES:,} bytes). Nothing was sent."
        )
    raw = unquote_to_bytes(data.encode(errors="replace"))
    if not head.lower().endswith(";base64"):
        return raw
    try:
        return base64.b64decode(b"".join(raw.split()), validate=True)
    except binascii.Error as problem:
        raise BadInputError(f"{argument} is a data URL whose base64 is broken: {problem}. Nothing was sent.") from None
