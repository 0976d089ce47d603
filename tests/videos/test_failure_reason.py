"""Why a try failed, by its log."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_runway.videos.failure_reason import find_reason

ERROR = {"event": "Task failed with exception", "level": "error"}
DETAIL = {"error_detail": [{"exc_type": "AirflowFailException", "exc_value": "Job 1 failed."}]}


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        pytest.param(
            [{"event": "a", "level": "error"}, ERROR | DETAIL, {"event": "b"}], "Job 1 failed.", id="exception"
        ),
        pytest.param(
            [{"event": "first", "level": "error"}, {"event": "last", "level": "error"}], "last", id="last error"
        ),
        pytest.param([{"event": "fine", "level": "info"}], None, id="no error"),
        pytest.param(
            [ERROR | {"error_detail": [{"exc_type": "KeyError", "exc_value": ""}]}], "KeyError", id="no message"
        ),
        pytest.param([ERROR | {"error_detail": "x"}], "Task failed with exception", id="another form"),
        pytest.param(["text", 7, None], None, id="no entries"),
        pytest.param("plain text", None, id="plain text"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_the_reason_is_the_error_that_ended_the_try(entries: Any, reason: str | None) -> None:
    assert find_reason(entries) == reason
