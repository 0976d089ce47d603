"""The rate limiter: its rate and its pauses, and what they come to at a gateway with a fixed window."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.polling.adaptive_rate_limit import (
    BURST_S,
    CONTENTION_HALF_LIFE_S,
    DECREASE,
    INITIAL_PER_MINUTE,
    MAX_PER_MINUTE,
    MIN_PER_MINUTE,
    AdaptiveRateLimiter,
)


@dataclass
class WindowGateway:
    """An account whose window begins with the first request in it, as the emulator's does."""

    per_minute: int
    window_s: float = 60.0
    window_start: float = -math.inf
    used: int = 0
    granted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def request(self, now: float) -> float | None:
        """Count a request; return the time of the reset where it is refused."""
        if now >= self.window_start + self.window_s:
            self.window_start, self.used = now, 0
        self.used += 1
        if self.used > self.per_minute:
            self.refused.append(now)
            return self.window_start + self.window_s
        self.granted.append(now)
        return None


def send_all(
    limiters: list[AdaptiveRateLimiter], start: float, seconds: float, gateway: WindowGateway | None = None
) -> list[list[float]]:
    """Send whatever each limiter allows; return when each one's requests were granted."""
    now, granted = start, [[] for _ in limiters]
    while now < start + seconds:
        delays_s = [limiter.delay_s(now) for limiter in limiters]
        for limiter, delay_s, times in zip(limiters, delays_s, granted, strict=True):
            if delay_s > 0:
                continue
            limiter.acquire(now)
            reset_at = None if gateway is None else gateway.request(now)
            if reset_at is None:
                times.append(now)
            else:
                limiter.on_throttled(now, reset_at)
        if min(delays_s) > 0:
            now += max(min(delays_s), 0.001)
    return granted


def get_rate(times: list[float], start: float, seconds: float) -> float:
    """Return the requests a minute in a period."""
    return sum(start <= time < start + seconds for time in times) / seconds * 60


def test_a_configured_limit_is_kept_and_fully_used(subtests: pytest.Subtests) -> None:
    for per_minute in (1.0, 60.0, 1000.0):
        with subtests.test(per_minute=per_minute):
            limiter = AdaptiveRateLimiter(per_minute, 100.0)
            (granted,) = send_all([limiter], 100.0, 600.0)
            assert len(granted) == pytest.approx(10 * per_minute, abs=1 + per_minute / 60 * BURST_S, rel=0.07)
            assert limiter.per_minute == per_minute


def test_after_a_quiet_time_a_small_burst_may_go_at_once() -> None:
    limiter = AdaptiveRateLimiter(60.0)
    limiter.delay_s(500.0)
    for _ in range(round(BURST_S)):
        assert limiter.delay_s(500.0) == 0
        limiter.acquire(500.0)
    assert limiter.delay_s(500.0) == pytest.approx(1.0)


def test_a_small_limit_saves_up_one_request_and_no_more(subtests: pytest.Subtests) -> None:
    for per_minute in (3.0, 29.0):
        with subtests.test(per_minute=per_minute):
            limiter = AdaptiveRateLimiter(per_minute)
            limiter.acquire(1000.0)
            assert limiter.delay_s(1000.0) == pytest.approx(60 / per_minute)


def test_the_rate_doubles_quickly_until_the_first_429_and_then_grows_slowly() -> None:
    limiter = AdaptiveRateLimiter()
    assert limiter.delay_s(0.0) == 0
    send_all([limiter], 0.0, 60.0)
    assert limiter.per_minute >= 2 * INITIAL_PER_MINUTE
    limiter.on_throttled(60.0, 70.0)
    reduced = limiter.per_minute
    send_all([limiter], 70.0, 60.0)
    assert reduced < limiter.per_minute <= reduced + 15


def test_an_unused_rate_does_not_grow() -> None:
    limiter = AdaptiveRateLimiter()
    limiter.on_throttled(0.0, 1.0)
    reduced = limiter.per_minute
    for step in range(20):
        limiter.delay_s(1.0 + 300.0 * step)
    send_all([limiter], 36_000.0, 5.0)
    assert limiter.per_minute == reduced


@pytest.mark.parametrize("per_minute", [None, 600.0], ids=["learnt", "configured"])
@pytest.mark.parametrize(
    ("reset_at", "pause_s"),
    [
        pytest.param(145.0, 45.0, id="until the reset"),
        pytest.param(None, 5.0, id="no reset named"),
        pytest.param(60.0, 0.1, id="a reset in the past"),
    ],
)
def test_a_429_pauses_and_then_lets_one_request_through(
    per_minute: float | None, reset_at: float | None, pause_s: float
) -> None:
    limiter = AdaptiveRateLimiter(per_minute, 0.0)
    limiter.acquire(100.0)
    limiter.on_throttled(100.0, reset_at)
    assert limiter.delay_s(100.0) == pytest.approx(pause_s)
    assert limiter.delay_s(100.0 + pause_s) == 0
    limiter.acquire(100.0 + pause_s)
    assert limiter.delay_s(100.0 + pause_s) > 0


