"""Why a try failed, by its log."""

from __future__ import annotations

import pytest

from airflow_provider_runway.videos.airflow_api import find_reason

ERROR = {"event": "Task failed with exception", "level": "error"}
DETAIL = {"error_detail": [{"exc_type": "AirflowFailException", "exc_value": "Job 1 failed."}]}


def test_the_reason_is_the_error_that_ended_the_try(subtests: pytest.Subtests) -> None:
    for case, entries, reason in (
        ("exception", [{"event": "a", "level": "error"}, ERROR | DETAIL, {"event": "b"}], "Job 1 failed."),
        ("last error", [{"event": "first", "level": "error"}, {"event": "last", "level": "error"}], "last"),
        ("no error", [{"event": "fine", "level": "info"}], None),
        ("no message", [ERROR | {"error_detail": [{"exc_type": "KeyError", "exc_value": ""}]}], "KeyError"),
        ("another form", [ERROR | {"error_detail": "x"}], "Task failed with exception"),
        ("no entries", ["text", 7, None], None),
        ("plain text", "plain text", None),
        ("nothing", None, None),
    ):
        with subtests.test(case):
            assert find_reason(entries) == reason
