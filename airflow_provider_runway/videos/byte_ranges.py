"""Reads the header ``Range`` of a media request (RFC 9110, section 14). Pure values."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


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
    """Return the range that a request asks for; None for the whole file.

    A header that cannot be read, or that asks for several ranges, is ignored, as the RFC allows.

    :param size: the file's size in bytes.
    :param max_open_length: of a range without an end, at most so many bytes are sent; the RFC allows less than asked.
    :raises RangeNotSatisfiableError: answer it with 416.
    """
    match = _RANGE.fullmatch((header or "").replace(" ", ""))
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
