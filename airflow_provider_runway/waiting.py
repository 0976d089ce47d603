"""How operators and sensors wait for a job: defer, resume, check the event, poll one last time, push the result."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.compat import compute_next_retry_delay_s, make_timer_trigger
from airflow_provider_runway.exceptions import (
    BadInputError,
    HistoryNotSettledError,
    NoUsableResponseError,
    RunwayError,
    ThrottledError,
    WaitTimeoutError,
)
from airflow_provider_runway.segmind.http import safe_path_segment
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.model_fields import check_rendered
from airflow_provider_runway.segmind.retry import compute_resubmit_delay_s
from airflow_provider_runway.segmind.timestamps import parse_timestamp
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.segmind.user_messages import how_to_resume, job_still_running, retry_after_expiry_warning
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.submission.journal import Journal
from airflow_provider_runway.submission.task_attempt import TaskAttempt
from airflow_provider_runway.triggers.runway import RunwayJobTrigger

if TYPE_CHECKING:
    from airflow_provider_runway.compat import BaseOperator
    from airflow_provider_runway.hooks.runway import RunwayHook
    from airflow_provider_runway.task_context import TaskContext
    from airflow_provider_runway.transports.client_settings import Log

#: Airflow's name, on both majors, for the resumption of a task whose trigger failed or timed out.
TRIGGER_FAILED = "__fail__"
#: How long after the deadline Airflow itself ends a deferral. Only a dead triggerer lets it come to that; the
#: worker then polls one last time.
TRIGGER_GRACE_S = 300.0
#: A trigger that cannot be loaded fails at once, every time; so the number of new deferrals is limited.
MAX_TRIGGER_FAILURES = 3

_JOB_KEY = "runway_job"
_FAILURES_KEY = "runway_lost_triggers"


def defer_until_done(
    operator: BaseOperator, runway_conn_id: str, job: JobSummary, deadline: float, kwargs: dict[str, Any] | None = None
) -> None:
    """Defer a task to the trigger of its job. It ends the execution here; ``execute_complete`` resumes it.

    :param deadline: epoch seconds. :param kwargs: further arguments of ``execute_complete``.
    """
    left_s = max(deadline - time.time(), 0.0)
    operator.log.info(
        "Job %s: waiting in the triggerer, without a worker slot, for at most %.0f s.", job.request_id, left_s
    )
    operator.defer(
        trigger=RunwayJobTrigger(
            request_id=job.request_id,
            runway_conn_id=runway_conn_id,
            model=job.model,
            submitted_at=job.submitted_at,
            deadline=deadline,
        ),
        method_name="execute_complete",
        kwargs=kwargs,
        timeout=timedelta(seconds=left_s + TRIGGER_GRACE_S),
    )


def wait_for_history(
    operator: BaseOperator, not_settled: HistoryNotSettledError, kwargs: dict[str, Any], *, deferrable: bool
) -> None:
    """Wait until the history is to be asked again: in the triggerer, or here where it is not deferrable.

    :param kwargs: arguments of ``submit_again``, which goes on after the deferral.
    """
    pause_s = max(not_settled.retry_at - time.time(), 0.0)
    where = "without a worker slot" if deferrable else "in the worker"
    operator.log.info("%s Asking again in %.0f s, %s.", not_settled, pause_s, where)
    if deferrable:
        _defer_to_time(operator, not_settled.retry_at, kwargs)
    time.sleep(pause_s)


def _defer_to_time(operator: BaseOperator, due_at: float, kwargs: dict[str, Any]) -> None:
    """Defer to Airflow's own timer; ``submit_again`` goes on at that time (epoch seconds)."""
    due = datetime.fromtimestamp(due_at, UTC)
    operator.defer(trigger=make_timer_trigger(due), method_name="submit_again", kwargs=kwargs)


def wait_for_rate_limit(
    operator: BaseOperator,
    throttled: ThrottledError,
    throttle_count: int,
    give_up_at: float,
    kwargs: dict[str, Any],
    *,
    deferrable: bool,
) -> None:
    """Wait until a submit that got a 429 may be sent again: in the triggerer, or here where it is not deferrable.

    :param throttle_count: how many 429s came before. :param give_up_at: epoch seconds; the same for all of them.
    :param kwargs: arguments of ``submit_again``, which goes on after the deferral.
    :raises ThrottledError: the submit could only be sent after ``give_up_at``.
    """
    now = time.time()
    pause_s = compute_resubmit_delay_s(throttled, throttle_count, now, random.random())
    if now + pause_s > give_up_at:
        raise ThrottledError(
            "The account's rate limit (HTTP 429) refused every submit of this task, and its timeout is over. Nothing "
            "was submitted, so nothing is billed. A retry tries again. Raise the timeout, or use a pool, so that fewer "
            "tasks submit at the same time.",
            reset_at=throttled.reset_at,
        )
    if deferrable:
        pause_s = max(pause_s, get_timing().min_wait_s)  # an earlier event could make the scheduler fail the task
    where = "without a worker slot" if deferrable else "in the worker"
    operator.log.info(
        "The account's rate limit is used up (HTTP 429); nothing was submitted. Trying again in %.0f s, %s.",
        pause_s,
        where,
    )
    if deferrable:
        _defer_to_time(operator, now + pause_s, kwargs)
    time.sleep(pause_s)


