"""The operator that turns a prompt and an image into a video."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.airflow_errors import raise_as_airflow_errors
from airflow_provider_runway.compat import BaseOperator, log_rendered_fields
from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.hooks.connection import DEFAULT_CONN_ID
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.lineage.openlineage_methods import OpenLineageMethods
from airflow_provider_runway.lineage.task_lineage import OutputFile, TaskLineage, describe_job_lineage
from airflow_provider_runway.links.runway import TASK_LINKS, hide_links
from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.segmind.model_fields import safe_repr
from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from airflow_provider_runway.task_context import TaskContext
from airflow_provider_runway.task_deferral import (
    MAX_TRIGGER_FAILURES,
    TRIGGER_FAILED,
    count_trigger_failure,
    log_kill,
    log_trigger_failure,
    pull_job,
    read_event,
)
from airflow_provider_runway.transports.client_settings import MAX_OUTPUT_BYTES

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath

    from airflow_provider_runway.operators.job_execution import JobExecution

#: About 300 years. A longer timeout would fail as a date only after the job is paid for.
MAX_TIMEOUT_S = 1e10


class RunwayGenerateOperator(OpenLineageMethods, BaseOperator):
    """Submit a job to one of Runway's models on Segmind, and wait for its video if asked to.

    **A job costs about USD 0.50 (5 s) to 1.00 (10 s).** One task instance submits one job, however
    often it is retried: a retry resumes the job of the earlier try. Clearing a task that succeeded asks for
    a new job; without a journal (Airflow before 3.3 without ``[runway] journal_path``) the job that is paid
    for is found again in the account's history instead.

    Returns the job as a dict (all keys are in the docs): ``request_id``, ``status``, ``output_url`` and more;
    ``request_id``, ``output_url``, ``output_urls``, ``output_path`` and ``last_frame_url`` are XComs of their own, too.

    :param prompt_text: what should happen in the video. (templated)
    :param prompt_image: an https URL; or a JPEG, PNG or WebP of at most 16 MB, which is read and uploaded first: the
        path of a local file, any URL that ``ObjectStoragePath`` takes, such an object, bytes, or a ``data:`` URL,
        which an XCom can carry. Mapped instances of one run upload the same image once. (templated)
    :param reference_images: for models that take them, such as runway-gen4-image: a list of
        ``{"uri": image, "tag": name}``, where the image is anything that ``prompt_image`` takes, and the prompt speaks
        of it by its name. Images are uploaded as ``prompt_image`` is. (templated)
    :param duration: seconds of video, 5 or 10. (templated)
    :param ratio: the video's shape, as the model takes it; None: the model's default. (templated)
    :param seed: 1 to 99999; None: one derived from the task instance, the same for each of its tries. (templated)
    :param model: the model's slug. Unlisted slugs pass through unchecked. (templated)
    :param model_params: further fields by the API's names; they win over the arguments, and None takes
        a field out. (templated)
    :param runway_conn_id: the connection. (templated)
    :param wait_for_completion: wait for the video; else the task ends with the submission.
    :param deferrable: wait in the triggerer, without a worker slot; False: poll in the worker.
    :param timeout: seconds from the submission after which the waiting ends. The job goes on then.
    :param durable: remember the job across tries (Airflow 3.3 and later), or look for it in the account's
        history (before). False: **a retry after a lost response pays again**.
    :param request_id: wait for this job instead of submitting one; costs nothing. (templated)
    :param output_path: store the video in this file, or in this folder if it ends in "/": a local path, or
        any URL that ``ObjectStoragePath`` takes. ``{request_id}``, ``{model}``, ``{seed}`` and ``{index}`` (0 for
        the first output, or padded, like ``{index:03}``) may stand in it; without ``{index}`` further outputs
        of one job get "-1", "-2", … A file in a folder is called after its job and ends as what it is, such
        as .mp4 or .png. Needs ``wait_for_completion``. (templated)
    :param output_conn_id: the connection for ``output_path``. (templated)
    :param image_conn_id: the connection for the storage of ``prompt_image``; one in the URL
        (``s3://my_conn@bucket/key``) wins. (templated)
    :param max_output_bytes: the largest output that is stored, in bytes; beyond it the task fails without a
        retry, and the job stays paid for. The default is 2 GiB.
    :param on_orphaned_intent: what to do where an earlier submit may have become a job that cannot be found: "fail",
        or "resubmit", which **may pay twice**. Take it from the run's conf, so that a person can decide after checking
        Segmind's console: ``"{{ dag_run.conf.get('on_orphaned_intent', 'fail') }}"``. (templated)
    :param cost_limit: USD that this task may spend on its jobs, over all its tries and clears. A job that would make
        it more is not submitted, and neither is one whose price is not known. None: no limit. (templated)
    :param estimate_only: submit nothing, and return the estimate: ``job_count``, ``estimated_cost`` (USD; None where a
        price is not known), ``models``, ``cost_limit`` and ``fits_cost_limit``. Checks the inputs as a submit does.
    """

    template_fields: Sequence[str] = (
        "prompt_text",
        "prompt_image",
        "reference_images",
        "duration",
        "ratio",
        "seed",
        "model",
        "model_params",
        "runway_conn_id",
        "request_id",
        "output_path",
        "output_conn_id",
        "image_conn_id",
        "on_orphaned_intent",
        "cost_limit",
    )
    #: Empty, and kept so: a prompt that ends in ".json" is a prompt and not a file to read.
    template_ext: Sequence[str] = ()
    template_fields_renderers = {"model_params": "json"}  # noqa: RUF012  Airflow's own spelling
    operator_extra_links = TASK_LINKS
    ui_color = "#e9e4ff"

    def __init__(
        self,
        *,
        prompt_text: str | None = None,
        prompt_image: str | bytes | os.PathLike[str] | ObjectStoragePath | None = None,
        reference_images: Sequence[Mapping[str, Any]] | None = None,
        duration: int | str = 5,
        ratio: str | None = None,
        seed: int | str | None = None,
        model: str = DEFAULT_MODEL,
        model_params: Mapping[str, Any] | None = None,
        runway_conn_id: str = DEFAULT_CONN_ID,
        wait_for_completion: bool = False,
        deferrable: bool = True,
        timeout: float = 900,
        durable: bool = True,
        request_id: str | None = None,
        output_path: str | None = None,
        output_conn_id: str | None = None,
        image_conn_id: str | None = None,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
        on_orphaned_intent: str = "fail",
        cost_limit: float | str | None = None,
        estimate_only: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prompt_text = prompt_text
        self.prompt_image = prompt_image
        self.reference_images = reference_images
        self.duration = duration
        self.ratio = ratio
        self.seed = seed
        self.model = model
        self.model_params = model_params
        self.runway_conn_id = runway_conn_id
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.timeout = timeout
        self.durable = durable
        self.request_id = request_id
        self.output_path = output_path
        self.output_conn_id = output_conn_id
        self.image_conn_id = image_conn_id
        self.max_output_bytes = max_output_bytes
        self.on_orphaned_intent = on_orphaned_intent
        self.cost_limit = cost_limit
        self.estimate_only = estimate_only
        self.current_job: JobSummary | None = None
        self.stored_files: tuple[OutputFile, ...] = ()
        if output_path is not None and not wait_for_completion:
            raise ValueError(
                f"Task {self.task_id!r}: output_path needs wait_for_completion=True; a task that only submits "
                "ends before there is a video to store."
            )
        if type(timeout) not in (int, float) or not abs(timeout) <= MAX_TIMEOUT_S:
            raise ValueError(f"Task {self.task_id!r}: timeout is {safe_repr(timeout)}; give a number of seconds.")
        if type(max_output_bytes) is not int or max_output_bytes < 1:
            raise ValueError(
                f"Task {self.task_id!r}: max_output_bytes is {max_output_bytes!r}; give a number of bytes."
            )

    def execute(self, context: Context) -> dict[str, Any]:
        """Submit or resume the job; return it, or wait for its video. With ``estimate_only`` return the estimate."""
        hide_links(self)
        if self.estimate_only:
            with raise_as_airflow_errors(self.log):
                return self._estimate()
        return self.submit_again(context, give_up_at=time.time() + self.timeout)

    def submit_again(
        self,
        context: Context,
        event: Any = None,  # noqa: ARG002  it only means that the time has come
        throttle_count: int = 0,
        give_up_at: float = 0.0,
        journal_entry: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Submit or resume the job. A deferral that a 429 caused, or a history that could not tell, continues here.

        :param throttle_count: how many 429s have deferred the submit so far.
        :param give_up_at: epoch seconds after which a 429 is not waited for any more.
        :param journal_entry: what the task knows of its submit, where no journal keeps it.
        """
        with self._open_execution(context, journal_entry) as execution:
            return execution.submit_and_wait(throttle_count, give_up_at)

    def execute_complete(
        self, context: Context, event: dict[str, Any], job: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Take the trigger's event, and return the finished job.

        :param job: the job that the task deferred with; it has the seed, which no event carries.
        """
        with self._open_execution(context) as execution:
            deferred_job = JobSummary.from_json(job) if job else None
            outcome = read_event(event, self.task_id, deferred_job)
            return execution.finish(outcome, deferred_job or outcome.job)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. After a trigger failure, go on waiting for the job."""
        hide_links(self)
        task = TaskContext.from_airflow(context, self)
        if next_method != TRIGGER_FAILED or (pushed := pull_job(task)) is None:
            return super().resume_execution(next_method, next_kwargs, context)
        job, deadline = pushed
        log_trigger_failure(self.log, job, next_kwargs)
        if count_trigger_failure(task) > MAX_TRIGGER_FAILURES:
            self.log.warning("Job %s: triggers failed repeatedly; polling in the worker instead.", job.request_id)
            self.deferrable = False
        with self._open_execution(context) as execution:
            return execution.wait(job, deadline)

    def describe_lineage(self) -> TaskLineage:
        """Return the image as the input, and the stored files, or else the output URLs, as the output."""
        return describe_job_lineage(self.prompt_image, self.current_job, self.stored_files)

    def dry_run(self) -> None:
        """Log the rendered fields, as every operator does, and the estimate. Sends nothing."""
        log_rendered_fields(self)
        try:
            self._estimate()
        except RunwayError as problem:
            self.log.warning("No estimate: %s", problem)

    def on_kill(self) -> None:
        """Log that the job goes on: the API has no cancel."""
        if self.current_job is not None:
            log_kill(self.log, self.current_job)

    def _estimate(self) -> dict[str, Any]:
        """Log what the job would cost, and return it."""
        from airflow_provider_runway.operators.request_and_estimate import make_estimate
        from airflow_provider_runway.spending.amounts import parse_limit

        cost_limit_usd = parse_limit("cost_limit", self.cost_limit)
        estimate = make_estimate(self)
        self.log.info("Estimate: %s. Nothing was sent.", estimate.describe())
        return estimate.to_xcom(cost_limit_usd)

    @contextmanager
    def _open_execution(self, context: Context, journal_entry: dict[str, Any] | None = None) -> Iterator[JobExecution]:
        """Open the hook, and turn this package's errors into Airflow's."""
        from airflow_provider_runway.operators.job_execution import JobExecution

        with raise_as_airflow_errors(self.log), RunwayHook(self.runway_conn_id) as hook:
            yield JobExecution(self, hook, TaskContext.from_airflow(context, self, journal_entry))
