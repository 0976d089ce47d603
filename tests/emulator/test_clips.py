"""The clips are videos: they decode, they last as long as they say, and something moves in them."""

from __future__ import annotations

from itertools import pairwise

import av
import pytest

from airflow_provider_runway.emulator.files import CLIPS


@pytest.mark.parametrize("seconds", [5, 10])
@pytest.mark.parametrize(("shape", "size"), [("16x9", (320, 180)), ("9x16", (180, 320))])
def test_a_clip_plays(seconds, shape, size):
    path = CLIPS / f"{seconds:02d}s-{shape}.mp4"
    content = path.read_bytes()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        frames = [bytes(frame.planes[0]) for frame in container.decode(video=0)]
        assert (stream.codec_context.width, stream.codec_context.height) == size
        assert container.duration / av.time_base == pytest.approx(seconds, abs=0.1)
    assert len(content) < 60 * 1024
    assert content.index(b"moov") < content.index(b"mdat")  # faststart
    changed = sum(one != other for one, other in pairwise(frames))
    assert changed > 0.9 * (len(frames) - 1)
    assert len(set(frames[0])) > 20  # no flat picture
