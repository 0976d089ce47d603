"""Builds one checked ``JobRequest`` from the rendered arguments of an operator. Sends nothing to Segmind itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.hooks.custom_models_file import load_models
from airflow_provider_runway.inputs.job_request import JobIdentity, JobRequest, fingerprint
from airflow_provider_runway.inputs.prompt_image_upload import (
    UploadCache,
    check_conn_id,
    is_url_for_segmind,
    read_prompt_image,
    upload_once,
)
from airflow_provider_runway.segmind.http import encode_json
from airflow_provider_runway.segmind.model_fields import check_rendered
from airflow_provider_runway.segmind.models import MODELS, build_body, image_field_name, seed_field_name

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook

#: Stands in for the URL of an image that is not uploaded yet, while the other fields are checked.
_PENDING_URL = "https://pending.invalid/image"


def build_body_without_image(
    model: str, arguments: Mapping[str, Any], extra: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the checked body of a submit, without the URL of an image that is still to be read and uploaded.

    It is as JSON has it, so that the fingerprint, the submit and the history all compare the same values.

    :raises BadInputError: an input would be refused.
    """
    check_rendered("model", model)
    check_rendered("prompt_image", arguments.get("prompt_image"))
    checked_arguments = dict(arguments)
    prompt_image = arguments.get("prompt_image")
    if prompt_image is not None and not is_url_for_segmind(prompt_image):
        checked_arguments["prompt_image"] = _PENDING_URL
    load_models()
    body: dict[str, Any] = json.loads(encode_json(build_body(model, checked_arguments, extra)))
    if model not in MODELS:  # build_body has checked the prompt of a listed model
        check_rendered("prompt_text", arguments.get("prompt_text"))
    return body


def needs_image(model: str, body: Mapping[str, Any]) -> bool:
    """Must ``prompt_image`` be read and uploaded for this body? Not where ``model_params`` has replaced it."""
    image_field = image_field_name(model)
    return image_field is not None and body.get(image_field) == _PENDING_URL


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
    :param extra: ``model_params``. :param image_conn_id: the connection of the image's storage.
    :raises BadInputError: an input would be refused; nothing was sent.
    :raises BadConnectionError: there is no usable connection.
    :raises UnreachableError: the image's storage did not respond; nothing was sent.
    """
    body = build_body_without_image(model, arguments, extra)
    check_conn_id("runway_conn_id", hook.runway_conn_id)
    image_field, seed_field = image_field_name(model), seed_field_name(model)
    image = read_prompt_image(arguments["prompt_image"], image_conn_id) if needs_image(model, body) else None
    uploaded_urls: list[str] = []

    def build_body_with_seed(seed: int | None, *, sending: bool) -> Mapping[str, Any]:
        with_seed = dict(body) if seed is None else {**body, seed_field: seed}
        if sending and image_field is not None and image is not None:
            if not uploaded_urls:
                uploaded_urls.append(upload_once(hook, image, uploads))
            with_seed[image_field] = uploaded_urls[0]
        return with_seed

    return JobRequest(
        identity=identity,
        model=model,
        fingerprint=fingerprint(hook.runway_conn_id, model, body, image.sha256 if image else None),
        build_body_with_seed=build_body_with_seed,
        derives_seed=model in MODELS and MODELS[model].seed_identifies_job and body.get(seed_field) is None,
        seed=body.get(seed_field),
        image_field=image_field if image is not None else None,
    )
