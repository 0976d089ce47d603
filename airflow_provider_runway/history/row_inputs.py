"""The inputs in a row of the history: finds seed, prompt and image in any form, so that a job can be recognised.

It is not public whether the history keeps a request's body as it was sent. So it is read as an object, as JSON text or
as the text of a Python dict, with any spelling and nesting. What is not clear is None.
"""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_runway.segmind.http import find_urls
from airflow_provider_runway.segmind.models import MODELS

#: Field names are compared without case and punctuation, see :func:`simplify_name`.
PROMPT_NAMES = ("prompttext", "prompt", "textprompt", "inputprompt", "positiveprompt")
IMAGE_NAMES = (
    *("promptimage", "image", "imageurl", "inputimage", "inputimageurl", "initimage", "startimage", "firstframe"),
    *("video", "videourl", "inputvideo", "referenceimages"),
)
#: Objects in lists in objects: deeper than any documented form.
_MAX_DEPTH = 6
_WHOLE_NUMBER = re.compile(r"\s*([0-9]{1,18})(?:\.0+)?\s*")


def parse_recorded_inputs(value: Any) -> Mapping[str, Any] | None:
    """Return a request's inputs from an object, JSON text (also JSON in JSON) or the text of a Python dict; else None.

    A list of inputs becomes an object, so that nothing in it is lost.
    """
    value = _parse_text(value)
    if isinstance(value, list) and value:
        value = {"inputs": value}
    return value if isinstance(value, dict) and value else None


def find_seed(body: Any) -> int | None:
    """Return the one seed in a request's inputs, as a number or as text, under any spelling and nesting.

    None where there is no seed from 1 on, or where there are different ones: then it is not known which was meant.
    """
    own_names = {
        simplify_name(each.name) for model in MODELS.values() for each in model.fields if each.argument == "seed"
    }
    seeds = {
        seed
        for name, value in _walk_fields(body)
        if ("seed" in name or name in own_names) and (seed := _parse_whole_number(value)) is not None
    }
    return seeds.pop() if len(seeds) == 1 else None


def find_prompt(body: Any) -> str | None:
    """Return the prompt in a request's inputs, normalised; None where there is none, or different ones."""
    found = list(_walk_fields(body))
    for wanted in PROMPT_NAMES:
        prompts = {normalize_prompt(value) for name, value in found if name == wanted and isinstance(value, str)}
        prompts.discard("")
        if prompts:
            return prompts.pop() if len(prompts) == 1 else None
    return None


def find_image_url(body: Any) -> str | None:
    """Return the URL of the input image or video in a request's inputs, of reference images all; None without one."""
    found = list(_walk_fields(body))
    for wanted in IMAGE_NAMES:
        for name, value in found:
            if name == wanted and (urls := _find_any_urls(value)):
                return " ".join(urls) if wanted == "referenceimages" else urls[0]
    return None


def normalize_prompt(text: str) -> str:
    """Return a prompt in the form in which two are compared: Unicode NFC, trimmed, each white space one blank."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def may_be_same_prompt(one: str, other: str) -> bool:
    """May both be the same prompt, after what a server does to texts: other case, escapes, or an end cut off?

    Where this is False, the prompts are surely different.
    """
    first, second = plain_letters(one), plain_letters(other)
    return first.startswith(second) or second.startswith(first)


def plain_letters(text: str) -> str:
    """Return the plain letters and digits, which survive every encoding."""
    without_escapes = re.sub(r"&[#\w]+;|\\u[0-9a-fA-F]{4}|\\[nrt]", "", unicodedata.normalize("NFC", text))
    return "".join(letter for letter in without_escapes.lower() if letter.isascii() and letter.isalnum())


def simplify_name(name: object) -> str:
    """Return a field's name without case and punctuation: "request_id" and "requestId" are the same."""
    return "".join(letter for letter in str(name).lower() if letter.isalnum())


def _parse_text(value: Any) -> Any:
    for _ in range(3):  # JSON in JSON comes from servers that encode twice
        if not isinstance(value, str) or not value.strip():
            break
        for parse in (json.loads, ast.literal_eval):
            try:
                value = parse(value)
                break
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
        else:
            break
    return value


def _walk_fields(value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield each field in nested objects and lists with its simplified name; {"name": …, "value": …} is one too."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            yield from _walk_fields(item, depth + 1)
    elif isinstance(value, dict):
        label = value.get("name", value.get("key"))
        if isinstance(label, str) and "value" in value:
            yield simplify_name(label), value["value"]
        for name, inner in value.items():
            simple = simplify_name(name)
            yield simple, inner
            if isinstance(inner, str) and simple not in PROMPT_NAMES and inner.strip()[:1] in ("{", "["):
                inner = _parse_text(inner)
            if isinstance(inner, (dict, list)):
                yield from _walk_fields(inner, depth + 1)


def _parse_whole_number(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    match = _WHOLE_NUMBER.fullmatch(str(value) if not isinstance(value, int) or abs(value) < 10**18 else "")
    number = int(match[1]) if match else 0
    return number if number >= 1 else None


def _find_any_urls(value: Any, depth: int = 0) -> list[str]:
    """Return the URLs in a text, or anywhere in an object or a list."""
    if isinstance(value, str):
        return list(find_urls(value))
    if depth > _MAX_DEPTH or not isinstance(value, (dict, list)):
        return []
    inner = value.values() if isinstance(value, dict) else value
    return [url for each in inner for url in _find_any_urls(each, depth + 1)]
