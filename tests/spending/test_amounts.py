"""How amounts are parsed, compared and written."""

from __future__ import annotations

import pytest

from airflow_provider_runway.exceptions import BadInputError
from airflow_provider_runway.spending.amounts import format_usd, is_over, parse_limit


def test_a_limit_is_a_number_or_its_text(subtests: pytest.Subtests) -> None:
    for value, limit in ((None, None), (0, 0.0), (2, 2.0), (0.5, 0.5), ("2.50", 2.5), (" 7 ", 7.0), ("0", 0.0)):
        with subtests.test(value=value, limit=limit):
            assert parse_limit("cost_limit", value) == limit


def test_what_is_no_amount_is_never_taken_for_no_limit(subtests: pytest.Subtests) -> None:
    for value in ("", "None", "-1", -0.01, "nan", "inf", True, "5 USD", "{{ params.limit }}", [5]):
        with (
            subtests.test(value=value),
            pytest.raises(BadInputError, match=r"^cost_limit is .*; give an amount in USD .*Nothing was sent\.$"),
        ):
            parse_limit("cost_limit", value)


def test_the_rounding_of_floats_is_not_over_a_limit() -> None:
    assert not is_over(sum([0.1] * 3), 0.3)
    assert not is_over(sum([0.1] * 10_000), 1000)
    assert is_over(0.51, 0.5)


def test_an_amount_is_written_in_cents_and_finer_only_where_it_is_finer(subtests: pytest.Subtests) -> None:
    for amount, text in ((0.5, "USD 0.50"), (1, "USD 1.00"), (0.0125, "USD 0.0125"), (0, "USD 0.00")):
        with subtests.test(amount=amount, text=text):
            assert format_usd(amount) == text
