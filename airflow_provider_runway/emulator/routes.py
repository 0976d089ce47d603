"""Which call a path is. A table, read by a pure function; the verb is judged apart, for 405 differs from 404."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TABLE = (
    # call, verbs, needs a key, path
    ("credits", ("GET",), True, r"/v1/get-user-credits"),
    ("status", ("GET",), True, r"/v2/requests/(?P<id>[^/]+)/status"),
    ("result", ("GET",), True, r"/v[12]/requests/(?P<id>[^/]+)"),
    ("upload", ("POST",), True, r"/upload-asset"),
    ("history", ("GET",), True, r"/inference-request/request-history"),
    ("history_one", ("GET",), True, r"/inference-request/request-history/(?P<id>[^/]+)"),
    ("submit", ("POST",), True, r"/v2/(?P<slug>[^/]+)"),
    ("sync", ("POST",), True, r"/v1/(?P<slug>[^/]+)"),
    ("output", ("GET", "HEAD"), False, r"/outputs/(?P<name>[^/]+)"),
    ("asset", ("GET", "HEAD"), False, r"/assets/(?P<name>[^/]+)"),
)
_ROUTES = tuple((call, verbs, keyed, re.compile(path)) for call, verbs, keyed, path in _TABLE)


@dataclass(frozen=True, slots=True)
class Route:
    """A call that was recognised. ``argument`` is the request id, slug or file name in its path."""

    call: str
    verbs: tuple[str, ...]
    keyed: bool
    argument: str


def find(path: str) -> Route | None:
    """Return the call at a path; None when nothing lives there."""
    for call, verbs, keyed, pattern in _ROUTES:
        if hit := pattern.fullmatch(path):
            return Route(call, verbs, keyed, next(iter(hit.groupdict().values()), ""))
    return None
