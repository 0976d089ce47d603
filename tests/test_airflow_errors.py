"""Every error of the tree has a verdict: may a retry of the task help?"""

from __future__ import annotations

import pytest

from airflow_provider_runway.airflow_errors import (
    MAY_RETRY_TASK,
    may_retry_task,
    raise_as_airflow_errors,
    to_airflow_error,
)
from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.exceptions import (
    BadInputError,
    NotSentError,
    NoUsableResponseError,
    RefusedError,
    RunwayError,
    WaitTimeoutError,
    list_error_classes,
)

#: The verdicts once more, said as a promise: these are worth a retry, every other error is final.
WORTH_A_RETRY = {
    "error",
    "unanswered",
    "throttled",
    "unreachable",
    "job_failed",
    "wait_expired",
    "download_failed",
}


@pytest.mark.parametrize("error", list_error_classes(), ids=lambda error: error.code)
def test_every_error_becomes_one_of_airflows(error: type[RunwayError]) -> None:
    verdict = to_airflow_error(error("because of this"))
    assert str(verdict) == "because of this"
    assert isinstance(verdict, AirflowFailException) is (error.code not in WORTH_A_RETRY)
    assert isinstance(verdict, AirflowException)


def test_every_row_of_the_table_decides_something() -> None:
    for kind in MAY_RETRY_TASK:
        assert may_retry_task(kind("because")) is MAY_RETRY_TASK[kind]


@pytest.mark.parametrize("branch", [NotSentError, RefusedError, NoUsableResponseError])
def test_a_branch_that_is_not_listed_leaf_by_leaf_has_one_verdict(branch: type[RunwayError]) -> None:
    verdicts = {may_retry_task(error("because")) for error in list_error_classes(branch)}
    assert len(verdicts) == 1


class ErrorLog:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def error(self, message: str, *values: object) -> None:
        self.lines.append(message % values)


def test_an_error_is_raised_short_and_without_its_cause_after_its_sentences_are_logged() -> None:
    sentences = ["Job r-1: the deadline passed.", "The job goes on and is billed.", f"To resume it: {'x' * 200}."]
    log = ErrorLog()
    with pytest.raises(AirflowException) as caught, raise_as_airflow_errors(log):
        raise WaitTimeoutError(" ".join(sentences))
    assert log.lines == sentences
    assert str(caught.value) == "Job r-1: the deadline passed. The job goes on and is billed."
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


def test_the_error_of_an_input_names_all_its_problems() -> None:
    problems = " ".join(f"The field number {number} is wrong." for number in range(20))
    with pytest.raises(AirflowFailException) as caught, raise_as_airflow_errors(ErrorLog()):
        raise BadInputError(problems)
    assert str(caught.value) == problems


@pytest.mark.parametrize("error", [ValueError("a bug"), AirflowException("Airflow's own")], ids=repr)
def test_the_edge_leaves_other_errors_alone(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, raise_as_airflow_errors(ErrorLog()):
        raise error
    assert caught.value is error


def test_the_edge_lets_a_deferral_pass() -> None:
    with pytest.raises(KeyboardInterrupt), raise_as_airflow_errors(ErrorLog()):
        raise KeyboardInterrupt
