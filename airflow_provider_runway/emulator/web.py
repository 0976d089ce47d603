"""The shell around the gateway: aiohttp in, values to :mod:`.gateway`, its answers out.

The one place that waits, and that breaks connections off where an answer says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator
from typing import cast

from aiohttp import web

from .answers import Ask, Reply
from .control import PREFIX, control
from .gateway import Course, answer
from .world import World

log = logging.getLogger("airflow_provider_runway.emulator")

#: An upload is a base64 text; 64 MiB holds the largest picture the models take (16 MB) with room to spare.
MOST_BODY = 64 * 1024**2
#: A broken-off body gets this long to reach the caller before the reset overtakes it.
FLUSH_S = 0.05


@contextlib.asynccontextmanager
async def serving(world: World, host: str, port: int) -> AsyncIterator[str]:
    """Serve a world while the context is open; gives the address it was bound to.

    :raises OSError: when the address is not to be had.
    """
    app = web.Application(client_max_size=MOST_BODY)

    async def handle(request: web.Request) -> web.StreamResponse:
        return await _handle(world, request)

    app.router.add_route("*", "/{path:.*}", handle)
    # Closing does not wait for slow answers: whoever asked for them is gone.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}"
    finally:
        await runner.cleanup()


async def _handle(world: World, request: web.Request) -> web.StreamResponse:
    ask = Ask(
        method=request.method,
        path=request.path,
        query=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.read(),
        base=f"{request.scheme}://{request.host}",
    )
    if ask.path.startswith(PREFIX):
        return await _send(request, control(world, ask))
    began = world.clock()
    entry = world.note(ask)
    reply = await _drive(answer(world, ask, entry))
    # Neither key nor body is in this line: prompts are nobody's business either.
    log.info(
        "%s %s %s -> %s in %.0f ms%s",
        entry.call,
        ask.method,
        request.rel_url.raw_path,
        reply.cut or reply.status,
        (world.clock() - began) * 1000,
        f" [{entry.fault}]" if entry.fault else "",
    )
    return await _send(request, reply)


async def _drive(course: Course) -> Reply:
    """Wait as often as the gateway wants to; return its answer."""
    while True:
        try:
            pause_s = next(course)
        except StopIteration as end:
            return cast("Reply", end.value)
        await asyncio.sleep(pause_s)


async def _send(request: web.Request, reply: Reply) -> web.StreamResponse:
    if not reply.cut and reply.told:
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    if not reply.cut:
        response.enable_chunked_encoding()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # whoever has had enough of it hangs up
            await response.write(reply.body)
        return response
    if reply.cut in ("half", "close"):
        response.content_length = len(reply.body)
        await response.prepare(request)
        await response.write(reply.body[: len(reply.body) // 2])
    if reply.cut == "close" and request.transport is not None:
        request.transport.close()  # what was written still goes out
        return response
    if reply.cut == "half":
        await asyncio.sleep(FLUSH_S)
    _reset(request)
    return response


def _reset(request: web.Request) -> None:
    """Break the connection the hard way: with a reset, not with an orderly end."""
    transport = request.transport
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
