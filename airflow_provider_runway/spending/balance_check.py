"""The check of the account's balance before the first job: whether it covers the estimate."""

from __future__ import annotations

from airflow_provider_runway.exceptions import BalanceTooLowError
from airflow_provider_runway.segmind.jobs import Credits
from airflow_provider_runway.spending.amounts import format_usd, is_over
from airflow_provider_runway.spending.estimate import Estimate


def find_balance_usd(balance: Credits) -> float | None:
    """Return what the account can spend at most; None where the API has no balance of it.

    Whether free credits pay for these models is not known. They count, so that nothing is refused wrongly.
    """
    return balance.credits + max(balance.free_credits, 0.0) if balance.is_known else None


def check_balance(balance_usd: float | None, estimate: Estimate, left_usd: float | None = None) -> None:
    """Check that the balance covers the estimate, as far as both are known.

    :param left_usd: what is left of a limit, so that no more than this is submitted.
    :raises BalanceTooLowError: it does not; nothing was sent.
    """
    total_usd = estimate.total_usd
    if total_usd is not None and left_usd is not None:
        total_usd = min(total_usd, left_usd)
    if balance_usd is None or total_usd is None or not is_over(total_usd, balance_usd):
        return
    raise BalanceTooLowError(
        f"The account's balance is {format_usd(balance_usd)}, and the estimate is {estimate.describe()}, so nothing "
        "was sent. Add credits in Segmind's console, then clear the task."
    )
