"""Builds one checked ``JobRequest`` from the rendered arguments of an operator. Sends nothing to Segmind itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.hooks.custom_models_file import load_models
from airflow_provider_runway.inputs.job_request import JobIdentity, JobRequest, fingerprint
from airflow_provider_runway.inputs.local_image_placeholders import (
    PROMPT_IMAGE_PLACEHOLDER,
    LocalImage,
    find_image_field,
    read_local_images,
    replace_local_images,
    replace_texts,
    select_needed_images,
    upload_all,
)
from airflow_provider_runway.inputs.prompt_image_upload import UploadCache, check_conn_id
from airflow_provider_runway.segmind.http import encode_json
from airflow_provider_runway.segmind.model_fields import check_rendered
from airflow_provider_runway.segmind.models import MODELS, build_body, seed_field_name

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook


#: The operator's arguments that describe a job.
JOB_ARGUMENTS = ("prompt_text", "prompt_image", "reference_images", "duration", "ratio", "seed")


def build_checked_body(
    model: str, arguments: Mapping[str, Any], extra: Mapping[str, Any] | None
) -> tuple[dict[str, Any], list[LocalImage]]:
    """Return the checked body of a submit, and the images that must be read and uploaded for it.

    In the body stand placeholders for the URLs of these images. It is as JSON has it, so that the fingerprint, the
    submit and the history all compare the same values.

    :raises BadInputError: an input would be refused.
    """
    check_rendered("model", model)
    replaced, images = replace_local_images(arguments)
    load_models()
    body: dict[str, Any] = json.loads(encode_json(build_body(model, replaced, extra)))
    if model not in MODELS:  # build_body has checked the prompt of a listed model
        check_rendered("prompt_text", arguments.get("prompt_text"))
    return body, select_needed_images(images, body)


def build_request(
    hook: RunwayHook,
    identity: JobIdentity,
    uploads: UploadCache,
    *,
    model: str,
    arguments: Mapping[str, Any],
    extra: Mapping[str, Any] | None,
    image_conn_id: str | None = None,
) -> JobRequest:
    """Check all inputs, and return the request of this task instance.

    An image that Segmind cannot fetch itself is read here, for its digest is part of the fingerprint. It is
    uploaded only when a body is built for a submit, so not where an earlier job is found again.

    :param arguments: the operator's arguments by their own names.
    :param extra: ``model_params``. :param image_conn_id: the connection of the images' storage.
    :raises BadInputError: an input would be refused; nothing was sent.
    :raises BadConnectionError: there is no usable connection.
    :raises UnreachableError: the image's storage did not respond; nothing was sent.
    """
    body, local_images = build_checked_body(model, arguments, extra)
    check_conn_id("runway_conn_id", hook.runway_conn_id)
    seed_field = seed_field_name(model)
    images = read_local_images(local_images, image_conn_id)
    urls: dict[str, str] = {}

    def build_body_with_seed(seed: int | None, *, sending: bool) -> Mapping[str, Any]:
        with_seed = dict(body) if seed is None else {**body, seed_field: seed}
        if not sending or not images:
            return with_seed
        if not urls:
            urls.update(upload_all(hook, images, uploads))
        return {name: replace_texts(value, urls) for name, value in with_seed.items()}

    prompt_image = images.get(PROMPT_IMAGE_PLACEHOLDER)
    digests = {text: image.sha256 for text, image in images.items() if text != PROMPT_IMAGE_PLACEHOLDER}
    return JobRequest(
        identity=identity,
        model=model,
        fingerprint=fingerprint(
            hook.runway_conn_id, model, replace_texts(body, digests), prompt_image.sha256 if prompt_image else None
        ),
        build_body_with_seed=build_body_with_seed,
        derives_seed=model in MODELS and MODELS[model].seed_identifies_job and body.get(seed_field) is None,
        seed=body.get(seed_field),
        image_field=find_image_field(body, images),
    )
