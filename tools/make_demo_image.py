"""Draw the demo's image, a field of sunflowers in the evening: ``python tools/make_demo_image.py [PATH]``.

The demo needs an image without a licence question. It is drawn with a fixed random seed, back to front: sky, hills,
field, and the flowers from the horizon to the camera.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 1280, 720
HORIZON = 318
SUN_X, SUN_Y, SUN_R = 865, 262, 34
SPRITE = 320
IMAGE = Path(__file__).resolve().parent.parent / "demo" / "sunflowers.jpg"

Pixels = NDArray[np.float64]
random = np.random.default_rng(20)


def make_clouds(height: int, width: int, stretch: float) -> Pixels:
    """Return fractal noise between 0 and 1, drawn out sideways like evening clouds."""
    total = np.zeros((height, width))
    weight = 1.0
    for octave in range(1, 7):
        grid = random.random((2 + 2**octave, 2 + int(2**octave * stretch)))
        layer = Image.fromarray((grid * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        total += weight * np.asarray(layer) / 255
        weight *= 0.52
    low, high = total.min(), total.max()
    return np.asarray((total - low) / (high - low), dtype=np.float64)


def blend_gradient(stops: list[tuple[float, tuple[int, int, int]]], at: Pixels) -> Pixels:
    """Return colours along a gradient given by its stops."""
    places = [place for place, _ in stops]
    return np.stack([np.interp(at, places, [colour[c] for _, colour in stops]) for c in range(3)], axis=-1)


def draw_sky() -> Pixels:
    """Return the whole canvas as sky: blue above, fire at the horizon, clouds lit from below."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    stops = [
        (0.0, (44, 66, 118)),
        (0.35, (118, 104, 148)),
        (0.6, (214, 132, 122)),
        (0.82, (250, 172, 92)),
        (1.0, (255, 214, 138)),
    ]
    image = blend_gradient(stops, np.clip(y / HORIZON, 0, 1))
    distance = np.hypot(x - SUN_X, (y - SUN_Y) * 1.15)
    near_sun = np.exp(-distance / 210)[..., None]
    cover = np.clip((make_clouds(HEIGHT, WIDTH, 0.35) - 0.47) * 4.5, 0, 1) * np.clip(1.3 - y / HORIZON, 0, 1)
    lit = np.array([255, 176, 120]) * (0.62 + 0.5 * near_sun) + np.array([20, 0, 30]) * (1 - near_sun)
    image += (np.clip(lit, 0, 255) - image) * (cover * 0.8)[..., None]
    image += near_sun * np.array([120, 84, 34])
    image += np.exp(-((distance / 62) ** 2))[..., None] * np.array([120, 110, 80])
    disc = np.clip(SUN_R - distance + 0.5, 0, 1)[..., None]
    picture: Pixels = image * (1 - disc) + np.array([255, 250, 226]) * disc
    return picture


def draw_hills(image: Pixels) -> None:
    """Lay three ridges over the sky, each nearer one darker and less hazy."""
    x = np.arange(WIDTH)
    y = np.arange(HEIGHT)[:, None]
    for base, swing, colour in ((292, 22, (196, 128, 112)), (304, 15, (142, 98, 88)), (314, 9, (78, 74, 56))):
        phase = random.random(4) * 6.28
        waves = ((1.3, 1.0), (2.9, 0.5), (6.1, 0.24), (17.0, 0.07))
        ridge = base - swing * sum(
            weight * np.sin(x / WIDTH * 6.28 * rate + p) for (rate, weight), p in zip(waves, phase, strict=True)
        )
        cover = np.clip(y - ridge + 0.5, 0, 1)[..., None]
        glow = np.exp(-np.abs(x - SUN_X) / 230)[None, :, None] * np.array([70, 42, 8])
        image += (np.array(colour) + glow - image) * cover


