"""The operator that turns a list of prompts and images into videos and a table of results, in one task."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.airflow_errors import raise_as_airflow_errors
from airflow_provider_runway.compat import BaseOperator, log_rendered_fields, make_unrendered
from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.hooks.connection import DEFAULT_CONN_ID
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.lineage.openlineage_methods import OpenLineageMethods
from airflow_provider_runway.lineage.task_lineage import TaskLineage, describe_batch_lineage
from airflow_provider_runway.links.batch import RunwayResultsLink
from airflow_provider_runway.links.runway import TASK_LINKS, hide_links
from airflow_provider_runway.segmind.model_fields import safe_repr
from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from airflow_provider_runway.task_context import TaskContext
from airflow_provider_runway.task_deferral import TRIGGER_FAILED
from airflow_provider_runway.transports.client_settings import MAX_OUTPUT_BYTES

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath

    from airflow_provider_runway.batch.wave_execution import Wave
    from airflow_provider_runway.operators.batch_execution import BatchExecution


class RunwayGenerateBatchOperator(OpenLineageMethods, BaseOperator):
    """Submit many jobs to Runway's models on Segmind, wait for their videos, and write a table of results.

    **Each row costs about USD 0.50 (5 s) to 1.00 (10 s).** A row is one job, however often the task is retried or
    cleared: what succeeded is kept, what runs is waited for, and only rows that failed are submitted again. To have
    everything anew, give another ``result_path``, or empty its folder.

    The rows are submitted in waves, as far as the account's rate limit goes; in between the task waits in the
    triggerer, without a worker slot. A row that fails ends no other.

    Returns a small manifest: ``result_uri`` (the table, ``results.jsonl``), ``request_count``, ``counts`` by status,
    ``cost`` and more. ``read_results(manifest)`` reads the table.

    :param requests: the rows: a list of dicts with the arguments of ``RunwayGenerateOperator`` and an optional
        ``custom_id``, which is unique and names the row's video. Also the output of another task. Jinja in it is not
        rendered. (templated in so far)
    :param requests_path: the rows as a file instead: JSON Lines, or CSV with a header, at a local path or any URL that
        ``ObjectStoragePath`` takes. (templated)
    :param result_path: the folder for the table, the videos and the journal: a local path that all workers and
        triggerers share, or any URL that ``ObjectStoragePath`` takes. Each task instance needs its own. (templated)
    :param prompt_text: for rows without one, as are the next seven. (templated)
    :param prompt_image: for rows without one. (templated)
    :param reference_images: for rows without their own. (templated)
    :param duration: seconds of video, for rows without one. (templated)
    :param ratio: for rows without one. (templated)
    :param model: for rows without one. (templated)
    :param model_params: further fields by the API's names. Those of a row are added, and win. (templated)
    :param image_conn_id: the connection for the images' storage, for rows without one. (templated)
    :param output_path: where a row's video is stored, as on ``RunwayGenerateOperator``; ``{custom_id}`` may stand in
        it, too. None: in ``result_path``, named by its ``custom_id``. (templated)
    :param fail_on_partial_error: fail the task at the end if any row has no video. A retry or a clear then submits the
        failed rows alone.
    :param stop_after_failures: after so many rows without a video, submit no more; what is out is waited for.
    :param on_orphaned_intent: what to do for a row whose earlier submit may have become a job that cannot be found:
        "fail" (the row's status is ``unknown``), or "resubmit", which **may pay twice**. (templated)
    :param timeout: seconds from its submission after which a job is not waited for any more. The job goes on then.
    :param deferrable: wait in the triggerer, without a worker slot; False: wait in the worker.
    :param durable: keep what earlier tries did. False: **a retry pays for everything again**.
    :param runway_conn_id: the connection. (templated)
    :param max_output_bytes: the largest video that is stored, in bytes.
    :param cost_limit: USD that this batch may spend on its rows, over all tries and clears with this ``result_path``.
        Rows are submitted in their order as long as they fit. None: no limit. (templated)
    :param cost_limit_policy: where not all rows fit: "submit_what_fits", and the others are ``not_submitted``; or
        "all_or_nothing", and the task fails before the first submit.
    :param estimate_only: submit nothing, and return the estimate as ``RunwayGenerateOperator`` does, of all rows.
    """

    template_fields: Sequence[str] = (
        "requests",
        "requests_path",
        "result_path",
        "prompt_text",
        "prompt_image",
        "reference_images",
        "duration",
        "ratio",
        "model",
        "model_params",
        "image_conn_id",
        "output_path",
        "on_orphaned_intent",
        "runway_conn_id",
        "cost_limit",
    )
    #: Empty, and kept so: a prompt that ends in ".json" is a prompt and not a file to read.
    template_ext: Sequence[str] = ()
    template_fields_renderers = {"model_params": "json"}  # noqa: RUF012  Airflow's own spelling
    operator_extra_links = (RunwayResultsLink(), *TASK_LINKS[1:])
    ui_color = "#e9e4ff"

    def __init__(
        self,
        *,
        requests: Any = None,
        requests_path: str | ObjectStoragePath | None = None,
        result_path: str,
        prompt_text: str | None = None,
        prompt_image: str | bytes | os.PathLike[str] | ObjectStoragePath | None = None,
        reference_images: Sequence[Mapping[str, Any]] | None = None,
        duration: int | str = 5,
        ratio: str | None = None,
        model: str = DEFAULT_MODEL,
        model_params: Mapping[str, Any] | None = None,
        image_conn_id: str | None = None,
        output_path: str | None = None,
        fail_on_partial_error: bool = False,
        stop_after_failures: int | None = None,
        on_orphaned_intent: str = "fail",
        timeout: float = 900,
        deferrable: bool = True,
        durable: bool = True,
        runway_conn_id: str = DEFAULT_CONN_ID,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
        cost_limit: float | str | None = None,
        cost_limit_policy: str = "submit_what_fits",
        estimate_only: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.requests = None if requests is None else make_unrendered(requests)
        self.requests_path = requests_path
        self.result_path = result_path
        self.prompt_text = prompt_text
        self.prompt_image = prompt_image
        self.reference_images = reference_images
        self.duration = duration
        self.ratio = ratio
        self.model = model
        self.model_params = model_params
        self.image_conn_id = image_conn_id
        self.output_path = output_path
        self.fail_on_partial_error = fail_on_partial_error
        self.stop_after_failures = stop_after_failures
        self.on_orphaned_intent = on_orphaned_intent
        self.timeout = timeout
        self.deferrable = deferrable
        self.durable = durable
        self.runway_conn_id = runway_conn_id
        self.max_output_bytes = max_output_bytes
        self.cost_limit = cost_limit
        self.cost_limit_policy = cost_limit_policy
        self.estimate_only = estimate_only
        self.is_killed = False
        self.wave: Wave | None = None
        self.manifest: dict[str, Any] | None = None
        self._check_arguments()

    def execute(self, context: Context) -> dict[str, Any]:
        """Check all rows, and submit the first wave; return the manifest, or wait for the rest.

        With ``estimate_only`` return the estimate.
        """
        hide_links(self)
        if self.estimate_only:
            with raise_as_airflow_errors(self.log):
                return self._estimate()
        with self._open_execution(context) as execution:
            return execution.start()

    def continue_batch(
        self, context: Context, event: Any = None, state: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Go on after a deferral: store what has finished, and submit the next wave.

        :param state: what the waves before this one left, in small numbers.
        """
        with self._open_execution(context) as execution:
            return execution.resume(state, event)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. After a trigger failure, which loses its arguments, go on all the same."""
        hide_links(self)
        if next_method != TRIGGER_FAILED:
            return super().resume_execution(next_method, next_kwargs, context)
        reason = (next_kwargs or {}).get("error", "no reason given")
        with self._open_execution(context) as execution:
            return execution.resume(None, {"status": "error", "error": f"the trigger returned no event ({reason})"})

    def dry_run(self) -> None:
        """Log the rendered fields, as every operator does, and the estimate. Sends nothing."""
        log_rendered_fields(self)
        try:
            self._estimate()
        except RunwayError as problem:
            self.log.warning("No estimate: %s", problem)

    def describe_lineage(self) -> TaskLineage:
        """Return the file of the rows as the input, and the table of results as the output."""
        return describe_batch_lineage(self.requests_path, self.manifest)

    def on_kill(self) -> None:
        """Send and store nothing more. The API has no cancel: what is out goes on, and is billed when it completes."""
        self.is_killed = True
        if self.wave is not None and (out := self.wave.count_out()):
            self.log.warning(
                "The task was ended. About %d jobs that are out go on, and are billed when they complete. The batch's "
                "journal in %s keeps their ids: clear the task to have their videos without paying again.",
                out,
                self.wave.journal_folder,
            )
        else:
            self.log.info("The task was ended. No job of it is out.")

    def _estimate(self) -> dict[str, Any]:
        """Log what the rows would cost, and return it."""
        from airflow_provider_runway.operators.batch_rows_and_estimate import make_batch_estimate
        from airflow_provider_runway.spending.amounts import parse_limit

        cost_limit_usd = parse_limit("cost_limit", self.cost_limit)
        estimate = make_batch_estimate(self)
        self.log.info("Estimate: %s. Nothing was sent.", estimate.describe())
        return estimate.to_xcom(cost_limit_usd)

    def _check_arguments(self) -> None:
        """Refuse, when the DAG is parsed, what is wrong whatever the rows are."""
        if (self.requests is None) == (self.requests_path is None):
            raise ValueError(f"Task {self.task_id!r}: give requests or requests_path, one of the two.")
        if type(self.timeout) not in (int, float) or not 0 < self.timeout <= 1e10:
            raise ValueError(
                f"Task {self.task_id!r}: timeout is {safe_repr(self.timeout)}; give a number of seconds above 0."
            )
        if self.stop_after_failures is not None and (
            type(self.stop_after_failures) is not int or self.stop_after_failures < 1
        ):
            raise ValueError(
                f"Task {self.task_id!r}: stop_after_failures is {self.stop_after_failures!r}; give a number of rows, "
                "or None."
            )
        if type(self.max_output_bytes) is not int or self.max_output_bytes < 1:
            raise ValueError(
                f"Task {self.task_id!r}: max_output_bytes is {self.max_output_bytes!r}; give a number of bytes."
            )

    @contextmanager
    def _open_execution(self, context: Context) -> Iterator[BatchExecution]:
        """Open the hook, and turn this package's errors into Airflow's."""
        from airflow_provider_runway.operators.batch_execution import BatchExecution

        with raise_as_airflow_errors(self.log), RunwayHook(self.runway_conn_id) as hook:
            yield BatchExecution(self, hook, TaskContext.from_airflow(context, self))
