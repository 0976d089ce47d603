"""``daily_cost_limit``: what an account has spent today, by its history, and whether more jobs may be submitted.

A day is a UTC day by the API's clock. A row that may be of today counts as of today. A job without a cost yet counts
with its price. Where a row says neither, today's spend is not known, and then nothing is submitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from airflow_provider_runway.exceptions import DailyCostLimitError, SpendNotKnownError
from airflow_provider_runway.history.rows import HistoryRow
from airflow_provider_runway.history.search import HistorySearch
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.spending.amounts import format_usd, is_over
from airflow_provider_runway.spending.estimate import Estimate, PricedJob
from airflow_provider_runway.spending.task_cost_limit import HOW_TO_GIVE_A_PRICE

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class DailySpend:
    """What the account has spent today.

    :param booked_usd: of rows with a cost. :param pending_usd: of jobs without a cost yet, by their prices.
    :param unknown_reason: why it is not all that was spent; empty where it is.
    """

    booked_usd: float = 0.0
    pending_usd: float = 0.0
    unknown_reason: str = ""

    @property
    def total_usd(self) -> float:
        """Both together."""
        return self.booked_usd + self.pending_usd


def find_day_start(now: float) -> float:
    """Return the beginning of the UTC day of a time, both in epoch seconds."""
    return now - now % DAY_S


def sum_day(search: HistorySearch, now: float, running: Mapping[str, float] | None = None) -> DailySpend:
    """Return today's spend by a search of the history that reaches back to the beginning of the day.

    :param now: epoch seconds by our clock.
    :param running: jobs that this task or its mapped siblings have submitted today: request id -> price in USD. Those
        that the history does not show yet count with it.
    """
    if not search.is_whole:
        return DailySpend(unknown_reason="not all of its rows can be read")
    if search.unreadable_count:
        return DailySpend(unknown_reason=f"{search.unreadable_count} of its rows cannot be read")
    day_start = find_day_start(now + (search.clock_offset_s or 0.0))
    spend = DailySpend()
    for row in search.rows:
        if row.created_between is None or row.created_between[1] >= day_start:
            spend = _add_row(spend, row)
    shown = {row.request_id for row in search.rows}
    unseen_usd = sum(price_usd for request_id, price_usd in (running or {}).items() if request_id not in shown)
    return replace(spend, pending_usd=spend.pending_usd + unseen_usd)


def check_daily_limit(limit_usd: float, spend: DailySpend, estimate: Estimate) -> None:
    """Check that the jobs of an estimate may be submitted under the account's limit of the day.

    :raises DailyCostLimitError: they may not. :raises SpendNotKnownError: the history does not tell today's spend.
    """
    limit = f"The connection's daily_cost_limit is {format_usd(limit_usd)}"
    if estimate.total_usd is None:
        models = ", ".join(estimate.models_without_price)
        raise DailyCostLimitError(
            f"{limit}, and the price of {models} is not known, so nothing was sent. {HOW_TO_GIVE_A_PRICE}"
        )
    total_usd = spend.total_usd + estimate.total_usd
    if is_over(total_usd, limit_usd):
        raise DailyCostLimitError(
            f"{limit}. Today (UTC) the account has spent {format_usd(spend.booked_usd)}, jobs for "
            f"{format_usd(spend.pending_usd)} are under way, and the estimate is {estimate.describe()}. That makes "
            f"{format_usd(total_usd)}, so nothing was sent. Clear the task after 00:00 UTC, or raise the limit."
        )
    if spend.unknown_reason:
        raise make_spend_not_known_error(limit_usd, spend.unknown_reason)


def make_spend_not_known_error(limit_usd: float, why: str) -> SpendNotKnownError:
    """Return the error of a limit that cannot be checked, because the history does not tell today's spend."""
    return SpendNotKnownError(
        f"The connection's daily_cost_limit is {format_usd(limit_usd)}, and the account's history does not tell what "
        f"was spent today: {why.rstrip('.')}. So nothing was sent. The next try asks again. To submit without this "
        "check, take daily_cost_limit out of the connection."
    )


def _add_row(spend: DailySpend, row: HistoryRow) -> DailySpend:
    """Return the spend with one more row of today."""
    has_cost = row.cost is not None and (row.cost > 0 or (row.cost == 0 and row.state is JobState.COMPLETED))
    if has_cost:
        return replace(spend, booked_usd=spend.booked_usd + (row.cost or 0.0))
    if row.state is JobState.FAILED:  # failed jobs are not billed
        return spend
    price_usd = None if row.model is None or row.body is None else PricedJob.from_body(row.model, row.body).price_usd
    if price_usd is None:
        name = row.request_id or "one without a request id"
        return replace(spend, unknown_reason=f"a row has neither a cost nor a known price ({name})")
    return replace(spend, pending_usd=spend.pending_usd + price_usd)
