"""The emulator's own paths, ``/_emulator/…``: steer it and look into it from another process.

They want no key, count against no limit, and no fault strikes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .answers import Ask, Reply, as_json, error
from .fault_table import TABLE
from .world import World

PREFIX = "/_emulator/"


def control(world: World, ask: Ask) -> Reply:
    """Answer a request to the emulator itself; mistakes come back as 400 with what was wrong."""
    verbs = _PATHS.get(ask.path.removeprefix(PREFIX))
    if verbs is None:
        return error(404, f"there is no {ask.path}; there are {', '.join(PREFIX + path for path in _PATHS)}")
    if ask.method not in verbs:
        return error(405, f"{ask.path} takes {', '.join(verbs)}")
    try:
        return as_json(verbs[ask.method](world, ask, json.loads(ask.body or b"{}")))
    except KeyError as unknown:
        return error(404, f"there is no request {unknown}")
    except (ValueError, TypeError, AttributeError) as wrong:
        return error(400, str(wrong))


def _health(world: World, ask: Ask, _: Any) -> dict[str, Any]:
    settings = world.settings
    return {
        "status": "ok",
        "time": world.clock(),
        "storage_url": ask.base,
        "history_url": ask.base + HISTORY_PATH,
        "time_scale": settings.time_scale,
        "requests_per_minute": settings.requests_per_minute,
        "record_ttl": settings.record_ttl,
    }


def _ledger(world: World, ask: Ask, _: Any) -> dict[str, Any]:
    return world.ledger_at(ask.base)


def _requests(world: World, _: Ask, __: Any) -> list[dict[str, Any]]:
    return world.requests()


def _faults(world: World, _: Ask, __: Any) -> dict[str, Any]:
    known = {name: {"about": it.about, "calls": it.calls, "params": it.params} for name, it in TABLE.items()}
    return {"active": world.active_faults(), "known": known}


def _add_faults(world: World, _: Ask, given: Any) -> list[dict[str, Any]]:
    """Add one rule (an object or its text) or a list of them."""
    return [world.faults.add(each).as_dict() for each in (given if isinstance(given, list) else [given])]


def _clear_faults(world: World, _: Ask, __: Any) -> dict[str, Any]:
    world.clear_faults()
    return {}


def _expire(world: World, _: Ask, given: Any) -> dict[str, Any]:
    """Expire ``{"request_id": …}``, or every record when none is named."""
    return {"expired": world.expire(given.get("request_id"))}


def _advance(world: World, _: Ask, given: Any) -> dict[str, Any]:
    """Let ``{"seconds": …}`` pass."""
    world.advance(float(given.get("seconds", 0)))
    return {"time": world.clock()}


def _reset(world: World, _: Ask, __: Any) -> dict[str, Any]:
    world.reset()
    return {}


HISTORY_PATH = "/inference-request/request-history"

_Verb = Callable[[World, Ask, Any], Any]
_PATHS: dict[str, dict[str, _Verb]] = {
    "health": {"GET": _health},
    "ledger": {"GET": _ledger},
    "requests": {"GET": _requests},
    "faults": {"GET": _faults, "POST": _add_faults, "DELETE": _clear_faults},
    "expire": {"POST": _expire},
    "advance": {"POST": _advance},
    "reset": {"POST": _reset},
}
