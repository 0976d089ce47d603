"""The estimate of some jobs: its sum, its line in the log, and its XCom."""

from __future__ import annotations

import json

import pytest

from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from airflow_provider_runway.spending.estimate import Estimate, PricedJob

FIVE = PricedJob(DEFAULT_MODEL, 0.5)
TEN = PricedJob(DEFAULT_MODEL, 1.0)
UNKNOWN = PricedJob("my-own-model", None)


def test_an_estimate_is_jobs_times_prices(subtests: pytest.Subtests) -> None:
    for case, jobs, total, line in (
        ("nothing", [], 0.0, "0 jobs = USD 0.00"),
        ("one job", [FIVE], 0.5, f"1 job x USD 0.50 ({DEFAULT_MODEL}) = USD 0.50"),
        (
            "two prices",
            [FIVE, TEN, FIVE],
            2.0,
            f"2 jobs x USD 0.50 ({DEFAULT_MODEL}) + 1 job x USD 1.00 ({DEFAULT_MODEL}) = USD 2.00",
        ),
        (
            "one without a price makes the sum unknown",
            [FIVE, UNKNOWN],
            None,
            f"1 job x USD 0.50 ({DEFAULT_MODEL}) + 1 job x no known price (my-own-model) = not known",
        ),
    ):
        with subtests.test(case):
            estimate = Estimate.of(jobs)
            assert estimate.total_usd == total
            assert estimate.describe() == line


def test_the_price_follows_the_body() -> None:
    assert PricedJob.from_body(DEFAULT_MODEL, {"duration": 5}).price_usd == 0.5
    assert PricedJob.from_body(DEFAULT_MODEL, {"duration": 10}).price_usd == 1.0
    assert PricedJob.from_body("my-own-model", {"duration": 5}).price_usd is None


def test_the_xcom_says_whether_the_estimate_fits_the_limit(subtests: pytest.Subtests) -> None:
    for jobs, limit, fits in (
        ([FIVE, TEN], 1.5, True),
        ([FIVE, TEN], 1.49, False),
        ([FIVE, TEN], None, None),
        ([FIVE, UNKNOWN], 1.5, None),
        ([], 0.0, True),
    ):
        with subtests.test(jobs=jobs, limit=limit, fits=fits):
            assert Estimate.of(jobs).to_xcom(limit)["fits_cost_limit"] is fits


def test_the_xcom_is_small_for_any_number_of_jobs() -> None:
    value = Estimate.of([FIVE] * 5000 + [TEN, UNKNOWN]).to_xcom(20.0)
    assert value == {
        "job_count": 5002,
        "estimated_cost": None,
        "currency": "USD",
        "models": {
            DEFAULT_MODEL: {"job_count": 5001, "estimated_cost": 2501.0},
            "my-own-model": {"job_count": 1, "estimated_cost": None},
        },
        "cost_limit": 20.0,
        "fits_cost_limit": None,
    }
    assert len(json.dumps(value)) < 400
