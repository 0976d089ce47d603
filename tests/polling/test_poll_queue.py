"""Whose turn it is: ranks, the order within them, deadlines, and a naive model that must agree."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from airflow_provider_runway.polling.poll_queue import URGENT_S, PollQueue

FAR = 1e9
RANKS = 3


def roster(**jobs: tuple[float, ...]) -> PollQueue[str]:
    """A roster of jobs by their moments, none near its deadline."""
    made: PollQueue[str] = PollQueue(RANKS)
    for key, moments in jobs.items():
        made.place(key, moments, FAR)
    return made


def taken(of: PollQueue[str], now: float, least: int = 0) -> str:
    """Take until nobody's turn it is."""
    keys = []
    while (key := of.take(now, least)) is not None:
        keys.append(key)
    return "".join(keys)


def test_nobody_is_taken_before_the_first_moment() -> None:
    jobs = roster(a=(5, 10, 20))
    assert (jobs.take(4.9), jobs.take(5.0), jobs.take(99.0)) == (None, "a", None)


@pytest.mark.parametrize(
    ("now", "least", "order"),
    [
        pytest.param(4, 0, "", id="nobody is due"),
        pytest.param(6, 0, "ab", id="one rank: the longest waiting first"),
        pytest.param(12, 0, "cab", id="the higher rank first"),
        pytest.param(12, 1, "c", id="a least rank leaves the lower ones"),
        pytest.param(32, 0, "acb", id="everybody rises"),
        pytest.param(32, 2, "a", id="only the highest"),
        pytest.param(99, 2, "acb", id="in the end all are in it, by the moment they came to it"),
    ],
)
def test_the_order(now: float, least: int, order: str) -> None:
    jobs = roster(a=(5, 20, 30), b=(5.5, 21, 50), c=(7, 10, 40))
    assert taken(jobs, now, least) == order


def test_what_a_least_rank_left_stays_in() -> None:
    jobs = roster(a=(1, 50, 90))
    assert jobs.take(10.0, 1) is None
    assert "a" in jobs
    assert jobs.take(10.0, 0) == "a"


def test_the_first_in_wins_a_tie() -> None:
    assert taken(roster(b=(1, 2, 3), a=(1, 2, 3), c=(1, 2, 3)), 9) == "bac"


def test_a_job_with_fewer_moments_stays_at_its_last_rank() -> None:
    jobs = roster(a=(1,), b=(1, 2))
    assert jobs.take(1e6, 2) is None
    assert taken(jobs, 1e6) == "ba"


def test_those_near_their_deadline_go_first_the_nearest_at_the_head() -> None:
    jobs = roster(calm=(0, 0, 0))
    jobs.place("later", (1, 900, 900), 10 + URGENT_S)
    jobs.place("sooner", (2, 900, 900), 5 + URGENT_S)
    jobs.place("not yet due", (50, 900, 900), 15.0 + URGENT_S)
    assert [jobs.take(10.0, 2) for _ in range(4)] == ["sooner", "later", "calm", None]


@pytest.mark.parametrize("least", range(RANKS))
def test_a_deadline_is_a_turn_even_before_the_first_moment(least: int) -> None:
    jobs: PollQueue[str] = PollQueue(RANKS)
    jobs.place("a", (500, 600, 700), 30.0)
    assert jobs.next_moment() == 30.0
    assert jobs.take(29.9, least) is None
    assert jobs.take(30.0, least) == "a"


def test_the_next_moment_is_that_of_the_next_to_rise() -> None:
    jobs = roster(a=(5, 10), b=(7, 8))
    moments = [jobs.next_moment()]
    for now in (5, 7, 8):
        assert jobs.take(now, RANKS) is None
        moments.append(jobs.next_moment())
    assert moments == [5, 7, 8, 10]
    jobs.take(10, RANKS)
    assert jobs.next_moment() is None
    assert len(jobs) == 2


