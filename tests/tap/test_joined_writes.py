"""What is written in one turn of the event loop is sent in one piece, in order, and before the connection ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import typing as t

from tap_newstore_fulfillment.receiver.paced_transport import JoinedWrites

if t.TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


def sent_by(write: Callable[[JoinedWrites], Awaitable[None]]) -> list[bytes]:
    """Return the packets that arrive at the other end: each is one call of `send`."""

    async def over_a_pair_of_sockets() -> list[bytes]:
        loop = asyncio.get_running_loop()
        # Datagrams keep their ends, where a stream would not.
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        here.setblocking(False)
        # asyncio takes streams only; it asks a socket for its type, and then just sends.
        transport = await _transport(loop, here)
        await write(JoinedWrites(transport, loop))
        await asyncio.sleep(0)
        transport.close()
        await asyncio.sleep(0)
        with there:
            return list(_received(there))

    return asyncio.run(over_a_pair_of_sockets())


def _received(datagrams: socket.socket) -> Iterator[bytes]:
    """Yield what has arrived; a local datagram arrives when it is sent."""
    datagrams.setblocking(False)
    with contextlib.suppress(BlockingIOError, ConnectionResetError):
        while True:
            yield datagrams.recv(1000)


async def _transport(loop: asyncio.AbstractEventLoop, packets: socket.socket) -> asyncio.Transport:
    class Stream(socket.socket):
        type = socket.SOCK_STREAM

    stream = Stream(fileno=packets.detach())
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=stream)
    return transport


def test_head_and_body_of_an_answer_are_one_piece() -> None:
    async def answer(wire: JoinedWrites) -> None:
        wire.write(b"head ")
        wire.write(b"body")

    assert sent_by(answer) == [b"head body"]


def test_what_is_written_later_is_sent_later() -> None:
    async def answer_twice(wire: JoinedWrites) -> None:
        wire.write(b"first")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        wire.write(b"second")

    assert sent_by(answer_twice) == [b"first", b"second"]


def test_a_close_sends_what_was_written_before_it() -> None:
    async def answer_and_close(wire: JoinedWrites) -> None:
        wire.write(b"last ")
        wire.write(b"words")
        wire.close()

    assert sent_by(answer_and_close) == [b"last words"]
