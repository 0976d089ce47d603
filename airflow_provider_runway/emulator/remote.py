"""``EmulatorControl``: the same control as ``Emulator`` has, over HTTP, for tests in another process."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from .control import HISTORY_PATH, PREFIX


class EmulatorControl:
    """Steers an emulator that runs elsewhere.

    :param url: its address.
    :param timeout_s: for each request to it.
    """

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"not an address: {url!r}")
        self.url = url.rstrip("/")
        self.storage_url = self.url
        self.history_url = self.url + HISTORY_PATH
        self.timeout_s = timeout_s

    def health(self) -> dict[str, Any]:
        """Return that it lives, and its main settings."""
        return dict(self._call("GET", "health"))

    def ledger(self) -> dict[str, Any]:
        """Return the ledger, see ``Emulator.ledger``."""
        return dict(self._call("GET", "ledger"))

    def requests(self) -> list[dict[str, Any]]:
        """Return every request so far, see ``Emulator.requests``."""
        return list(self._call("GET", "requests"))

    def faults(self) -> list[dict[str, Any]]:
        """Return the fault rules in force."""
        return list(self._call("GET", "faults")["active"])

    def add_fault(self, rule: str | dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Add a fault rule: a dict, its text, or its fields as keywords.

        :raises ValueError: when there is no such fault, call or parameter.
        """
        return dict(self._call("POST", "faults", fields if rule is None else rule)[0])

    def clear_faults(self) -> None:
        """Remove every fault rule."""
        self._call("DELETE", "faults")

    def expire(self, request_id: str | None = None) -> int:
        """Let the record of one job, or of all, be gone; return of how many."""
        return int(self._call("POST", "expire", {"request_id": request_id})["expired"])

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self._call("POST", "advance", {"seconds": seconds})

    def reset(self) -> None:
        """Forget everything."""
        self._call("POST", "reset")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + PREFIX + path, data, method=method)  # noqa: S310  # checked above
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                text = str(json.load(refused)["error"])
            raise (KeyError if refused.code == 404 else ValueError)(text) from None
