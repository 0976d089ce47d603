"""Rate limit of an account: a fixed window that begins with its first request. The caller hands in the time."""

from __future__ import annotations

import math
from datetime import UTC, datetime


class RateLimits:
    """Counts the requests of each account.

    :param max_requests: requests that a window allows; 0 for no limit.
    :param window_s: length of a window in seconds.
    """

    def __init__(self, max_requests: int, window_s: float) -> None:
        self.max_requests = max_requests
        self.window_s = window_s
        #: account -> (start of its window, requests counted in it)
        self._windows: dict[str, tuple[float, int]] = {}
        self._blocked_until: dict[str, float] = {}

    def count_request(self, account: str, now: float) -> float | None:
        """Count a request; return None if it is allowed, else the time of the reset."""
        if now < self._blocked_until.get(account, 0.0):
            return self._blocked_until[account]
        start, count = self._windows.get(account, (now, 0))
        if now >= start + self.window_s:
            start, count = now, 0
        # A refused request is counted too, but it does not move the window.
        self._windows[account] = (start, count + 1)
        return start + self.window_s if 0 < self.max_requests <= count else None

    def get_reset_time(self, account: str, now: float) -> float:
        """Return when the current window of an account ends."""
        start, _ = self._windows.get(account, (now, 0))
        return max(start, now - self.window_s) + self.window_s

    def block_account(self, account: str, until: float) -> None:
        """Refuse every request of an account until a time."""
        self._blocked_until[account] = until

    def advance(self, seconds: float) -> None:
        """Move every window into the past, as if this much time had passed."""
        self._windows = {account: (start - seconds, count) for account, (start, count) in self._windows.items()}
        self._blocked_until = {account: until - seconds for account, until in self._blocked_until.items()}


def format_reset_time(timestamp: float, reset_format: str) -> str:
    """Return the value of ``x-rate-limit-reset-at-utc``; the API's own format is not documented.

    The time is rounded up, so that a client that waits for it is never too early.
    """
    if reset_format == "epoch":
        return str(math.ceil(timestamp))
    rounded = math.ceil(timestamp * 1000) / 1000
    text = datetime.fromtimestamp(rounded, UTC).isoformat(timespec="milliseconds")
    if reset_format == "iso":
        return text.replace("+00:00", "Z")
    without_zone = text.removesuffix("+00:00")
    return without_zone.replace("T", " ") if reset_format == "iso-space" else without_zone
