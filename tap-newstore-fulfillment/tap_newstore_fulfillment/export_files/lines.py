"""The lines of an export file: newline-delimited envelopes, plain or gzip (newstore-api.md, section 4).

Memory is bounded by the longest line accepted, however large the file is unpacked.
"""

from __future__ import annotations

import gzip
import io
import typing as t

from tap_newstore_fulfillment.landing.quarantine import LONGEST_BODY

if t.TYPE_CHECKING:
    from collections.abc import Iterator

#: The same limit as for a body posted to the receiver.
LONGEST_LINE_BYTES = LONGEST_BODY
#: How much of a longer line is kept, to recognise it by.
KEPT_OF_A_LONG_LINE = 1_000
BUFFER_BYTES = 2**18
GZIP_MAGIC = b"\x1f\x8b"
#: NewStore writes this line when it has nothing else to write yet.
PLACEHOLDER = b"temp"


class Line(t.NamedTuple):
    """One line that is not empty.

    Attributes:
        number: Counted from 1, including empty lines.
        text: Without the newline; only the beginning if the line is too long.
        is_ended: A newline follows. Without one, the file may still be being written.
        is_too_long: Longer than LONGEST_LINE_BYTES.
    """

    number: int
    text: bytes
    is_ended: bool
    is_too_long: bool


def read_lines(raw: io.RawIOBase) -> Iterator[Line]:
    """Yield the lines of a file, except empty lines and placeholders.

    Raises:
        OSError, EOFError, zlib.error: the gzip is broken or cut off; the lines before it have been yielded.
    """
    stream: io.BufferedIOBase = io.BufferedReader(raw, BUFFER_BYTES)
    # Neither names nor metadata tell reliably; the first bytes do.
    if t.cast("io.BufferedReader", stream).peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC:
        stream = io.BufferedReader(t.cast("io.RawIOBase", gzip.GzipFile(fileobj=stream)), BUFFER_BYTES)
    number = 0
    while text := stream.readline(LONGEST_LINE_BYTES + 1):
        number += 1
        is_ended, is_too_long = text.endswith(b"\n"), len(text) > LONGEST_LINE_BYTES
        if is_too_long:
            text = text[:KEPT_OF_A_LONG_LINE]
            is_ended = is_ended or _skip_rest(stream)
        text = text.strip()
        if text and text != PLACEHOLDER:
            yield Line(number, text, is_ended, is_too_long)


def _skip_rest(stream: io.BufferedIOBase) -> bool:
    """Read to the end of the line; return False if the file ends first."""
    while part := stream.readline(BUFFER_BYTES):
        if part.endswith(b"\n"):
            return True
    return False
