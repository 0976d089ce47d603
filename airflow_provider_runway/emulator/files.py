"""Files: the clips that jobs yield, pictures that were uploaded, and the parts of a file that a Range asks for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate
from functools import cache
from pathlib import Path

from .answers import Reply, html

CLIPS = Path(__file__).parent / "clips"
#: Output files are kept this long after their job is done (seven days).
KEPT_S = 7 * 86400.0

_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<data>.*)", re.DOTALL)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@cache
def clip(name: str) -> bytes:
    """Return the bytes of a clip."""
    return (CLIPS / name).read_bytes()


def read_data_url(text: str) -> tuple[str, bytes]:
    """Return (content type, bytes) of a base64 data URL.

    :raises ValueError: when it is none.
    """
    parts = _DATA_URL.fullmatch(text)
    if parts is None:
        raise ValueError("expected data:<type>;base64,<data>")
    try:
        return parts["type"], base64.b64decode(parts["data"], validate=True)
    except binascii.Error as broken:
        raise ValueError(f"not base64: {broken}") from None


def served(
    content: bytes,
    content_type: str,
    asked: Mapping[str, str],
    now: float,
    *,
    changed_at: float | None = None,
    odd_range: str = "",
) -> Reply:
    """Return a file, or the one part of it that a Range header asks for.

    A Range that is not understood, or whose If-Range names another version, is passed over, as HTTP wants
    it; one beyond the end is 416.

    :param asked: the request's headers. :param changed_at: when the file was made, epoch seconds.
    :param odd_range: answer a Range with the "whole" file, with 416 ("refused"), or "shifted" by a byte.
    """
    size, etag = len(content), f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "content-type": content_type,
        "accept-ranges": "bytes",
        "cache-control": "public, max-age=604800",
        "etag": etag,
        "date": formatdate(now, usegmt=True),
    }
    if changed_at is not None:
        headers["last-modified"] = formatdate(changed_at, usegmt=True)
    part = _RANGE.fullmatch(asked.get("range", ""))
    other_version = asked.get("if-range", etag) not in (etag, headers.get("last-modified"))
    if part is None or part[1] == part[2] == "" or other_version or odd_range == "whole":
        return Reply(200, content, headers)
    if part[1] == "":
        first, last = max(0, size - int(part[2])), size - 1
    else:
        first, last = int(part[1]), min(int(part[2] or size - 1), size - 1)
    if first > last or odd_range == "refused":
        return html(416).with_headers(content_range=f"bytes */{size}")
    first += odd_range == "shifted"
    return Reply(206, content[first : last + 1], headers | {"content-range": f"bytes {first}-{last}/{size}"})


def renamed(reply: Reply, names: str) -> Reply:
    """Return a file whose version is named by its ETag, a date (long ago, or fresh), a weak ETag, or by nothing."""
    kept = {name: value for name, value in reply.headers.items() if name not in ("etag", "last-modified")}
    match names:
        case "weak" if "etag" in reply.headers:
            kept["etag"] = f"W/{reply.headers['etag']}"
        case "date" | "fresh_date" if "last-modified" in reply.headers:
            kept["last-modified"] = reply.headers["last-modified"]
            if names == "fresh_date":
                kept["date"] = kept["last-modified"]
        case "etag":
            return reply
    return replace(reply, headers=kept)


def padded(video: bytes, size: int) -> bytes:
    """Return an MP4 of ``size`` bytes: a box of nothing at its end, which players pass over."""
    length = max(size - len(video), 8)
    return video + struct.pack(">I4s", length, b"free") + bytes(length - 8)


def of_kind(kind: str) -> Reply:
    """Return a small file of another kind than a video."""
    if kind == "png":
        return Reply(200, _png(), {"content-type": "image/png"})
    return Reply(200, b"\x7fRAW" + bytes(range(128, 256)), {"content-type": "application/octet-stream"})


def _png() -> bytes:
    """Return a picture of one grey point."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\x80")) + chunk(b"IEND", b"")
    )
