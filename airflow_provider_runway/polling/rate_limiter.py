"""How many requests a minute the account bears: as set, or as found out by being refused.

Additive increase, multiplicative decrease, as TCP does: several triggerers, and the submits of workers,
share an account so without talking to each other. All moments are seconds of one clock, handed in.
"""

from __future__ import annotations

#: Where nobody said: a pace between the plans, from which the way to each of them is short. Until the first
#: refusal it doubles with each minute in which it is made use of.
FIRST_PER_MINUTE = 120.0
#: Plans go from 5 to 1000 a minute; more is not worth asking for, and less would be none.
LEAST_PER_MINUTE, MOST_PER_MINUTE = 3.0, 1200.0
#: After a refusal this share is left. Each minute without one adds so much, but on a small budget no more than a share.
DECREASE, INCREASE_PER_MINUTE, INCREASE_SHARE = 0.7, 10.0, 0.2
#: Requests that may go at once after a silence, in seconds of the budget: a small crowd, not a stampede.
BURST_S = 2.0
#: The scarcity that a refusal shows halves in this time after the silence.
SCARCE_S = 20.0


class AdaptiveRateLimiter:
    """Tells when the next request may go. It neither waits nor sends.

    :param per_minute: the account's limit where it is known: the pace then never exceeds it.
    """

    def __init__(self, per_minute: float | None = None, now: float = 0.0) -> None:
        self._ceiling = per_minute or MOST_PER_MINUTE
        self._fixed = per_minute is not None
        self.per_minute = per_minute or FIRST_PER_MINUTE
        self.refusals = 0
        self._silent_until = now
        self._refilled_at = now
        self._tokens = 1.0
        self._raised_at = now
        self._used_since_raise = 0

    def contention(self, now: float) -> float:
        """Return how scarce requests are, from 1 (just refused) down to 0: somebody else needs them, too.

        Looks that merely save a little lateness should then be left to the submits of workers, of which nobody
        tells the poller but the refusals.
        """
        if self.refusals == 0:
            return 0.0
        return float(0.5 ** (max(now - self._silent_until, 0.0) / SCARCE_S))

    @property
    def per_second(self) -> float:
        """The pace, as it stands."""
        return self.per_minute / 60

    def wait_s(self, now: float) -> float:
        """Return the seconds until a request may go; 0: now."""
        if now < self._silent_until:
            return self._silent_until - now
        self._refill(now)
        return max((1.0 - self._tokens) / self.per_second, 0.0) if self._tokens < 1.0 else 0.0

    def spend(self, now: float) -> None:
        """Count a request that goes now."""
        self._refill(now)
        self._tokens -= 1.0
        self._used_since_raise += 1
        if not self._fixed and self.refusals == 0:
            self.per_minute = min(self.per_minute + 1.0, self._ceiling)

    def refused(self, now: float, reset_at: float | None) -> None:
        """Take in a 429: silence until the reset, and a slower pace from then on.

        Requests that were under way together are refused together; that is one refusal, not many.

        :param reset_at: on the clock of ``now``; None: the API did not say, so a few seconds.
        """
        self.refusals += 1
        if now >= self._silent_until and not self._fixed:
            self.per_minute = max(self.per_minute * DECREASE, LEAST_PER_MINUTE)
        self._silent_until = max(self._silent_until, reset_at if reset_at is not None else now + 5.0, now + 0.1)
        self._tokens, self._refilled_at = 1.0, self._silent_until
        self._raised_at, self._used_since_raise = self._silent_until, 0

    def _refill(self, now: float) -> None:
        passed_s = now - self._refilled_at
        if passed_s <= 0:
            return
        most = max(1.0, self.per_second * BURST_S)
        self._tokens = min(self._tokens + passed_s * self.per_second, most)
        self._refilled_at = now
        minutes = (now - self._raised_at) / 60
        # Only a budget that was made use of has shown that it bears more.
        if not self._fixed and minutes >= 0.1 and self._used_since_raise >= 0.5 * minutes * self.per_minute:
            increase = min(INCREASE_PER_MINUTE, self.per_minute * INCREASE_SHARE)
            self.per_minute = min(self.per_minute + increase * minutes, self._ceiling)
            self._raised_at, self._used_since_raise = now, 0
        elif minutes >= 1.0:
            self._raised_at, self._used_since_raise = now, 0
