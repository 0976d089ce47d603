"""Options of an emulator: the same fields for the command line and for ``Emulator(...)``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

RESET_FORMATS = ("iso", "iso-naive", "iso-space", "epoch")
HISTORY_BODIES = ("python", "json", "object")
UPLOAD_FIELDS = ("file_urls", "urls")

#: An API key is ``SG_`` and 16 hex digits.
KEY_PATTERN = re.compile(r"SG_[0-9A-Fa-f]{16}")
TEST_KEY = "SG_0123456789abcdef"


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """The options of an emulator. The defaults make an account without a rate limit.

    :param time_scale: factor on the latencies of jobs; 0.01 turns half a minute into a third of a second.
        Nothing else is scaled: rate limit, record lifetime and history lag are in real seconds.
    :param requests_per_minute: rate limit of an account, GETs included; 0 for no limit.
    :param rate_window: seconds in the "minute" of that limit.
    :param reset_format: format of ``x-rate-limit-reset-at-utc``, one of ``RESET_FORMATS``.
    :param retry_after: also send ``Retry-After`` with a 429, which the documents do not mention.
    :param record_ttl: seconds from submission until the poll endpoints forget a job.
    :param history_lag: seconds from submission until a history row is complete: a number, or ``"min-max"``
        to draw one for each job. In the first half the row is missing, in the second half its fields are empty.
    :param history_body: format of ``request_body`` in a history row, one of ``HISTORY_BODIES``.
    :param upload_field: field of the upload's response with the URLs, one of ``UPLOAD_FIELDS``.
    :param keys: accepted API keys. Each is an account of its own; ``"KEY1,KEY2"`` is one account with two keys,
        for trying a key rotation. Empty: every key of the right form is accepted.
    :param models: slugs that exist. Empty: every well-formed slug does.
    :param credits: balance of each account at the start, in USD.
    :param seed: seed of the random latencies, lags and faults with a probability.
    :param faults: fault rules that apply from the start, see :mod:`.fault_rules`.
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
        for name, value, allowed in (
            ("reset_format", self.reset_format, RESET_FORMATS),
            ("history_body", self.history_body, HISTORY_BODIES),
            ("upload_field", self.upload_field, UPLOAD_FIELDS),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
        if self.time_scale < 0 or self.rate_window <= 0 or self.requests_per_minute < 0 or self.record_ttl < 0:
            raise ValueError(
                "time_scale, requests_per_minute and record_ttl must not be negative; rate_window must be above 0"
            )
        for name in ("keys", "models", "faults"):
            if isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a list, not the single text {getattr(self, name)!r}")
        _ = self.lag_range_s

    @property
    def lag_range_s(self) -> tuple[float, float]:
        """The history lag as (shortest, longest) seconds."""
        try:
            shortest, _, longest = str(self.history_lag).partition("-")
            lag_range = (float(shortest), float(longest or shortest))
        except ValueError:
            raise ValueError(f'history_lag must be seconds or "min-max", not {self.history_lag!r}') from None
        if not 0 <= lag_range[0] <= lag_range[1]:
            raise ValueError(f"history_lag must rise from min to max, not {self.history_lag!r}")
        return lag_range

    @property
    def test_key(self) -> str:
        """An API key that this emulator accepts."""
        return self.keys[0].split(",")[0].strip() if self.keys else TEST_KEY

    def find_account(self, key: str) -> str | None:
        """Return the account of a key (named by its first key), or None if the key is refused."""
        if not self.keys:
            return key if KEY_PATTERN.fullmatch(key) else None
        for entry in self.keys:
            account_keys = [each.strip() for each in entry.split(",")]
            if key in account_keys:
                return account_keys[0]
        return None


def mask_key(key: str) -> str:
    """Return the form of a key that may be shown: only its last four characters, to tell accounts apart."""
    return f"SG_…{key[-4:]}"
