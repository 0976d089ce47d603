"""When a download that broke off may go on where it ended (RFC 9110, sections 8.8, 13.1.5 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_runway.segmind.timestamps import parse_timestamp

_STRONG = re.compile(r'"[\x21\x23-\x7e]*"')
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
#: A date names a version only where the file was this old: two versions of one second bear the same date.
_SETTLED_S = 60.0


@dataclass(frozen=True, slots=True)
class PartialFile:
    """The beginning of a file, of a version that can be named.

    :param size: bytes so far. :param total: bytes in the end, None where the server did not say.
    """

    size: int
    validator: str
    total: int | None

    def headers(self) -> dict[str, str]:
        """Return what asks for the rest: of this version, or else for the whole of another."""
        return {"Range": f"bytes={self.size}-", "If-Range": self.validator}

    def goes_on(self, headers: Mapping[str, str]) -> bool:
        """Is a 206 with these headers exactly the rest?"""
        told = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
        if told is None or int(told[1]) != self.size:
            return False
        total = None if told[3] == "*" else int(told[3])
        if total is not None and (total != (self.total or total) or int(told[2]) != total - 1):
            return False
        etag = headers.get("etag", self.validator)
        return not self.validator.startswith('"') or etag == self.validator


def total_of(headers: Mapping[str, str]) -> int | None:
    """Return the bytes of the whole file, which a 200 and a 206 say in different headers."""
    if told := _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip()):
        return None if told[3] == "*" else int(told[3])
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and _as_it_is(headers) else None


def part_of(headers: Mapping[str, str], size: int, total: int | None) -> PartialFile | None:
    """Return what is held of a file whose transfer broke off; None where the rest can't be asked for.

    :param headers: of the answer that broke off.
    """
    if not size or not _as_it_is(headers) or headers.get("accept-ranges", "bytes").lower() != "bytes":
        return None
    etag = headers.get("etag", "")
    if etag:
        return PartialFile(size, etag, total) if _STRONG.fullmatch(etag) else None
    changed, now = parse_timestamp(headers.get("last-modified")), parse_timestamp(headers.get("date"))
    if changed is None or now is None or now - changed < _SETTLED_S:
        return None
    return PartialFile(size, headers["last-modified"], total)


def _as_it_is(headers: Mapping[str, str]) -> bool:
    """Are the bytes on the line the bytes of the file?"""
    return headers.get("content-encoding", "identity").strip().lower() in ("", "identity")
