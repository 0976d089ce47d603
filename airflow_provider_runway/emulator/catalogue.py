"""The models: what a body must hold, what it may hold, how long a job takes and what it costs.

Facts only; no job, no clock, no HTTP. Slugs that are not listed exist too and take any body, unless
they begin with a word of ``SPECIAL``, which makes the refusals of the API reachable without a fault rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

#: Words in a prompt that the moderation of this emulator blocks.
FORBIDDEN_WORDS = ("forbidden",)
CONTENT_BLOCK = "Content blocked: the inputs were flagged by Responsible AI (RAI) moderation"

#: A slug that begins so is refused: (HTTP status, text).
SPECIAL = {
    "no-such-": (404, "Model not found"),
    "private-": (403, "Model is not permitted for this account"),
    "retired-": (410, "Model has been retired"),
}

#: USD for a second of video: 0.50 for 5 s, 1.00 for 10 s.
USD_PER_VIDEO_SECOND = 0.10
UNKNOWN_LATENCY_S = 30.0

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PORTRAIT = re.compile(r"(\d+):(\d+)")


@dataclass(frozen=True, slots=True)
class Model:
    """What the API's page says about one model; an empty tuple means "not checked"."""

    slug: str
    mean_latency_s: float = UNKNOWN_LATENCY_S
    required: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    seeded: bool = False


_IMAGE = ("promptImage", "promptText")
_DURATIONS = ("5", "10")

MODELS = {
    model.slug: model
    for model in (
        Model(
            "runway-gen3-alphaturbo",
            mean_latency_s=27.38,
            required=_IMAGE,
            files=("promptImage",),
            choices={"duration": _DURATIONS, "ratio": ("16:9", "9:16")},
            seeded=True,
        ),
        Model(
            "runway-gen4-turbo",
            mean_latency_s=38.03,
            required=_IMAGE,
            files=("promptImage",),
            choices={
                "duration": _DURATIONS,
                "ratio": ("1280:720", "720:1280", "1104:832", "832:1104", "960:960", "1584:672"),
            },
            seeded=True,
        ),
        # The allowed values of `aspect_ratio` are not public, so none is refused.
        Model("runway-gen4-aleph", mean_latency_s=171.53, required=("prompt", "video"), files=("video",), seeded=True),
    )
}


def model_of(slug: str) -> Model:
    """Return what is known about a slug."""
    return MODELS.get(slug) or Model(slug)


def refusal_of(slug: str, existing: tuple[str, ...] = ()) -> tuple[int, str] | None:
    """Return (HTTP status, text) when a slug cannot be run at all.

    :param existing: the only slugs there are; empty for "all of them".
    """
    for beginning, refusal in SPECIAL.items():
        if slug.startswith(beginning):
            return refusal
    if slug == "requests" or not _SLUG.fullmatch(slug) or (existing and slug not in existing):
        return SPECIAL["no-such-"]
    return None


def missing_fields(model: Model, body: dict[str, Any]) -> list[str]:
    """Return the required fields that a body does not have. These are refused at once, with 400."""
    return [name for name in model.required if body.get(name) is None]


def flaw_in(model: Model, body: dict[str, Any]) -> str | None:
    """Return why a job with this body will fail, or None.

    A wrong value is not seen at the POST: the API takes the job and fails it later.
    """
    for name in model.required:
        if not isinstance(body[name], str) or not body[name].strip():
            return f"{name}: expected a text that is not empty"
    for name in model.files:
        # Plain http is let through for /assets/ only: so a picture uploaded here can be used here.
        if not re.match(r"https://|http://[^/]+/assets/", body[name]):
            return f"{name}: expected an HTTPS URL"
    for name, allowed in model.choices.items():
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or str(value) not in allowed):
            return f"{name}: {value!r} is not one of {', '.join(allowed)}"
    seed = body.get("seed")
    if model.seeded and seed is not None:
        readable = isinstance(seed, int | str) and not isinstance(seed, bool) and str(seed).isdecimal()
        if not readable or not 1 <= int(seed) <= 99999:
            return f"seed: {seed!r} is not a whole number from 1 to 99999"
    prompt = str(body.get("promptText") or body.get("prompt") or "").lower()
    if any(re.search(rf"\b{word}\b", prompt) for word in FORBIDDEN_WORDS):
        return CONTENT_BLOCK
    return None


def video_seconds(body: dict[str, Any]) -> int:
    """Return the length of the clip that a body asks for: 5 unless it says 10."""
    return 10 if str(body.get("duration")) == "10" else 5


def cost_usd(body: dict[str, Any]) -> float:
    """Return what a completed job with this body costs."""
    return round(video_seconds(body) * USD_PER_VIDEO_SECOND, 2)


def clip_for(body: dict[str, Any]) -> str:
    """Return the name of the clip that a job with this body yields."""
    sides = _PORTRAIT.fullmatch(str(body.get("ratio") or body.get("aspect_ratio") or ""))
    portrait = sides is not None and int(sides[1]) < int(sides[2])
    return f"{video_seconds(body):02d}s-{'9x16' if portrait else '16x9'}.mp4"
