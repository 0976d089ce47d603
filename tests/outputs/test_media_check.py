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


def test_each_type_is_recognised_by_its_bytes(subtests: pytest.Subtests) -> None:
    for case, data, mime in (
        ("MP4", WHOLE, "video/mp4"),
        ("MP4 with an empty box", pad_video(CLIP, 60_000), "video/mp4"),
        ("MP4, the index last", FTYP + box(b"mdat", bytes(9)) + box(b"moov"), "video/mp4"),
        ("MP4, a long box", FTYP + box(b"moov") + struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(100), "video/mp4"),
        ("MP4, the last box open", FTYP + box(b"moov") + box(b"mdat", bytes(50), length=0), "video/mp4"),
        ("fragments", FTYP + box(b"moov") + 3 * (box(b"moof", bytes(4)) + box(b"mdat", bytes(4))), "video/mp4"),
        ("QuickTime", box(b"ftyp", b"qt  ") + box(b"moov") + box(b"mdat"), "video/quicktime"),
        ("AVIF", box(b"ftyp", b"avif") + box(b"meta") + box(b"mdat"), "image/avif"),
        ("WebM", b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm" + bytes(50), "video/webm"),
        ("Matroska", b"\x1a\x45\xdf\xa3\xa3B\x82\x88matroska" + bytes(50), "video/x-matroska"),
        ("PNG", PNG, "image/png"),
        ("PNG with padding", PNG + bytes(64), "image/png"),
        ("JPEG", b"\xff\xd8\xff\xe0" + bytes(90) + b"\xff\xd9", "image/jpeg"),
        ("WebP", b"RIFF" + (20).to_bytes(4, "little") + b"WEBP" + bytes(16), "image/webp"),
        ("GIF", b"GIF89a" + bytes(9), "image/gif"),
        ("SVG", b'<?xml version="1.0"?>\n<svg xmlns="x"/>', "image/svg+xml"),
    ):
        with subtests.test(case):
            assert inspect_bytes(data) == Media(mime)
            assert inspect_bytes(data).extension == FILE_EXTENSIONS[mime]


def test_a_proof_of_a_loss_is_a_defect(subtests: pytest.Subtests) -> None:
    for case, data, defect in (
        ("nothing", b"", "empty"),
        ("half of a clip", CLIP[: len(CLIP) // 2], "'mdat' continues for"),
        ("a byte short", WHOLE[:-1], "'mdat' continues for 1 bytes"),
        ("an index of nothing", FTYP + box(b"moov"), "no box 'moov' or no box 'mdat'"),
        ("no index", FTYP + box(b"mdat"), "no box 'moov' or no box 'mdat'"),
        ("cut in a box's head", FTYP + box(b"moov") + b"\0\0\1", "3 bytes after"),
        ("noise", FTYP + box(b"moov") + bytes(4) + b"\xff\xfe\0\0" + bytes(9), "17 bytes after"),
        ("a box of less than its head", FTYP + box(b"moov", length=7), "claims a length of 7 bytes"),
        ("a cut PNG", PNG[:-12], "no end marker of an image/png"),
        ("a cut JPEG", b"\xff\xd8\xff\xe0" + bytes(90), "no end marker of an image/jpeg"),
        ("a cut WebP", b"RIFF" + (20).to_bytes(4, "little") + b"WEBP" + bytes(9), "7 bytes of it"),
        ("a page", b"\n<!doctype html>\n<h1>Sorry", "it is text"),
        ("JSON", b'{"error": "busy"}', "it is text"),
        ("a page with a byte order mark", b"\xef\xbb\xbf<html>", "it is text"),
    ):
        with subtests.test(case):
            assert defect in inspect_bytes(data).defect


def test_what_is_only_unusual_is_a_warning(subtests: pytest.Subtests) -> None:
    for case, data, warning in (
        ("an unknown type", b"\x7fRAW" + bytes(90), "7f 52 41 57"),
        ("padding after an MP4", WHOLE + bytes(5), "5 bytes after its last box"),
        ("noise after an MP4", WHOLE + b"\xff" * 40, "40 bytes after its last box"),
        ("too many boxes", WHOLE + box(b"free") * MAX_BOXES, "more than"),
    ):
        with subtests.test(case):
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
