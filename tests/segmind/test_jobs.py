"""The states of a job, and the words that tell a content block from an input that could not be fetched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.segmind.jobs import FINAL_STATES, NEXT_STATES, JobState, JobStatus, is_content_block_error


def test_the_table_has_every_documented_state_and_only_the_two_ends_are_final() -> None:
    assert set(NEXT_STATES) == set(JobState)
    assert set(JobState) == {"QUEUED", "PROCESSING", "COMPLETED", "FAILED", "UNKNOWN"}
    assert {JobState.COMPLETED, JobState.FAILED} == FINAL_STATES
    assert [JobStatus("r", state).is_final for state in JobState] == [state in FINAL_STATES for state in JobState]


def test_every_state_that_is_not_final_can_reach_both_ends() -> None:
    for state in set(JobState) - FINAL_STATES:
        assert FINAL_STATES <= NEXT_STATES[state] <= set(JobState) - {state}


def test_an_undocumented_status_is_unknown() -> None:
    for raw_status in ("CANCELLED", "", None, 7, ["QUEUED"], {"status": "QUEUED"}):
        assert JobState.parse(raw_status) is JobState.UNKNOWN


@given(st.text())
def test_any_text_is_some_state(raw_status: str) -> None:
    assert JobState.parse(raw_status) in JobState


@pytest.mark.parametrize(
    "error",
    [
        "Content blocked by RAI",
        "The prompt violates our safety policy",
        "NSFW-content",
        "Content policy violation",
        "Blocked by content filter",
        "Your image was rejected",
        "Flagged by moderation",
        "The input has prohibited material",
        "Inappropriate content",
    ],
)
def test_these_texts_are_a_content_block(error: str) -> None:
    assert is_content_block_error(error)


@pytest.mark.parametrize(
    "error",
    [
        "Failed to fetch content",
        "Failed to fetch the image: blocked by CORS policy",
        "Could not download image: the bucket policy denies access",
        "Error while downloading image from storage with a strict safety policy: timed out",
        "Image download failed: content policy of the host",
        "The image could not be fetched: access is prohibited",
        "Cannot read the image: flagged as broken",
        "Unsupported content type text/html: image rejected",
        "unsupported content",
        "Terms: see our policy page",
        "Generation failed: bad trait in terrain",
        "Discontented",
        "",
        None,
    ],
)
def test_these_texts_are_no_content_block(error: str | None) -> None:
    assert not is_content_block_error(error)
