"""HTTP/1.1 and nothing else on the wire, without ever answering 400 for what did not arrive.

An offer to upgrade (Java's client, `curl --http2` and some proxies make one with every request) is
declined, and the request it came with is taken, as RFC 9110, section 7.8, allows. The parser
underneath would stop at the offer, and the body would look empty. What cannot be parsed is answered
503: NewStore takes a 400 for the event's rejection and never sends it again (newstore-api.md, section 4).
"""

from __future__ import annotations

import logging
import typing as t

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tap_newstore_fulfillment.receiver.paced_transport import JoinedWrites, QueueFirst

if t.TYPE_CHECKING:
    import asyncio

    from tap_newstore_fulfillment.receiver.often_said import OftenSaid
    from tap_newstore_fulfillment.receiver.open_connections import OpenConnections

RETRY_AFTER_SECONDS = 5
#: The most that may come before a body, or between its parts; the parser underneath has no limit.
LONGEST_HEAD = 2**16
#: Each takes much more memory than its bytes.
MOST_HEADERS = 200
#: What is parsed at once, so that little more than that is taken. It may be a hundred requests: where a hundred
#: connections send such in step, an event waits for all of them.
LARGEST_PIECE = 2**11
#: What a request takes that is queued behind another, beside its bytes.
QUEUED_REQUEST_BYTES = 2**12
#: How long the rest of a request may take when the receiver is stopped.
LAST_BYTES_SECONDS = 2.0
TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
SEND_AGAIN = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: %d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    % RETRY_AFTER_SECONDS
)
#: The key of the application's state under which it says who counts what is answered here.
COUNT_ANSWER = "count_answer"


class HeadTooLongError(Exception):
    """Headers are more, or longer, than any sender needs."""


