"""The request budget: its pace and its silence, and what it comes to at a gateway that is played by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.polling.rate_limiter import (
    BURST_S,
    DECREASE,
    FIRST_PER_MINUTE,
    LEAST_PER_MINUTE,
    MOST_PER_MINUTE,
    SCARCE_S,
    AdaptiveRateLimiter,
)


@dataclass
class Gateway:
    """An account with a fixed window that begins with the first request in it, as the emulator's does."""

    per_minute: int
    window_s: float = 60.0
    began: float = -math.inf
    used: int = 0
    granted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def ask(self, now: float) -> float | None:
        """Count a request; return the moment of the reset where it is refused."""
        if now >= self.began + self.window_s:
            self.began, self.used = now, 0
        self.used += 1
        if self.used > self.per_minute:
            self.refused.append(now)
            return self.began + self.window_s
        self.granted.append(now)
        return None


def busy(budget: AdaptiveRateLimiter, start: float, seconds: float, gateway: Gateway | None = None) -> list[float]:
    """Send whatever the budget grants for so long; return when."""
    return play([budget], start, seconds, gateway)[0]


def play(
    budgets: list[AdaptiveRateLimiter], start: float, seconds: float, gateway: Gateway | None = None
) -> list[list[float]]:
    """Let several triggerers share a gateway; return when each one's requests were answered."""
    now, answered = start, [[] for _ in budgets]
    while now < start + seconds:
        waits_s = [budget.wait_s(now) for budget in budgets]
        for budget, wait_s, sent in zip(budgets, waits_s, answered, strict=True):
            if wait_s > 0:
                continue
            budget.spend(now)
            reset_at = None if gateway is None else gateway.ask(now)
            if reset_at is None:
                sent.append(now)
            else:
                budget.refused(now, reset_at)
        if min(waits_s) > 0:
            now += max(min(waits_s), 0.001)
    return answered


def a_minute(moments: list[float], start: float, seconds: float) -> float:
    return sum(start <= moment < start + seconds for moment in moments) / seconds * 60


@pytest.mark.parametrize("per_minute", [1.0, 5.0, 60.0, 1000.0])
def test_a_known_limit_is_kept_to_and_made_full_use_of(per_minute: float) -> None:
    budget = AdaptiveRateLimiter(per_minute, 100.0)
    sent = busy(budget, 100.0, 600.0)
    assert len(sent) == pytest.approx(10 * per_minute, abs=1 + per_minute / 60 * BURST_S, rel=0.07)
    assert budget.per_minute == per_minute


def test_after_a_silence_a_small_crowd_may_go_at_once() -> None:
    budget = AdaptiveRateLimiter(60.0)
    budget.wait_s(500.0)
    for _ in range(round(BURST_S)):
        assert budget.wait_s(500.0) == 0
        budget.spend(500.0)
    assert budget.wait_s(500.0) == pytest.approx(1.0)


@pytest.mark.parametrize("per_minute", [3.0, 5.0, 29.0])
def test_a_small_budget_saves_up_one_request_and_no_more(per_minute: float) -> None:
    budget = AdaptiveRateLimiter(per_minute)
    budget.spend(1000.0)
    assert budget.wait_s(1000.0) == pytest.approx(60 / per_minute)


def test_the_first_request_goes_at_once() -> None:
    assert AdaptiveRateLimiter(None, 7.0).wait_s(7.0) == 0


def test_an_unknown_limit_is_sought_upwards_quickly_until_the_first_refusal() -> None:
    budget = AdaptiveRateLimiter()
    busy(budget, 0.0, 60.0)
    assert budget.per_minute >= 2 * FIRST_PER_MINUTE
    budget.refused(60.0, 70.0)
    low = budget.per_minute
    busy(budget, 70.0, 60.0)
    assert low < budget.per_minute <= low + 15


@pytest.mark.parametrize("idle_s", [30.0, 300.0, 36_000.0])
def test_a_budget_that_is_not_used_does_not_grow(idle_s: float) -> None:
    budget = AdaptiveRateLimiter()
    budget.refused(0.0, 1.0)
    low = budget.per_minute
    for step in range(20):
        budget.wait_s(1.0 + idle_s * step)
    assert budget.per_minute == low


def test_a_silence_of_an_hour_is_no_proof_of_anything() -> None:
    budget = AdaptiveRateLimiter()
    budget.refused(0.0, 1.0)
    low = budget.per_minute
    busy(budget, 3600.0, 5.0)
    assert budget.per_minute == low


