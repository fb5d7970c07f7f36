"""Compares what came in a run with what the tap says it has sent (design rule 14).

A filter, a map, a mapper or a lost line in between is refused: an event that was not seen must not be claimed.
"""

from __future__ import annotations

import typing as t
import zlib

import msgspec

from mapper_newstore_stock.errors import ChangedStreamError, StateError
from mapper_newstore_stock.events import STREAM
from mapper_newstore_stock.state import bookmark_of

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from mapper_newstore_stock.events import Event


class Sent(msgspec.Struct, frozen=True):
    """The `sent` of the tap's bookmark.

    Attributes:
        count: Records so far in this run.
        checksum: CRC-32 of their event ids in a row, as UTF-8, in the order sent: 8 hexadecimal digits.
    """

    count: int
    checksum: str


class Arrivals:
    """What came in one run.

    A tap that never says what it has sent is taken at its word. Before its first SCHEMA a tap echoes its input state,
    and what that says was another run's.
    """

    def __init__(self) -> None:
        self._count = 0
        self._checksum = 0
        self._streams: list[str] = []
        self._is_first_state = True
        self._before: Sent | None = None
        self._tap_says = False

    def begin(self, stream: str) -> None:
        """Note the SCHEMA of a stream."""
        self._streams.append(stream)

    def add(self, events: list[Event]) -> None:
        """Count events, in the order they came."""
        self._count += len(events)
        self._checksum = zlib.crc32("".join([event.event_id for event in events]).encode(), self._checksum)

    def check(self, state: Mapping[str, t.Any]) -> None:
        """Check that all came which a STATE says was sent.

        Raises:
            InputError: it did not; says the difference.
        """
        said = _sent(state)
        if self._is_first_state and not self._streams:
            self._before = said
        self._is_first_state = False
        self._tap_says = self._tap_says or said != self._before
        if self._tap_says and said != Sent(self._count, f"{self._checksum:08x}"):
            raise ChangedStreamError(
                f"{self._difference(said)}. Nothing is declared, and the state stays. Let nothing change this stream "
                f"on its way: no stream map, filter, deselected field or other mapper before newstore-stock"
            )

    def _difference(self, said: Sent | None) -> str:
        if said is None:
            return f"a STATE no longer says how many records of {STREAM} the tap has sent"
        if self._streams and STREAM not in self._streams:
            came = f"no SCHEMA of it came here, only of {', '.join(dict.fromkeys(self._streams))}"
        elif said.count == self._count:
            came = f"as many came here, but not the same ones (CRC-32 {self._checksum:08x}, sent {said.checksum})"
        else:
            came = f"{self._count} came here"
        return f"the tap has sent {said.count} records of {STREAM} in this run, and {came}"


def _sent(state: Mapping[str, t.Any]) -> Sent | None:
    value = bookmark_of(state, STREAM).get("sent")
    try:
        return msgspec.convert(value, Sent | None)
    except msgspec.ValidationError as error:
        raise StateError(
            f"the Singer state's bookmarks.{STREAM}.sent is {value!r}, expected count and checksum: {error}. Let "
            f"nothing change the tap's STATE on its way"
        ) from error
