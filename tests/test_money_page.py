"""The page about money says what the decision table does: each of its rows is put to the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_runway.submission.decision import (
    TABLE,
    Action,
    Attempt,
    DecisionInput,
    HistoryLookup,
    Inputs,
    JournalState,
    RemoteState,
    decide,
)
from airflow_provider_runway.submission.reconcile import SETTLED_S

PAGE = (Path(__file__).parents[1] / "docs" / "money.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and line.count("|") == 5 and not line.startswith(("| ---", "| fault"))
]


def situation(text: str) -> DecisionInput:
    """Return what a row's second cell means."""
    note, attempt, inputs, fate, trace = (raw_status.strip() for raw_status in text.split(","))
    return DecisionInput(
        JournalState(note),
        Attempt(attempt),
        Inputs(inputs),
        RemoteState.NOT_ASKED if fate == "-" else RemoteState(fate),
        HistoryLookup.NOT_ASKED if trace == "-" else HistoryLookup(trace),
    )


@pytest.mark.parametrize(("fault", "asked", "does", "billed"), [pytest.param(*row, id=row[0][:60]) for row in ROWS])
def test_the_page_says_what_the_table_does(fault: str, asked: str, does: str, billed: str) -> None:
    assert decide(situation(asked)).action.value == does
    assert billed


def test_the_page_shows_every_row_that_acts() -> None:
    safe_repr = {id(decide(situation(row[1]))) for row in ROWS}
    questions = {Action.POLL_JOB, Action.ASK_HISTORY}
    hidden = [row for row in TABLE if row.action not in questions and id(row) not in safe_repr]
    assert hidden == []


def test_the_page_names_the_time_after_which_a_missing_row_counts() -> None:
    assert f"{SETTLED_S:.0f} s after the submission" in PAGE