def read_event(event: Any, task_id: str, job: JobSummary | None) -> WaitOutcome:
    """Return the outcome that a trigger's event reports.

    :param job: the job that the task waits for; None where the event alone says so.
    :raises BadInputError: it is not an event of a RunwayJobTrigger.
    :raises WaitTimeoutError: it is the event of another job.
    """
    try:
        outcome = WaitOutcome.from_event(event)
    except ValueError as problem:
        raise BadInputError(f"Task {task_id!r}: {problem}") from None
    if job is not None and outcome.job.request_id != job.request_id:
        raise WaitTimeoutError(
            f"A stale event is ignored: it is of job {outcome.job.request_id}, but this task waits for "
            f"{job.request_id}. {job_still_running(job.request_id, job.submitted_at, 'it was not polled')}"
        )
    return outcome


def poll_last_time(hook: RunwayHook, job: JobSummary, log: Log) -> WaitOutcome | None:
    """Poll a job once more; return its outcome, or None while it is running or does not respond.

    :raises RunwayError: the API refused the poll.
    """
    from airflow_provider_runway.polling.poll import poll_once

    transport = hook.get_conn()
    try:
        polled = transport.run(poll_once(transport.settings.base_urls, job, hook.policy), log)
    except NoUsableResponseError as problem:
        log.warning("Job %s: %s", job.request_id, problem)
        return None
    return polled if isinstance(polled, WaitOutcome) else None


def push_job(task: TaskContext, job: JobSummary, deadline: float) -> None:
    """Push what a wait needs again after a trigger failure, which loses the arguments of the deferral."""
    facts = {name: value for name, value in job.to_json().items() if name in ("model", "seed", "submitted_at")}
    task.push_xcom(_JOB_KEY, {"request_id": job.request_id, **facts, "deadline": deadline})


def pull_job(task: TaskContext) -> tuple[JobSummary, float] | None:
    """Return the job and the deadline that :func:`push_job` pushed in this try, or None."""
    pushed = task.pull_xcom(_JOB_KEY)
    if not isinstance(pushed, Mapping):
        return None
    job = JobSummary(
        pushed["request_id"],
        model=pushed["model"],
        seed=pushed["seed"],
        submitted_at=parse_timestamp(pushed["submitted_at"]),
    )
    return job, float(pushed["deadline"])


def count_trigger_failure(task: TaskContext) -> int:
    """Count one more trigger failure of this try, and return how many there were."""
    count = int(task.pull_xcom(_FAILURES_KEY) or 0) + 1
    task.push_xcom(_FAILURES_KEY, count)
    return count


def log_trigger_failure(log: Log, job: JobSummary, next_kwargs: Mapping[str, Any] | None) -> None:
    """Log Airflow's reason for a trigger failure."""
    reason = (next_kwargs or {}).get("error", "no reason given")
    log.warning("Job %s: the trigger returned no event (%s); polling once more.", job.request_id, reason)


def log_kill(log: Log, job: JobSummary) -> None:
    """Log that the job goes on although its task was ended: the API has no cancel."""
    why = "the task was ended, and the API has no cancel"
    log.warning("%s", job_still_running(job.request_id, job.submitted_at, why))


def warn_of_late_retry(operator: BaseOperator, attempt: TaskAttempt) -> None:
    """Warn where the next retry of a task would come after the job's record is gone."""
    if attempt.try_number > attempt.max_tries:
        return
    delay_s = compute_next_retry_delay_s(operator, attempt.try_number)
    if (warning := retry_after_expiry_warning(delay_s)) is not None:
        operator.log.warning("%s", warning)


def add_earlier_job(problem: RunwayError, journal: Journal | None) -> RunwayError:
    """Return an error about inputs that also names the job of an earlier try, which is not lost."""
    entry = None if journal is None else journal.read()
    if entry is None or entry.request_id is None:
        return problem
    note = f"Job {entry.request_id} of an earlier try is not lost. {how_to_resume(entry.request_id, entry.sent_at)}"
    return type(problem)(f"{problem} {note}", **{**problem.facts, "request_id": entry.request_id})


def read_job(value: Any, model: str | None = None) -> JobSummary:
    """Return the job that ``request_id`` names: an id, or the whole result of the task that submitted it.

    :param model: the author's own; it wins over that of the result.
    :raises BadInputError: it is neither.
    """
    result: Mapping[str, Any] = value if isinstance(value, Mapping) else {"request_id": value}
    request_id, seed = result.get("request_id"), result.get("seed")
    check_rendered("request_id", request_id)
    if isinstance(request_id, str) and request_id.lstrip().startswith("{"):
        raise BadInputError(
            "request_id is the text of a dict, as a template renders it. Hand on the result itself, such as "
            "request_id=submit.output, or its id, such as request_id=submit.output['request_id']."
        )
    return JobSummary(
        safe_path_segment("request_id", request_id),
        model=model or result.get("model"),
        seed=seed if isinstance(seed, int) else None,
        submitted_at=parse_timestamp(result.get("submitted_at")),
    )
