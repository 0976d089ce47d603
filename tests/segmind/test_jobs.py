"""The states of a job and the moves between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.segmind.jobs import FINAL_STATES, NEXT_STATES, JobState, JobStatus, is_content_block_error

#: What the model's page documents; UNKNOWN is this package's own.
DOCUMENTED = {"QUEUED", "PROCESSING", "COMPLETED", "FAILED"}


def test_every_state_stands_in_the_table_of_moves() -> None:
    assert set(NEXT_STATES) == set(JobState)
    assert {state.value for state in JobState} == DOCUMENTED | {"UNKNOWN"}


@pytest.mark.parametrize("state", JobState)
def test_a_state_is_final_when_it_has_no_moves(state: JobState) -> None:
    assert (state in FINAL_STATES) == (state in {JobState.COMPLETED, JobState.FAILED}) == (not NEXT_STATES[state])
    assert JobStatus("r", state).is_final == (state in FINAL_STATES)


@pytest.mark.parametrize("state", JobState)
def test_no_state_moves_to_itself_or_out_of_the_table(state: JobState) -> None:
    assert state not in NEXT_STATES[state]
    assert NEXT_STATES[state] <= set(JobState)


@pytest.mark.parametrize("state", sorted(set(JobState) - FINAL_STATES))
def test_every_living_state_reaches_both_ends(state: JobState) -> None:
    assert NEXT_STATES[state] >= FINAL_STATES


def test_the_table_cannot_be_changed_by_an_illegal_move() -> None:
    with pytest.raises(AttributeError):
        NEXT_STATES[JobState.COMPLETED].add(JobState.QUEUED)  # type: ignore[attr-defined]
    assert not NEXT_STATES[JobState.COMPLETED]


@pytest.mark.parametrize("raw_status", ["CANCELLED", "", " ", None, 7, ["QUEUED"], {"status": "QUEUED"}, True])
def test_what_nobody_listed_is_unknown(raw_status: object) -> None:
    assert JobState.parse(raw_status) is JobState.UNKNOWN


@given(st.text())
def test_any_word_is_some_state(raw_status: str) -> None:
    assert JobState.parse(raw_status) in JobState


@pytest.mark.parametrize(
    ("error", "blocked"),
    [
        pytest.param("Content blocked by RAI", True, id="rai"),
        pytest.param("The prompt violates our safety policy", True, id="policy"),
        pytest.param("NSFW-content", True, id="punctuation"),
        pytest.param("Generation failed: bad trait in terrain", False, id="a word within a word"),
        pytest.param("Discontented", False, id="no word of its own"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="nothing"),
    ],
)
def test_a_content_block_is_told_by_whole_words(error: str | None, blocked: bool) -> None:
    assert is_content_block_error(error) is blocked
