"""Wait until a condition holds, with a deadline and an error that says what was seen instead."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class WaitTimeoutError(TimeoutError):
    """The condition did not hold in time. The message names it."""


def wait_until(
    check: Callable[[], T | None],
    *,
    timeout_s: float,
    what: str,
    interval_s: float = 0.2,
    explain: Callable[[], str] = lambda: "",
) -> T:
    """Call ``check`` until it returns something true, and return that.

    The last call comes after the deadline, so that a slow machine does not fail the wait.

    :param what: Name of the condition, for the error.
    :param explain: Called only when the wait fails. Its text goes into the error.
    :raises WaitTimeoutError: The deadline passed.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        is_late = time.monotonic() > deadline
        found = check()
        if found:
            return found
        if is_late:
            detail = explain()
            raise WaitTimeoutError(f"{what}: not within {timeout_s:g} s" + (f"\n{detail}" if detail else ""))
        time.sleep(interval_s)