def test_an_earlier_reset_does_not_shorten_the_pause() -> None:
    limiter = AdaptiveRateLimiter()
    limiter.on_throttled(0.0, 40.0)
    limiter.on_throttled(1.0, 20.0)
    assert limiter.delay_s(1.0) == pytest.approx(39.0)


def test_requests_that_are_refused_together_lower_the_rate_once() -> None:
    limiter = AdaptiveRateLimiter()
    for step in range(10):
        limiter.on_throttled(10.0 + step / 100, 40.0)
    assert limiter.per_minute == pytest.approx(INITIAL_PER_MINUTE * DECREASE)
    limiter.on_throttled(41.0, 80.0)
    assert limiter.per_minute == pytest.approx(INITIAL_PER_MINUTE * DECREASE**2)


def test_contention_comes_with_a_429_and_decays() -> None:
    limiter = AdaptiveRateLimiter()
    assert limiter.contention(50.0) == 0
    limiter.on_throttled(50.0, 80.0)
    half_life = CONTENTION_HALF_LIFE_S
    assert [limiter.contention(at) for at in (50.0, 80.0, 80.0 + half_life, 80.0 + 2 * half_life)] == [1, 1, 0.5, 0.25]


@given(
    st.lists(
        st.tuples(st.floats(0, 200), st.sampled_from(["send", "throttle", "wait"]), st.floats(-50, 200)), max_size=300
    )
)
def test_a_learnt_rate_stays_within_its_bounds(steps: list[tuple[float, str, float]]) -> None:
    limiter, now = AdaptiveRateLimiter(), 0.0
    for passed_s, action, reset_s in steps:
        now += passed_s
        if action == "send":
            limiter.acquire(now)
        elif action == "throttle":
            limiter.on_throttled(now, now + reset_s)
        assert limiter.delay_s(now) >= 0
        assert 0 <= limiter.contention(now) <= 1
        assert MIN_PER_MINUTE <= limiter.per_minute <= MAX_PER_MINUTE


def test_the_rate_reaches_its_bounds() -> None:
    rising, falling = AdaptiveRateLimiter(), AdaptiveRateLimiter()
    send_all([rising], 0.0, 900.0)
    for minute in range(30):
        falling.on_throttled(minute * 60.0, minute * 60.0 + 1)
    assert (rising.per_minute, falling.per_minute) == (MAX_PER_MINUTE, MIN_PER_MINUTE)


def test_it_finds_the_limit_of_a_gateway_and_is_seldom_refused(subtests: pytest.Subtests) -> None:
    for per_minute in (5, 60, 600):
        with subtests.test(per_minute=per_minute):
            gateway = WindowGateway(per_minute)
            send_all([AdaptiveRateLimiter()], 0.0, 3600.0, gateway)
            assert get_rate(gateway.granted, 1200.0, 2400.0) == pytest.approx(per_minute, rel=0.25)
            assert get_rate(gateway.refused, 1200.0, 2400.0) <= 1.05


def test_the_first_minutes_at_a_small_gateway_bring_few_refusals() -> None:
    gateway = WindowGateway(5)
    send_all([AdaptiveRateLimiter()], 0.0, 300.0, gateway)
    assert len(gateway.refused) <= 6
    assert all(later - earlier >= 1 for earlier, later in pairwise(gateway.refused))


@pytest.mark.parametrize("per_minute", [10, 60, 300])
@pytest.mark.parametrize("is_configured", [False, True], ids=["learnt", "configured"])
def test_two_triggerers_that_share_an_account_both_get_their_part(per_minute: int, is_configured: bool) -> None:
    gateway = WindowGateway(per_minute)
    limiters = [AdaptiveRateLimiter(per_minute if is_configured else None) for _ in range(2)]
    first, second = send_all(limiters, 0.0, 3600.0, gateway)
    rates = [get_rate(granted, 1200.0, 2400.0) for granted in (first, second)]
    assert sum(rates) == pytest.approx(per_minute, rel=0.25)
    assert min(rates) >= 0.25 * per_minute
    refused = get_rate(gateway.refused, 1200.0, 2400.0)
    assert refused <= 2.1
    assert refused <= 0.05 * sum(rates) or per_minute < 40  # of 10 a minute, a single one is more


def test_a_configured_rate_falls_with_a_429_and_rises_again_to_its_limit() -> None:
    limiter = AdaptiveRateLimiter(60.0)
    limiter.on_throttled(0.0, 10.0)
    assert limiter.per_minute == pytest.approx(60 * DECREASE)
    send_all([limiter], 10.0, 600.0)
    assert limiter.per_minute == 60


def test_a_configured_rate_below_the_usual_minimum_stays_there() -> None:
    limiter = AdaptiveRateLimiter(1.0)
    limiter.on_throttled(0.0, 10.0)
    assert limiter.per_minute == 1.0
