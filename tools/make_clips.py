"""Draw the video clips that the emulator serves: a sunflower that turns after the sun, in H.264.

Run ``python tools/make_clips.py`` in the root of the repository. The clips are committed, so run it only after a
change of the drawing.
"""

from __future__ import annotations

import math
from pathlib import Path

import av

CLIPS = Path(__file__).parent.parent / "airflow_provider_runway" / "emulator" / "clips"
SIZES = {"16x9": (320, 180), "9x16": (180, 320)}
LENGTHS_S = (5, 10)
FRAMES_PER_SECOND = 12
#: Frames are drawn this many times larger and then scaled down, which makes smooth edges.
OVERSAMPLING = 2
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
SEEDS = 130

Colour = tuple[int, int, int]
DUSK: tuple[Colour, Colour, Colour] = ((44, 62, 122), (236, 138, 106), (250, 208, 130))
SUN: Colour = (255, 244, 205)
PETAL: Colour = (247, 190, 38)
PETAL_BACK: Colour = (226, 152, 28)
STEM: Colour = (48, 110, 60)
FIELD: Colour = (60, 98, 52)


def mix_colours(one: Colour, other: Colour, share: float) -> Colour:
    """Return the colour at ``share``, 0 to 1, of the way from one to the other."""
    return (
        round(one[0] + (other[0] - one[0]) * share),
        round(one[1] + (other[1] - one[1]) * share),
        round(one[2] + (other[2] - one[2]) * share),
    )


class Canvas:
    """RGBA pixels that can be filled row by row, which is quick enough in plain Python."""

    def __init__(self, width: int, height: int, pixels: bytes | None = None) -> None:
        self.width, self.height = width, height
        self.pixels = bytearray(pixels or bytes(4 * width * height))

    def fill_row(self, y: int, left: float, right: float, colour: Colour) -> None:
        """Fill one row between two edges."""
        first, last = max(0, round(left)), min(self.width, round(right))
        if 0 <= y < self.height and first < last:
            start = 4 * (y * self.width + first)
            self.pixels[start : start + 4 * (last - first)] = bytes((*colour, 255)) * (last - first)

    def fill_circle(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Fill a circle."""
        for line in range(math.floor(y - radius), math.ceil(y + radius) + 1):
            half = math.sqrt(max(0.0, radius**2 - (line - y) ** 2))
            self.fill_row(line, x - half, x + half, colour)

    def fill_petal(self, x: float, y: float, angle: float, length: float, width: float, colour: Colour) -> None:
        """Fill a leaf shape that points away from (x, y): discs along its axis, thickest in the middle."""
        for step in range(31):
            along = step / 30
            radius = width * math.sin(math.pi * (0.12 + 0.88 * along))
            self.fill_circle(x + math.cos(angle) * length * along, y + math.sin(angle) * length * along, radius, colour)


def draw_sky(width: int, height: int) -> bytes:
    """Return the background, the same in every frame."""
    canvas = Canvas(width, height)
    horizon = round(height * 0.78)
    for y in range(horizon):
        share = 2 * y / horizon
        colour = mix_colours(DUSK[0], DUSK[1], share) if share < 1 else mix_colours(DUSK[1], DUSK[2], share - 1)
        canvas.fill_row(y, 0, width, colour)
    for y in range(horizon, height):
        canvas.fill_row(y, 0, width, mix_colours(FIELD, (24, 44, 30), (y - horizon) / (height - horizon)))
    return bytes(canvas.pixels)


def draw_frame(background: bytes, width: int, height: int, time: float) -> bytes:
    """Return the image at ``time``, 0 to 1, of the clip."""
    canvas = Canvas(width, height, background)
    unit = min(width, height) / 180
    sun_x, sun_y = width * (0.08 + 0.84 * time), height * (0.34 - 0.22 * math.sin(math.pi * time))
    canvas.fill_circle(sun_x, sun_y, 17 * unit, mix_colours(SUN, DUSK[1], 0.45))
    canvas.fill_circle(sun_x, sun_y, 12 * unit, SUN)
    # The flower sways and turns after the sun.
    sway = math.sin(time * 4 * math.pi) * 5 * unit
    x, y = width / 2 + sway, height * 0.52
    turn = time * math.pi / 2
    for line in range(round(y), height):
        bend = sway * (1 - (line - y) / (height - y)) ** 2
        canvas.fill_row(line, width / 2 + bend - 3 * unit, width / 2 + bend + 3 * unit, STEM)
    for index in range(34):
        back = index % 2 == 0
        angle = turn + index * 2 * math.pi / 34
        length = (62 if back else 55) * unit
        canvas.fill_petal(x, y, angle, length, 6.5 * unit, PETAL_BACK if back else PETAL)
    canvas.fill_circle(x, y, 33 * unit, (70, 40, 18))
    for seed in range(SEEDS):
        away = 31 * unit * math.sqrt((seed + 0.5) / SEEDS)
        angle = seed * GOLDEN_ANGLE - turn
        colour = mix_colours((190, 122, 40), (98, 58, 24), seed / SEEDS)
        canvas.fill_circle(x + math.cos(angle) * away, y + math.sin(angle) * away, 1.9 * unit, colour)
    return bytes(canvas.pixels)


def write_clip(path: Path, width: int, height: int, seconds: int) -> None:
    """Write one clip."""
    large = (width * OVERSAMPLING, height * OVERSAMPLING)
    background = draw_sky(*large)
    frames = seconds * FRAMES_PER_SECOND
    # faststart puts the index first, so that a player can begin before it has the whole file.
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"crf": "31", "preset": "veryslow"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            drawn = av.VideoFrame.from_bytes(draw_frame(background, *large, number / frames), *large, format="rgba")
            small = drawn.reformat(width, height, "yuv420p", interpolation="AREA")
            small.pts = number
            container.mux(stream.encode(small))
        container.mux(stream.encode(None))


def main() -> None:
    """Write all clips and print their sizes."""
    CLIPS.mkdir(parents=True, exist_ok=True)
    for seconds in LENGTHS_S:
        for shape, (width, height) in SIZES.items():
            path = CLIPS / f"{seconds:02d}s-{shape}.mp4"
            write_clip(path, width, height, seconds)
            print(f"{path.name}: {path.stat().st_size / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
