"""Rules of the models: required fields, allowed values, latency, cost and sample clip.

Slugs that are not listed exist too and accept any body, unless they begin with a prefix of
``REFUSED_SLUG_PREFIXES``. Those make the API's refusals reachable without a fault rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

#: A prompt with one of these words is blocked by moderation.
BLOCKED_WORDS = ("forbidden",)
CONTENT_BLOCK_ERROR = "Content blocked: the inputs were flagged by Responsible AI (RAI) moderation"

#: Prefix of a slug -> (HTTP status, error text) of the refusal.
REFUSED_SLUG_PREFIXES = {
    "no-such-": (404, "Model not found"),
    "private-": (403, "Model is not permitted for this account"),
    "retired-": (410, "Model has been retired"),
}

#: USD for a second of video: 0.50 for 5 s, 1.00 for 10 s.
USD_PER_VIDEO_SECOND = 0.10
DEFAULT_LATENCY_S = 30.0

_SLUG_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_RATIO_PATTERN = re.compile(r"(\d+):(\d+)")


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What the API's page says about one model. An empty tuple or dict means that nothing is checked."""

    slug: str
    mean_latency_s: float = DEFAULT_LATENCY_S
    required: tuple[str, ...] = ()
    url_fields: tuple[str, ...] = ()
    allowed_values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    checks_seed: bool = False
    display_name: str = ""
    #: Cost of a job in USD; None if it depends on the length of the video.
    fixed_cost_usd: float | None = None
    #: Whether the output is an image instead of a video.
    makes_image: bool = False


_IMAGE_AND_TEXT = ("promptImage", "promptText")
_DURATIONS = ("5", "10")
_GEN4_RATIOS = ("1280:720", "720:1280", "1104:832", "832:1104", "960:960", "1584:672")

MODELS = {
    rules.slug: rules
    for rules in (
        ModelRules(
            "runway-gen3-alphaturbo",
            mean_latency_s=27.38,
            required=_IMAGE_AND_TEXT,
            url_fields=("promptImage",),
            allowed_values={"duration": _DURATIONS, "ratio": ("16:9", "9:16")},
            defaults={"duration": 5, "ratio": "16:9"},
            checks_seed=True,
            display_name="Runway Gen-3 AlphaTurbo",
        ),
        ModelRules(
            "runway-gen4-turbo",
            mean_latency_s=38.03,
            required=_IMAGE_AND_TEXT,
            url_fields=("promptImage",),
            allowed_values={"duration": _DURATIONS, "ratio": _GEN4_RATIOS},
            defaults={"duration": 5, "ratio": "1280:720"},
            checks_seed=True,
            display_name="Runway Gen-4 Turbo",
        ),
        # The allowed values of `aspect_ratio` are not public, so none is refused.
        ModelRules(
            "runway-gen4-aleph",
            mean_latency_s=171.53,
            required=("prompt", "video"),
            url_fields=("video",),
            checks_seed=True,
            display_name="Runway Gen-4 Aleph",
        ),
        ModelRules(
            "runway-gen4-image",
            mean_latency_s=30.6,
            required=("promptText", "referenceImages"),
            allowed_values={"ratio": (*_GEN4_RATIOS, "1920:1080", "1080:1920")},
            display_name="Runway Gen-4 Image",
            fixed_cost_usd=0.10,
            makes_image=True,
        ),
    )
}


def get_model_rules(slug: str) -> ModelRules:
    """Return the rules of a model; a slug that is not listed has none."""
    return MODELS.get(slug) or ModelRules(slug, display_name=slug.replace("-", " ").title())


def find_slug_refusal(slug: str, existing: tuple[str, ...] = ()) -> tuple[int, str] | None:
    """Return (HTTP status, error text) if a slug cannot be run at all.

    :param existing: the only slugs that exist; empty for all of them.
    """
    for prefix, refusal in REFUSED_SLUG_PREFIXES.items():
        if slug.startswith(prefix):
            return refusal
    if slug == "requests" or not _SLUG_PATTERN.fullmatch(slug) or (existing and slug not in existing):
        return REFUSED_SLUG_PREFIXES["no-such-"]
    return None


def find_missing_fields(rules: ModelRules, body: dict[str, Any]) -> list[str]:
    """Return the required fields that a body lacks. The POST is refused for these with 400."""
    return [name for name in rules.required if body.get(name) is None]


def find_invalid_input(rules: ModelRules, body: dict[str, Any]) -> str | None:
    """Return why a job with this body will fail, or None.

    The POST does not check values: the API accepts the job, and the job fails later.
    """
    for name in rules.required:
        value = body[name]
        if name == "referenceImages":
            if not isinstance(value, list) or not value or not all(_is_reference_image(image) for image in value):
                return f"{name}: expected a list of objects with uri (an HTTPS URL) and tag"
        elif not isinstance(value, str) or not value.strip():
            return f"{name}: expected a text that is not empty"
    for name in rules.url_fields:
        if not _is_input_url(body[name]):
            return f"{name}: expected an HTTPS URL"
    for name, allowed in rules.allowed_values.items():
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or str(value) not in allowed):
            return f"{name}: {value!r} is not one of {', '.join(allowed)}"
    seed = body.get("seed")
    if rules.checks_seed and seed is not None:
        is_number = isinstance(seed, int | str) and not isinstance(seed, bool) and str(seed).isdecimal()
        if not is_number or not 1 <= int(seed) <= 99999:
            return f"seed: {seed!r} is not a whole number from 1 to 99999"
    prompt = str(body.get("promptText") or body.get("prompt") or "").lower()
    if any(re.search(rf"\b{word}\b", prompt) for word in BLOCKED_WORDS):
        return CONTENT_BLOCK_ERROR
    return None


def _is_input_url(value: Any) -> bool:
    """Tell whether a model accepts a URL. Plain http is accepted for files that were uploaded to the emulator."""
    return isinstance(value, str) and re.match(r"https://|http://[^/]+/assets/", value) is not None


def _is_reference_image(value: Any) -> bool:
    return isinstance(value, dict) and _is_input_url(value.get("uri")) and isinstance(value.get("tag"), str)


def get_video_seconds(body: dict[str, Any]) -> int:
    """Return the length of the requested video: 5 s unless the body says 10."""
    return 10 if str(body.get("duration")) == "10" else 5


def compute_cost_usd(rules: ModelRules, body: dict[str, Any]) -> float:
    """Return what a completed job with this body costs."""
    if rules.fixed_cost_usd is not None:
        return rules.fixed_cost_usd
    return round(get_video_seconds(body) * USD_PER_VIDEO_SECOND, 2)


def choose_sample_file(rules: ModelRules, body: dict[str, Any]) -> str:
    """Return the name of the sample file for an output: a clip of the requested length and ratio, or an image."""
    if rules.makes_image:
        return "image.png"
    sides = _RATIO_PATTERN.fullmatch(str(body.get("ratio") or body.get("aspect_ratio") or ""))
    is_portrait = sides is not None and int(sides[1]) < int(sides[2])
    return f"{get_video_seconds(body):02d}s-{'9x16' if is_portrait else '16x9'}.mp4"
