"""Reads the tap's events for the report: how late they came, and what they did to the chosen keys."""

from __future__ import annotations

import array
import collections
import datetime as dt
import typing as t

import msgspec

from mapper_newstore_stock.errors import FileError
from mapper_newstore_stock.events import ASSIGNED, COMPLETED, FAILED, STREAM

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable

#: (fulfillment node, product)
Key = tuple[str, str]
#: Upper ends of the lag classes, in seconds; NewStore promises the last but one.
LAG_CLASSES = (1.0, 10.0, 60.0, 300.0, 900.0, float("inf"))
MOVES = (ASSIGNED, FAILED, COMPLETED)


class Move(t.NamedTuple):
    """What an event did to one key."""

    logical_timestamp: int
    event_name: str
    units: int


class _Item(msgspec.Struct):
    product_id: str


class _Record(msgspec.Struct):
    event_name: str
    logical_timestamp: int
    published_at: str | None = None
    received_at: str | None = None
    fulfillment_location_id: str | None = None
    items: list[_Item] = []


class _Message(msgspec.Struct):
    type: str
    stream: str | None = None
    record: msgspec.Raw = msgspec.Raw(b"null")


class Events:
    """What the tap's messages say.

    Attributes:
        count: How many events there are.
        lags: Seconds from publishing by NewStore to arrival at the receiver, of events that say both.
        moves: The events of each chosen key, in timestamp order.
    """

    def __init__(self, lines: Iterable[bytes], keys: Collection[Key]) -> None:
        self.count = 0
        self.lags = array.array("d")
        self.moves: dict[Key, list[Move]] = {key: [] for key in keys}
        message, record = msgspec.json.Decoder(_Message), msgspec.json.Decoder(_Record)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                said = message.decode(line)
                if said.type == "RECORD" and said.stream == STREAM:
                    self._take(record.decode(said.record))
            except (msgspec.MsgspecError, ValueError) as error:
                raise FileError(
                    f"--events: line {number} is not a message of the tap: {error}",
                    "Name a file the tap's output was written to",
                ) from error
        for moves in self.moves.values():
            moves.sort()

    def lag_classes(self) -> list[int]:
        """Return how many events fall into each of LAG_CLASSES."""
        counts = [0] * len(LAG_CLASSES)
        for lag in self.lags:
            counts[next(place for place, end in enumerate(LAG_CLASSES) if lag <= end)] += 1
        return counts

    def _take(self, record: _Record) -> None:
        self.count += 1
        if record.published_at and record.received_at:
            lag = _moment(record.received_at) - _moment(record.published_at)
            # The two clocks may differ a little.
            self.lags.append(max(0.0, lag.total_seconds()))
        if record.event_name in MOVES and record.fulfillment_location_id:
            units = collections.Counter(item.product_id for item in record.items)
            for product in units:
                moves = self.moves.get((record.fulfillment_location_id, product))
                if moves is not None:
                    moves.append(Move(record.logical_timestamp, record.event_name, units[product]))


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
