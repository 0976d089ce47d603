"""Images among a job's arguments that Segmind cannot fetch itself: found before the check, uploaded for the submit.

While the other fields are checked, a placeholder URL stands in the body for each of them. An image is read only where
its placeholder is still in the checked body, because ``model_params`` may have replaced it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.inputs.prompt_image_upload import (
    InputImage,
    UploadCache,
    is_url_for_segmind,
    read_image,
    upload_once,
)
from airflow_provider_runway.segmind.model_fields import check_rendered

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook

#: Stands in for the URL of ``prompt_image``, in bodies of which digests are kept: it must not change.
PROMPT_IMAGE_PLACEHOLDER = "https://pending.invalid/image"


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image to be uploaded: where the author wrote it, what it says there, and its placeholder."""

    argument: str
    source: Any
    placeholder: str


def replace_local_images(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[LocalImage]]:
    """Return the arguments with placeholders for the images that Segmind cannot fetch, and those images.

    What is no image at all is left as it is, for the check of the fields to report it.
    """
    replaced, images = dict(arguments), list[LocalImage]()
    prompt_image = arguments.get("prompt_image")
    check_rendered("prompt_image", prompt_image)
    if prompt_image is not None and not is_url_for_segmind(prompt_image):
        images.append(LocalImage("prompt_image", prompt_image, PROMPT_IMAGE_PLACEHOLDER))
        replaced["prompt_image"] = PROMPT_IMAGE_PLACEHOLDER
    references = arguments.get("reference_images")
    if isinstance(references, Sequence) and not isinstance(references, (str, bytes, bytearray)):
        replaced["reference_images"] = [
            _replace_reference(number, reference, images) for number, reference in enumerate(references)
        ]
    return replaced, images


def _replace_reference(number: int, reference: Any, images: list[LocalImage]) -> Any:
    if not isinstance(reference, Mapping) or reference.get("uri") is None or is_url_for_segmind(reference["uri"]):
        return reference
    argument = f"reference_images[{number}]['uri']"
    check_rendered(argument, reference["uri"])
    images.append(LocalImage(argument, reference["uri"], f"{PROMPT_IMAGE_PLACEHOLDER}/{number}"))
    return {**reference, "uri": images[-1].placeholder}


def select_needed_images(images: Sequence[LocalImage], body: Mapping[str, Any]) -> list[LocalImage]:
    """Return the images whose placeholders a body still has."""
    texts = set(_walk_texts(body))
    return [image for image in images if image.placeholder in texts]


def read_local_images(images: Sequence[LocalImage], conn_id: str | None) -> dict[str, InputImage]:
    """Return the checked bytes of images, by their placeholders.

    :raises BadInputError: one cannot be read, or is not one that the models take; nothing was sent.
    :raises UnreachableError: its storage did not respond; nothing was sent.
    """
    return {image.placeholder: read_image(image.source, conn_id, image.argument) for image in images}


def find_image_field(body: Mapping[str, Any], placeholders: Mapping[str, Any]) -> str | None:
    """Return the name of the first field that has the placeholder of an image; None without one."""
    return next(
        (name for name, value in body.items() if any(text in placeholders for text in _walk_texts(value))), None
    )


def replace_texts(value: Any, replacements: Mapping[str, str]) -> Any:
    """Return a JSON value in which each of these texts is replaced, however deep it stands."""
    if isinstance(value, str):
        return replacements.get(value, value)
    if isinstance(value, dict):
        return {name: replace_texts(inner, replacements) for name, inner in value.items()}
    return [replace_texts(inner, replacements) for inner in value] if isinstance(value, list) else value


def upload_all(hook: RunwayHook, images: Mapping[str, InputImage], uploads: UploadCache) -> dict[str, str]:
    """Upload each image once, and return the URLs by the placeholders.

    :raises RunwayError: an upload failed. Uploads are free, and no job was submitted.
    """
    urls: dict[str, str] = {}
    for placeholder, image in images.items():
        same = next((known for known in urls if images[known].sha256 == image.sha256), None)
        urls[placeholder] = upload_once(hook, image, uploads) if same is None else urls[same]
    return urls


def _walk_texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for each in inner for text in _walk_texts(each)]
