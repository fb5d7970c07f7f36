"""When an event may leave the landing store, and what a run remembers of it.

Pure values (design rules 1 and 2). A bookmark (through, position) says: every event with
logical timestamp <= through and arrival position <= position has been released.
"""

from __future__ import annotations

import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping

REPLICATION_KEY = "logical_timestamp"


@dataclasses.dataclass(frozen=True)
class Bookmark:
    """How far the events of one landing store have been released.

    Attributes:
        through: Logical timestamp (int64, not a time); None before the first release.
        position: Arrival position in the store `store_id`.
        reader_id: Identity of the pipeline that carries this bookmark.
        complete: The run that made it has sent all it releases; the next run does not ask.
    """

    through: int | None = None
    position: int = 0
    store_id: str | None = None
    reader_id: str | None = None
    complete: bool = True

    @classmethod
    def from_state(cls, state: Mapping[str, t.Any], new_reader: str | None = None) -> Bookmark:
        """Read the stream's Singer bookmark; what is missing counts as never released.

        Args:
            state: The stream's part of the Singer state.
            new_reader: The identity to take when the state has none yet.
        """
        return cls(
            through=state.get("replication_key_value"),
            position=state.get("position") or 0,
            store_id=state.get("store_id"),
            reader_id=state.get("reader_id") or new_reader,
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
        }


@dataclasses.dataclass(frozen=True)
class ReleasePlan:
    """What one run releases: everything up to `through` and `position` beyond `start`.

    An event at or below `start.through` that arrived after `start.position` is late: it is
    released too, although its timestamp lies below the bookmark.
    """

    start: Bookmark
    end: Bookmark
    oldest: int | None = None

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
        cls, start: Bookmark, *, mark: int | None, position: int, store_id: str, oldest: int | None
    ) -> ReleasePlan:
        """Plan a run from the last bookmark and the store's settled mark.

        The mark never goes back (a longer `settle_seconds`, a clock set back). A position
        counts only in the store that gave it: in another store, or in one restored from an
        older copy, everything below the bookmark is looked at again. Repeats are harmless.
        """
        if start.store_id != store_id or start.position > position:
            start = dataclasses.replace(start, position=0, store_id=store_id)
        known = [value for value in (mark, start.through) if value is not None]
        through = max(known, default=None)
        end = dataclasses.replace(start, through=through, position=position, complete=True)
        return cls(start, end, oldest)

    def bookmark_at_start(self) -> Bookmark:
        """Give the bookmark that holds before anything is emitted."""
        return dataclasses.replace(self.start, complete=False)

    def bookmark_before(self, logical_timestamp: int) -> Bookmark:
        """Give the bookmark that holds while events of this timestamp are being emitted.

        All lower timestamps are out by then; of equal ones it is not known. While late
        events are emitted the bookmark stays where it was. Who computes something from a run
        that ended here can tell that there is more.
        """
        if self.start.through is not None and logical_timestamp <= self.start.through:
            return self.bookmark_at_start()
        return dataclasses.replace(self.end, through=logical_timestamp - 1, complete=False)
