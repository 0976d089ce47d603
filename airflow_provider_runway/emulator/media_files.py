"""Media files: sample clips that jobs return, uploaded images, and byte ranges of both."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
import zlib
from collections.abc import Mapping
from email.utils import formatdate
from functools import cache
from pathlib import Path

from .response_bodies import ApiResponse, html_response

CLIPS_DIR = Path(__file__).parent / "clips"
#: An output file is kept this long after its job is finished (seven days).
OUTPUT_TTL_S = 7 * 86400.0

_DATA_URL_PATTERN = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<data>.*)", re.DOTALL)
_RANGE_PATTERN = re.compile(r"bytes=(\d*)-(\d*)")


@cache
def read_clip(name: str) -> bytes:
    """Return the bytes of a sample clip."""
    return (CLIPS_DIR / name).read_bytes()


def parse_data_url(text: str) -> tuple[str, bytes]:
    """Return (content type, bytes) of a base64 data URL.

    :raises ValueError: for anything else.
    """
    parts = _DATA_URL_PATTERN.fullmatch(text)
    if parts is None:
        raise ValueError("expected data:<type>;base64,<data>")
    try:
        return parts["type"], base64.b64decode(parts["data"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None


def build_file_response(
    content: bytes,
    content_type: str,
    request_headers: Mapping[str, str],
    *,
    modified_at: float | None = None,
    odd_range: str = "",
) -> ApiResponse:
    """Return a file, or the byte range that a Range header asks for.

    A Range that cannot be parsed, or whose If-Range names another version, is ignored as HTTP requires. A range
    beyond the end is refused with 416.

    :param request_headers: headers of the request, in lower case or case-insensitive.
    :param modified_at: when the file was made, epoch seconds.
    :param odd_range: respond to a Range with the "whole" file, with 416 ("refused"), or "shifted" by one byte.
    """
    size, etag = len(content), f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "content-type": content_type,
        "accept-ranges": "bytes",
        "cache-control": "public, max-age=604800",
        "etag": etag,
    }
    if modified_at is not None:
        headers["last-modified"] = formatdate(modified_at, usegmt=True)
    requested = _RANGE_PATTERN.fullmatch(request_headers.get("range", ""))
    is_other_version = request_headers.get("if-range", etag) not in (etag, headers.get("last-modified"))
    if requested is None or requested[1] == requested[2] == "" or is_other_version or odd_range == "whole":
        return ApiResponse(200, content, headers)
    if requested[1] == "":
        first, last = max(0, size - int(requested[2])), size - 1
    else:
        first, last = int(requested[1]), min(int(requested[2] or size - 1), size - 1)
    if first > last or odd_range == "refused":
        return html_response(416, headers={"content-range": f"bytes */{size}"})
    first += odd_range == "shifted"
    content_range = {"content-range": f"bytes {first}-{last}/{size}"}
    return ApiResponse(206, content[first : last + 1], headers | content_range)


def set_version_headers(response: ApiResponse, names: str) -> ApiResponse:
    """Return a file whose version is identified by an ETag, a weak ETag, an old or a fresh date, or nothing."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    etag, modified = headers.get("etag"), headers.get("last-modified")
    kept = {name: value for name, value in headers.items() if name not in ("etag", "last-modified")}
    if names == "etag":
        return response
    if names == "weak" and etag is not None:
        kept["etag"] = f"W/{etag}"
    if names in ("date", "fresh_date") and modified is not None:
        kept["last-modified"] = modified
        if names == "fresh_date":
            kept["date"] = modified
    return response.replace(headers=kept)


def pad_video(video: bytes, size: int) -> bytes:
    """Return an MP4 of ``size`` bytes. The padding is an empty box at its end, which players ignore."""
    length = max(size - len(video), 8)
    return video + struct.pack(">I4s", length, b"free") + bytes(length - 8)


def build_other_file_response(kind: str) -> ApiResponse:
    """Return a small file that is not a video: a ``png``, or bytes of an ``unknown`` type."""
    if kind == "png":
        return ApiResponse(200, _build_png(), {"content-type": "image/png"})
    return ApiResponse(200, b"\x7fRAW" + bytes(range(128, 256)), {"content-type": "application/octet-stream"})


def _build_png() -> bytes:
    """Return an image of one grey pixel."""

    def build_chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = build_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixels = build_chunk(b"IDAT", zlib.compress(b"\0\x80"))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + build_chunk(b"IEND", b"")
