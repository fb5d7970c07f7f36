"""Reads Singer messages; a line that is none ends the run with one clear line."""

from __future__ import annotations

import contextlib
import itertools
import typing as t

import msgspec
from singer_sdk.io_base import SingerMessageType, SingerReader

from target_newstore_stock.errors import InputError

if t.TYPE_CHECKING:
    from collections.abc import Callable

SHOWN_CHARACTERS = 200
_decode = msgspec.json.Decoder(dict[str, t.Any]).decode


def _take_nothing(_line: str) -> bool:
    return False


class MessageReader(SingerReader):
    """The SDK's reader, without its traceback.

    Attributes:
        take: Takes a line itself, if it can; the SDK reads the others.
        taken: Gives how many it has taken.
        reading: Entered while lines are read.
    """

    take: Callable[[str], bool] = staticmethod(_take_nothing)
    taken: Callable[[], int] = staticmethod(int)
    reading: Callable[[], contextlib.AbstractContextManager[None]] = staticmethod(contextlib.nullcontext)

    def process_lines(
        self, file_input: t.IO[str] | None, callbacks: dict[str, Callable[[dict[str, t.Any]], None]]
    ) -> t.Counter[str]:
        """Read all lines.

        Raises:
            InputError: one of them is not a Singer message.
        """
        lines = itertools.filterfalse(self.take, file_input or self.default_input)
        with self.reading():
            try:
                counts = super().process_lines(t.cast("t.IO[str]", lines), callbacks)
            except UnicodeDecodeError as error:
                raise InputError(f"the input is not UTF-8: {error}") from error
            counts[SingerMessageType.RECORD] += self.taken()
            return counts

    def deserialize_json(self, line: str) -> dict[str, t.Any]:
        """Read one line."""
        try:
            return _decode(line)
        except msgspec.DecodeError as error:
            raise InputError(
                f"a line of the input is not a Singer message: {error}: {line[:SHOWN_CHARACTERS]!r}"
            ) from error

    def _process_unknown_message(self, message_dict: dict[str, t.Any]) -> None:
        raise InputError(f"a line of the input has the unknown type {message_dict['type']!r}")