def draw_field(image: Pixels) -> None:
    """Lay the field below the horizon: haze and gold far off, dark green near."""
    y, x = np.mgrid[HORIZON:HEIGHT, 0:WIDTH].astype(np.float64)
    depth = (y - HORIZON) / (HEIGHT - HORIZON)
    stops = [(0.0, (168, 126, 44)), (0.12, (112, 96, 34)), (0.45, (48, 58, 22)), (1.0, (18, 28, 12))]
    field = blend_gradient(stops, depth) * (0.72 + 0.5 * make_clouds(HEIGHT - HORIZON, WIDTH, 1.6)[..., None])
    field += np.exp(-np.abs(x - SUN_X) / 260)[..., None] * (np.array([96, 62, 10]) * np.exp(-depth * 5)[..., None])
    image[HORIZON:] = field


def draw_petal(draw: ImageDraw.ImageDraw, turn: float, length: float, width: float, shade: float) -> None:
    """Draw one petal, in strips from tip to base so that it darkens inwards."""
    middle = SPRITE / 2
    along = np.array([math.cos(turn), math.sin(turn)])
    across = np.array([-along[1], along[0]])
    for strip in range(5):
        reach = length * (1 - 0.13 * strip)
        half = width * (1 - 0.17 * strip)
        outline = [(0.30, 0.4), (0.55, 0.95), (0.72, 1.0), (0.88, 0.62), (1.0, 0.0)]
        side = [middle + along * reach * r + across * half * w for r, w in outline]
        other = [middle + along * reach * r - across * half * w for r, w in reversed(outline)]
        fade = strip / 4
        colour = (255 * shade, (204 - 62 * fade) * shade, (46 - 26 * fade) * shade)
        draw.polygon([(float(px), float(py)) for px, py in side + other], fill=(*map(int, colour), 255))


def draw_flower() -> Image.Image:
    """Return one sunflower head, seen from the front, on a transparent background."""
    image = Image.new("RGBA", (SPRITE, SPRITE))
    draw = ImageDraw.Draw(image)
    for count, length, shade in ((19, 0.48, 0.74), (17, 0.45, 0.9), (15, 0.40, 1.0)):
        start = random.random() * 6.28
        for index in range(count):
            turn = start + index * 6.283 / count + random.normal(0, 0.06)
            size = SPRITE * length * random.normal(1, 0.06)
            draw_petal(draw, turn, min(size, SPRITE * 0.49), SPRITE * 0.052, min(1.0, shade * random.normal(1, 0.05)))
    middle, seeds = SPRITE / 2, SPRITE * 0.205
    draw.ellipse((middle - seeds, middle - seeds, middle + seeds, middle + seeds), fill=(52, 30, 14, 255))
    for index in range(620):  # seeds lie on a golden spiral
        out = math.sqrt(index / 620)
        px, py = (middle + seeds * 0.98 * out * f(index * 2.39996) for f in (math.cos, math.sin))
        tone = 0.45 + 0.8 * out**3 + random.normal(0, 0.1) + (0.35 if out < 0.3 else 0)
        r = 2.3 + 1.6 * out
        draw.ellipse((px - r, py - r, px + r, py + r), fill=(int(96 * tone), int(58 * tone), int(24 * tone), 255))
    return image


def apply_light(sprite: Image.Image, light: tuple[float, float, float], haze: float) -> Image.Image:
    """Return a sprite in the evening's light, faded towards the colour of the far field."""
    pixels = np.asarray(sprite).astype(np.float64)
    rgb = pixels[..., :3] * np.array(light)
    pixels[..., :3] = rgb + (np.array([238, 170, 84]) - rgb) * haze
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGBA")


