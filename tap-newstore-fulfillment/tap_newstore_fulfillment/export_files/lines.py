"""The lines of an export file: newline-delimited envelopes, plain or gzip (newstore-api.md, section 4).

Memory is bounded by the longest line accepted, however large the file is unpacked.
"""

from __future__ import annotations

import gzip
import io
import typing as t
import zlib

from tap_newstore_fulfillment.landing.quarantine import LONGEST_BODY

if t.TYPE_CHECKING:
    from collections.abc import Iterator

#: The same limit as for a body posted to the receiver.
LONGEST_LINE_BYTES = LONGEST_BODY
BUFFER_BYTES = 2**18
GZIP_MAGIC = b"\x1f\x8b"
#: NewStore writes this line when it has nothing else to write yet.
PLACEHOLDER = b"temp"


class Line(t.NamedTuple):
    """One line that is not empty.

    Attributes:
        number: Counted from 1, including empty lines.
        text: Without the newline; of a line that is too long the beginning, just longer than allowed.
        is_ended: A newline follows. Without one, the file may still be being written.
        is_too_long: Longer than LONGEST_LINE_BYTES.
    """

    number: int
    text: bytes
    is_ended: bool
    is_too_long: bool


class _Unpacked(io.RawIOBase):
    """What a gzip file has up to its end, or to where it is broken.

    Attributes:
        error: Why there is no more.
    """

    def __init__(self, packed: io.BufferedIOBase) -> None:
        super().__init__()
        self._file = gzip.GzipFile(fileobj=packed)
        self.error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        # Not readinto of the file: it fills the whole buffer, and an error takes what it had read away.
        try:
            part = self._file.read1(len(buffer))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            self.error, part = error, b""
        buffer[: len(part)] = part
        return len(part)


def read_lines(raw: io.RawIOBase) -> Iterator[Line]:
    """Yield the lines of a file, except empty lines and placeholders.

    Raises:
        OSError, EOFError, zlib.error: the gzip is broken or cut off; all there is before has been yielded, the last
            line perhaps not whole.
    """
    file, unpacked = io.BufferedReader(raw, BUFFER_BYTES), None
    # Neither names nor metadata tell reliably; the first bytes do.
    if file.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC:
        unpacked = _Unpacked(file)
    yield from _lines(io.BufferedReader(unpacked, BUFFER_BYTES) if unpacked else file)
    if unpacked and unpacked.error:
        raise unpacked.error


def _lines(stream: io.BufferedReader[t.Any]) -> Iterator[Line]:
    number = 0
    while text := stream.readline(LONGEST_LINE_BYTES + 1):
        number += 1
        is_ended, is_too_long = text.endswith(b"\n"), len(text) > LONGEST_LINE_BYTES
        if is_too_long:
            is_ended = is_ended or _skip_rest(stream)
        text = text.strip()
        if text and text != PLACEHOLDER:
            yield Line(number, text, is_ended, is_too_long)


def _skip_rest(stream: io.BufferedReader[t.Any]) -> bool:
    """Read to the end of the line; return False if the file ends first."""
    while part := stream.readline(BUFFER_BYTES):
        if part.endswith(b"\n"):
            return True
    return False
