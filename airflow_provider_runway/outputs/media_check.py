"""Detects what kind of media a downloaded file is, and whether it is complete, from its bytes.

The file is read through a function that is passed in, a few bytes at a time, so that a large file costs no more than
a small one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_runway.segmind.images import detect_image_type

#: (offset, length) -> the bytes there; fewer at the end of the file.
ReadBytes = Callable[[int, int], bytes]

#: Upper bound for malformed files. A fragmented MP4 has about two boxes a second.
MAX_BOXES = 100_000
_HEAD_BYTES = 512

#: MIME type -> the extension of a file in a folder.
FILE_EXTENSIONS = {
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/avif": ".avif",
    "image/svg+xml": ".svg",
}
#: The brand after "ftyp" of formats that are built like an MP4 (ISO 14496-12, and Apple's QuickTime).
_MIME_BY_BRAND = {b"qt  ": "video/quicktime", b"avif": "image/avif", b"avis": "image/avif"}
#: What stands at the end of a complete image.
_IMAGE_ENDS = {"image/png": b"IEND", "image/jpeg": b"\xff\xd9"}


@dataclass(frozen=True, slots=True)
class Media:
    """What a file is.

    :param mime: its MIME type; None where the bytes are of no type known here.
    :param defect: why this cannot be the output, or not all of it; "" where the file looks right.
    :param warning: what is unusual, but no reason to refuse a file that was paid for; "" for nothing.
    """

    mime: str | None
    defect: str = ""
    warning: str = ""

    @property
    def extension(self) -> str | None:
        """The extension of its file name; None for an unknown type."""
        return None if self.mime is None else FILE_EXTENSIONS[self.mime]


def inspect(read_bytes: ReadBytes, size: int) -> Media:
    """Return what a file of ``size`` bytes is.

    Only proof of a loss is a defect: a structure that continues past the end of the file, or one without a part that
    every player needs. A type that is not known here is no defect: it may be newer than this code.
    """
    head = read_bytes(0, _HEAD_BYTES)
    if not head:
        return Media(None, defect="it is empty")
    mime = detect_media_type(head)
    if mime is None:
        if _is_text(head):
            return Media(None, defect="it is text, like an error page")
        return Media(None, warning=f"its first bytes, {head[:8].hex(' ')}, are of no media type known here")
    if head[4:8] == b"ftyp":
        return _inspect_mp4(read_bytes, size, mime)
    if mime in _IMAGE_ENDS or mime == "image/webp":
        return Media(mime, defect=_find_missing_image_end(read_bytes, size, mime))
    return Media(mime)


def detect_media_type(head: bytes) -> str | None:
    """Return the MIME type of a video or an image by its first bytes, 512 of them; None for anything else."""
    if head[4:8] == b"ftyp":
        return _MIME_BY_BRAND.get(head[8:12], "video/mp4")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head.startswith(b"GIF8"):
        return "image/gif"
    if (image_mime := detect_image_type(head)) is not None:
        return image_mime
    return "image/svg+xml" if _is_text(head) and b"<svg" in head else None


def _inspect_mp4(read_bytes: ReadBytes, size: int, mime: str) -> Media:
    """Walk the boxes of an MP4. Each box says how long it is, and together they fill the file."""
    offset, box_names = 0, set[bytes]()
    for _ in range(MAX_BOXES):
        if offset >= size:
            break
        head = read_bytes(offset, 16)
        name = head[4:8]
        if len(name) < 4 or not name.isascii() or not name.decode("ascii").isprintable():
            # Some writers leave padding after the last box; the boxes before it are complete.
            padding = f"{size - offset} bytes after its last box are no box"
            if _has_required_boxes(box_names, mime):
                return Media(mime, warning=padding)
            return Media(mime, defect=padding)
        length = int.from_bytes(head[:4])
        if length == 1:  # a box of more than 4 GB, or one whose writer could not know its length
            length = int.from_bytes(head[8:16])
        elif length == 0:  # the last box, which ends where the file ends
            length = size - offset
        if length < 8:
            return Media(mime, defect=f"its box {name.decode()!r} at byte {offset} claims a length of {length} bytes")
        box_names.add(name)
        offset += length
        if offset > size:
            return Media(mime, defect=f"its box {name.decode()!r} continues for {offset - size} bytes after the end")
    if offset < size:
        return Media(mime, warning=f"it has more than {MAX_BOXES} boxes")
    if not _has_required_boxes(box_names, mime):
        return Media(mime, defect="it has no box 'moov' or no box 'mdat', without which nothing can play it")
    return Media(mime)


def _has_required_boxes(box_names: set[bytes], mime: str) -> bool:
    return mime.startswith("image/") or {b"moov", b"mdat"} <= box_names


def _find_missing_image_end(read_bytes: ReadBytes, size: int, mime: str) -> str:
    """Return what is missing at the end of an image, or "". Padding after the end is ignored."""
    if mime == "image/webp":
        missing_bytes = int.from_bytes(read_bytes(4, 4), "little") + 8 - size
        return f"{missing_bytes} bytes of it are missing" if missing_bytes > 0 else ""
    end_marker = _IMAGE_ENDS[mime]
    tail = read_bytes(max(size - 65536, 0), 65536)
    return "" if end_marker in tail else f"it has no end marker of an {mime}"


def _is_text(head: bytes) -> bool:
    """Does the file begin as HTML, XML or JSON?"""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"<", b"{", b"[") and b"\0" not in head
