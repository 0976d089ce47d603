"""The arguments of ``RunwayGenerateOperator`` as one checked request, and the estimate of what its job would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.inputs.build_request import JOB_ARGUMENTS, build_request
from airflow_provider_runway.inputs.job_request import JobIdentity, JobRequest
from airflow_provider_runway.inputs.prompt_image_upload import UploadCache
from airflow_provider_runway.spending.estimate import Estimate, PricedJob

if TYPE_CHECKING:
    from airflow_provider_runway.operators.runway import RunwayGenerateOperator


def build_operator_request(
    operator: RunwayGenerateOperator, hook: RunwayHook, identity: JobIdentity, uploads: UploadCache
) -> JobRequest:
    """Check the operator's arguments, and return the request of its job. See ``build_request``."""
    return build_request(
        hook,
        identity,
        uploads,
        model=operator.model,
        arguments={name: getattr(operator, name) for name in JOB_ARGUMENTS},
        extra=operator.model_params,
        image_conn_id=operator.image_conn_id,
    )


def make_estimate(operator: RunwayGenerateOperator) -> Estimate:
    """Check the operator's arguments, and return what its job would cost. Sends nothing to Segmind.

    :raises BadInputError: an input would be refused.
    """
    if operator.request_id is not None:  # the job exists already
        return Estimate.of([])
    no_uploads = UploadCache(read_entries=list, write_entry=lambda _entry: None)
    hook = RunwayHook(operator.runway_conn_id)
    request = build_operator_request(operator, hook, JobIdentity("", operator.task_id, ""), no_uploads)
    return Estimate.of([PricedJob.from_body(request.model, request.build_body_with_seed(None, sending=False))])
