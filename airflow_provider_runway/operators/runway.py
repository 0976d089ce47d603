"""The operator that turns a prompt and a picture into a video."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.airflow_errors import raise_as_airflow_errors, to_airflow_error
from airflow_provider_runway.compat import BaseOperator, make_timer_trigger
from airflow_provider_runway.exceptions import BadInputError, ThrottledError, WaitTimeoutError
from airflow_provider_runway.hooks.connection import DEFAULT_CONN_ID
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.links.runway import RunwayConsoleLink, RunwayVideoLink
from airflow_provider_runway.operators.retries import retry_after_expiry_warning
from airflow_provider_runway.segmind.http import safe_path_segment
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.model_fields import safe_repr
from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from airflow_provider_runway.segmind.retry import compute_resubmit_delay_s
from airflow_provider_runway.segmind.user_messages import job_still_running
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.transports.client_settings import MAX_OUTPUT_BYTES
from airflow_provider_runway.triggers.runway import RunwayJobTrigger
from airflow_provider_runway.waiting import (
    MAX_TRIGGER_FAILURES,
    TRIGGER_FAILED,
    TRIGGER_GRACE_S,
    count_trigger_failures,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath

    from airflow_provider_runway.submission.submitter import Submitter

#: About 300 years; what is no span of time any more would only come to light once the job is paid for.
LONGEST_TIMEOUT_S = 1e10


class RunwayGenerateOperator(BaseOperator):
    """Submit a job to one of Runway's models on Segmind, and if wanted wait for its video.

    **A job costs about USD 0.50 (5 s) to 1.00 (10 s).** One task instance submits one job, whatever
    dies and however often it is retried: a retry finds the job of the earlier try again. Clearing a
    task that succeeded asks for a new job; before Airflow 3.3, where nothing remembers a delivery, the
    job that is paid for is found again, unless an input changed.

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
    :param durable: remember the job across tries (Airflow 3.3 and later), or look for it in the account's
        history (before). False: **a retry after a lost answer pays again**.
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
        self.request_id = request_id
        self.output_path = output_path
        self.output_conn_id = output_conn_id
        self.image_conn_id = image_conn_id
        self.max_output_bytes = max_output_bytes
        self._held: JobSummary | None = None
        if output_path is not None and not wait_for_completion:
            raise ValueError(
                f"Task {self.task_id!r}: output_path needs wait_for_completion=True; a task that only submits "
                "ends before there is a video to store."
            )
        if type(timeout) not in (int, float) or not abs(timeout) <= LONGEST_TIMEOUT_S:
            raise ValueError(f"Task {self.task_id!r}: timeout is {safe_repr(timeout)}; give a number of seconds.")
        if type(max_output_bytes) is not int or max_output_bytes < 1:
            raise ValueError(
                f"Task {self.task_id!r}: max_output_bytes is {max_output_bytes!r}; give a number of bytes."
            )

    def execute(self, context: Context) -> dict[str, Any]:
        """Hold exactly one job, and hand on its id or its video."""
        return self._generate(context, rounds=0)

    def submit_again(self, context: Context, event: Any = None, rounds: int = 0) -> dict[str, Any]:  # noqa: ARG002
        """Go on after a deferral until the API listens again; ``event`` only says that the moment has come.

        :param rounds: how often a 429 has deferred the submission so far.
        """
        return self._generate(context, rounds)

    def _generate(self, context: Context, rounds: int) -> dict[str, Any]:
        with raise_as_airflow_errors(), RunwayHook(self.runway_conn_id) as hook:
            if self.output_path is not None:
                # Here and below: what only a running task needs is imported when it runs, not when a DAG is parsed.
                from airflow_provider_runway.outputs.store import check_target

                check_target(self.output_path, self.output_conn_id)  # before money moves
            submitter = self._submitter(hook, context)
            report = self._hold(hook, submitter, context, rounds) if self.request_id is None else self._given()
            self._held = report
            # Before the first look: whatever dies from here on, the id is on the task's page.
            context["ti"].xcom_push(key="request_id", value=report.request_id)
            if not self.wait_for_completion:
                submitter.mark_delivered(report.request_id)
                return report.to_json()
            if report.status == JobState.COMPLETED:
                return self._deliver(report, hook, context)
            return self._wait(report, hook, context)

    def execute_complete(
        self, context: Context, event: dict[str, Any], job: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Take the trigger's event, and hand on the video.

        :param job: the report that the task deferred with; it knows the seed, which no event carries.
        """
        with raise_as_airflow_errors(), RunwayHook(self.runway_conn_id) as hook:
            held = JobSummary.from_json(job) if job else None
            try:
                ending = WaitOutcome.from_event(event)
            except ValueError as problem:
                raise BadInputError(f"Task {self.task_id!r}: {problem}") from None
            if held is not None and ending.job.request_id != held.request_id:
                raise WaitTimeoutError(
                    f"The event speaks of job {ending.job.request_id}, and this task waits for {held.request_id}: "
                    f"a stale event, refused. "
                    f"{job_still_running(held.request_id, held.submitted_at, 'it was not polled')}"
                )
            return self._end(ending, held or ending.job, hook, context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after the deferral. Where the trigger brought no event, look at the job once more."""
        if next_method != TRIGGER_FAILED:
            return super().resume_execution(next_method, next_kwargs, context)
        from airflow_provider_runway.operators.memory import restore_job

        # The deferral's kwargs are gone; the id that was pushed before it is not.
        ti, reason = context["ti"], (next_kwargs or {}).get("error", "no reason given")
        request_id = ti.xcom_pull(task_ids=self.task_id, key="request_id", map_indexes=ti.map_index)
        if not request_id:
            return super().resume_execution(next_method, next_kwargs, context)
        self.log.warning("Job %s: the trigger brought no event (%s); looking once more.", request_id, reason)
        if count_trigger_failures(context, self.task_id) > MAX_TRIGGER_FAILURES:
            self.log.warning("Job %s: triggers were lost repeatedly; polling in the worker instead.", request_id)
            self.deferrable = False
        with raise_as_airflow_errors(), RunwayHook(self.runway_conn_id) as hook:
            return self._wait(restore_job(request_id, context, self.model), hook, context)

    def on_kill(self) -> None:
        """Say that the job goes on: the API has no cancel."""
        if self._held is not None:
            why = "the task was ended, and the API has no cancel"
            self.log.warning("%s", job_still_running(self._held.request_id, self._held.submitted_at, why))

    def _given(self) -> JobSummary:
        """Return the job that the author named."""
        return JobSummary(safe_path_segment("request_id", self.request_id), model=self.model)

    def _hold(self, hook: RunwayHook, submitter: Submitter, context: Context, rounds: int) -> JobSummary:
        from airflow_provider_runway.inputs.build_request import build_request

        order = build_request(
            hook,
            context,
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
        if rounds == 0 and (warning := retry_after_expiry_warning(self, order.try_number, order.max_tries)) is not None:
            self.log.warning("%s", warning)
        give_up_at = time.time() + self.timeout
        while True:
            try:
                return submitter.submit_or_resume(order)
            except ThrottledError as busy:
                self._await_turn(busy, rounds, give_up_at)
                rounds += 1

    def _await_turn(self, busy: ThrottledError, rounds: int, give_up_at: float) -> None:
        """Wait until a submit that got a 429 may be sent again: in the triggerer, or here within the timeout."""
        now = time.time()
        pause_s = compute_resubmit_delay_s(busy, rounds, now, random.random())
        where = "without a worker slot" if self.deferrable else "in the worker"
        self.log.info(
            "The account's requests a minute are used up (429); nothing was submitted. Trying again in %.0f s, %s.",
            pause_s,
            where,
        )
        if self.deferrable:
            moment = datetime.fromtimestamp(now + pause_s, UTC)
            self.defer(trigger=make_timer_trigger(moment), method_name="submit_again", kwargs={"rounds": rounds + 1})
        if now + pause_s > give_up_at:
            raise busy
        time.sleep(pause_s)

    def _submitter(self, hook: RunwayHook, context: Context) -> Submitter:
        from airflow_provider_runway.operators.memory import submitter_for

        return submitter_for(hook, context, self.log, task_id=self.task_id, durable=self.durable)

    def _wait(self, report: JobSummary, hook: RunwayHook, context: Context) -> dict[str, Any]:
        """Wait for the job: deferred where there is time left for it, else here."""
        from airflow_provider_runway.polling.poll import poll_until_done

        deadline = self._deadline(report)
        if self.deferrable and deadline > time.time():
            self._defer(report)
        transport = hook.get_conn()
        ending = transport.run(poll_until_done(transport.settings.base_urls, report, deadline, time.time()), self.log)
        return self._end(ending, report, hook, context)

    def _defer(self, report: JobSummary) -> None:
        deadline = self._deadline(report)
        left_s = max(deadline - time.time(), 0.0)
        self.log.info(
            "Job %s: waiting in the triggerer, without a worker slot, for at most %.0f s.", report.request_id, left_s
        )
        self.defer(
            trigger=RunwayJobTrigger(
                request_id=report.request_id,
                runway_conn_id=self.runway_conn_id,
                model=report.model,
                submitted_at=report.submitted_at,
                deadline=deadline,
            ),
            method_name="execute_complete",
            kwargs={"job": report.to_json()},
            timeout=timedelta(seconds=left_s + TRIGGER_GRACE_S),
        )

    def _deadline(self, report: JobSummary) -> float:
        return (report.submitted_at or time.time()) + self.timeout

    def _end(self, ending: WaitOutcome, held: JobSummary, hook: RunwayHook, context: Context) -> dict[str, Any]:
        """Hand on a completed job's video, or raise what the ending means."""
        self._held = held
        if (error := ending.to_error()) is not None:
            raise to_airflow_error(error) from error
        report = held.merged_with(ending.job)
        self.log.info("Job %s: COMPLETED, cost %s USD.", report.request_id, report.cost)
        return self._deliver(report, hook, context)

    def _deliver(self, report: JobSummary, hook: RunwayHook, context: Context) -> dict[str, Any]:
        if self.output_path is not None:
            from airflow_provider_runway.outputs.store import store_outputs

            path = store_outputs(
                report, self.output_path, self.output_conn_id, hook.settings, self.log, self.max_output_bytes
            )
            report = report.add_output_path(path)
        outcome = report.to_json()
        for key in ("output_url", "output_urls", "output_path"):
            if outcome[key]:
                context["ti"].xcom_push(key=key, value=outcome[key])
        self._submitter(hook, context).mark_delivered(report.request_id)
        return outcome