class PlainHttp(HttpToolsProtocol):
    """One connection.

    Args:
        connections: All of the receiver's.
        often: Logs for all of them what strangers can cause.
        settings: uvicorn's.
    """

    def __init__(self, connections: OpenConnections, often: OftenSaid, **settings: t.Any) -> None:
        super().__init__(**settings)
        self._all = connections
        self._often = often
        #: Bytes that have come since headers, a part of a body, or a whole request: of a line, headers, trailers.
        self._head = 0
        #: Bytes of a request that is not answered yet, and what of all this the other connections know of.
        self._kept = self.held = 0
        #: What came behind queued requests, and is parsed when they are under way.
        self._unread = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(t.cast("asyncio.Transport", JoinedWrites(transport, self.loop)))
        self.flow = QueueFirst(self.transport, self.pipeline)
        self._all.opened(self, len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._all.is_served(self)
        self._release()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """End, after the answer if the other side has only ended its own, having sent a whole request."""
        last = self.cycle
        if last is None or last.response_complete or last.more_body or self.pipeline:
            # With what was written in this turn.
            self.transport.close()
            return False
        last.keep_alive = False
        return True

    def give_up(self) -> None:
        """Close the connection at once."""
        self._all.is_served(self)
        self._release()
        self.transport.abort()

    def shutdown(self) -> None:
        """End when the request under way has been answered; the other side is not waited for."""
        super().shutdown()
        self.loop.call_later(LAST_BYTES_SECONDS, self._give_up_waiting)

    def pause_writing(self) -> None:
        """Wait until answers are taken."""
        super().pause_writing()
        self._note()

    def resume_writing(self) -> None:
        """Go on: answers are taken."""
        super().resume_writing()
        self._note()

    def data_received(self, data: bytes) -> None:
        """Take bytes from the wire."""
        self._unset_keepalive_if_required()
        for begun in range(0, len(data), LARGEST_PIECE):
            if self.transport.is_closing():
                return
            if self.pipeline:
                self._unread += data[begun:]
                if not self._hold():
                    self._refuse_busy()
                return
            self._feed(data[begun : begun + LARGEST_PIECE])

    def _feed(self, piece: bytes) -> None:
        self._head += len(piece)
        try:
            self.parser.feed_data(piece)
            if self._head > LONGEST_HEAD or self._has_many_headers:
                self._refuse_head()
            elif not self._hold():
                self._refuse_busy()
        except httptools.HttpParserUpgrade as offer:
            self._decline(piece[offer.args[0] :])
        except httptools.HttpParserError as error:
            if self._has_many_headers or isinstance(error.__context__, HeadTooLongError):
                self._refuse_head()
                return
            self._warn("Answered 503: what came is not HTTP, or was damaged on the way")
            self.send_400_response("")

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._head = 0
        # Of what is answered already, nothing is kept.
        self._kept += 0 if self.cycle.response_complete else len(body)
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Begin a part of the body, unless its line is too long: the piece it ends in hides by how much."""
        if self._head > LONGEST_HEAD - LARGEST_PIECE:
            raise HeadTooLongError

    def on_headers_complete(self) -> None:
        """Begin a request, unless it comes again without its offer."""
        self._check_head()
        if not self.parser.should_upgrade():
            self._kept += self._head
            self._head = 0
            super().on_headers_complete()
            if self.pipeline:
                self._all.waits(self)

    def on_message_complete(self) -> None:
        """End a request, unless it comes again without its offer."""
        if not self.parser.should_upgrade():
            self._check_head()
            self._head = 0
            super().on_message_complete()
            self._note()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it has come already."""
        super().on_response_complete()
        self._kept = 0
        if self._unread and not self.pipeline:
            rest, self._unread = self._unread, b""
            self.data_received(rest)
        self._hold()
        self._note()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, and close the connection."""
        del msg
        self._end_with(503, SEND_AGAIN)

    def _refuse_head(self) -> None:
        self._warn("Answered 431: more than %d bytes came that are no body, or %d headers", LONGEST_HEAD, MOST_HEADERS)
        self._end_with(431, TOO_LONG)

    def _refuse_busy(self) -> None:
        self._warn("Answered 503: requests under way hold all the memory they may")
        self._end_with(503, SEND_AGAIN)

    def _warn(self, text: str, *values: object) -> None:
        self._often.say(self.logger, logging.WARNING, text, *values)

    def _check_head(self) -> None:
        """Raise an error if headers or trailers that end here are too long: the piece they end in hides it."""
        if self._has_many_headers:
            raise HeadTooLongError
        if self._head > LONGEST_HEAD - LARGEST_PIECE:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > LONGEST_HEAD:
                raise HeadTooLongError

    @property
    def _has_many_headers(self) -> bool:
        return bool(self.headers) and len(self.headers) > MOST_HEADERS

    def _note(self) -> None:
        """Say whether the connection waits for the other side, or that for an answer."""
        if self not in self.connections:
            return
        last = self.cycle
        answers = last and not (last.response_complete or last.more_body or self.pipeline or self.flow.write_paused)
        (self._all.is_served if answers else self._all.waits)(self)

    def _hold(self) -> bool:
        """Say how much this connection holds; return whether there is room for it."""
        size = self._head + self._kept
        if self.pipeline:
            size += len(self._unread) + len(self.pipeline) * QUEUED_REQUEST_BYTES
        more, self.held = size - self.held, size
        return more == 0 or self._all.hold(self, more)

    def _release(self) -> None:
        self._all.hold(self, -self.held)
        self._head = self._kept = self.held = 0
        self.pipeline.clear()
        self._unread = b""

    def _end_with(self, status: int, answer: bytes) -> None:
        self.app_state.get(COUNT_ANSWER, lambda _: None)(status)
        self.transport.write(answer)
        self.transport.close()
        self._release()
        self._all.waits(self)

    def _give_up_waiting(self) -> None:
        if self._all.is_waiting(self):
            self.give_up()

    def _decline(self, rest: bytes) -> None:
        """Parse the request again without its offer: its head, and what has come behind it."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("")
            return
        version = self.parser.get_http_version().encode()
        head = [b"%s %s HTTP/%s\r\n" % (method, self.url, version)]
        head += [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self._head = 0
        self.data_received(b"".join([*head, b"\r\n", rest]))
