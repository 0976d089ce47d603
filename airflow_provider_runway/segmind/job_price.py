"""What a job costs, by its duration, in USD: a price with its source, and whether a finished job contradicts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_runway.segmind.numbers_and_times import parse_number

#: A job's cost may differ from a listed price by this share of it, for rounding and currencies.
LISTED_TOLERANCE = 0.05
#: A single job may differ from the mean of many jobs by this share of it.
MEAN_TOLERANCE = 0.5


@dataclass(frozen=True, slots=True)
class Price:
    """What one job of a model costs.

    :param usd: the amount for a job of any duration; None where it depends on the duration.
    :param usd_by_duration: pairs of a duration, as the model's field takes it, and an amount.
    :param source: where the price is from. :param as_of: the date of the source, ``YYYY-MM-DD``; "" if not known.
    :param is_mean: it is the mean of many jobs, because no listed price is public. A job may cost more.
    """

    usd: float | None = None
    usd_by_duration: tuple[tuple[Any, float], ...] = ()
    source: str = ""
    as_of: str = ""
    is_mean: bool = False

    @property
    def amounts_usd(self) -> tuple[float, ...]:
        """Every amount that a job can cost."""
        return (self.usd,) if self.usd is not None else tuple(amount for _, amount in self.usd_by_duration)

    def get_usd(self, duration: Any) -> float | None:
        """Return the amount for a duration; None where the price says nothing about it.

        :param duration: as a number or its text. None: it is not known, so the largest amount is returned.
        """
        if self.usd is not None:
            return self.usd
        if duration is None:
            return max(self.amounts_usd)
        wanted = _to_comparable(duration)
        return next((usd for each, usd in self.usd_by_duration if _to_comparable(each) == wanted), None)

    def describe(self) -> str:
        """Return the price in words: "USD 0.50 (5), 1.00 (10)"."""
        if self.usd is not None:
            return f"USD {format_amount(self.usd)}{' on average' if self.is_mean else ''}"
        amounts = ", ".join(f"{format_amount(usd)} ({duration} s)" for duration, usd in self.usd_by_duration)
        return f"USD {amounts}"

    def is_contradicted_by(self, cost_usd: float, expected_usd: float | None) -> bool:
        """Does the cost of a finished job differ from this price by more than rounding?

        :param expected_usd: the amount for the job's duration; None where it is not known, so that any amount will do.
        """
        if cost_usd <= 0:  # free credits may have paid for it
            return False
        tolerance = MEAN_TOLERANCE if self.is_mean else LISTED_TOLERANCE
        amounts = self.amounts_usd if expected_usd is None else (expected_usd,)
        return all(abs(cost_usd - amount) > tolerance * amount for amount in amounts)


def format_amount(usd: float) -> str:
    """Return an amount with two decimals, and more only where it has parts of a cent."""
    cents = f"{usd:.2f}"
    return cents if abs(float(cents) - usd) < 1e-6 else f"{usd:.4f}".rstrip("0")


def _to_comparable(duration: Any) -> Any:
    """Return a duration as a number where it is one or its text, so that "5" is 5."""
    number = parse_number(duration)
    return duration if number is None else number


def describe_contradiction(
    slug: str, price: Price | None, cost_usd: float | None, expected_usd: float | None
) -> str | None:
    """Return a warning where a finished job's cost contradicts the price of its model; None where it does not."""
    if price is None or cost_usd is None or not price.is_contradicted_by(cost_usd, expected_usd):
        return None
    source = ", ".join(filter(None, [price.source, price.as_of]))
    known = price.describe() if expected_usd is None else f"USD {format_amount(expected_usd)}"
    return (
        f"A job of {slug} has cost USD {format_amount(cost_usd)}, and its price in the model registry is {known}"
        f"{f' ({source})' if source else ''}. Estimates and limits use that price: correct it in the file of your own "
        f'models, which "[runway] catalogue" in airflow.cfg names: {{"{slug}": {{"price": {{"usd": …}}}}}}.'
    )


def make_price(usd: float | Mapping[Any, float], source: str = "", as_of: str = "", *, is_mean: bool = False) -> Price:
    """Return a price from one amount, or from amounts by duration."""
    if isinstance(usd, Mapping):
        return Price(None, tuple(usd.items()), source, as_of, is_mean)
    return Price(usd, (), source, as_of, is_mean)
