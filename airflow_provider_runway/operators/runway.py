"""The operator that turns a prompt and an image into a video."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.airflow_errors import raise_as_airflow_errors
from airflow_provider_runway.compat import BaseOperator, compute_next_retry_delay_s, make_timer_trigger
from airflow_provider_runway.exceptions import BadInputError, HistoryNotSettledError, ThrottledError, UnreachableError
from airflow_provider_runway.hooks.connection import DEFAULT_CONN_ID
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.links.runway import RunwayConsoleLink, RunwayVideoLink, hide_links
from airflow_provider_runway.segmind.http import safe_path_segment
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.model_fields import safe_repr
from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from airflow_provider_runway.segmind.retry import compute_resubmit_delay_s
from airflow_provider_runway.segmind.user_messages import retry_after_expiry_warning
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.transports.client_settings import MAX_OUTPUT_BYTES
from airflow_provider_runway.waiting import (
    MAX_TRIGGER_FAILURES,
    TRIGGER_FAILED,
    count_trigger_failure,
    defer_until_done,
    log_kill,
    pull_job,
    push_job,
    push_result,
    read_event,
    trigger_failure_reason,
    with_earlier_job,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath

    from airflow_provider_runway.submission.submitter import Submitter
    from airflow_provider_runway.task_context import TaskContext

#: About 300 years. A longer timeout would fail as a date only after the job is paid for.
MAX_TIMEOUT_S = 1e10


class RunwayGenerateOperator(BaseOperator):
    """Submit a job to one of Runway's models on Segmind, and wait for its video if asked to.

    **A job costs about USD 0.50 (5 s) to 1.00 (10 s).** One task instance submits one job, however
    often it is retried: a retry resumes the job of the earlier try. Clearing a task that succeeded asks for
    a new job; without a journal (Airflow before 3.3 without ``[runway] journal_path``) the job that is paid
    for is found again in the account's history instead.

    Returns the XCom contract (see the README): ``request_id``, ``status``, ``output_url`` and more;
    ``request_id``, ``output_url``, ``output_urls`` and ``output_path`` are pushed under their own names, too.

    :param prompt_text: what should happen in the video. (templated)
    :param prompt_image: an https URL; or a JPEG, PNG or WebP of at most 16 MB, which is read and uploaded first: the
        path of a local file, any URL that ``ObjectStoragePath`` takes, such an object, bytes, or a ``data:`` URL,
        which an XCom can carry. Mapped instances of one run upload the same picture once. (templated)
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
    :param durable: keep a journal of the submit across tries (Airflow 3.3 and later, or ``[runway]
        journal_path``), or else look for the job in the account's history. False: **a retry after a lost
        response pays again**.
    :param on_orphaned_intent: what to do where a job may exist that cannot be found: "fail", or "resubmit",
        which **may pay twice**. (templated)
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
    """

    template_fields: Sequence[str] = (
        "prompt_text",
        "prompt_image",
        "duration",
        "ratio",
        "seed",
        "model",
        "model_params",
        "runway_conn_id",
        "request_id",
        "on_orphaned_intent",
        "output_path",
        "output_conn_id",
        "image_conn_id",
    )
    #: Empty, and kept so: a prompt that ends in ".json" is a prompt and not a file to read.
    template_ext: Sequence[str] = ()
    template_fields_renderers = {"model_params": "json"}  # noqa: RUF012  Airflow's own spelling
    operator_extra_links = (RunwayVideoLink(), RunwayConsoleLink())
    ui_color = "#e9e4ff"

    def __init__(
        self,
        *,
        prompt_text: str | None = None,
        prompt_image: str | bytes | os.PathLike[str] | ObjectStoragePath | None = None,
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
        on_orphaned_intent: str = "fail",
        request_id: str | None = None,
        output_path: str | None = None,
        output_conn_id: str | None = None,
        image_conn_id: str | None = None,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prompt_text = prompt_text
        self.prompt_image = prompt_image
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
        self.on_orphaned_intent = on_orphaned_intent
        self.request_id = request_id
        self.output_path = output_path
        self.output_conn_id = output_conn_id
        self.image_conn_id = image_conn_id
        self.max_output_bytes = max_output_bytes
        self._job: JobSummary | None = None
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
        """Submit or resume the job; return it, or wait for its video."""
        hide_links(self)
        return self._submit_and_wait(context, throttle_count=0)

    def submit_again(
        self,
        context: Context,
        event: Any = None,  # noqa: ARG002
        throttle_count: int = 0,
        journal_entry: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Go on after a deferral that a 429 caused, or a history that could not tell yet. The event has nothing to say.

        :param throttle_count: how many 429s have deferred the submission so far.
        :param journal_entry: what the task knows of its submit, where no journal keeps it.
        """
        return self._submit_and_wait(context, throttle_count, journal_entry)

    def execute_complete(
        self, context: Context, event: dict[str, Any], job: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Take the trigger's event, and return the finished job.

        :param job: the summary that the task deferred with; it has the seed, which no event carries.
        """
        with raise_as_airflow_errors(), RunwayHook(self.runway_conn_id) as hook:
            known_job = JobSummary.from_json(job) if job else None
            outcome = read_event(event, self.task_id, known_job)
            return self._finish(outcome, known_job or outcome.job, hook, self._unpack(context))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after a deferral. After a trigger failure, go on waiting for the job."""
        hide_links(self)
        task = self._unpack(context)
        if next_method != TRIGGER_FAILED or (pushed := pull_job(task)) is None:
            return super().resume_execution(next_method, next_kwargs, context)
        job, deadline = pushed
        reason = trigger_failure_reason(next_kwargs)
        self.log.warning("Job %s: the trigger returned no event (%s); polling once more.", job.request_id, reason)
        if count_trigger_failure(task) > MAX_TRIGGER_FAILURES:
            self.log.warning("Job %s: triggers failed repeatedly; polling in the worker instead.", job.request_id)
            self.deferrable = False
        with raise_as_airflow_errors(), RunwayHook(self.runway_conn_id) as hook:
            return self._wait(job, deadline, hook, task)

    def on_kill(self) -> None:
        """Log that the job goes on: the API has no cancel."""
        if self._job is not None:
            log_kill(self.log, self._job.request_id, self._job.submitted_at)

    def _submit_and_wait(
        self, context: Context, throttle_count: int, journal_entry: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        task = self._unpack(context)
        if journal_entry is not None:
            task = replace(task, attempt=replace(task.attempt, carried_entry=journal_entry))
        with raise_as_airflow_errors(), RunwayHook(self.runway_conn_id) as hook:
            if self.output_path is not None:
                # Here and below: imports that only a running task needs do not slow down the parsing of DAG files.
                from airflow_provider_runway.outputs.store import check_output_path

                check_output_path(self.output_path, self.output_conn_id)  # before money moves
            if self.request_id is None:
                self._job = job = self._submit_or_resume(hook, task, throttle_count)
            else:
                self._job = job = self._existing_job()
            # Before the first poll: whatever fails from here on, the id is on the task's page.
            task.push_xcom("request_id", job.request_id)
            if not self.wait_for_completion:
                self._submitter(hook, task).mark_delivered(job.request_id)
                return job.to_xcom(self.prompt_text)
            if job.status == JobState.COMPLETED:
                return self._deliver(job, hook, task)
            deadline = (job.submitted_at or time.time()) + self.timeout
            push_job(task, job, deadline)
            return self._wait(job, deadline, hook, task)

    def _existing_job(self) -> JobSummary:
        """Return the job that the author named."""
        return JobSummary(safe_path_segment("request_id", self.request_id), model=self.model)

    def _submit_or_resume(self, hook: RunwayHook, task: TaskContext, throttle_count: int) -> JobSummary:
        from airflow_provider_runway.inputs.build_request import build_request

        submitter = self._submitter(hook, task)
        submitter.record_start()
        try:
            request = build_request(
                hook,
                task.identity,
                task.upload_cache(),
                model=self.model,
                arguments={
                    "prompt_text": self.prompt_text,
                    "prompt_image": self.prompt_image,
                    "duration": self.duration,
                    "ratio": self.ratio,
                    "seed": self.seed,
                },
                extra=self.model_params,
                image_conn_id=self.image_conn_id,
            )
        except (BadInputError, UnreachableError) as problem:
            raise with_earlier_job(problem, task.attempt.journal) from None
        if throttle_count == 0:
            self._warn_of_late_retry(task)
        give_up_at = time.time() + self.timeout
        while True:
            try:
                return submitter.submit_or_resume(request)
            except ThrottledError as throttled:
                self._wait_for_rate_limit(throttled, throttle_count, give_up_at, submitter)
                throttle_count += 1
            except HistoryNotSettledError as not_settled:
                self._wait_for_history(not_settled, throttle_count, submitter)

    def _warn_of_late_retry(self, task: TaskContext) -> None:
        """Warn where the next retry would come after the job's record is gone."""
        if task.attempt.try_number > task.attempt.max_tries:
            return
        delay_s = compute_next_retry_delay_s(self, task.attempt.try_number)
        if (warning := retry_after_expiry_warning(delay_s)) is not None:
            self.log.warning("%s", warning)

    def _wait_for_history(self, not_settled: HistoryNotSettledError, throttle_count: int, submitter: Submitter) -> None:
        """Wait until the history is to be asked again, in the triggerer or in the worker."""
        pause_s = max(not_settled.retry_at - time.time(), 0.0)
        where = "without a worker slot" if self.deferrable else "in the worker"
        self.log.info("%s Asking again in %.0f s, %s.", not_settled, pause_s, where)
        if self.deferrable:
            self._defer_submit(not_settled.retry_at, throttle_count, submitter)
        time.sleep(pause_s)

    def _defer_submit(self, until: float, throttle_count: int, submitter: Submitter) -> None:
        """Defer to Airflow's own timer; ``submit_again`` goes on at that time (epoch seconds)."""
        self.defer(
            trigger=make_timer_trigger(datetime.fromtimestamp(until, UTC)),
            method_name="submit_again",
            kwargs={"throttle_count": throttle_count, "journal_entry": submitter.carried_entry()},
        )

    def _wait_for_rate_limit(
        self, throttled: ThrottledError, throttle_count: int, give_up_at: float, submitter: Submitter
    ) -> None:
        """Wait until a submit that got a 429 may be sent again, in the triggerer or in the worker."""
        now = time.time()
        pause_s = compute_resubmit_delay_s(throttled, throttle_count, now, random.random())
        where = "without a worker slot" if self.deferrable else "in the worker"
        self.log.info(
            "The account's requests a minute are used up (429); nothing was submitted. Trying again in %.0f s, %s.",
            pause_s,
            where,
        )
        if self.deferrable:
            self._defer_submit(now + pause_s, throttle_count + 1, submitter)
        if now + pause_s > give_up_at:
            raise throttled
        time.sleep(pause_s)

    def _submitter(self, hook: RunwayHook, task: TaskContext) -> Submitter:
        from airflow_provider_runway.submission.submitter import Submitter

        return Submitter(hook, task.attempt, self.log, durable=self.durable, on_orphaned_intent=self.on_orphaned_intent)

    def _wait(self, job: JobSummary, deadline: float, hook: RunwayHook, task: TaskContext) -> dict[str, Any]:
        """Wait for the job: in the triggerer where there is time left, else in the worker."""
        from airflow_provider_runway.polling.poll import poll_until_done

        if self.deferrable and deadline > time.time():
            defer_until_done(self, self.runway_conn_id, job, deadline, kwargs={"job": job.to_json()})
        transport = hook.get_conn()
        outcome = transport.run(poll_until_done(transport.settings.base_urls, job, deadline, time.time()), self.log)
        return self._finish(outcome, job, hook, task)

    def _finish(self, outcome: WaitOutcome, job: JobSummary, hook: RunwayHook, task: TaskContext) -> dict[str, Any]:
        """Return the completed job, or raise the error that the outcome means."""
        self._job = job
        if (error := outcome.to_error()) is not None:
            raise error
        done = job.merged_with(outcome.job)
        self.log.info("Job %s: COMPLETED, cost %s USD.", done.request_id, done.cost)
        return self._deliver(done, hook, task)

    def _deliver(self, job: JobSummary, hook: RunwayHook, task: TaskContext) -> dict[str, Any]:
        """Store the outputs if asked to, push the result, and mark the job as delivered."""
        if self.output_path is not None:
            from airflow_provider_runway.outputs.store import store_outputs

            path = store_outputs(
                job, self.output_path, self.output_conn_id, hook.settings, self.log, self.max_output_bytes
            )
            job = job.add_output_path(path)
        result = job.to_xcom(self.prompt_text)
        push_result(task, result, ("output_url", "output_urls", "output_path"))
        self._submitter(hook, task).mark_delivered(job.request_id)
        return result

    def _unpack(self, context: Context) -> TaskContext:
        from airflow_provider_runway.task_context import TaskContext

        return TaskContext.from_airflow(context, self)
