"""The request budget of an account: a fixed window that begins with the first request in it. Time is handed in."""

from __future__ import annotations

import math
from datetime import UTC, datetime


class Limits:
    """Counts requests per account.

    :param per_window: requests that a window holds; 0 for no limit.
    :param window_s: its length.
    """

    def __init__(self, per_window: int, window_s: float) -> None:
        self.per_window = per_window
        self.window_s = window_s
        self._windows: dict[str, tuple[float, int]] = {}
        self._closed: dict[str, float] = {}

    def spend(self, account: str, now: float) -> float | None:
        """Count a request; return None when it may pass, else the instant at which the account may come back."""
        if now < self._closed.get(account, 0.0):
            return self._closed[account]
        began, used = self._windows.get(account, (now, 0))
        if now >= began + self.window_s:
            began, used = now, 0
        # A refused request is counted too, but the window does not move: hammering changes nothing.
        self._windows[account] = (began, used + 1)
        return began + self.window_s if 0 < self.per_window <= used else None

    def resets_at(self, account: str, now: float) -> float:
        """Return when the account's present window ends."""
        began, _ = self._windows.get(account, (now, 0))
        return max(began, now - self.window_s) + self.window_s

    def close(self, account: str, until: float) -> None:
        """Refuse everything of an account until an instant."""
        self._closed[account] = until

    def age(self, seconds: float) -> None:
        """Let time pass: move every window into the past."""
        self._windows = {account: (began - seconds, used) for account, (began, used) in self._windows.items()}
        self._closed = {account: until - seconds for account, until in self._closed.items()}


def reset_text(instant: float, form: str) -> str:
    """Write an instant the way ``x-rate-limit-reset-at-utc`` is asked for; the API's own form is not documented.

    Whole seconds are rounded up, so that a caller who obeys is never a moment early.
    """
    if form == "epoch":
        return str(math.ceil(instant))
    rounded = math.ceil(instant * 1000) / 1000
    text = datetime.fromtimestamp(rounded, UTC).isoformat(timespec="milliseconds")
    if form == "iso":
        return text.replace("+00:00", "Z")
    naive = text.removesuffix("+00:00")
    return naive.replace("T", " ") if form == "iso-space" else naive
