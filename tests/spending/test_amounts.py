"""How amounts are parsed, compared and written."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.spending.amounts import format_usd, is_over, parse_limit


@pytest.mark.parametrize(
    ("value", "limit"), [(None, None), (0, 0.0), (2, 2.0), (0.5, 0.5), ("2.50", 2.5), (" 7 ", 7.0), ("0", 0.0)]
)
def test_a_limit_is_a_number_or_its_text(value: Any, limit: float | None) -> None:
    assert parse_limit("cost_limit", value) == limit


@pytest.mark.parametrize("value", ["", "None", "-1", -0.01, "nan", "inf", True, "5 USD", "{{ params.limit }}", [5]])
def test_what_is_no_amount_is_never_taken_for_no_limit(value: Any) -> None:
    with pytest.raises(BadInputError, match=r"^cost_limit is .*; give an amount in USD .*Nothing was sent\.$"):
        parse_limit("cost_limit", value)


def test_the_rounding_of_floats_is_not_over_a_limit() -> None:
    assert not is_over(sum([0.1] * 3), 0.3)
    assert not is_over(sum([0.1] * 10_000), 1000)
    assert is_over(0.51, 0.5)


@pytest.mark.parametrize(
    ("amount", "text"), [(0.5, "USD 0.50"), (1, "USD 1.00"), (0.0125, "USD 0.0125"), (0, "USD 0.00")]
)
def test_an_amount_is_written_in_cents_and_finer_only_where_it_is_finer(amount: float, text: str) -> None:
    assert format_usd(amount) == text
