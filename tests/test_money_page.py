"""The page about money says what the decision table does: each of its rows is put to the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_runway.submission.decision import (
    TABLE,
    Attempt,
    Fate,
    Inputs,
    Note,
    Situation,
    Step,
    Trace,
    decide,
)
from airflow_provider_runway.submission.reconcile import SETTLED_S

PAGE = (Path(__file__).parents[1] / "docs" / "money.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and line.count("|") == 5 and not line.startswith(("| ---", "| fault"))
]


def situation(text: str) -> Situation:
    """Return what a row's second cell means."""
    note, attempt, inputs, fate, trace = (word.strip() for word in text.split(","))
    return Situation(
        Note(note),
        Attempt(attempt),
        Inputs(inputs),
        Fate.NOT_ASKED if fate == "-" else Fate(fate),
        Trace.NOT_ASKED if trace == "-" else Trace(trace),
    )


@pytest.mark.parametrize(("fault", "asked", "does", "billed"), [pytest.param(*row, id=row[0][:60]) for row in ROWS])
def test_the_page_says_what_the_table_does(fault: str, asked: str, does: str, billed: str) -> None:
    assert decide(situation(asked)).step.value == does
    assert billed


def test_the_page_shows_every_row_that_acts() -> None:
    shown = {id(decide(situation(row[1]))) for row in ROWS}
    questions = {Step.ASK_JOB, Step.ASK_HISTORY}
    hidden = [row for row in TABLE if row.step not in questions and id(row) not in shown]
    assert hidden == []


def test_the_page_names_the_time_after_which_a_missing_row_counts() -> None:
    assert f"{SETTLED_S:.0f} s after the submission" in PAGE
