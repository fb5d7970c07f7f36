"""When an event may leave the landing store, and what a run remembers of it.

Pure values (design rules 1 and 2). A bookmark (through, position) says: every event with
logical timestamp <= through and arrival position <= position has been released.
"""

from __future__ import annotations

import dataclasses
import typing as t

from tap_newstore_fulfillment.errors import TapError

if t.TYPE_CHECKING:
    from collections.abc import Mapping

REPLICATION_KEY = "logical_timestamp"
PRUNED_THROUGH = "pruned_through"
LATE_THROUGH = "late_through"


@dataclasses.dataclass(frozen=True)
class Bookmark:
    """How far the events of one landing store have been released.

    Attributes:
        through: Logical timestamp (int64, not a time); None before the first release.
        position: Arrival position in the store `store_id`.
        reader_id: Identity of the pipeline that carries this bookmark.
        complete: The run that made it has sent all it releases; the next run does not ask.
        arrival: What stands at `position`; a store restored from a copy has something else there.
    """

    through: int | None = None
    position: int = 0
    store_id: str | None = None
    reader_id: str | None = None
    complete: bool = True
    # It proves the position, and is no part of it.
    arrival: str | None = dataclasses.field(default=None, compare=False)

    @classmethod
    def from_state(cls, state: Mapping[str, t.Any], new_reader: str | None = None) -> Bookmark:
        """Read the stream's Singer bookmark; what is missing counts as never released.

        Args:
            state: The stream's part of the Singer state.
            new_reader: The identity to take when the state has none yet.

        Raises:
            TapError: a value is none the tap writes.
        """
        return cls(
            through=_integer(state, "replication_key_value"),
            position=_integer(state, "position") or 0,
            store_id=state.get("store_id"),
            reader_id=state.get("reader_id") or new_reader,
            arrival=state.get("arrival"),
        )

    def to_state(self) -> dict[str, t.Any]:
        """Give the keys that stand in the stream's Singer bookmark."""
        return {
            "replication_key": REPLICATION_KEY,
            "replication_key_value": self.through,
            "position": self.position,
            "store_id": self.store_id,
            "reader_id": self.reader_id,
            "complete": self.complete,
            "arrival": self.arrival,
        }

    def forgotten(self, store_id: str) -> Bookmark:
        """Give the bookmark with which a store is read again: only what is above it is known to be new."""
        return dataclasses.replace(self, position=0, store_id=store_id, arrival=None)

    def is_of_another_past(self, store_id: str, position: int, arrival: str | None) -> bool:
        """Say whether the store has lost what it had when this bookmark was made.

        Args:
            store_id: The store's identity.
            position: Its last arrival position.
            arrival: What stands at this bookmark's position in it.
        """
        has_lost = self.position > position or self.arrival not in (None, arrival)
        return self.store_id == store_id and has_lost


@dataclasses.dataclass(frozen=True)
class KnownLate:
    """Events beyond the start of a run of which the store remembers that they came late.

    Attributes:
        lowest: Their lowest logical timestamp.
        number: The last note this run looks at.
        waited_ms: Notes of runs that had waited less do not count.
    """

    lowest: int
    number: int
    waited_ms: int


@dataclasses.dataclass(frozen=True)
class ReleasePlan:
    """What one run releases: everything up to `through` and `position` beyond `start`.

    An event at or below `start.through` that arrived after `start.position` is late: it is
    released too, although its timestamp lies below the bookmark. What is above the bookmark and
    known to have come late, because it has been released before, comes after everything else.
    """

    start: Bookmark
    end: Bookmark
    oldest: int | None = None
    late: KnownLate | None = None

    @property
    def through(self) -> int | None:
        """The release mark: no timestamp above it leaves the store in this run."""
        return self.end.through

    @property
    def position(self) -> int:
        """The last arrival this run looks at; what arrives meanwhile is the next run's."""
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

        The mark never goes back (a longer `settle_seconds`, a clock set back). A position
        counts only in the store that gave it: in another store, or in one restored from an
        older copy, everything below the bookmark is looked at again. Repeats are harmless.
        """
        if start.store_id != store_id or start.position > position:
            start = start.forgotten(store_id)
        known = [value for value in (mark, start.through) if value is not None]
        through = max(known, default=None)
        end = dataclasses.replace(start, through=through, position=position, arrival=arrival, complete=True)
        return cls(start, end, oldest)

    @property
    def finds_late_events(self) -> bool:
        """What is released below the bookmark came late; after a forgotten position it may have come in time."""
        return self.start.through is not None and self.start.position > 0

    def bookmark_at_start(self) -> Bookmark:
        """Give the bookmark that holds before anything is emitted."""
        return dataclasses.replace(self.start, complete=False)

    def bookmark_before(self, logical_timestamp: int) -> Bookmark:
        """Give the bookmark that holds while events of this timestamp are being emitted.

        All lower timestamps are out by then, but for those known to be late; of equal ones it is
        not known. While late events are emitted the bookmark stays where it was. Who computes
        something from a run that ended here can tell that there is more.
        """
        if self.start.through is not None and logical_timestamp <= self.start.through:
            return self.bookmark_at_start()
        if self.late:
            logical_timestamp = min(logical_timestamp, self.late.lowest)
        return dataclasses.replace(self.end, through=logical_timestamp - 1, complete=False)


def _integer(state: Mapping[str, t.Any], name: str) -> int | None:
    value = state.get(name)
    if value is None or type(value) is int:
        return value
    raise TapError(
        f"the Singer state's bookmark has the {name} {value!r}, expected a whole number. Restore the state, or send "
        f"all events again: meltano run --full-refresh"
    )
