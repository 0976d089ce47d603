"""The sample clips play, and files are served whole or in parts."""

from __future__ import annotations

import re
from itertools import pairwise

import av
import pytest
import requests

from airflow_provider_runway.emulator.media_handlers import CLIPS_DIR


def test_every_clip_plays():
    for shape, size in (("16x9", (320, 180)), ("9x16", (180, 320))):
        for seconds in (5, 10):
            check_clip(f"{seconds:02d}s-{shape}.mp4", seconds, size)


def check_clip(name: str, seconds: int, size: tuple[int, int]) -> None:
    """Check that a clip has this length and size, and that its picture moves."""
    path = CLIPS_DIR / name
    content = path.read_bytes()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        frames = [bytes(frame.planes[0]) for frame in container.decode(video=0)]
        assert (stream.codec_context.width, stream.codec_context.height) == size
        assert container.duration / av.time_base == pytest.approx(seconds, abs=0.1)
    assert len(content) < 60 * 1024
    assert content.index(b"moov") < content.index(b"mdat"), "a player can start before the whole file is loaded"
    changed = sum(one != other for one, other in pairwise(frames))
    assert changed > 0.9 * (len(frames) - 1)
    assert len(set(frames[0])) > 20, "the frame is not one plain colour"


def test_an_output_needs_no_key_and_supports_head_and_ranges(api):
    url = api.get_video_url()
    whole = requests.get(url, timeout=10)
    head = requests.head(url, timeout=10)
    size = len(whole.content)
    assert whole.headers["content-type"] == "video/mp4"
    assert int(head.headers["content-length"]) == size
    assert head.content == b""
    for asked, first, last in (("0-99", 0, 99), ("100-", 100, size - 1), ("-10", size - 10, size - 1)):
        part = requests.get(url, headers={"range": f"bytes={asked}"}, timeout=10)
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert part.content == whole.content[first : last + 1]
    beyond = requests.get(url, headers={"range": f"bytes={size}-"}, timeout=10)
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{size}"


def test_a_range_is_sent_only_of_the_version_that_if_range_names(api):
    url = api.get_video_url()
    whole = requests.get(url, timeout=10)
    etag, modified = whole.headers["etag"], whole.headers["last-modified"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', etag), "a strong ETag, the same for every request"
    for named, status in ((etag, 206), (modified, 206), (f"W/{etag}", 200), ('"another"', 200)):
        part = requests.get(url, headers={"range": "bytes=100-", "if-range": named}, timeout=10)
        assert (part.status_code, part.headers["etag"]) == (status, etag)
        assert part.content == (whole.content[100:] if status == 206 else whole.content)


def test_an_output_exists_from_completion_for_seven_days(api, gateway):
    url = api.get_video_url()
    gateway.advance(6.9 * 86400)
    assert requests.get(url, timeout=10).status_code == 200
    gateway.advance(0.2 * 86400)
    assert requests.get(url, timeout=10).status_code == 404
