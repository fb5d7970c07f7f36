"""The body of a post, whole and decoded, or the reason to let it be sent again (design rule 18)."""

from __future__ import annotations

import typing as t
import zlib

from starlette.requests import ClientDisconnect

from tap_newstore_fulfillment.landing.quarantine import LONGEST_BODY

if t.TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.requests import Request

#: What zlib calls the container of each coding.
CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
GZIP_MAGIC = b"\x1f\x8b"
#: A packed body may have several parts; each costs a copy of all that follow.
MOST_PARTS = 64


class NotWholeError(Exception):
    """A body did not arrive whole, or cannot be decoded: it says nothing about an event, and has to come again."""


class CutOffError(NotWholeError):
    """The connection was closed before the end of the body, so nobody is there to be answered."""


async def read_whole_body(request: Request) -> bytes:
    """Return the body; of one that is longer than LONGEST_BODY, its beginning, just longer than that.

    Raises:
        NotWholeError: it is not all there; CutOffError: and nobody waits for an answer.
    """
    headers = request.headers
    if "content-length" not in headers and "transfer-encoding" not in headers:
        raise NotWholeError("no body: neither Content-Length nor Transfer-Encoding")
    if any(coding != "chunked" for coding in _codings(headers, "transfer-encoding")):
        raise NotWholeError("Transfer-Encoding: only chunked is understood; send it without another")
    body = await _read(request)
    # Applied in this order, so undone in the other (RFC 9110, section 8.4).
    for coding in reversed(_codings(headers, "content-encoding")):
        body = _decoded(body, coding)
    if body.startswith(GZIP_MAGIC):
        # No JSON begins like this: something on the way has taken the header away.
        body = _decoded(body, "gzip")
    if len(body) <= LONGEST_BODY and not body.strip():
        raise NotWholeError("no body: it is empty")
    return body


def _codings(headers: Headers, name: str) -> list[str]:
    """Return the codings a header names, which may come in several fields (RFC 9110, section 5.3)."""
    codings = [coding.strip() for coding in ",".join(headers.getlist(name)).lower().split(",")]
    return [coding for coding in codings if coding not in ("", "identity")]


async def _read(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            parts.append(part)
            if size > LONGEST_BODY:
                break
    except ClientDisconnect as error:
        raise CutOffError("the connection was closed before the end of the body") from error
    return b"".join(parts)


def _decoded(body: bytes, coding: str) -> bytes:
    """Undo a content coding, up to just beyond LONGEST_BODY."""
    if coding not in CODINGS:
        raise NotWholeError(f"Content-Encoding: only {', '.join(CODINGS)} are understood; send it without one")
    parts: list[bytes] = []
    size = 0
    try:
        while body or not parts:
            if len(parts) == MOST_PARTS:
                raise NotWholeError(f"Content-Encoding: the {coding} has more than {MOST_PARTS} parts")
            packed = zlib.decompressobj(CODINGS[coding])
            parts.append(packed.decompress(body, LONGEST_BODY + 1 - size))
            size += len(parts[-1])
            if size > LONGEST_BODY:
                break
            if not packed.eof:
                raise NotWholeError(f"Content-Encoding: the {coding} is cut off")
            # A file of several parts is valid gzip.
            body = packed.unused_data
    except zlib.error as error:
        raise NotWholeError(f"Content-Encoding: not {coding}") from error
    return b"".join(parts)
