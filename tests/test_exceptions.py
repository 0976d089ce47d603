"""The tree of errors: drawn as it is, each with a code of its own, and each sorted for Airflow."""

from __future__ import annotations

import json
import pickle
import re

import pytest

from airflow_provider_runway import exceptions
from airflow_provider_runway.exceptions import NoUsableResponseError, RunwayError, ThrottledError, list_error_classes

#: Codes travel in the events of deferred tasks, which outlive an upgrade: this list only ever grows.
CODES = {
    *("error", "not_sent", "bad_connection", "bad_input", "refused", "bad_request", "unauthorized", "forbidden"),
    *("not_found", "out_of_credits", "spend_limit", "retired", "unanswered", "throttled", "unreachable"),
    *("submission_unknown", "job_failed", "content_blocked", "record_expired", "output_lost", "wait_expired"),
    *("download_failed", "output_refused", "history_not_settled"),
}


def drawn() -> list[tuple[str, int]]:
    """The tree of the module's docstring: each name with its depth."""
    lines = (exceptions.__doc__ or "").splitlines()
    rows = [re.match(r"([│├└─\s]*)([A-Z]\w+)(\s{2,}|$)", line) for line in lines]
    return [(row[2], len(row[1]) // 4) for row in rows if row]


def test_the_tree_is_drawn_as_it_is() -> None:
    def walk(error: type[RunwayError], depth: int = 0) -> list[tuple[str, int]]:
        return [(error.__name__, depth), *(row for child in error.__subclasses__() for row in walk(child, depth + 1))]

    assert drawn() == walk(RunwayError)


def test_each_error_has_a_code_of_its_own_that_never_changes() -> None:
    codes = [error.code for error in list_error_classes()]
    assert len(set(codes)) == len(codes)
    assert set(codes) == CODES
    assert all("code" in vars(error) for error in list_error_classes())


def test_the_tree_stands_on_plain_exception() -> None:
    assert RunwayError.__bases__ == (Exception,)


@pytest.mark.parametrize("error", list_error_classes())
def test_an_error_holds_its_message_and_json_facts(error: type[RunwayError]) -> None:
    made = error("what happened", request_id="r-1")
    assert str(made) == "what happened"
    assert json.loads(json.dumps(made.facts))["request_id"] == "r-1"
    assert error.__doc__


@pytest.mark.parametrize("error", list_error_classes())
def test_an_error_survives_the_way_between_processes(error: type[RunwayError]) -> None:
    back = pickle.loads(pickle.dumps(error("what happened", request_id="r-1")))
    assert (type(back), str(back), back.facts["request_id"]) == (error, "what happened", "r-1")


def test_a_reset_is_a_fact_and_a_field() -> None:
    assert ThrottledError("x", reset_at=5.0).reset_at == ThrottledError("x", reset_at=5.0).facts["reset_at"] == 5.0
    assert ThrottledError("x").reset_at is None
    assert issubclass(ThrottledError, NoUsableResponseError)


def test_every_error_is_sorted_for_airflow() -> None:
    from airflow_provider_runway.airflow_errors import MAY_RETRY_TASK, may_retry_task, to_airflow_error
    from airflow_provider_runway.compat import AirflowFailException

    for error in list_error_classes():
        made = error("what happened")
        assert isinstance(to_airflow_error(made), AirflowFailException) is not may_retry_task(made)
        assert str(to_airflow_error(made)) == "what happened"
    assert set(MAY_RETRY_TASK) <= set(list_error_classes())
