"""Answers a media request: the whole file or a range of it, read in parts as the browser takes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

from airflow_provider_runway.videos.media_reader import (
    ByteRange,
    MediaFile,
    RangeNotSatisfiableError,
    open_media,
    parse_range,
)
from airflow_provider_runway.videos.media_roots import StoredFile

if TYPE_CHECKING:
    from starlette.requests import Request

_CHUNK_BYTES = 256 * 1024
#: A range without an end is answered with this much of it, and the browser asks for more when it plays on. Otherwise
#: each paused video would keep a connection, of which a browser has six: the pages themselves would have none left.
MAX_OPEN_RANGE_BYTES = 2 * 1024 * 1024


async def respond_with_media(request: Request, file: StoredFile, *, as_download: bool) -> Response:
    """Return the response for a stored file.

    :raises MediaNotFoundError: it cannot be shown.
    """
    media = await asyncio.to_thread(open_media, file)
    etag = f'"{media.version}"'
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=60",
        # Already compressed: Airflow's gzip leaves a body alone that names an encoding, and a range needs its length.
        "Content-Encoding": "identity",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
        "ETag": etag,
        "X-Content-Type-Options": "nosniff",
    }
    if as_download:
        headers["Content-Disposition"] = f'attachment; filename="{_make_file_name(file.path)}"'
    if request.headers.get("if-none-match") == etag:
        media.close()
        return Response(status_code=304, headers=headers)
    if_range = request.headers.get("if-range")
    try:
        wanted = parse_range(
            request.headers.get("range") if if_range in (None, etag) else None, media.size, MAX_OPEN_RANGE_BYTES
        )
    except RangeNotSatisfiableError:
        media.close()
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{media.size}"})
    part = wanted or ByteRange(0, media.size - 1)
    headers["Content-Length"] = str(part.length)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{media.size}"
    status = 200 if wanted is None else 206
    if request.method == "HEAD":
        media.close()
        return Response(status_code=status, headers=headers, media_type=media.mime)
    return StreamingResponse(_read_chunks(media, part), status, headers=headers, media_type=media.mime)


async def _read_chunks(media: MediaFile, part: ByteRange) -> AsyncIterator[bytes]:
    """Yield a part of a file. A browser that has enough closes the connection, which ends this."""
    try:
        offset = part.first
        while offset <= part.last:
            chunk = await asyncio.to_thread(media.read, offset, min(_CHUNK_BYTES, part.last + 1 - offset))
            if not chunk:  # the file has become shorter; the connection is cut, so that the browser notices
                return
            offset += len(chunk)
            yield chunk
    finally:
        media.close()


def _make_file_name(path: str) -> str:
    name = path.rpartition("/")[2]
    return "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in name) or "video"
