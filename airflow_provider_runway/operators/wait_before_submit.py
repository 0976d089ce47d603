"""Waits before a submit: for the rate limit after a 429, or for a history that cannot tell yet what became of one."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

from airflow_provider_runway.compat import BaseOperator, make_timer_trigger
from airflow_provider_runway.exceptions import HistoryNotSettledError, ThrottledError
from airflow_provider_runway.segmind.retry import compute_resubmit_delay_s
from airflow_provider_runway.segmind.timing import get_timing


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
