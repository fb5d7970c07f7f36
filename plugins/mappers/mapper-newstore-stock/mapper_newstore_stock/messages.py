"""Reads and writes Singer messages; fast for events, which are nearly all of them."""

from __future__ import annotations

import collections
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
    from collections.abc import Callable, Sequence

    from singer_sdk.singerlib import Message

    Callbacks = dict[str, Callable[[dict[str, t.Any]], None]]
    TakeEvents = Callable[[list[Event]], None]

SHOWN_CHARACTERS = 200
READ_BYTES = 1 << 18
WRITTEN_BYTES = 1 << 16
#: As msgspec writes a RECORD, and as Python's json does.
RECORD_BEGINS = (b'{"type":"RECORD"', b'{"type": "RECORD"')


class EventLine(msgspec.Struct, gc=False):
    """A RECORD of the stream `fulfillment_events`, decoded and checked in one pass."""

    type: t.Literal["RECORD"]
    stream: t.Literal["fulfillment_events"]
    record: Event


_decode = msgspec.json.Decoder(dict[str, t.Any]).decode
_decode_events = msgspec.json.Decoder(EventLine).decode_lines


class MessageReader(SingerReader):
    """Reads messages; events are decoded whole blocks at a time.

    Args:
        take_events: Takes events in their order, instead of the RECORD callback. None: every message
            goes to its callback.
        reading: Returns a context that is open while lines are read.
    """

    def __init__(
        self,
        take_events: TakeEvents | None = None,
        reading: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> None:
        super().__init__()
        self._take_events = take_events
        self._reading = reading
        self._counts: t.Counter[str] = collections.Counter()

    def process_lines(self, file_input: t.IO[str] | None, callbacks: Callbacks) -> t.Counter[str]:
        """Read all lines, and return how many messages of each type there were.

        Raises:
            InputError: one of them is not a Singer message.
        """
        source: t.Any = file_input or self.default_input
        source = getattr(source, "buffer", source)
        self._counts = collections.Counter()
        with self._reading():
            try:
                self._read(source, callbacks)
            except UnicodeDecodeError as error:
                raise InputError(
                    f"the input is not UTF-8: {error}", "See what stands between the tap and this mapper"
                ) from error
        return self._counts

    def deserialize_json(self, line: str | bytes) -> dict[str, t.Any]:
        """Read one line."""
        try:
            return _decode(line)
        except msgspec.DecodeError as error:
            shown = line.decode(errors="replace") if isinstance(line, bytes) else line
            raise InputError(
                f"a line of the input is not a Singer message: {error}: {shown[:SHOWN_CHARACTERS]!r}",
                "See what stands between the tap and this mapper",
            ) from error

    def _read(self, source: t.Any, callbacks: Callbacks) -> None:
        if self._take_events is None or not hasattr(source, "read1"):
            for line in source:
                self._read_message(line, callbacks)
            return
        for block in _blocks(source):
            if not self._took(self._take_events, block):
                self._read_mixed(self._take_events, block, callbacks)

    def _read_mixed(self, take: TakeEvents, block: bytes, callbacks: Callbacks) -> None:
        """Read a block that is not events throughout: each run of events in one call, other lines one by one."""
        for is_record, group in itertools.groupby(io.BytesIO(block), key=_begins_as_record):
            lines = list(group)
            if is_record and self._took(take, b"".join(lines)):
                continue
            for line in lines:
                # A bad line is reported when it is read as a message.
                if not (is_record and self._took(take, line)):
                    self._read_message(line, callbacks)

    def _took(self, take: TakeEvents, lines: bytes) -> bool:
        """Take lines if all of them are events, and return whether they are."""
        try:
            events = [line.record for line in _decode_events(lines)]
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        self._counts["RECORD"] += len(events)
        take(events)
        return True

    def _read_message(self, line: str | bytes, callbacks: Callbacks) -> None:
        """Pass one message to its callback, as the SDK's own loop does."""
        message = self.deserialize_json(line)
        self.assert_line_requires(message, requires={"type"})
        kind = message["type"]
        if isinstance(kind, str) and (callback := callbacks.get(kind)):
            callback(message)
        else:
            self._process_unknown_message(message)
        self._counts[kind] += 1

    def _process_unknown_message(self, message_dict: dict[str, t.Any]) -> None:
        raise InputError(
            f"a line of the input has the unknown type {message_dict['type']!r}",
            "See what stands between the tap and this mapper",
        )


def _begins_as_record(line: bytes) -> bool:
    return line.startswith(RECORD_BEGINS)


def _blocks(source: t.Any) -> t.Iterator[bytes]:
    """Yield what can be read without waiting, in whole lines."""
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
    """Writes messages with msgspec; records are flushed with the message that follows them."""

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

    def write_lines(self, lines: Sequence[msgspec.Struct]) -> None:
        """Write RECORD messages, each as it is encoded."""
        self._pending += self._encoder.encode_lines(lines)
        if len(self._pending) >= WRITTEN_BYTES:
            self._write()

    @property
    def takes_lines(self) -> bool:
        """Whether messages are written here, not by what somebody has put in the place of `write_message`."""
        return type(self).write_message is MessageWriter.write_message

    def flush(self) -> None:
        """Write out everything that is pending."""
        self._write()
        sys.stdout.flush()

    def _write(self) -> None:
        sys.stdout.buffer.write(self._pending)
        self._pending.clear()
