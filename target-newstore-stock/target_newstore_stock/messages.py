"""Reads Singer messages; any other line ends the run with an error of one line."""

from __future__ import annotations

import collections
import contextlib
import typing as t

import msgspec
from singer_sdk.io_base import SingerMessageType, SingerReader

from target_newstore_stock.errors import InputError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SHOWN_CHARACTERS = 200
#: What the SDK takes the fields of a message for without looking.
SHAPES: dict[str, dict[str, type]] = {
    "SCHEMA": {"stream": str, "schema": dict},
    "RECORD": {"stream": str, "record": dict},
    "ACTIVATE_VERSION": {"stream": str},
}
_decode = msgspec.json.Decoder(dict[str, t.Any]).decode


Callbacks = dict[str, "Callable[[dict[str, t.Any]], None]"]


class MessageReader(SingerReader):
    """Reads Singer messages, and passes them to the target.

    Without arguments, as the SDK makes it, every line is decoded here.

    Args:
        take: Takes a line, and returns whether it did; lines it leaves are decoded here.
        taken: Returns how many lines `take` has taken, all of them records.
        reading: Entered while lines are read.
    """

    def __init__(
        self,
        take: Callable[[str], bool] | None = None,
        taken: Callable[[], int] = int,
        reading: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        super().__init__()
        self._take = take
        self._taken = taken
        self._reading = reading

    def process_lines(self, file_input: t.IO[str] | None, callbacks: Callbacks) -> t.Counter[str]:
        """Read all lines, and return how many messages of each type there were.

        Raises:
            InputError: a line is not a Singer message.
        """
        with self._reading():
            lines = file_input or self.default_input
            if lines is None:
                raise InputError("there is no input: stdin is closed", to_do="Let a tap or mapper write to it")
            try:
                counts = self._read(lines, callbacks)
            except UnicodeError as error:  # in the C locale a line is read, and cannot be decoded
                raise InputError(
                    f"the input is not UTF-8: {error}", to_do="See what stands between the mapper and this target"
                ) from error
            counts[SingerMessageType.RECORD] += self._taken()
            return counts

    def _read(self, lines: Iterable[str], callbacks: Callbacks) -> t.Counter[str]:
        counts: t.Counter[str] = collections.Counter()
        take = self._take
        for line in lines:
            if take and take(line):
                continue
            message = self.deserialize_json(line)
            self.assert_line_requires(message, requires={"type"})
            kind = _checked_kind(message)
            callbacks.get(kind, self._process_unknown_message)(message)
            counts[kind] += 1
        return counts

    def deserialize_json(self, line: str) -> dict[str, t.Any]:
        """Decode a line."""
        try:
            return _decode(line)
        except msgspec.DecodeError as error:
            raise InputError(
                f"a line of the input is not a Singer message: {error}: {line[:SHOWN_CHARACTERS]!r}",
                to_do="See what stands between the mapper and this target",
            ) from error

    def _process_unknown_message(self, message_dict: dict[str, t.Any]) -> None:
        raise InputError(
            f"a line of the input has the unknown type {message_dict['type']!r}",
            to_do="See what stands between the mapper and this target",
        )


def _checked_kind(message: dict[str, t.Any]) -> str:
    """Return the type of a message; its fields have the types the SDK takes them for.

    Raises:
        InputError: they have not.
    """
    kind = message["type"]
    shape = SHAPES.get(kind, {}) if isinstance(kind, str) else {"type": str}
    wrong = next((name for name, of in shape.items() if name in message and not isinstance(message[name], of)), None)
    if kind == "SCHEMA" and wrong is None and not isinstance(message.get("schema", {}).get("properties", {}), dict):
        wrong = "schema.properties"
    if wrong:
        raise InputError(
            f"a {kind} message has a {wrong} of another type than Singer's",
            to_do="See what stands between the mapper and this target",
        )
    return t.cast("str", kind)
