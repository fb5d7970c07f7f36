"""Reads and writes Singer messages, fast where there are many of them.

What is not an event of the stream that counts takes the SDK's general way.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import sys
import typing as t

import msgspec
from singer_sdk.io_base import SingerReader, SingerWriter
from singer_sdk.singerlib import RecordMessage

from mapper_newstore_stock.errors import InputError
from mapper_newstore_stock.events import Event

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from singer_sdk.singerlib import Message

SHOWN_CHARACTERS = 200
READ_BYTES = 1 << 18
WRITTEN_BYTES = 1 << 16
#: As msgspec writes a RECORD, and as Python's own codec does.
RECORD_BEGINS = (b'{"type":"RECORD"', b'{"type": "RECORD"')


class EventLine(msgspec.Struct, gc=False):
    """A RECORD of the stream `fulfillment_events`, decoded and checked in one pass."""

    type: t.Literal["RECORD"]
    stream: t.Literal["fulfillment_events"]
    record: Event


_decode = msgspec.json.Decoder(dict[str, t.Any]).decode
_decode_events = msgspec.json.Decoder(EventLine).decode_lines


class MessageReader(SingerReader):
    """The SDK's reader, without its traceback.

    Attributes:
        take_events: Called with events in their order instead of the RECORD callback; None:
            nothing is decoded on the way.
        reading: Entered while lines are read.
    """

    reading: Callable[[], contextlib.AbstractContextManager[None]] = staticmethod(contextlib.nullcontext)
    take_events: Callable[[list[Event]], None] | None = None

    def process_lines(
        self, file_input: t.IO[str] | None, callbacks: dict[str, Callable[[dict[str, t.Any]], None]]
    ) -> t.Counter[str]:
        """Read all lines.

        Raises:
            InputError: one of them is not a Singer message.
        """
        with self.reading():
            return self._read(file_input, callbacks)

    def _read(
        self, file_input: t.IO[str] | None, callbacks: dict[str, Callable[[dict[str, t.Any]], None]]
    ) -> t.Counter[str]:
        source: t.Any = file_input or self.default_input
        other = _OtherLines(getattr(source, "buffer", source), self.take_events)
        try:
            counter = super().process_lines(t.cast("t.IO[str]", other), callbacks)
        except UnicodeDecodeError as error:
            raise InputError(f"the input is not UTF-8: {error}") from error
        counter["RECORD"] += other.events
        return counter

    def deserialize_json(self, line: str | bytes) -> dict[str, t.Any]:
        """Read one line."""
        try:
            return _decode(line)
        except msgspec.DecodeError as error:
            shown = line.decode(errors="replace") if isinstance(line, bytes) else line
            raise InputError(
                f"a line of the input is not a Singer message: {error}: {shown[:SHOWN_CHARACTERS]!r}"
            ) from error

    def _process_unknown_message(self, message_dict: dict[str, t.Any]) -> None:
        raise InputError(f"a line of the input has the unknown type {message_dict['type']!r}")


class _OtherLines:
    """Hands events over as they are read, and gives the lines that are none.

    Whole blocks of events are decoded in one call, and of a block with anything else in it what
    stands between.
    """

    def __init__(self, source: t.IO[bytes], take_events: Callable[[list[Event]], None] | None) -> None:
        self._source = source
        self._take_events = take_events
        self.events = 0

    def __iter__(self) -> t.Iterator[str | bytes]:
        take = self._take_events
        if take is None or not hasattr(self._source, "read1"):
            yield from self._source
            return
        for block in _blocks(self._source):
            if not self._took(take, block):
                yield from self._others(take, block)

    def _others(self, take: Callable[[list[Event]], None], block: bytes) -> t.Iterator[bytes]:
        for is_record, group in itertools.groupby(io.BytesIO(block), key=_begins_as_record):
            lines = list(group)
            if not is_record:
                yield from lines
            elif not self._took(take, b"".join(lines)):
                # The general way says what is wrong with a line, if anything is.
                yield from (line for line in lines if not self._took(take, line))

    def _took(self, take: Callable[[list[Event]], None], lines: bytes) -> bool:
        try:
            events = [line.record for line in _decode_events(lines)]
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        self.events += len(events)
        take(events)
        return True


def _begins_as_record(line: bytes) -> bool:
    return line.startswith(RECORD_BEGINS)


def _blocks(source: t.Any) -> t.Iterator[bytes]:
    """Give what can be read without waiting, in whole lines."""
    begun: list[bytes] = []
    while block := source.read1(READ_BYTES):
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join([*begun, block[:end]])
            begun.clear()
        if end < len(block):
            begun.append(block[end:])
    if begun:
        yield b"".join(begun)


class MessageWriter(SingerWriter):
    """The SDK's writer on msgspec; records are flushed with the message that follows them."""

    def __init__(self) -> None:
        super().__init__()
        self._encoder = msgspec.json.Encoder()
        self._pending = bytearray()

    def serialize_message(self, message: Message) -> str:
        """Write a message as a line of JSON."""
        return self._encoder.encode(message.to_dict()).decode()

    def write_message(self, message: Message) -> None:
        """Write a message to stdout."""
        self._encoder.encode_into(message.to_dict(), self._pending, -1)
        self._pending += b"\n"
        if not isinstance(message, RecordMessage):
            self.flush()
        elif len(self._pending) >= WRITTEN_BYTES:
            self._write()

    def flush(self) -> None:
        """Bring everything on its way."""
        self._write()
        sys.stdout.flush()

    def _write(self) -> None:
        sys.stdout.buffer.write(self._pending)
        self._pending.clear()
