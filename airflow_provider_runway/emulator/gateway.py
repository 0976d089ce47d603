"""From a request to its answer: the order in which the gateway looks at things.

Path, verb, key, limit, faults, and only then the call. It does no I/O: :func:`answer` is a generator that
yields seconds to wait and returns the answer; the server drives it.
"""

from __future__ import annotations

import math
from collections.abc import Generator

from . import answers, mischief
from .answers import Ask, Reply
from .calls import CALLS, Turn, sync
from .faults import Hits
from .limits import reset_text
from .routes import find
from .world import Entry, World

Course = Generator[float, None, Reply]


def answer(world: World, ask: Ask, entry: Entry) -> Course:
    """Answer a request, and complete its entry in the log."""
    reply = yield from _answer(world, ask, entry)
    entry.status = None if reply.cut == "reset" else reply.status
    entry.sent = len(reply.body) // (2 if reply.cut else 1)
    return reply


def _answer(world: World, ask: Ask, entry: Entry) -> Course:
    route = find(ask.path)
    if route is None:
        return answers.no_such_path()
    entry.call = route.call
    if ask.method not in route.verbs:
        return answers.html(405).with_headers(allow=", ".join(route.verbs))
    if route.call in ("submit", "sync"):
        world.ledger.posts += 1
    account = _account(world, ask) if route.keyed else ""
    if isinstance(account, Reply):
        return account
    if route.keyed and (back_at := world.limits.spend(account, world.clock())) is not None:
        return _too_many(world, back_at)
    hits = world.faults.strike(route.call, f"{ask.path} {ask.body.decode(errors='replace')}")
    entry.fault = hits.names
    return (yield from _struck(world, Turn(world, ask, route.call, route.argument, account, hits)))


def _struck(world: World, turn: Turn) -> Course:
    """Make the call, with what the faults do to it."""
    wait, fault = turn.hits.wait, turn.hits.answer
    wait_s = float(wait.params["seconds"]) if wait else 0.0
    first_wait = wait is not None and wait.params["accept"] == "after"
    if first_wait:
        yield wait_s
    if fault and _replaces(turn.hits):
        if fault.fault == "rate_limited" and fault.params["hold"]:
            world.limits.close(turn.account, world.clock() + fault.params["window"])
        reply = mischief.instead(fault, world.clock(), world.settings.reset_format)
    else:
        reply = (yield from sync(turn)) if turn.call == "sync" else CALLS[turn.call](turn)
        if fault:
            reply = mischief.twist(fault, reply)
    if not first_wait and wait:
        yield wait_s
    return reply


def _replaces(hits: Hits) -> bool:
    """Tell whether the fault stands in the place of the call."""
    rule = hits.answer
    return rule is not None and (rule.stage == "instead" or rule.params.get("accepted") is False)


def _account(world: World, ask: Ask) -> str | Reply:
    key = ask.headers.get("x-api-key")
    if not key:
        # A bearer token is seen, and refused: the key belongs in x-api-key.
        return answers.bad_key() if "authorization" in ask.headers else answers.no_key()
    return world.settings.account_of(key) or answers.bad_key()


def _too_many(world: World, back_at: float) -> Reply:
    settings = world.settings
    wait_s = math.ceil(back_at - world.clock()) if settings.retry_after else None
    return answers.too_many(reset_text(back_at, settings.reset_format), wait_s)
