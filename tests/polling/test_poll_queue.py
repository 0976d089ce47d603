"""The poll queue: priorities, the order within them, deadlines, and a naive model with the same results."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from airflow_provider_runway.polling.poll_queue import BEFORE_ALL_OTHERS, URGENT_S, PollQueue

FAR = 1e9
PRIORITIES = 3


def make_queue(**jobs: tuple[float, ...]) -> PollQueue[str]:
    """Return a queue of jobs by their due times, none near its deadline."""
    queue: PollQueue[str] = PollQueue(PRIORITIES)
    for key, due_times in jobs.items():
        queue.schedule(key, due_times, FAR)
    return queue


def pop_all(queue: PollQueue[str], now: float, min_priority: int = 0) -> str:
    """Pop until no job is due."""
    keys = []
    while (key := queue.pop_due(now, min_priority)) is not None:
        keys.append(key)
    return "".join(keys)


def test_no_job_is_popped_before_its_first_due_time() -> None:
    queue = make_queue(a=(5, 10, 20))
    assert (queue.pop_due(4.9), queue.pop_due(5.0), queue.pop_due(99.0)) == (None, "a", None)


def test_the_order(subtests: pytest.Subtests) -> None:
    for case, now, min_priority, order in (
        ("same priority: the longest waiting first", 6, 0, "ab"),
        ("the higher priority first", 12, 0, "cab"),
        ("lower priorities stay", 12, 1, "c"),
        ("every priority rises", 32, 0, "acb"),
        ("at the highest by the time they reached it", 99, 2, "acb"),
    ):
        with subtests.test(case):
            queue = make_queue(a=(5, 20, 30), b=(5.5, 21, 50), c=(7, 10, 40))
            assert pop_all(queue, now, min_priority) == order


def test_a_job_that_comes_before_all_others_does_so_however_long_they_have_been_due() -> None:
    queue = make_queue(a=(5, 6, 7), b=(8, 9, 10))
    assert queue.schedule("c", [BEFORE_ALL_OTHERS] * PRIORITIES, FAR) == BEFORE_ALL_OTHERS
    assert pop_all(queue, 99) == "cab"


def test_the_first_added_wins_a_tie() -> None:
    assert pop_all(make_queue(b=(1, 2, 3), a=(1, 2, 3), c=(1, 2, 3)), 9) == "bac"


def test_a_job_with_fewer_due_times_stays_at_its_last_priority() -> None:
    queue = make_queue(a=(1,), b=(1, 2))
    assert queue.pop_due(1e6, 2) is None
    assert pop_all(queue, 1e6) == "ba"


def test_jobs_near_their_deadline_come_first_the_nearest_at_the_head() -> None:
    queue = make_queue(calm=(0, 0, 0))
    queue.schedule("later", (1, 900, 900), 10 + URGENT_S)
    queue.schedule("sooner", (2, 900, 900), 5 + URGENT_S)
    queue.schedule("not yet due", (50, 900, 900), 15.0 + URGENT_S)
    assert [queue.pop_due(10.0, 2) for _ in range(4)] == ["sooner", "later", "calm", None]


def test_a_deadline_makes_a_job_due_whatever_its_priority() -> None:
    queue: PollQueue[str] = PollQueue(PRIORITIES)
    queue.schedule("a", (500, 600, 700), 30.0)
    assert queue.next_due_time() == 30.0
    assert queue.pop_due(29.9, 2) is None
    assert queue.pop_due(30.0, 2) == "a"


def test_only_jobs_past_their_deadline_are_popped_as_expired() -> None:
    queue: PollQueue[str] = PollQueue(PRIORITIES)
    queue.schedule("a", (5, 6, 7), 30.0)
    queue.schedule("b", (5, 6, 7), 50.0)
    assert [queue.pop_one_expired(30.0), queue.pop_one_expired(30.1), queue.pop_one_expired(40.0)] == [None, "a", None]


def test_the_next_due_time_is_that_of_the_next_promotion() -> None:
    queue = make_queue(a=(5, 10), b=(7, 8))
    due = [queue.next_due_time()]
    for now in (5, 7, 8, 10):
        assert queue.pop_due(now, PRIORITIES) is None
        due.append(queue.next_due_time())
    assert due == [5, 7, 8, 10, None]


def test_no_job_starves_while_others_arrive() -> None:
    queue = make_queue(old=(0, 50, 100))
    for now in range(200):
        queue.schedule(f"new {now}", (now, now + 50, now + 100), FAR)
        if queue.pop_due(float(now)) == "old":
            break
    assert now <= 100


def test_a_moved_job_is_popped_once_at_its_new_time() -> None:
    queue = make_queue(a=(1, 2, 3), b=(4, 5, 6))
    queue.pop_due(3, PRIORITIES)
    queue.schedule("a", (40, 50, 60), FAR)
    assert (pop_all(queue, 10), pop_all(queue, 1000), len(queue)) == ("b", "a", 0)


def test_removing_is_allowed_twice_and_for_unknown_jobs() -> None:
    queue = make_queue(a=(1, 2, 3), b=(1, 2, 3))
    queue.pop_due(2, PRIORITIES)
    for key in ("unknown", "a", "a"):
        queue.remove(key)
    assert ("a" in queue, "b" in queue, len(queue)) == (False, True, 1)
    assert pop_all(queue, 99) == "b"


@dataclass
class NaiveJob:
    """One job of the model: its due times, made to rise, and the order in which it was added."""

    due_times: list[float]
    deadline: float
    serial: int

    def priority(self, now: float) -> int:
        return sum(due <= now for due in self.due_times[:PRIORITIES]) - 1


class QueueAndModel(RuleBasedStateMachine):
    """A queue beside a dict that is searched from end to end."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: PollQueue[int] = PollQueue(PRIORITIES)
        self.model: dict[int, NaiveJob] = {}
        self.now, self.serial = 0.0, 0

    @rule(
        key=st.integers(0, 7),
        gaps_s=st.lists(st.integers(-3, 40), min_size=1, max_size=PRIORITIES + 1),
        left_s=st.integers(-5, 90),
    )
    def schedule(self, key: int, gaps_s: list[int], left_s: int) -> None:
        due_times, deadline = [self.now + gap_s for gap_s in gaps_s], self.now + left_s
        self.queue.schedule(key, due_times, deadline)
        rising = [min(due_times[0], deadline)]
        for due in due_times[1:]:
            rising.append(max(due, rising[-1]))
        self.serial += 1
        self.model[key] = NaiveJob(rising, deadline, self.serial)

    @rule(key=st.integers(0, 9))
    def remove(self, key: int) -> None:
        self.queue.remove(key)
        self.model.pop(key, None)

    @rule(passed_s=st.integers(0, 30))
    def wait(self, passed_s: int) -> None:
        self.now += passed_s

    @precondition(lambda self: self.model)
    @rule(min_priority=st.integers(0, PRIORITIES))
    def pop_due(self, min_priority: int) -> None:
        priorities = {key: job.priority(self.now) for key, job in self.model.items()}
        due = [key for key, priority in priorities.items() if priority >= 0]
        urgent = [key for key in due if self.model[key].deadline - self.now <= URGENT_S]
        ready = [key for key in due if priorities[key] >= min_priority]
        expected = None
        if urgent:
            expected = min(urgent, key=lambda key: (self.model[key].deadline, self.model[key].serial))
        elif ready:
            highest = max(priorities[key] for key in ready)
            candidates = [key for key in ready if priorities[key] == highest]
            expected = min(candidates, key=lambda key: (self.model[key].due_times[highest], self.model[key].serial))
        assert self.queue.pop_due(self.now, min_priority) == expected
        self.model.pop(expected, None)

    @invariant()
    def both_hold_the_same_jobs(self) -> None:
        assert len(self.queue) == len(self.model)
        assert all(key in self.queue for key in self.model)


TestQueueAndModel = QueueAndModel.TestCase
TestQueueAndModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
