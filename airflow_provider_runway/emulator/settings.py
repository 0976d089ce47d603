"""How one emulator is set up: the same fields for the command line and for ``Emulator(...)``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

RESET_FORMATS = ("iso", "iso-naive", "iso-space", "epoch")
HISTORY_BODIES = ("python", "json", "object")
UPLOAD_FIELDS = ("file_urls", "urls")

#: The shape of a key: ``SG_`` and 16 hex digits.
KEY_SHAPE = re.compile(r"SG_[0-9A-Fa-f]{16}")
TEST_KEY = "SG_0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of an emulator. The defaults make a friendly, unlimited account.

    :param time_scale: factor on the latencies of jobs; 0.01 turns half a minute into a third of a second.
        Nothing else is scaled: limits, record lifetime and history lag are given in plain seconds.
    :param requests_per_minute: budget of an account, every call counted, GETs too; 0 means no limit.
    :param rate_window: seconds in the "minute" of that budget.
    :param reset_format: how ``x-rate-limit-reset-at-utc`` is written, one of ``RESET_FORMATS``.
    :param retry_after: also send ``Retry-After`` with a 429; the documents know of none.
    :param record_ttl: seconds from submission until the poll endpoints forget a job.
    :param history_lag: seconds from submission until a history row is whole: a number, or ``"min-max"``
        to draw one for each job. In the first half the row is missing, in the second its fields are empty.
    :param history_body: how a history row shows the inputs, one of ``HISTORY_BODIES``.
    :param upload_field: where an upload's answer keeps the URLs, one of ``UPLOAD_FIELDS``.
    :param keys: accepted API keys; each is an account of its own, and ``"KEY1,KEY2"`` is one account with
        two keys (for trying a rotation). Empty: any key of the right shape is accepted.
    :param models: the slugs that exist. Empty: every well-formed slug does.
    :param credits: balance of each account at the start, in USD.
    :param seed: of the emulator's dice (latencies, lags, faults by probability).
    :param faults: fault rules that are there from the start, see :mod:`.faults`.
    """

    time_scale: float = 1.0
    requests_per_minute: int = 0
    rate_window: float = 60.0
    reset_format: str = "iso"
    retry_after: bool = False
    record_ttl: float = 3600.0
    history_lag: float | str = 0.0
    history_body: str = "python"
    upload_field: str = "file_urls"
    keys: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    credits: float = 1000.0
    seed: int = 0
    faults: tuple[str | dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        for field, value, allowed in (
            ("reset_format", self.reset_format, RESET_FORMATS),
            ("history_body", self.history_body, HISTORY_BODIES),
            ("upload_field", self.upload_field, UPLOAD_FIELDS),
        ):
            if value not in allowed:
                raise ValueError(f"{field} must be one of {', '.join(allowed)}, not {value!r}")
        if self.time_scale < 0 or self.rate_window <= 0 or self.requests_per_minute < 0 or self.record_ttl < 0:
            raise ValueError("time_scale, requests_per_minute, record_ttl: not negative; rate_window: above 0")
        for name in ("keys", "models", "faults"):
            if isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is a list; got the single text {getattr(self, name)!r}")
        _ = self.lag_range_s

    @property
    def lag_range_s(self) -> tuple[float, float]:
        """The history lag as (least, most) seconds."""
        try:
            least, _, most = str(self.history_lag).partition("-")
            span = (float(least), float(most or least))
        except ValueError:
            raise ValueError(f'history_lag is seconds or "min-max", not {self.history_lag!r}') from None
        if not 0 <= span[0] <= span[1]:
            raise ValueError(f"history_lag runs from less to more, not {self.history_lag!r}")
        return span

    @property
    def test_key(self) -> str:
        """A key this emulator accepts."""
        return self.keys[0].split(",")[0].strip() if self.keys else TEST_KEY

    def account_of(self, key: str) -> str | None:
        """Return the account that a key opens (named by its first key), or None when the key is refused."""
        if not self.keys:
            return key if KEY_SHAPE.fullmatch(key) else None
        for entry in self.keys:
            ring = [each.strip() for each in entry.split(",")]
            if key in ring:
                return ring[0]
        return None


def mask(key: str) -> str:
    """Return a key as it may be shown: its last four characters tell accounts apart, no more."""
    return f"SG_…{key[-4:]}"
