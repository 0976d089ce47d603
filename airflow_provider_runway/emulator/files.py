"""Files: the clips that jobs yield, pictures that were uploaded, and the parts of a file that a Range asks for."""

from __future__ import annotations

import base64
import binascii
import re
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


def served(content: bytes, content_type: str, asked_range: str | None) -> Reply:
    """Return a file, or the one part of it that a Range header asks for.

    A Range that is not understood is passed over, as HTTP wants it; one beyond the end is 416.
    """
    headers = {"content-type": content_type, "accept-ranges": "bytes", "cache-control": "public, max-age=604800"}
    part = _RANGE.fullmatch(asked_range or "")
    if part is None or part[1] == part[2] == "":
        return Reply(200, content, headers)
    size = len(content)
    if part[1] == "":
        first, last = max(0, size - int(part[2])), size - 1
    else:
        first, last = int(part[1]), min(int(part[2] or size - 1), size - 1)
    if first > last:
        return html(416).with_headers(content_range=f"bytes */{size}")
    return Reply(206, content[first : last + 1], headers | {"content-range": f"bytes {first}-{last}/{size}"})
