"""Adaptive rate limit: how many requests a minute the account allows, as configured or as learnt from 429 responses.

Additive increase and multiplicative decrease, like TCP: several triggerers and the submits of workers share one
account without talking to each other. Also a configured limit is the account's and not this process's, so a 429 slows
this process down although it kept the limit. Times are seconds on one clock, passed in.
"""

from __future__ import annotations

#: The rate to start from where none is configured. It lies between the plans, and until the first 429 it doubles
#: with each minute in which it is used up.
INITIAL_PER_MINUTE = 120.0
#: Plans allow 5 to 1000 requests a minute, so the learnt rate stays within these bounds.
MIN_PER_MINUTE, MAX_PER_MINUTE = 3.0, 1200.0
#: Factor on the rate after a 429.
DECREASE = 0.7
#: What each minute without a 429 adds, but not more than this share of the rate.
INCREASE_PER_MINUTE, MAX_INCREASE_SHARE = 10.0, 0.2
#: Burst size: requests that may be sent at once after a quiet time, in seconds of the rate.
BURST_S = 2.0
#: The pause after a 429 that does not name its reset.
DEFAULT_PAUSE_S = 5.0
#: After the pause, contention halves in this time.
CONTENTION_HALF_LIFE_S = 20.0


class AdaptiveRateLimiter:
    """Says when the next request may be sent. It neither waits nor sends.

    :param per_minute: the account's limit where it is configured. The rate starts from it and never exceeds it.
    """

    def __init__(self, per_minute: float | None = None, now: float = 0.0) -> None:
        self._max_per_minute = per_minute or MAX_PER_MINUTE
        self._min_per_minute = min(MIN_PER_MINUTE, self._max_per_minute)
        self._is_configured = per_minute is not None
        self.per_minute = per_minute or INITIAL_PER_MINUTE
        self.throttle_count = 0
        self._paused_until = now
        self._tokens = 1.0
        self._refilled_at = now
        self._increased_at = now
        self._sent_since_increase = 0

    @property
    def per_second(self) -> float:
        """The current rate."""
        return self.per_minute / 60

    def contention(self, now: float) -> float:
        """Return how contended the account is, from 1 (a 429 just came) down to 0.

        Polls that save little lateness should then be left out: the submits of workers share the account,
        and the poller learns of them only by 429 responses.
        """
        if self.throttle_count == 0:
            return 0.0
        return float(0.5 ** (max(now - self._paused_until, 0.0) / CONTENTION_HALF_LIFE_S))

    def delay_s(self, now: float) -> float:
        """Return the seconds until a request may be sent; 0 means now."""
        if now < self._paused_until:
            return self._paused_until - now
        self._refill_and_raise_rate(now)
        return max((1.0 - self._tokens) / self.per_second, 0.0) if self._tokens < 1.0 else 0.0

    def acquire(self, now: float) -> None:
        """Count a request that is sent now."""
        self._refill_and_raise_rate(now)
        self._tokens -= 1.0
        self._sent_since_increase += 1
        if not self._is_configured and self.throttle_count == 0:
            self.per_minute = min(self.per_minute + 1.0, self._max_per_minute)

    def on_throttled(self, now: float, reset_at: float | None) -> None:
        """Take a 429: pause until the reset, and continue at a lower rate.

        Requests that were under way together are refused together; they lower the rate once.

        :param reset_at: on the clock of ``now``; None where the API did not name it.
        """
        self.throttle_count += 1
        if now >= self._paused_until:
            self.per_minute = max(self.per_minute * DECREASE, self._min_per_minute)
        pause_end = now + DEFAULT_PAUSE_S if reset_at is None else reset_at
        self._paused_until = max(self._paused_until, pause_end, now + 0.1)
        self._tokens, self._refilled_at = 1.0, self._paused_until
        self._increased_at, self._sent_since_increase = self._paused_until, 0

    def _refill_and_raise_rate(self, now: float) -> None:
        """Add the tokens of the time that passed, and raise the rate if it was used without a 429."""
        passed_s = now - self._refilled_at
        if passed_s <= 0:
            return
        burst = max(1.0, self.per_second * BURST_S)
        self._tokens = min(self._tokens + passed_s * self.per_second, burst)
        self._refilled_at = now
        minutes = (now - self._increased_at) / 60
        # Only a rate that was really used has shown that the account allows more.
        was_used = self._sent_since_increase >= 0.5 * minutes * self.per_minute
        if minutes >= 0.1 and was_used:
            increase = min(INCREASE_PER_MINUTE, self.per_minute * MAX_INCREASE_SHARE)
            self.per_minute = min(self.per_minute + increase * minutes, self._max_per_minute)
            self._increased_at, self._sent_since_increase = now, 0
        elif minutes >= 1.0:
            self._increased_at, self._sent_since_increase = now, 0
