"""Does the task's next retry come while the job's record is still there?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow_provider_runway.segmind.jobs import RECORD_LIFETIME_S


def retry_after_expiry_warning(task: Any, try_number: int, max_tries: int) -> str | None:
    """Return what to warn of where the next retry comes after the record's hour; None where it is in time.

    A job that is found late is found all the same, in the account's history, but that takes another host to
    answer, and knows less of the job.

    :param task: the operator, for its ``retry_delay``, ``retry_exponential_backoff`` and ``max_retry_delay``.
    """
    if try_number > max_tries:
        return None
    delay_s = next_retry_s(task, try_number)
    if delay_s < RECORD_LIFETIME_S:
        return None
    record = timedelta(seconds=round(RECORD_LIFETIME_S))
    return (
        f"A retry of this task would come after {timedelta(seconds=round(delay_s))}, and Segmind forgets a job's "
        f"record {record} after its submission (record_expires_at). It would not pay again, but depend on the "
        "account's history to find the job. A retry_delay of some minutes is safer."
    )


def next_retry_s(task: Any, try_number: int) -> float:
    """Return the least seconds until the retry that follows this try, as ``next_retry_datetime`` counts them.

    With a backoff Airflow adds up to as much again by chance, and caps it at a day (2.11.2 and 3.3.2).
    """
    delay_s = _seconds(task.retry_delay)
    factor = task.retry_exponential_backoff
    factor = 2.0 if factor is True else float(factor or 1.0)  # a bool in Airflow 2, a multiplier in 3
    if factor != 1.0:
        day_s = timedelta(days=1).total_seconds()
        delay_s = min(delay_s * factor ** min(try_number - 1, 20), day_s)
        if task.max_retry_delay is not None:
            delay_s = min(delay_s, _seconds(task.max_retry_delay))
    return delay_s


def _seconds(delay: timedelta | float) -> float:
    return delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
