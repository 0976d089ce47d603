"""From an operator's rendered arguments to one checked order: nothing is sent here but a picture's upload."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.exceptions import BadInput
from airflow_provider_runway.hooks.runway import read_picture
from airflow_provider_runway.segmind.images import check_image
from airflow_provider_runway.segmind.models import CATALOGUE, body_for, image_field
from airflow_provider_runway.submission.identity import Identity, fingerprint
from airflow_provider_runway.submission.submitter import Order

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_runway.hooks.runway import RunwayHook

#: Stands in for the URL of a picture that is not uploaded yet, while the other fields are checked.
_PENDING = "https://pending.invalid/picture"


def make_order(
    hook: RunwayHook,
    context: Context,
    *,
    model: str,
    arguments: Mapping[str, Any],
    extra: Mapping[str, Any] | None,
) -> Order:
    """Check everything that can be checked, and return the order of this task instance.

    A local picture is uploaded when a body is built for a submit, so not where a job is found again.

    :raises BadInput: something would be refused; nothing was sent. :raises BadConnection: no usable connection.
    """
    if extra is not None and not isinstance(extra, Mapping):
        raise BadInput(f"model_params must be a dict of fields by the API's names, not {type(extra).__name__}.")
    given = dict(arguments)
    picture = _local_picture(given.get("prompt_image"))
    if picture is not None:
        given["prompt_image"] = _PENDING
    body = body_for(model, given, extra)
    field = image_field(model) if picture is not None else None
    digest = hashlib.sha256(picture).hexdigest() if picture is not None else None
    derives_seed = model in CATALOGUE and CATALOGUE[model].takes_seed and body.get("seed") is None
    ti, run = context["ti"], context["dag_run"]
    uploaded: list[str] = []

    def body_with(seed: int | None, *, sending: bool) -> Mapping[str, Any]:
        made = dict(body) if seed is None else {**body, "seed": seed}
        if sending and field is not None and picture is not None:
            if not uploaded:
                uploaded.append(hook.upload_bytes(picture, str(arguments["prompt_image"])))
            made[field] = uploaded[0]
        return made

    return Order(
        identity=Identity(ti.dag_id, ti.task_id, ti.run_id, ti.map_index if ti.map_index is not None else -1),
        model=model,
        fingerprint=fingerprint(hook.runway_conn_id, model, body, digest),
        body_with=body_with,
        derives_seed=derives_seed,
        seed=body.get("seed"),
        picture_field=field,
        since=_began(run),
        try_number=ti.try_number,
        max_tries=ti.max_tries or 0,
    )


def _local_picture(image: Any) -> bytes | None:
    """Return the bytes of a local picture, checked; None for a URL or for none at all.

    :raises BadInput: the path cannot be read, or holds no picture that the models take.
    """
    if not isinstance(image, str) or not image.strip() or "://" in image:
        return None
    data = read_picture(image)
    check_image(data, image)
    return data


def _began(run: Any) -> float:
    """Return the epoch second before which no try of this run can have submitted anything.

    Clearing a finished run moves its start date (``clear_task_instances`` of Airflow 2.11.2 and 3.3.2), so
    a run that was ever cleared counts from the moment it was due.
    """
    names = ["start_date"] if not getattr(run, "clear_number", 0) else ["start_date", "run_after", "data_interval_end"]
    moments = [moment.timestamp() for name in names if (moment := getattr(run, name, None)) is not None]
    return min(moments, default=0.0)
