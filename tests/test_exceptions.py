"""The error classes: drawn in the docstring as they are, and each with a code of its own that never changes."""

from __future__ import annotations

import json
import pickle
import re

import pytest

from airflow_provider_runway import exceptions
from airflow_provider_runway.airflow_errors import attach_error
from airflow_provider_runway.compat import AirflowException
from airflow_provider_runway.exceptions import (
    JobFailedError,
    NoUsableResponseError,
    RunwayError,
    ThrottledError,
    find_runway_error,
    list_error_classes,
)

#: Codes travel in the events of deferred tasks, which outlive an upgrade: this list only ever grows.
CODES = {
    *("error", "not_sent", "bad_connection", "bad_input", "refused", "bad_request", "unauthorized", "forbidden"),
    *("not_found", "out_of_credits", "spend_limit", "retired", "unanswered", "throttled", "unreachable"),
    *("submission_unknown", "job_failed", "content_blocked", "record_expired", "output_lost", "wait_expired"),
    *("download_failed", "output_refused", "history_not_settled"),
    *("cost_limit", "daily_cost_limit", "balance_too_low", "spend_not_known"),
}


def parse_drawing() -> list[tuple[str, int]]:
    """Return each name of the tree in the module's docstring, with its depth."""
    lines = (exceptions.__doc__ or "").splitlines()
    rows = [re.match(r"([│├└─\s]*)([A-Z]\w+)(\s{2,}|$)", line) for line in lines]
    return [(row[2], len(row[1]) // 4 - 1) for row in rows if row and len(row[1]) >= 4]


def test_the_tree_is_drawn_as_it_is() -> None:
    def walk(error: type[RunwayError], depth: int = 0) -> list[tuple[str, int]]:
        return [(error.__name__, depth), *(row for child in error.__subclasses__() for row in walk(child, depth + 1))]

    assert parse_drawing() == walk(RunwayError)


def test_each_error_has_a_code_of_its_own_that_never_changes() -> None:
    codes = [error.code for error in list_error_classes()]
    assert len(set(codes)) == len(codes)
    assert set(codes) == CODES
    assert all("code" in vars(error) for error in list_error_classes())


def test_the_base_class_is_a_plain_exception() -> None:
    assert RunwayError.__bases__ == (Exception,)


def test_an_error_keeps_its_message_and_facts_between_processes() -> None:
    for error in list_error_classes():
        back = pickle.loads(pickle.dumps(error("what happened", request_id="r-1")))
        assert (type(back), str(back)) == (error, "what happened")
        assert json.loads(json.dumps(back.facts))["request_id"] == "r-1"
        assert error.__doc__


def test_a_throttled_error_knows_its_reset() -> None:
    assert ThrottledError("x", reset_at=5.0).reset_at == ThrottledError("x", reset_at=5.0).facts["reset_at"] == 5.0
    assert ThrottledError("x").reset_at is None
    assert issubclass(ThrottledError, NoUsableResponseError)


FAILED = JobFailedError("it failed", request_id="r-1")


def test_callbacks_find_the_error_behind_the_exception_of_a_task(subtests: pytest.Subtests) -> None:
    for case, exception, error in (
        ("an error of this package is its own", FAILED, FAILED),
        ("behind an exception of Airflow", attach_error(AirflowException("short"), FAILED), FAILED),
        ("an exception of somebody else", AirflowException("another"), None),
        ("a task that did not fail", None, None),
    ):
        with subtests.test(case):
            assert find_runway_error(exception) is error
