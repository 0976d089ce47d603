"""The sentences about money name the job, what is billed, until when it can be had, and how to go on."""

from __future__ import annotations

import pytest

from airflow_provider_runway.segmind import billing_advice
from airflow_provider_runway.segmind.billing_advice import (
    describe_output_location,
    describe_running_job,
    how_to_resume,
)

SUBMITTED_AT = 1_800_000_000.0


def test_a_job_that_goes_on_is_named_with_its_bill_and_the_way_to_resume(subtests: pytest.Subtests) -> None:
    for submitted_at, until in (
        (SUBMITTED_AT, "until 2027-01-15T09:00:00+00:00"),
        (None, "for an hour from its submission"),
    ):
        with subtests.test(submitted_at=submitted_at, until=until):
            text = describe_running_job("r-1", submitted_at, "the task was stopped.")
            assert how_to_resume("r-1", submitted_at) in text
            for words in (
                "r-1",
                "billed",
                until,
                'RunwayJobSensor(request_id="r-1")',
                "the task was stopped. The job goes on",
            ):
                assert words in text


def test_the_place_of_an_output_is_said_without_a_password() -> None:
    text = describe_output_location("https://me:secret@images.segmind.com/a@b.mp4?c=@", submitted_at=0.0)
    assert text == "The output is at https://images.segmind.com/a@b.mp4?c=@ until 1970-01-08T00:00:00+00:00."
    assert describe_output_location("https://h/a", submitted_at=None) == "The output is at https://h/a for 7 days."


def test_a_submit_in_doubt_names_the_cost_and_both_ways_to_go_on() -> None:
    text = billing_advice.describe_possible_job("runway-gen3-alphaturbo", "f00d", SUBMITTED_AT, "it is down")
    for words in (
        "runway-gen3-alphaturbo",
        "2027-01-15T08:00:00+00:00",
        "f00d",
        "USD",
        "request_id=",
        "it is down",
    ):
        assert words in text
