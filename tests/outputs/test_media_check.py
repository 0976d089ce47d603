"""What a file is, and whether it is complete, from its bytes alone."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_runway.emulator.fault_effects import build_other_file_response, pad_video
from airflow_provider_runway.emulator.media_handlers import CLIPS_DIR
from airflow_provider_runway.outputs.media_check import FILE_EXTENSIONS, MAX_BOXES, Media, inspect

CLIP = (CLIPS_DIR / "05s-16x9.mp4").read_bytes()
PNG = build_other_file_response("png").data


def inspect_bytes(data: bytes) -> Media:
    return inspect(lambda offset, length: data[offset : offset + length], len(data))


def box(name: bytes, content: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(content) if length is None else length, name) + content


FTYP = box(b"ftyp", b"isom\0\0\0\0isom")
WHOLE = FTYP + box(b"moov", bytes(20)) + box(b"mdat", bytes(100))


@pytest.mark.parametrize("clip", sorted(CLIPS_DIR.glob("*.mp4")), ids=lambda path: path.stem)
def test_a_playable_clip_is_a_complete_mp4(clip) -> None:
    assert inspect_bytes(clip.read_bytes()) == Media("video/mp4")


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        pytest.param(WHOLE, "video/mp4", id="MP4"),
        pytest.param(pad_video(CLIP, 60_000), "video/mp4", id="MP4 with an empty box"),
        pytest.param(FTYP + box(b"mdat", bytes(9)) + box(b"moov"), "video/mp4", id="MP4, the index last"),
        pytest.param(
            FTYP + box(b"moov") + struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(100),
            "video/mp4",
            id="MP4, a long box",
        ),
        pytest.param(FTYP + box(b"moov") + box(b"mdat", bytes(50), length=0), "video/mp4", id="MP4, the last box open"),
        pytest.param(
            FTYP + box(b"moov") + 3 * (box(b"moof", bytes(4)) + box(b"mdat", bytes(4))), "video/mp4", id="fragments"
        ),
        pytest.param(box(b"ftyp", b"qt  ") + box(b"moov") + box(b"mdat"), "video/quicktime", id="QuickTime"),
        pytest.param(box(b"ftyp", b"avif") + box(b"meta") + box(b"mdat"), "image/avif", id="AVIF"),
        pytest.param(b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm" + bytes(50), "video/webm", id="WebM"),
        pytest.param(b"\x1a\x45\xdf\xa3\xa3B\x82\x88matroska" + bytes(50), "video/x-matroska", id="Matroska"),
        pytest.param(PNG, "image/png", id="PNG"),
        pytest.param(PNG + bytes(64), "image/png", id="PNG with padding"),
        pytest.param(b"\xff\xd8\xff\xe0" + bytes(90) + b"\xff\xd9", "image/jpeg", id="JPEG"),
        pytest.param(b"RIFF" + (20).to_bytes(4, "little") + b"WEBP" + bytes(16), "image/webp", id="WebP"),
        pytest.param(b"GIF89a" + bytes(9), "image/gif", id="GIF"),
        pytest.param(b'<?xml version="1.0"?>\n<svg xmlns="x"/>', "image/svg+xml", id="SVG"),
    ],
)
def test_each_type_is_recognised_by_its_bytes(data: bytes, mime: str) -> None:
    assert inspect_bytes(data) == Media(mime)
    assert inspect_bytes(data).extension == FILE_EXTENSIONS[mime]


@pytest.mark.parametrize(
    ("data", "defect"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(CLIP[: len(CLIP) // 2], "'mdat' continues for", id="half of a clip"),
        pytest.param(WHOLE[:-1], "'mdat' continues for 1 bytes", id="a byte short"),
        pytest.param(FTYP + box(b"moov"), "no box 'moov' or no box 'mdat'", id="an index of nothing"),
        pytest.param(FTYP + box(b"mdat"), "no box 'moov' or no box 'mdat'", id="no index"),
        pytest.param(FTYP + box(b"moov") + b"\0\0\1", "3 bytes after", id="cut in a box's head"),
        pytest.param(FTYP + box(b"moov") + bytes(4) + b"\xff\xfe\0\0" + bytes(9), "17 bytes after", id="noise"),
        pytest.param(FTYP + box(b"moov", length=7), "claims a length of 7 bytes", id="a box of less than its head"),
        pytest.param(PNG[:-12], "no end marker of an image/png", id="a cut PNG"),
        pytest.param(b"\xff\xd8\xff\xe0" + bytes(90), "no end marker of an image/jpeg", id="a cut JPEG"),
        pytest.param(b"RIFF" + (20).to_bytes(4, "little") + b"WEBP" + bytes(9), "7 bytes of it", id="a cut WebP"),
        pytest.param(b"\n<!doctype html>\n<h1>Sorry", "it is text", id="a page"),
        pytest.param(b'{"error": "busy"}', "it is text", id="JSON"),
        pytest.param(b"\xef\xbb\xbf<html>", "it is text", id="a page with a byte order mark"),
    ],
)
def test_a_proof_of_a_loss_is_a_defect(data: bytes, defect: str) -> None:
    assert defect in inspect_bytes(data).defect


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        pytest.param(b"\x7fRAW" + bytes(90), "7f 52 41 57", id="an unknown type"),
        pytest.param(WHOLE + bytes(5), "5 bytes after its last box", id="padding after an MP4"),
        pytest.param(WHOLE + b"\xff" * 40, "40 bytes after its last box", id="noise after an MP4"),
        pytest.param(WHOLE + box(b"free") * MAX_BOXES, "more than", id="too many boxes"),
    ],
)
def test_what_is_only_unusual_is_a_warning(data: bytes, warning: str) -> None:
    media = inspect_bytes(data)
    assert media.defect == ""
    assert warning in media.warning


@settings(max_examples=200)
@given(st.integers(1, len(CLIP) - 1))
def test_no_part_of_a_clip_passes_for_the_whole_clip(size: int) -> None:
    media = inspect_bytes(CLIP[:size])
    assert media.defect or media.warning, f"{size} of {len(CLIP)} bytes"
    assert media.defect or size < 8, "a file that shows it is an MP4 also shows that it is cut"


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([b"", FTYP, WHOLE, PNG, b"\xff\xd8\xff", b"RIFF", b"\x1a\x45\xdf\xa3"]))
def test_any_bytes_are_inspect_bytes(noise: bytes, head: bytes) -> None:
    media = inspect_bytes(head + noise)
    assert not (media.defect and media.warning)


def test_few_bytes_of_a_large_file_are_read() -> None:
    taken = []
    data = pad_video(CLIP, 5_000_000)

    def read(offset: int, length: int) -> bytes:
        taken.append(length)
        return data[offset : offset + length]

    assert inspect(read, len(data)) == Media("video/mp4")
    assert sum(taken) < 1000
