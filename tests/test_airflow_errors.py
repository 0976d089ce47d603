"""Every error of the package ends a task for good, or may be retried."""

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
    BadConnectionError,
    BadInputError,
    NoUsableResponseError,
    RefusedError,
    StoppedBeforeSendingError,
    WaitTimeoutError,
    find_runway_error,
    list_error_classes,
)

#: The codes of the errors after which a retry may help. Every other error is final.
MAY_BE_RETRIED = {
    "error",
    "unanswered",
    "spend_not_known",
    "throttled",
    "history_not_settled",
    "unreachable",
    "job_failed",
    "wait_expired",
    "download_failed",
}


def test_every_error_becomes_one_of_airflows() -> None:
    for error in list_error_classes():
        airflow_error = to_airflow_error(error("because of this"))
        assert str(airflow_error) == "because of this"
        assert isinstance(airflow_error, AirflowException)
        assert isinstance(airflow_error, AirflowFailException) is (error.code not in MAY_BE_RETRIED)
        assert type(find_runway_error(airflow_error)) is error


def test_every_row_of_the_table_is_used() -> None:
    for error in MAY_RETRY_TASK:
        assert may_retry_task(error("because")) is MAY_RETRY_TASK[error]


def test_errors_that_are_not_in_the_table_are_treated_like_their_base(subtests: pytest.Subtests) -> None:
    for base in (StoppedBeforeSendingError, RefusedError, NoUsableResponseError):
        with subtests.test(base=base):
            assert len({may_retry_task(error("because")) for error in list_error_classes(base)}) == 1


class ErrorLog:
    """A log that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def error(self, message: str, *values: object) -> None:
        self.lines.append(message % values)


def test_an_error_is_raised_short_and_without_its_cause_after_its_sentences_are_logged() -> None:
    sentences = ["Job r-1: the deadline passed.", "The job goes on and is billed.", f"To resume it: {'x' * 300}."]
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


def test_a_bad_connection_is_final_before_a_submit_and_may_be_retried_while_a_job_exists() -> None:
    assert not may_retry_task(BadConnectionError("no key"))
    assert may_retry_task(BadConnectionError("no key", request_id="r-1"))


@pytest.mark.parametrize("error", [ValueError("a bug"), AirflowException("Airflow's own")], ids=repr)
def test_the_context_manager_leaves_other_errors_alone(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, raise_as_airflow_errors(ErrorLog()):
        raise error
    assert caught.value is error


def test_the_context_manager_lets_a_deferral_pass() -> None:
    with pytest.raises(KeyboardInterrupt), raise_as_airflow_errors(ErrorLog()):
        raise KeyboardInterrupt
