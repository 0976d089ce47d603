"""From an operator's rendered arguments to one checked order: nothing is sent here but a picture's upload."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.exceptions import BadInputError, UnreachableError
from airflow_provider_runway.hooks.custom_models import load_models
from airflow_provider_runway.inputs.identity import JobIdentity, fingerprint
from airflow_provider_runway.inputs.input_images import check_conn_id, is_url_for_segmind, read_prompt_image
from airflow_provider_runway.inputs.job_request import JobRequest
from airflow_provider_runway.inputs.uploads import upload_once
from airflow_provider_runway.operators.memory import journal_of
from airflow_provider_runway.segmind.http import encode_json
from airflow_provider_runway.segmind.models import MODELS, build_body, image_field_name, seed_field_name
from airflow_provider_runway.segmind.user_messages import how_to_resume

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_runway.hooks.runway import RunwayHook

#: Stands in for the URL of a picture that is not uploaded yet, while the other fields are checked.
_PENDING = "https://pending.invalid/picture"


def build_request(
    hook: RunwayHook,
    context: Context,
    *,
    model: str,
    arguments: Mapping[str, Any],
    extra: Mapping[str, Any] | None,
    image_conn_id: str | None = None,
) -> JobRequest:
    """Check everything that can be checked, and return the order of this task instance.

    A picture that Segmind cannot fetch itself is read here, for its digest is a part of what the job is; it is
    uploaded when a body is built for a submit, so not where a job is found again, and once per run where that
    can be known (``uploads``).

    :param image_conn_id: the connection of the storage that the picture is in.
    :raises BadInputError: something would be refused; nothing was sent.
    :raises BadConnectionError: no usable connection.
    :raises UnreachableError: the picture's storage had no answer; nothing was sent.
    """
    given = dict(arguments)
    image, picture = given.get("prompt_image"), None
    if image is not None and not is_url_for_segmind(image):
        given["prompt_image"] = _PENDING
    with _earlier_job_named(context):
        load_models()
        check_conn_id("runway_conn_id", hook.runway_conn_id)
        # As the wire has it, so that the fingerprint and the history speak of the same.
        body: dict[str, Any] = json.loads(encode_json(build_body(model, given, extra)))
        field, seed_name = image_field_name(model), seed_field_name(model)
        if field is not None and body.get(field) == _PENDING:  # and was not replaced or taken out by model_params
            picture = read_prompt_image(image, image_conn_id)
    derives_seed = model in MODELS and MODELS[model].seed_identifies_job and body.get(seed_name) is None
    ti, run = context["ti"], context["dag_run"]
    uploaded: list[str] = []

    def build_body_with_seed(seed: int | None, *, sending: bool) -> Mapping[str, Any]:
        made = dict(body) if seed is None else {**body, seed_name: seed}
        if sending and field is not None and picture is not None:
            if not uploaded:
                uploaded.append(upload_once(hook, ti, picture))
            made[field] = uploaded[0]
        return made

    return JobRequest(
        identity=JobIdentity(ti.dag_id, ti.task_id, ti.run_id, ti.map_index if ti.map_index is not None else -1),
        model=model,
        fingerprint=fingerprint(hook.runway_conn_id, model, body, picture.sha256 if picture else None),
        build_body_with_seed=build_body_with_seed,
        derives_seed=derives_seed,
        seed=body.get(seed_name),
        picture_field=field if picture is not None else None,
        since=_began(run),
        try_number=ti.try_number,
        max_tries=ti.max_tries or 0,
    )


@contextmanager
def _earlier_job_named(context: Context) -> Iterator[None]:
    """Where an input is bad or gone, the job of an earlier try still is not: say how to pick that up."""
    try:
        yield
    except (BadInputError, UnreachableError) as problem:
        journal = journal_of(context)
        entry = None if journal is None else journal.read()
        if entry is None or entry.request_id is None:
            raise
        back = f"Job {entry.request_id} of an earlier try is not lost. {how_to_resume(entry.request_id, entry.at)}"
        raise type(problem)(f"{problem} {back}", **{**problem.facts, "request_id": entry.request_id}) from problem


def _began(run: Any) -> float:
    """Return the epoch second before which no try of this run can have submitted anything.

    Clearing a finished run moves its start date (``clear_task_instances`` of Airflow 2.11.2 and 3.3.2), so
    a run that was ever cleared counts from the moment it was due.
    """
    names = ["start_date"] if not getattr(run, "clear_number", 0) else ["start_date", "run_after", "data_interval_end"]
    moments = [moment.timestamp() for name in names if (moment := getattr(run, name, None)) is not None]
    return min(moments, default=0.0)
