"""What one look means for a wait: the end or not, and what is worth a line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_runway.exceptions import (
    BadConnectionError,
    BadInputError,
    ForbiddenError,
    NoUsableResponseError,
    RefusedError,
    RunwayError,
    ThrottledError,
    UnauthorizedError,
    UnreachableError,
    list_error_classes,
)
from airflow_provider_runway.polling.wait_state import NEWBORN_S, WaitState
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import JobState, JobStatus
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome

BORN = 1_800_000_000.0
REPORT = JobSummary("r-1", model="m", submitted_at=BORN)
LATER = BORN + NEWBORN_S
ENDING = {outcome: WaitOutcome(outcome, REPORT) for outcome in OutcomeKind}
QUIET = [problem for problem in list_error_classes(NoUsableResponseError) if problem is not ThrottledError]


def vigil(*, submitted_at: float | None = BORN) -> WaitState:
    return WaitState(replace(REPORT, submitted_at=submitted_at), BORN)


def status(state: JobState, raw_status: str | None = None) -> JobStatus:
    return JobStatus("r-1", state, state.value if raw_status is None else raw_status)


@pytest.mark.parametrize(
    ("outcome", "age_s", "known", "ends"),
    [
        *(
            pytest.param(outcome, 0.0, True, True, id=f"{outcome}, at any age")
            for outcome in OutcomeKind
            if outcome is not OutcomeKind.EXPIRED
        ),
        pytest.param(OutcomeKind.EXPIRED, 0.0, True, False, id="no record of a newborn"),
        pytest.param(OutcomeKind.EXPIRED, NEWBORN_S - 0.1, True, False, id="nor of one that is nearly none"),
        pytest.param(OutcomeKind.EXPIRED, NEWBORN_S, True, True, id="no record of one that is newborn no more"),
        pytest.param(OutcomeKind.EXPIRED, -50.0, True, False, id="by a clock that is behind"),
        pytest.param(OutcomeKind.EXPIRED, 0.0, False, True, id="no record, and the birth is not known"),
    ],
)
def test_an_ending_ends_the_wait_unless_the_record_may_not_be_readable_yet(
    outcome: OutcomeKind, age_s: float, known: bool, ends: bool
) -> None:
    watched = vigil(submitted_at=BORN if known else None)
    assert watched.judge(ENDING[outcome], BORN + age_s) == (ENDING[outcome] if ends else None, None)


@pytest.mark.parametrize("state", [state for state in JobState if state is not JobState.UNKNOWN])
def test_a_state_is_told_when_it_changes_and_ends_nothing(state: JobState) -> None:
    watched = vigil()
    told = [watched.judge(status(state), LATER) for _ in range(3)]
    assert [(ending, line is None) for ending, line in told] == [(None, False), (None, True), (None, True)]
    line = told[0][1]
    assert line is not None
    assert (line.line, line.problem) == (f"Job r-1: {state.value}", False)


def test_each_unknown_word_is_a_warning_of_its_own_told_once() -> None:
    watched = vigil()
    words = ["PAUSED", "PAUSED", "THROTTLED", "THROTTLED"]
    lines = [watched.judge(status(JobState.UNKNOWN, raw_status), LATER)[1] for raw_status in words]
    assert [line and line.problem for line in lines] == [True, None, True, None]
    assert [raw_status in lines[place].line for place, raw_status in ((0, "PAUSED"), (2, "THROTTLED"))] == [True, True]


@pytest.mark.parametrize("kind", [*QUIET, ThrottledError])
def test_noise_never_ends_a_wait_and_is_told_once_until_an_answer_comes(kind: type[NoUsableResponseError]) -> None:
    watched = vigil()
    told = [watched.stumble(kind("no use."), LATER) for _ in range(3)]
    assert [ending for ending, _, _ in told] == [None] * 3
    assert [line is None for _, line, _ in told] == [False, True, True]
    assert told[0][1] is not None
    assert told[0][1].problem
    assert told[0][1].line == "Job r-1: no use. Looking again until the deadline."
    watched.judge(status(JobState.PROCESSING), LATER)
    assert watched.stumble(kind("no use."), LATER)[1] is not None


def test_noise_does_not_make_a_state_news_again() -> None:
    watched = vigil()
    watched.judge(status(JobState.PROCESSING), LATER)
    watched.stumble(NoUsableResponseError("a 503."), LATER)
    assert watched.judge(status(JobState.PROCESSING), LATER) == (None, None)


@pytest.mark.parametrize(
    ("problem", "floor_s"),
    [
        pytest.param(ThrottledError("429.", reset_at=LATER + 12.5), 12.5, id="a reset to come"),
        pytest.param(ThrottledError("429.", reset_at=LATER - 12.5), 0.0, id="a reset that is over"),
        pytest.param(ThrottledError("429."), 0.0, id="no reset"),
        pytest.param(NoUsableResponseError("503."), 0.0, id="no 429"),
        pytest.param(UnreachableError("no route."), 0.0, id="no connection"),
    ],
)
def test_the_silence_is_what_the_api_asked_for(problem: RunwayError, floor_s: float) -> None:
    assert vigil().stumble(problem, LATER)[2] == floor_s


@pytest.mark.parametrize(
    "kind", [*list_error_classes(RefusedError), BadInputError, BadConnectionError], ids=lambda kind: kind.code
)
def test_a_refusal_ends_the_wait_and_keeps_the_way_back(kind: type[RunwayError]) -> None:
    ending, line, floor_s = vigil().stumble(kind("The API said no."), LATER)
    assert ending is not None
    assert (ending.kind, ending.code, line, floor_s) == (OutcomeKind.ERROR, kind.code, None, 0.0)
    assert "The API said no." in str(ending.error)
    assert 'RunwayJobSensor(request_id="r-1")' in str(ending.error)


@pytest.mark.parametrize("kind", [UnauthorizedError, ForbiddenError])
def test_a_refusal_after_noise_ends_the_wait_too(kind: type[RunwayError]) -> None:
    watched = vigil()
    watched.stumble(NoUsableResponseError("503."), LATER)
    assert watched.stumble(kind("no."), LATER)[0] is not None
