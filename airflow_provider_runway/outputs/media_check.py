"""What an output is, judged by its bytes and not by its name: its kind, and whether it is all there.

The file is read through a function that is handed in, a few bytes at a time, so that a large one costs no
more than a small one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_runway.segmind.images import detect_image_type

#: (offset, length) -> the bytes there, fewer at the end of the file.
Read = Callable[[int, int], bytes]

#: A film in fragments has two boxes a second or so; whoever has more than this is leading us on.
MOST_BOXES = 100_000
_HEAD_BYTES = 512

#: MIME type -> the ending of a file in a folder.
ENDINGS = {
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
#: The brand after "ftyp" of what is no MP4 and built like one (ISO 14496-12 and Apple's QuickTime).
_BRANDS = {b"qt  ": "video/quicktime", b"avif": "image/avif", b"avis": "image/avif"}


@dataclass(frozen=True, slots=True)
class Media:
    """What a file is.

    :param mime: its kind, None where the bytes are of none that is known here.
    :param flaw: why this cannot be the output, or not all of it; "" where nothing speaks against it.
    :param oddity: what is unusual, and no reason to refuse what was paid for; "" for nothing.
    """

    mime: str | None
    defect: str = ""
    warning: str = ""

    @property
    def ending(self) -> str | None:
        """The ending of its file name, None for an unknown kind."""
        return None if self.mime is None else ENDINGS[self.mime]


def inspect(read: Read, size: int) -> Media:
    """Return what a file of ``size`` bytes is.

    Only what proves a loss is a flaw: a structure that goes on past the end of the file, or that lacks
    what no player can do without. A kind that is not known here is none: it may be newer than this code.
    """
    head = read(0, _HEAD_BYTES)
    if not head:
        return Media(None, defect="it is empty")
    if head[4:8] == b"ftyp":
        return _boxed(read, size, _BRANDS.get(head[8:12], "video/mp4"))
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return Media("video/webm" if b"webm" in head[:64] else "video/x-matroska")
    if head.startswith(b"GIF8"):
        return Media("image/gif")
    if (image := detect_image_type(head)) is not None:
        return Media(image, defect=_cut_image(read, size, image))
    if _is_text(head):
        return Media("image/svg+xml") if b"<svg" in head else Media(None, defect="it is text, like a page of an error")
    return Media(None, warning=f"its first bytes, {head[:8].hex(' ')}, are of no kind that is known here")


def _boxed(read: Read, size: int, mime: str) -> Media:
    """Walk the boxes of an MP4: each says how long it is, and together they are the file."""
    at, seen = 0, set[bytes]()
    for _ in range(MOST_BOXES):
        if at >= size:
            break
        head = read(at, 16)
        name = head[4:8]
        if len(name) < 4 or not name.isascii() or not name.decode("ascii").isprintable():
            # After the last box some writers leave padding; what comes before it is whole.
            why = f"{size - at} bytes after its last box are none"
            return Media(mime, warning=why) if _playable(seen, mime) else Media(mime, defect=why)
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:16])  # one of more than 4 GB, or whose writer could not know
        elif length == 0:
            length = size - at  # the last one: to the end of the file
        if length < 8:
            return Media(mime, defect=f"its box {name.decode()!r} at byte {at} says that it has {length} bytes")
        seen.add(name)
        at += length
        if at > size:
            return Media(mime, defect=f"its box {name.decode()!r} goes on for {at - size} bytes after the end")
    if at < size:
        return Media(mime, warning=f"it has more than {MOST_BOXES} boxes")
    if not _playable(seen, mime):
        return Media(mime, defect="it has no box 'moov' or no 'mdat', without which nothing can play it")
    return Media(mime)


def _playable(seen: set[bytes], mime: str) -> bool:
    return mime.startswith("image/") or {b"moov", b"mdat"} <= seen


def _cut_image(read: Read, size: int, mime: str) -> str:
    """Return what an image lacks at its end; padding after it is none of our business."""
    if mime == "image/webp":
        lacking = int.from_bytes(read(4, 4), "little") + 8 - size
        return f"{lacking} bytes of it are missing" if lacking > 0 else ""
    last = {"image/png": b"IEND", "image/jpeg": b"\xff\xd9"}[mime]
    return "" if last in read(max(size - 65536, 0), 65536) else f"it lacks the end of an {mime}"


def _is_text(head: bytes) -> bool:
    """Does it begin as HTML, XML or JSON do?"""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"<", b"{", b"[") and b"\0" not in head