def test_moments_that_fall_back_do_not_lead_to_a_turn_before_the_first() -> None:
    assert taken(roster(a=(10, 3, 1)), 9) == ""
    assert taken(roster(a=(10, 3, 1)), 10, 2) == "a"


def test_nobody_starves_while_others_come_and_come() -> None:
    jobs = roster(old=(0, 50, 100))
    for now in range(200):
        jobs.place(f"new {now}", (now, now + 50, now + 100), FAR)
        if jobs.take(float(now)) == "old":
            break
    assert now <= 100


def test_a_job_that_is_moved_is_taken_once_at_its_new_place() -> None:
    jobs = roster(a=(1, 2, 3), b=(4, 5, 6))
    jobs.take(3, RANKS)
    jobs.place("a", (40, 50, 60), FAR)
    assert len(jobs) == 2
    assert taken(jobs, 10) == "b"
    assert taken(jobs, 1000) == "a"
    assert len(jobs) == 0


def test_a_stranger_can_be_removed_and_one_that_left_has_no_turn() -> None:
    jobs = roster(a=(1, 2, 3), b=(1, 2, 3))
    jobs.remove("stranger")
    jobs.take(2, RANKS)
    jobs.remove("a")
    jobs.remove("a")
    assert ("a" in jobs, "b" in jobs, len(jobs)) == (False, True, 1)
    assert taken(jobs, 99) == "b"
    assert (jobs.take(99), jobs.next_moment()) == (None, None)


@dataclass
class Naive:
    """One job in the model: its moments, made to rise, and the order in which it was placed."""

    moments: list[float]
    deadline: float
    serial: int

    def rank(self, now: float) -> int:
        return sum(moment <= now for moment in self.moments[:RANKS]) - 1


class Turns(RuleBasedStateMachine):
    """A roster beside a dict that is searched from end to end."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: PollQueue[int] = PollQueue(RANKS)
        self.naive: dict[int, Naive] = {}
        self.now, self.serial = 0.0, 0

    @rule(
        key=st.integers(0, 7),
        gaps_s=st.lists(st.integers(-3, 40), min_size=1, max_size=RANKS + 1),
        left_s=st.integers(-5, 90),
    )
    def place(self, key: int, gaps_s: list[int], left_s: int) -> None:
        moments, deadline = [self.now + gap_s for gap_s in gaps_s], self.now + left_s
        self.jobs.place(key, moments, deadline)
        rising = [min(moments[0], deadline)]
        for moment in moments[1:]:
            rising.append(max(moment, rising[-1]))
        self.serial += 1
        self.naive[key] = Naive(rising, deadline, self.serial)

    @rule(key=st.integers(0, 9))
    def remove(self, key: int) -> None:
        self.jobs.remove(key)
        self.naive.pop(key, None)

    @rule(passed_s=st.integers(0, 30))
    def wait(self, passed_s: int) -> None:
        self.now += passed_s

    @precondition(lambda self: self.naive)
    @rule(least=st.integers(0, RANKS))
    def take(self, least: int) -> None:
        ranks = {key: job.rank(self.now) for key, job in self.naive.items()}
        due = [key for key, rank in ranks.items() if rank >= 0]
        urgent = [key for key in due if self.naive[key].deadline - self.now <= URGENT_S]
        ready = [key for key in due if ranks[key] >= least]
        expected = None
        if urgent:
            expected = min(urgent, key=lambda key: (self.naive[key].deadline, self.naive[key].serial))
        elif ready:
            highest = [key for key in ready if ranks[key] == max(ranks[each] for each in ready)]
            expected = min(highest, key=lambda key: (self.naive[key].moments[ranks[key]], self.naive[key].serial))
        assert self.jobs.take(self.now, least) == expected
        self.naive.pop(expected, None)

    @invariant()
    def the_same_are_in(self) -> None:
        assert len(self.jobs) == len(self.naive)
        assert all(key in self.jobs for key in self.naive)


TestTurns = Turns.TestCase
TestTurns.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
