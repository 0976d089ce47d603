"""What one try writes, the next one reads: also across releases of this package."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow_runtime import StateStore
from hypothesis import given
from hypothesis import strategies as some

from airflow_provider_runway.submission.journal import KEY, Journal, JournalEntry, Phase

TEXTS = some.text(min_size=1, max_size=20)
ENTRIES = some.builds(
    JournalEntry,
    phase=some.sampled_from(Phase),
    fingerprint=TEXTS,
    model=TEXTS,
    generation=some.integers(0, 100),
    seed=some.none() | some.integers(1, 99_999),
    try_number=some.integers(1, 100),
    max_tries=some.integers(0, 100),
    at=some.floats(1e9, 2e9),
    request_id=some.none() | TEXTS,
    previous_request_ids=some.lists(TEXTS, max_size=3).map(tuple),
)
ENTRY = JournalEntry(Phase.INTENT, "0123", "runway-gen4-turbo", 0, 7, 1, 2, 1e9)


@given(ENTRIES)
def test_an_entry_comes_back_from_the_store_as_it_was(entry: JournalEntry) -> None:
    journal = Journal(StateStore())
    journal.write(entry)
    assert journal.read() == entry


@given(ENTRIES)
def test_an_entry_is_plain_json(entry: JournalEntry) -> None:
    assert JournalEntry.from_json(json.loads(json.dumps(entry.to_json()))) == entry


def test_a_field_of_a_later_release_is_passed_over() -> None:
    assert JournalEntry.from_json({**ENTRY.to_json(), "colour": "blue"}) == ENTRY


@pytest.mark.parametrize("name", ["request_id", "spent"])
def test_a_field_that_an_earlier_release_did_not_write_has_its_default(name: str) -> None:
    older = {key: value for key, value in ENTRY.to_json().items() if key != name}
    assert JournalEntry.from_json(older) == ENTRY


@pytest.mark.parametrize("value", [None, "text", 7, []], ids=repr)
def test_what_is_no_entry_is_none(value: Any) -> None:
    store = StateStore()
    if value is not None:
        store.set(KEY, value)
    assert Journal(store).read() is None


def test_the_key_stays_what_it_is() -> None:
    """Another name would forget the jobs of tasks that are under way during an upgrade."""
    assert KEY == "runway_submission"


def test_the_journal_holds_no_input_and_no_key() -> None:
    """Everything that is written is listed here; a field that could hold a prompt would have to be added."""
    assert set(ENTRY.to_json()) == {
        "phase", "fingerprint", "model", "generation", "seed", "try_number", "max_tries", "at", "request_id", "spent",
        "picture",
    }  # fmt: skip