@pytest.mark.parametrize("per_minute", [None, 600.0], ids=["unknown", "known"])
@pytest.mark.parametrize(
    ("reset_at", "silent_s"),
    [
        pytest.param(145.0, 45.0, id="the reset"),
        pytest.param(None, 5.0, id="no reset named"),
        pytest.param(60.0, 0.1, id="a reset in the past"),
    ],
)
def test_a_refusal_is_silence_until_the_reset(
    per_minute: float | None, reset_at: float | None, silent_s: float
) -> None:
    budget = AdaptiveRateLimiter(per_minute, 0.0)
    budget.spend(100.0)
    budget.refused(100.0, reset_at)
    assert budget.wait_s(100.0) == pytest.approx(silent_s)
    assert budget.wait_s(100.0 + silent_s / 2) == pytest.approx(silent_s / 2)
    assert budget.wait_s(100.0 + silent_s) == 0
    budget.spend(100.0 + silent_s)
    assert budget.wait_s(100.0 + silent_s) > 0  # one, not a stampede


def test_an_earlier_reset_does_not_shorten_the_silence() -> None:
    budget = AdaptiveRateLimiter()
    budget.refused(0.0, 40.0)
    budget.refused(1.0, 20.0)
    assert budget.wait_s(1.0) == pytest.approx(39.0)


def test_requests_that_are_refused_together_count_once() -> None:
    budget = AdaptiveRateLimiter()
    for step in range(10):
        budget.refused(10.0 + step / 100, 40.0)
    assert budget.per_minute == pytest.approx(FIRST_PER_MINUTE * DECREASE)
    budget.refused(41.0, 80.0)
    assert budget.per_minute == pytest.approx(FIRST_PER_MINUTE * DECREASE**2)


def test_a_known_limit_is_not_lowered_by_refusals() -> None:
    """Somebody else used the account up; that says nothing about its limit."""
    budget = AdaptiveRateLimiter(60.0)
    budget.refused(0.0, 10.0)
    assert budget.per_minute == 60.0


def test_scarcity_is_there_with_a_refusal_and_decays() -> None:
    budget = AdaptiveRateLimiter()
    assert budget.contention(50.0) == 0
    budget.refused(50.0, 80.0)
    assert [budget.contention(at) for at in (50.0, 80.0, 80.0 + SCARCE_S, 80.0 + 2 * SCARCE_S)] == [1, 1, 0.5, 0.25]
    assert budget.contention(1e7) == pytest.approx(0, abs=1e-9)


@given(
    st.lists(
        st.tuples(st.floats(0, 200), st.sampled_from(["spend", "refused", "wait"]), st.floats(-50, 200)), max_size=300
    )
)
def test_an_unknown_limit_is_never_sought_outside_its_bounds(steps: list[tuple[float, str, float]]) -> None:
    budget, now = AdaptiveRateLimiter(), 0.0
    for passed_s, act, reset_s in steps:
        now += passed_s
        if act == "spend":
            budget.spend(now)
        elif act == "refused":
            budget.refused(now, now + reset_s)
        assert budget.wait_s(now) >= 0
        assert 0 <= budget.contention(now) <= 1
        assert LEAST_PER_MINUTE <= budget.per_minute <= MOST_PER_MINUTE


@pytest.mark.parametrize(("act", "bound"), [("grow", MOST_PER_MINUTE), ("shrink", LEAST_PER_MINUTE)])
def test_the_bounds_are_reached(act: str, bound: float) -> None:
    budget = AdaptiveRateLimiter()
    if act == "grow":
        busy(budget, 0.0, 900.0)
    else:
        for minute in range(30):
            budget.refused(minute * 60.0, minute * 60.0 + 1)
    assert budget.per_minute == bound


@pytest.mark.parametrize("per_minute", [5, 60, 600])
def test_it_finds_the_limit_of_a_gateway_and_is_seldom_refused(per_minute: int) -> None:
    gateway = Gateway(per_minute)
    busy(AdaptiveRateLimiter(), 0.0, 3600.0, gateway)
    assert a_minute(gateway.granted, 1200.0, 2400.0) == pytest.approx(per_minute, rel=0.25)
    assert a_minute(gateway.refused, 1200.0, 2400.0) <= 1.05


def test_the_first_minutes_at_a_small_gateway_are_no_hammering() -> None:
    gateway = Gateway(5)
    busy(AdaptiveRateLimiter(), 0.0, 300.0, gateway)
    assert len(gateway.refused) <= 6
    assert all(later - earlier >= 1 for earlier, later in pairwise(gateway.refused))


@pytest.mark.parametrize("per_minute", [10, 60, 300])
def test_two_triggerers_that_share_an_account_both_get_on(per_minute: int) -> None:
    gateway = Gateway(per_minute)
    first, second = play([AdaptiveRateLimiter(), AdaptiveRateLimiter()], 0.0, 3600.0, gateway)
    paces = [a_minute(sent, 1200.0, 2400.0) for sent in (first, second)]
    assert sum(paces) == pytest.approx(per_minute, rel=0.25)
    assert min(paces) >= 0.25 * per_minute
    assert a_minute(gateway.refused, 1200.0, 2400.0) <= 2.1
