"""Sends responses, and breaks connections: resets, bodies that are cut in the middle or drip, missing bodies."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

from aiohttp import web

from .response_bodies import ApiResponse

#: Half of a body gets this long to reach the client before the connection is reset.
FLUSH_S = 0.05
#: A response that never ends looks this often whether its client has gone.
DISCONNECT_CHECK_S = 0.1


async def send_response(request: web.Request, response: ApiResponse) -> web.StreamResponse:
    """Send a response, or break the connection, as its ``delivery`` says."""
    if response.delivery == "whole":
        return response
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    if response.delivery == "chunked":
        stream.enable_chunked_encoding()
        await stream.prepare(request)
        with contextlib.suppress(ConnectionError):  # the client may have closed the connection
            await stream.write(response.data)
        return stream
    if response.delivery in ("drip", "headers"):
        await _drip_response(request, response, stream)
        return stream
    if response.delivery in ("cut_reset", "cut_close"):
        stream.content_length = len(response.data)
        await stream.prepare(request)
        await stream.write(response.data[: response.sent_bytes])
    if response.delivery == "cut_close" and request.transport is not None:
        request.transport.close()  # what was written is still sent
        return stream
    if response.delivery == "cut_reset":
        await asyncio.sleep(FLUSH_S)
    _reset_connection(request)
    return stream


async def _drip_response(request: web.Request, response: ApiResponse, stream: web.StreamResponse) -> None:
    """Send a byte at a time, or nothing after the headers, until the client closes the connection."""
    stream.content_length = max(len(response.data), 1)
    with contextlib.suppress(ConnectionError):
        await stream.prepare(request)
        for index in range(stream.content_length):
            await asyncio.sleep(response.drip_s)
            if response.delivery == "headers":
                await _wait_for_disconnect(request)
                return
            await stream.write(response.data[index : index + 1])


async def _wait_for_disconnect(request: web.Request) -> None:
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(DISCONNECT_CHECK_S)


def _reset_connection(request: web.Request) -> None:
    """Close the connection with a TCP reset."""
    transport = request.transport
    if transport is None:
        return
    raw_socket = transport.get_extra_info("socket")
    if raw_socket is not None:
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
