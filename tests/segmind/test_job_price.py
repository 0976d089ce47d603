"""Prices: every model has one with its source, they depend on the duration, and finished jobs can contradict them."""

from __future__ import annotations

import pytest

from airflow_provider_runway.segmind.job_price import describe_contradiction, make_price
from airflow_provider_runway.segmind.models import BUILT_IN_MODELS, Model

LISTED = make_price({5: 0.50, 10: 1.00}, "a page", "2026-08-19")
MEAN = make_price(1.125, "a directory", is_mean=True)


@pytest.mark.parametrize("model", BUILT_IN_MODELS.values(), ids=BUILT_IN_MODELS)
def test_each_built_in_model_has_a_price_with_source_and_date_for_all_that_it_takes(model: Model) -> None:
    assert model.price is not None
    assert model.price.source
    assert model.price.as_of.startswith("20")
    durations = [value for field in model.fields if field.argument == "duration" for value in field.allowed]
    assert all(model.price_usd({"duration": duration}) for duration in (*durations, None))


def test_the_price_of_a_job_follows_from_its_body(subtests: pytest.Subtests) -> None:
    for case, body, usd in (
        ("5 s", {"duration": 5}, 0.50),
        ("10 s as text", {"duration": "10"}, 1.00),
        ("10.0", {"duration": 10.0}, 1.00),
        ("no duration: the API makes 5 s", {}, 0.50),
        ("None is no duration", {"duration": None}, 0.50),
        ("a duration without a price", {"duration": 7}, None),
        ("no duration at all", {"duration": [5]}, None),
    ):
        with subtests.test(case):
            assert BUILT_IN_MODELS["runway-gen3-alphaturbo"].price_usd(body) == usd


def test_a_model_without_a_price_costs_what_nobody_knows() -> None:
    assert Model("veo-9", 30.0, ()).price_usd({"duration": 5}) is None


def test_where_the_duration_cannot_be_known_the_largest_amount_counts() -> None:
    assert Model("veo-9", 30.0, (), LISTED).price_usd({"duration": 5}) == 1.00


def test_a_finished_job_contradicts_a_price_that_is_not_what_it_cost(subtests: pytest.Subtests) -> None:
    for case, price, cost, expected, contradicts in (
        ("the listed price", LISTED, 0.50, 0.50, False),
        ("rounding", LISTED, 0.52, 0.50, False),
        ("dearer", LISTED, 0.55, 0.50, True),
        ("cheaper", LISTED, 0.25, 0.50, True),
        ("the price of another duration", LISTED, 1.00, 0.50, True),
        ("the duration is not known, and one of them costs this", LISTED, 1.00, None, False),
        ("no duration costs this", LISTED, 0.75, None, True),
        ("free credits may have paid", LISTED, 0.0, 0.50, False),
        ("no cost", LISTED, None, 0.50, False),
        ("one job is not the mean", MEAN, 1.5, 1.125, False),
        ("far from the mean", MEAN, 2.0, 1.125, True),
        ("not free", make_price(0), 0.01, 0.0, True),
        ("no price", None, 9.0, None, False),
    ):
        with subtests.test(case):
            assert (describe_contradiction("veo-9", price, cost, expected) is not None) is contradicts


def test_the_warning_names_both_amounts_the_source_and_how_to_correct_the_price() -> None:
    assert describe_contradiction("veo-9", LISTED, 0.6, 0.5) == (
        "A job of veo-9 has cost USD 0.60, and its price in the model registry is USD 0.50 (a page, 2026-08-19). "
        "Estimates and limits use that price: correct it in the file of your own models, which "
        '"[runway] catalogue" in airflow.cfg names: {"veo-9": {"price": {"usd": …}}}.'
    )


def test_a_price_is_written_for_people() -> None:
    assert [price.describe() for price in (LISTED, MEAN, make_price(0.1))] == [
        "USD 0.50 (5 s), 1.00 (10 s)",
        "USD 1.125 on average",
        "USD 0.10",
    ]
