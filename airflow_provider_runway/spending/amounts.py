"""Amounts in USD: how they are parsed, compared and written."""

from __future__ import annotations

from typing import Any

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.segmind.job_price import format_amount
from airflow_provider_runway.segmind.model_fields import safe_repr
from airflow_provider_runway.segmind.numbers_and_times import parse_number

#: Sums of floats differ from the exact sum by far less than this, and no price is so small.
ROUNDING_USD = 1e-6


def parse_limit(name: str, value: Any) -> float | None:
    """Return a limit in USD from a number or its text; None where no limit is set.

    :param name: the argument that the limit is in, for the error.
    :raises BadInputError: it is anything else. Such a limit is never taken for "no limit".
    """
    if value is None:
        return None
    amount = parse_number(value)
    if amount is None or amount < 0:
        raise BadInputError(
            f"{name} is {safe_repr(value)}; give an amount in USD such as 5 or 2.50, or None for no limit. "
            "Nothing was sent."
        )
    return amount


def is_over(amount_usd: float, limit_usd: float) -> bool:
    """Is an amount larger than a limit, by more than the rounding of floats?"""
    return amount_usd > limit_usd + ROUNDING_USD


def format_usd(amount_usd: float) -> str:
    """Return an amount as messages have it."""
    return f"USD {format_amount(amount_usd)}"