def draw_plant(canvas: Image.Image, heads: list[Image.Image], x: float, y: float, size: float, depth: float) -> None:
    """Draw one plant with its head at (x, y): stem, leaves, and the head leaning with the light."""
    draw = ImageDraw.Draw(canvas)
    green = np.array([40, 62, 22]) * (0.7 + 0.5 * random.random()) + np.array([92, 62, 14]) * (1 - depth) ** 2
    lean = random.normal(0, 0.10) * size
    draw.line((x, y, x + lean, y + size * 2.6), fill=(*map(int, green), 255), width=max(1, int(size * 0.07)))
    for _ in range(5 if size > 9 else 1):
        side = random.choice([-1.0, 1.0])
        lx, ly = x + lean * 0.5, y + size * random.uniform(0.5, 1.7)
        tip = (lx + side * size * random.uniform(0.45, 0.85), ly + size * random.uniform(-0.30, 0.25))
        belly = size * random.uniform(0.13, 0.24)
        knee = ((lx + tip[0]) / 2, (ly + tip[1]) / 2)
        tone = green * random.uniform(0.7, 1.35)
        outline = [(lx, ly), (knee[0], knee[1] - belly), tip, (knee[0], knee[1] + belly)]
        draw.polygon(outline, fill=(*map(int, np.clip(tone, 0, 255)), 255))
    near_sun = math.exp(-abs(x - SUN_X) / 420)
    bright = random.uniform(0.74, 1.0) * (0.86 + 0.22 * near_sun)
    light = (bright, bright * 0.93, bright * 0.82)
    head = apply_light(heads[int(random.integers(len(heads)))], light, 0.5 * (1 - depth) ** 3)
    wide = max(2, int(size))
    head = head.rotate(float(random.uniform(0, 360)), Image.Resampling.BICUBIC)
    head = head.resize((wide, max(2, int(size * random.uniform(0.74, 0.94)))), Image.Resampling.LANCZOS)
    canvas.alpha_composite(head.rotate(lean * 0.6, expand=True), (max(0, int(x - wide / 2)), max(0, int(y - wide / 2))))


def draw_flowers(canvas: Image.Image) -> Image.Image:
    """Fill the field row by row, far to near; the nearest rows are a little out of focus."""
    heads = [draw_flower() for _ in range(10)]
    margin = 200  # space for plants that reach over the edges
    wide = Image.new("RGBA", (WIDTH + 2 * margin, HEIGHT + 2 * margin))
    wide.paste(canvas, (margin, margin))
    y = HORIZON + 3.0
    while y < HEIGHT + 130:
        depth = min(1.0, (y - HORIZON) / (HEIGHT - HORIZON))
        size = 4 + 150 * depth**1.35
        layer = Image.new("RGBA", wide.size)
        x = -size * random.random()
        while x < WIDTH + size:
            draw_plant(
                layer,
                heads,
                margin + x,
                margin + y + random.normal(0, size * 0.16),
                size * random.uniform(0.8, 1.15),
                depth,
            )
            x += size * random.uniform(0.72, 1.25)
        if depth >= 0.86:
            layer = layer.filter(ImageFilter.GaussianBlur(1.5 + 9 * (depth - 0.86)))
        wide.alpha_composite(layer)
        y += 2.2 + size * 0.36
    return wide.crop((margin, margin, margin + WIDTH, margin + HEIGHT))


def add_lens_effects(image: Image.Image) -> Image.Image:
    """Add bloom around the light, a darker rim and grain."""
    pixels = np.asarray(image.convert("RGB")).astype(np.float64)
    bloom = np.asarray(image.convert("RGB").filter(ImageFilter.GaussianBlur(26))).astype(np.float64)
    pixels = 255 - (255 - pixels) * (255 - bloom * 0.20) / 255
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    flare = np.exp(-np.hypot(x - SUN_X, y - SUN_Y) / 190)[..., None]
    pixels += flare * np.array([74, 46, 16])
    rim = np.hypot((x - WIDTH / 2) / WIDTH, (y - HEIGHT / 2) / HEIGHT)
    pixels *= (1.06 - 0.62 * rim**2.2)[..., None]
    pixels += random.normal(0, 2.6, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def main(path: Path = IMAGE) -> None:
    """Draw the image and write it as JPEG."""
    image = draw_sky()
    draw_hills(image)
    draw_field(image)
    canvas = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).convert("RGBA")
    path.parent.mkdir(parents=True, exist_ok=True)
    add_lens_effects(draw_flowers(canvas)).save(path, quality=86, optimize=True)
    print(f"{path}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
