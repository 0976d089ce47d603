"""Runs a task of ``RunwayGenerateOperator``: submit or resume its job, wait for it, store and return its outputs.

Only a running task imports this module, so that its imports do not slow down the parsing of DAG files.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.compat import BaseOperator, compute_next_retry_delay_s
from airflow_provider_runway.exceptions import (
    BadConnectionError,
    BadInputError,
    CostLimitError,
    HistoryNotSettledError,
    RunwayError,
    ThrottledError,
    UnreachableError,
    omit_nothing_was_sent,
)
from airflow_provider_runway.hooks.price_warnings import warn_of_contradicted_price
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.inputs.build_request import JOB_ARGUMENTS
from airflow_provider_runway.lineage.hook_lineage import report_hook_lineage
from airflow_provider_runway.lineage.outlet_events import fill_outlet_events
from airflow_provider_runway.lineage.task_lineage import OutputFile, to_lineage_uri
from airflow_provider_runway.operators.request_and_estimate import build_operator_request
from airflow_provider_runway.operators.spending_check import SpendingCheck
from airflow_provider_runway.operators.wait_before_submit import wait_for_history, wait_for_rate_limit
from airflow_provider_runway.outputs.path_template import check_extension
from airflow_provider_runway.outputs.store import check_output_path, store_outputs
from airflow_provider_runway.polling.poll_and_wait_exchanges import poll_until_done
from airflow_provider_runway.segmind.billing_advice import (
    describe_completed,
    describe_unstored_job,
    how_to_resume,
    make_late_retry_warning,
)
from airflow_provider_runway.segmind.jobs import OUTPUT_KEYS, JobState, JobSummary
from airflow_provider_runway.segmind.model_fields import check_rendered
from airflow_provider_runway.segmind.models import collect_fields, find_price_usd
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome
from airflow_provider_runway.spending.amounts import parse_limit
from airflow_provider_runway.submission.journal import Journal
from airflow_provider_runway.submission.journal_session import TaskAttempt
from airflow_provider_runway.submission.submitter import Submitter
from airflow_provider_runway.task_context import TaskContext
from airflow_provider_runway.task_deferral import defer_until_done, push_job, read_job
from airflow_provider_runway.triggers.metrics import count_completed_job

if TYPE_CHECKING:
    from airflow_provider_runway.operators.runway import RunwayGenerateOperator
    from airflow_provider_runway.transports.client_settings import ClientSettings


class JobExecution:
    """One execution of the operator's task, with an open hook.

    :param operator: for its rendered arguments, its log, and to defer.
    """

    def __init__(self, operator: RunwayGenerateOperator, hook: RunwayHook, task: TaskContext) -> None:
        self.operator = operator
        self.hook = hook
        self.task = task
        self.log = operator.log
        self.spending = SpendingCheck(hook, self.log, None if task.map_index == -1 else task, task.map_index)
        self.submitter = Submitter(
            hook,
            task.attempt,
            self.log,
            durable=operator.durable,
            on_orphaned_intent=operator.on_orphaned_intent,
            check_spending=self.spending.check,
        )

    def submit_and_wait(self, throttle_count: int, give_up_at: float) -> dict[str, Any]:
        """Submit or resume the job; return it, or wait for its video.

        :param throttle_count: how many 429s have deferred the submit so far.
        :param give_up_at: epoch seconds after which a 429 is not waited for any more.
        """
        operator = self.operator
        if operator.output_path is not None:  # checked before money moves
            check_rendered("output_path", operator.output_path)
            check_output_path(operator.output_path, operator.output_conn_id)
            if operator.request_id is None:  # else the job may be of another model than the argument's default
                check_extension(operator.output_path, operator.model)
        if operator.request_id is None:
            job = self._submit_or_resume(throttle_count, give_up_at)
        else:
            job = read_job(operator.request_id, operator.model)
        operator.current_job = job
        # Before the first poll: whatever fails from here on, the id is on the task's page.
        self.task.push_xcom("request_id", job.request_id)
        if not operator.wait_for_completion:
            self._report_lineage()
            self.submitter.mark_delivered(job.request_id, job.cost)
            return job.to_xcom(operator.prompt_text)
        if job.status == JobState.COMPLETED:
            return self._deliver(job)
        deadline = (job.submitted_at or time.time()) + operator.timeout
        push_job(self.task, job, deadline)
        return self.wait(job, deadline)

    def wait(self, job: JobSummary, deadline: float) -> dict[str, Any]:
        """Wait for the job: in the triggerer where there is time left, else in the worker."""
        operator = self.operator
        if operator.deferrable and deadline > time.time():
            defer_until_done(operator, operator.runway_conn_id, job, deadline, kwargs={"job": job.to_json()})
        transport = self.hook.get_conn()
        outcome = transport.run(poll_until_done(transport.settings.base_urls, job, deadline, time.time()), self.log)
        if outcome.kind is OutcomeKind.COMPLETED:  # in the triggerer the poller counts it
            count_completed_job(operator.runway_conn_id, job.merged_with(outcome.job))
        return self.finish(outcome, job)

    def finish(self, outcome: WaitOutcome, job: JobSummary) -> dict[str, Any]:
        """Return the completed job, or raise the error that the outcome means."""
        done = job.merged_with(outcome.job)
        self.operator.current_job = done
        if (error := outcome.to_error()) is not None:
            raise error
        self.log.info("%s", describe_completed(done))
        warn_of_contradicted_price(self.log, done.model, done.cost, self._find_price_of_own_job())
        return self._deliver(done)

    def _find_price_of_own_job(self) -> float | None:
        """Return the price of the job by the task's arguments; None where they may not be those of the job."""
        operator = self.operator
        if operator.request_id is not None or self.task.attempt.try_number > 1:
            return None
        arguments = {name: getattr(operator, name) for name in JOB_ARGUMENTS}
        return find_price_usd(operator.model, collect_fields(operator.model, arguments, operator.model_params))

    def _submit_or_resume(self, throttle_count: int, give_up_at: float) -> JobSummary:
        operator = self.operator
        self.submitter.record_start()
        try:
            self.spending.cost_limit_usd = parse_limit("cost_limit", operator.cost_limit)
            request = build_operator_request(
                operator, self.hook, self.task.identity, self.task.make_shared_upload_cache()
            )
        except (BadInputError, UnreachableError) as problem:
            raise add_earlier_job(problem, self.task.attempt.journal) from None
        if throttle_count == 0:
            warn_of_late_retry(operator, self.task.attempt)
        else:
            self.spending.skip_balance()
        while True:
            try:
                job = self.submitter.submit_or_resume(request)
                self.spending.confirm(job.request_id)
                return job
            except CostLimitError as problem:
                raise add_earlier_job(problem, self.task.attempt.journal) from None
            except ThrottledError as throttled:
                kwargs = self._kwargs_of_submit_again(throttle_count + 1, give_up_at)
                wait_for_rate_limit(
                    operator, throttled, throttle_count, give_up_at, kwargs, deferrable=operator.deferrable
                )
                throttle_count += 1
            except HistoryNotSettledError as not_settled:
                kwargs = self._kwargs_of_submit_again(throttle_count, give_up_at)
                wait_for_history(operator, not_settled, kwargs, deferrable=operator.deferrable)

    def _kwargs_of_submit_again(self, throttle_count: int, give_up_at: float) -> dict[str, Any]:
        """Return what a deferral before the submit carries."""
        entry = self.submitter.get_carried_entry()
        return {"throttle_count": throttle_count, "give_up_at": give_up_at, "journal_entry": entry}

    def _deliver(self, job: JobSummary) -> dict[str, Any]:
        """Store the outputs if asked to, push the result, and mark the job as delivered."""
        operator = self.operator
        if operator.output_path is not None:
            stored = store_outputs(
                job,
                operator.output_path,
                operator.output_conn_id,
                self._read_settings(job),
                self.log,
                operator.max_output_bytes,
            )
            job = job.add_output_paths([file.path for file in stored])
            operator.stored_files = tuple(
                OutputFile(uri, file.size, file.content_type)
                for file in stored
                if (uri := to_lineage_uri(file.path)) is not None
            )
        operator.current_job = job
        result = job.to_xcom(operator.prompt_text)
        for key in OUTPUT_KEYS:
            if result[key]:
                self.task.push_xcom(key, result[key])
        self._report_lineage()
        self.submitter.mark_delivered(job.request_id, job.cost)
        return result

    def _read_settings(self, job: JobSummary) -> ClientSettings:
        """Return the connection's settings. They may be gone since the submit, and the job is paid for all the same."""
        try:
            return self.hook.settings
        except BadConnectionError as problem:
            text = describe_unstored_job(job, omit_nothing_was_sent(problem))
            raise BadConnectionError(text, **{**problem.facts, "request_id": job.request_id}) from None

    def _report_lineage(self) -> None:
        """Report the job's files to hook lineage, and its facts to the events of the task's outlets."""
        lineage = self.operator.describe_lineage()
        report_hook_lineage(self.hook, lineage, self.log)
        fill_outlet_events(self.task.outlet_events, self.operator.outlets, lineage, self.log)


def warn_of_late_retry(operator: BaseOperator, attempt: TaskAttempt) -> None:
    """Warn where the next retry of a task would come after the job's record is gone."""
    if attempt.try_number > attempt.max_tries:
        return
    delay_s = compute_next_retry_delay_s(operator, attempt.try_number)
    if (warning := make_late_retry_warning(delay_s)) is not None:
        operator.log.warning("%s", warning)


def add_earlier_job(problem: RunwayError, journal: Journal | None) -> RunwayError:
    """Return an error about inputs that also names the job of an earlier try, which is not lost."""
    try:
        entry = None if journal is None else journal.read()
    except Exception:  # a store that is down, or an entry that cannot be read, must not hide the problem itself
        return problem
    if entry is None or entry.request_id is None:
        return problem
    note = f"Job {entry.request_id} of an earlier try is not lost. {how_to_resume(entry.request_id, entry.sent_at)}"
    return type(problem)(f"{problem} {note}", **{**problem.facts, "request_id": entry.request_id})
