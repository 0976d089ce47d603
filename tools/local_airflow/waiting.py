"""Waiting for something with a deadline, and saying what was waited for when it did not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class DeadlineExceededError(TimeoutError):
    """What was waited for did not come; the message says what, and what was seen instead."""


def until(
    look: Callable[[], T | None],
    *,
    timeout_s: float,
    what: str,
    every_s: float = 0.2,
    explain: Callable[[], str] = lambda: "",
) -> T:
    """Call ``look`` until it returns something true, and return that.

    The last look comes after the deadline, so that a slow machine gets the benefit of the doubt.

    :param explain: Asked only on failure; its text goes into the error.
    :raises DeadlineExceededError: It stayed false.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        late = time.monotonic() > deadline
        found = look()
        if found:
            return found
        if late:
            detail = explain()
            raise DeadlineExceededError(f"{what}: not within {timeout_s:g} s" + (f"\n{detail}" if detail else ""))
        time.sleep(every_s)
