"""``cost_limit``: what one logical task may spend on all its jobs, over all its tries and clears.

The journal keeps two amounts for a task: ``spent_usd`` of the jobs before the current one, and ``reserved_usd`` for the
current one. The reservation is written before the POST. It is replaced by the real cost when the job ends, and moves to
``spent_usd`` when another job is submitted, unless it is sure that the job is not billed. None means *not known*.
"""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_runway.exceptions import CostLimitError
from airflow_provider_runway.spending.amounts import format_usd, is_over
from airflow_provider_runway.spending.estimate import Estimate

HOW_TO_GIVE_A_PRICE = (
    'Give the model a price in the JSON file of your own models, which "[runway] catalogue" in airflow.cfg names, '
    "or leave the limit out."
)


def add_job_to_spent(spent_usd: float | None, reserved_usd: float | None, *, may_be_billed: bool) -> float | None:
    """Return what is spent once the current job is one of the earlier ones.

    :param may_be_billed: False where it is sure that no job came of its submit, or that the job failed.
    """
    if not may_be_billed:
        return spent_usd
    return None if spent_usd is None or reserved_usd is None else spent_usd + reserved_usd


def count_fitting(prices_usd: Iterable[float | None], left_usd: float) -> int:
    """Return how many jobs fit into an amount, in their order: all up to the first that does not.

    :param prices_usd: None: not known, so it does not fit.
    """
    count, total_usd = 0, 0.0
    for price_usd in prices_usd:
        if price_usd is None or is_over(total_usd + price_usd, left_usd):
            break
        count, total_usd = count + 1, total_usd + price_usd
    return count


def check_cost_limit(limit_usd: float | None, spent_usd: float | None, estimate: Estimate) -> None:
    """Check that the jobs of an estimate may be submitted under the task's limit.

    :param limit_usd: None: there is no limit. :param spent_usd: by earlier jobs of the task; None: not known.
    :raises CostLimitError: they may not; nothing was sent.
    """
    if limit_usd is None:
        return
    limit = f"cost_limit is {format_usd(limit_usd)}"
    if estimate.total_usd is None:
        models = ", ".join(estimate.models_without_price)
        raise CostLimitError(
            f"{limit}, and the price of {models} is not known, so nothing was sent. {HOW_TO_GIVE_A_PRICE}"
        )
    if spent_usd is None:
        raise CostLimitError(
            f"{limit}, and it is not known what earlier tries of this task have spent, so nothing was sent. "
            "A limit over retries and clears needs a journal that keeps the amounts: set [runway] journal_path in "
            "airflow.cfg (Airflow 3.3 has a journal of its own), and leave durable=True. To pay for one more job "
            "now, take cost_limit out and clear the task."
        )
    total_usd = spent_usd + estimate.total_usd
    if is_over(total_usd, limit_usd):
        spent = f" Jobs of this task have cost {format_usd(spent_usd)}, or may." if spent_usd else ""
        raise CostLimitError(
            f"{limit}, and this would make {format_usd(total_usd)}, so nothing was sent.{spent} "
            f"The estimate is {estimate.describe()}. To go on, raise cost_limit and clear the task."
        )
