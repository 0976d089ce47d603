"""What can delay a submit: the rate limit, a history that cannot tell yet, a late retry, or inputs that are gone."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

from airflow_provider_runway.compat import BaseOperator, compute_next_retry_delay_s, make_timer_trigger
from airflow_provider_runway.exceptions import HistoryNotSettledError, RunwayError, ThrottledError
from airflow_provider_runway.segmind.billing_notices import how_to_resume, retry_after_expiry_warning
from airflow_provider_runway.segmind.retry import compute_resubmit_delay_s
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.submission.journal import Journal
from airflow_provider_runway.submission.task_attempt import TaskAttempt


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


def warn_of_late_retry(operator: BaseOperator, attempt: TaskAttempt) -> None:
    """Warn where the next retry of a task would come after the job's record is gone."""
    if attempt.try_number > attempt.max_tries:
        return
    delay_s = compute_next_retry_delay_s(operator, attempt.try_number)
    if (warning := retry_after_expiry_warning(delay_s)) is not None:
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
