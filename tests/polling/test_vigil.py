"""What one look means for a wait: the end or not, and what is worth a line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_runway.exceptions import (
    BadConnection,
    BadInput,
    Forbidden,
    Refused,
    RunwayError,
    Throttled,
    Unanswered,
    Unauthorized,
    Unreachable,
    all_errors,
)
from airflow_provider_runway.polling.vigil import NEWBORN_S, Vigil
from airflow_provider_runway.segmind.ending import Ending, Outcome
from airflow_provider_runway.segmind.jobs import JobState, JobStatus
from airflow_provider_runway.segmind.report import JobReport

BORN = 1_800_000_000.0
REPORT = JobReport("r-1", model="m", submitted_at=BORN)
LATER = BORN + NEWBORN_S
ENDING = {outcome: Ending(outcome, REPORT) for outcome in Outcome}
QUIET = [problem for problem in all_errors(Unanswered) if problem is not Throttled]


def vigil(*, submitted_at: float | None = BORN) -> Vigil:
    return Vigil(replace(REPORT, submitted_at=submitted_at), BORN)


def status(state: JobState, word: str | None = None) -> JobStatus:
    return JobStatus("r-1", state, state.value if word is None else word)


@pytest.mark.parametrize(
    ("outcome", "age_s", "known", "ends"),
    [
        *(
            pytest.param(outcome, 0.0, True, True, id=f"{outcome}, at any age")
            for outcome in Outcome
            if outcome is not Outcome.EXPIRED
        ),
        pytest.param(Outcome.EXPIRED, 0.0, True, False, id="no record of a newborn"),
        pytest.param(Outcome.EXPIRED, NEWBORN_S - 0.1, True, False, id="nor of one that is nearly none"),
        pytest.param(Outcome.EXPIRED, NEWBORN_S, True, True, id="no record of one that is newborn no more"),
        pytest.param(Outcome.EXPIRED, -50.0, True, False, id="by a clock that is behind"),
        pytest.param(Outcome.EXPIRED, 0.0, False, True, id="no record, and the birth is not known"),
    ],
)
def test_an_ending_ends_the_wait_unless_the_record_may_not_be_readable_yet(
    outcome: Outcome, age_s: float, known: bool, ends: bool
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
    lines = [watched.judge(status(JobState.UNKNOWN, word), LATER)[1] for word in words]
    assert [line and line.problem for line in lines] == [True, None, True, None]
    assert [word in lines[place].line for place, word in ((0, "PAUSED"), (2, "THROTTLED"))] == [True, True]


@pytest.mark.parametrize("kind", [*QUIET, Throttled])
def test_noise_never_ends_a_wait_and_is_told_once_until_an_answer_comes(kind: type[Unanswered]) -> None:
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
    watched.stumble(Unanswered("a 503."), LATER)
    assert watched.judge(status(JobState.PROCESSING), LATER) == (None, None)


@pytest.mark.parametrize(
    ("problem", "floor_s"),
    [
        pytest.param(Throttled("429.", reset_at=LATER + 12.5), 12.5, id="a reset to come"),
        pytest.param(Throttled("429.", reset_at=LATER - 12.5), 0.0, id="a reset that is over"),
        pytest.param(Throttled("429."), 0.0, id="no reset"),
        pytest.param(Unanswered("503."), 0.0, id="no 429"),
        pytest.param(Unreachable("no route."), 0.0, id="no connection"),
    ],
)
def test_the_silence_is_what_the_api_asked_for(problem: RunwayError, floor_s: float) -> None:
    assert vigil().stumble(problem, LATER)[2] == floor_s


@pytest.mark.parametrize("kind", [*all_errors(Refused), BadInput, BadConnection], ids=lambda kind: kind.code)
def test_a_refusal_ends_the_wait_and_keeps_the_way_back(kind: type[RunwayError]) -> None:
    ending, line, floor_s = vigil().stumble(kind("The API said no."), LATER)
    assert ending is not None
    assert (ending.outcome, ending.code, line, floor_s) == (Outcome.ERROR, kind.code, None, 0.0)
    assert "The API said no." in str(ending.error)
    assert 'RunwayJobSensor(request_id="r-1")' in str(ending.error)


@pytest.mark.parametrize("kind", [Unauthorized, Forbidden])
def test_a_refusal_after_noise_ends_the_wait_too(kind: type[RunwayError]) -> None:
    watched = vigil()
    watched.stumble(Unanswered("503."), LATER)
    assert watched.stumble(kind("no."), LATER)[0] is not None
