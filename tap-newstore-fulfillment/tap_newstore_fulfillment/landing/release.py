"""When an event may leave the landing store, and what the bookmark says about it.

Pure values (design rules 1 and 2). A bookmark (through, position) states that every event with
logical timestamp <= through and arrival position <= position has been released.
"""

from __future__ import annotations

import dataclasses
import typing as t

from tap_newstore_fulfillment.errors import StateError
from tap_newstore_fulfillment.settings import INT64
from tap_newstore_fulfillment.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Mapping

REPLICATION_KEY = "logical_timestamp"
PRUNED_THROUGH = "pruned_through"
PRUNED_POSITION = "pruned_position"
LATE_THROUGH = "late_through"
OLDEST = "start_logical_timestamp"
#: Pairs of logical timestamps, from and to.
HOLES = "holes"


@dataclasses.dataclass(frozen=True)
class Bookmark:
    """How far the events of one landing store have been released.

    Attributes:
        through: Logical timestamp (int64, not a time); None before the first release.
        position: Arrival position in the store `store_id`.
        reader_id: The pipeline that carries this bookmark.
        complete: The run that wrote it has sent all it releases. The next run ignores this.
        arrival: The event at `position`; a store restored from a copy has another one there.
    """

    through: int | None = None
    position: int = 0
    store_id: str | None = None
    reader_id: str | None = None
    complete: bool = True
    # Evidence for the position, not part of it.
    arrival: str | None = dataclasses.field(default=None, compare=False)

    @classmethod
    def from_state(cls, state: Mapping[str, t.Any], new_reader: str | None = None) -> Bookmark:
        """Read the stream's Singer bookmark; without one, nothing has been released.

        Args:
            state: The stream's part of the Singer state.
            new_reader: The reader id to use if the state has none yet.

        Raises:
            TapError: a value is not one the tap writes.
        """
        return cls(
            through=_integer(state, "replication_key_value"),
            position=_integer(state, "position") or 0,
            store_id=_text(state, "store_id"),
            reader_id=_text(state, "reader_id") or new_reader,
            arrival=_text(state, "arrival"),
        )

    def to_state(self) -> dict[str, t.Any]:
        """Return the keys of the stream's Singer bookmark."""
        return {
            "replication_key": REPLICATION_KEY,
            "replication_key_value": self.through,
            "position": self.position,
            "store_id": self.store_id,
            "reader_id": self.reader_id,
            "complete": self.complete,
            "arrival": self.arrival,
        }

    def without_position(self, store_id: str) -> Bookmark:
        """Return the bookmark that reads the whole of a store again: no position in it is known."""
        return dataclasses.replace(self, position=0, store_id=store_id, arrival=None)

    def is_ahead_of_store(self, store_id: str, position: int, arrival: str | None) -> bool:
        """Return whether the store has lost events it had when this bookmark was written.

        Args:
            store_id: The store's identity.
            position: Its last arrival position.
            arrival: The event at this bookmark's position in it.
        """
        has_lost = self.position > position or self.arrival not in (None, arrival)
        return self.store_id == store_id and has_lost

    def evidence(self) -> tuple[str, int]:
        """Return the event that a store without it has lost, and when it was stored, in epoch milliseconds.

        A bookmark of an earlier version names none: then it may be any, stored at any time.
        """
        event_id, _, stored_at = (self.arrival or "").rpartition("@")
        if event_id and stored_at.isdigit():
            return event_id, int(stored_at)
        return f"position {self.position} of {self.reader_id}", 0


class KnownLate(Value, frozen=True):
    """Events above the start of a run that the store has noted as late.

    Attributes:
        lowest: Their lowest logical timestamp.
        number: The last note this run considers.
        waited_ms: Notes by runs that waited less than this do not count.
    """

    lowest: int
    number: int
    waited_ms: int


class ReleasePlan(Value, frozen=True):
    """What one run releases: everything beyond `start`, up to `through` and `position`.

    An event at or below `start.through` that arrived after `start.position` is late: it is
    released too, although its timestamp lies below the bookmark. Events above the bookmark that are
    known to have come late, because they were released before, come after all others.

    Attributes:
        start: The last run's bookmark.
        end: This run's bookmark.
        oldest: Events with a lower logical timestamp are ignored.
        late: Events above `start` that are known to be late.
        held_from: What came from this logical timestamp on is far ahead of all others; it is not sent ahead either.
    """

    start: Bookmark
    end: Bookmark
    oldest: int | None = None
    late: KnownLate | None = None
    held_from: int | None = None

    @property
    def through(self) -> int | None:
        """The release mark: no timestamp above it leaves the store in this run."""
        return self.end.through

    @property
    def position(self) -> int:
        """The last arrival this run considers; what arrives meanwhile is left to the next run."""
        return self.end.position

    @classmethod
    def make(
        cls,
        start: Bookmark,
        *,
        mark: int | None,
        position: int,
        store_id: str,
        oldest: int | None,
        arrival: str | None = None,
    ) -> ReleasePlan:
        """Plan a run from the last bookmark and the store's settled mark.

        The mark never goes back, even after a longer `settle_seconds` or a clock set back. A
        position is valid only in the store that assigned it: in another store, or in one restored
        from an older copy, everything below the bookmark is read again. Repeats are harmless.
        """
        if start.store_id != store_id or start.position > position:
            start = start.without_position(store_id)
        known = [value for value in (mark, start.through) if value is not None]
        through = max(known, default=None)
        end = dataclasses.replace(start, through=through, position=position, arrival=arrival, complete=True)
        return cls(start, end, oldest)

    @property
    def finds_late_events(self) -> bool:
        """Whether what is released below the bookmark came late; without a known position it may have come in time."""
        return self.start.through is not None and self.start.position > 0

    def bookmark_at_start(self) -> Bookmark:
        """Return the bookmark that holds before anything is emitted."""
        return dataclasses.replace(self.start, complete=False)

    def bookmark_before(self, logical_timestamp: int) -> Bookmark:
        """Return the bookmark that holds while events of this timestamp are being emitted.

        By then all lower timestamps are out, except those known to be late; equal ones may be
        missing. While late events are emitted the bookmark stays where it was. It is not complete,
        so that a reader of a run that ended here can tell that more is to come.
        """
        if self.start.through is not None and logical_timestamp <= self.start.through:
            return self.bookmark_at_start()
        if self.late:
            logical_timestamp = min(logical_timestamp, self.late.lowest)
        return dataclasses.replace(self.end, through=logical_timestamp - 1, complete=False)


def _integer(state: Mapping[str, t.Any], name: str) -> int | None:
    value = state.get(name)
    if value is None or (type(value) is int and value in INT64):
        return value
    raise not_written_here(f"Singer state's bookmark has the {name}", value, "a whole number")


def _text(state: Mapping[str, t.Any], name: str) -> str | None:
    value = state.get(name)
    if value is None or (isinstance(value, str) and "\0" not in value):
        return value
    raise not_written_here(f"Singer state's bookmark has the {name}", value, "text")


def not_written_here(what: str, value: object, expected: str) -> StateError:
    """Return the error of a part of the Singer state that no tap has written."""
    return StateError(
        f"the {what} {value!r}, expected {expected}. Restore the state, or send all events again: "
        f"meltano run --full-refresh"
    )
