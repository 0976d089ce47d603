"""When the API listens again after a 429, read from whatever form it tells it in."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_runway.segmind.timestamps import parse_number, parse_timestamp

#: A reset further away than this is taken for nonsense: budgets are counted per minute.
MAX_RESET_S = 120.0


def parse_rate_limit_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the epoch second from which on the API listens again, or None when it did not say.

    Reads ``x-rate-limit-reset-at-utc`` in the forms of ``parse_timestamp``, and ``retry-after`` as
    seconds or as an HTTP date; the later one counts. A moment in the past becomes ``now``, one
    beyond :data:`MAX_RESET_S` is cut to it.
    """
    told = [
        moment
        for moment in (
            _retry_after(headers.get("retry-after"), now),
            parse_timestamp(headers.get("x-rate-limit-reset-at-utc")),
        )
        if moment is not None
    ]
    return min(max(now, *told), now + MAX_RESET_S) if told else None


def _retry_after(text: str | None, now: float) -> float | None:
    seconds = parse_number(text)
    return parse_timestamp(text) if seconds is None else now + seconds
