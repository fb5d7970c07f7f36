"""The mapper's own bookmark inside the Singer state (design rule 7).

`bookmarks.stock` travels with the tap's state: the target emits it only once NewStore has the cut, and
the next run's tap sends it back before its first record.
"""

from __future__ import annotations

import copy
import typing as t

import msgspec

from mapper_newstore_stock.errors import StateError
from mapper_newstore_stock.run.cuts import TimestampRange
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Mapping

STOCK = "stock"
REPLICATION_KEY = "logical_timestamp_end"

#: A value of `on_hand_updated_column`, as JSON can carry it.
Cursor = int | str


class Acknowledged(Value, frozen=True):
    """What the state says NewStore has.

    Attributes:
        cut: The last cut NewStore has; 0 before the first.
        end: Highest logical timestamp declared up to that cut (None: none yet).
        mark: The mark quantities were computed at; it never goes back.
        ledger: The ledger, and the run of it, that numbered the cut.
        cursors: How far the ERP's changes had been read for that cut, by source.
    """

    cut: int = 0
    end: int | None = None
    mark: int | None = None
    ledger: str | None = None
    cursors: Mapping[str, Cursor] = msgspec.field(default_factory=dict)

    @classmethod
    def from_state(cls, state: Mapping[str, t.Any]) -> Acknowledged:
        """Read the bookmark; without one, NewStore has nothing.

        Raises:
            StateError: a value is not one this mapper writes.
        """
        bookmark = bookmark_of(state, STOCK)
        end = _integer(bookmark, STOCK, "replication_key_value")
        mark = _integer(bookmark, STOCK, "mark")
        ledger = bookmark.get("ledger")
        return cls(
            cut=_integer(bookmark, STOCK, "cut") or 0,
            end=end,
            mark=end if mark is None else mark,
            ledger=ledger if isinstance(ledger, str) else None,
            cursors=_cursors(bookmark.get("on_hand_cursor")),
        )

    def forgotten(self) -> Acknowledged:
        """Return what stays true when nothing is known of the cut: how far ranges have reached."""
        return Acknowledged(end=self.end, mark=self.mark)

    def written_into(self, state: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return a copy of a state with this bookmark in it."""
        result = copy.deepcopy(dict(state))
        bookmark: dict[str, t.Any] = {
            "replication_key": REPLICATION_KEY,
            "replication_key_value": self.end,
            "cut": self.cut,
            "mark": self.mark,
            "ledger": self.ledger,
        }
        if self.cursors:
            # The one source of a flat configuration has no name.
            named = dict(self.cursors)
            bookmark["on_hand_cursor"] = named.get("") or named
        result.setdefault("bookmarks", {})[STOCK] = bookmark
        return result


class Taken(Value, frozen=True):
    """How far the tap's events have been taken: its own bookmark, as the ledger keeps it.

    Attributes:
        through: Logical timestamp of the tap's bookmark (None: no bookmark).
        position: Arrival position of the tap's bookmark.
        store_id: The landing store that gave the position.
        complete: The tap's run has sent all it releases (None: this tap does not say).
        pruned_through: Completions up to this logical timestamp may be missing from a replay.
        pruned_position: So may completions that arrived up to this position.
        late_through: Events this run of the tap sends from here on, up to this logical timestamp, came late.
        oldest: The tap leaves out events with a lower logical timestamp.
        holes: Timestamps, in ranges, of events that were refused on their way (design rule 18).
    """

    through: int | None = None
    position: int = 0
    store_id: str | None = None
    complete: bool | None = None
    pruned_through: int | None = None
    pruned_position: int | None = None
    late_through: int | None = None
    oldest: int | None = None
    holes: tuple[TimestampRange, ...] = ()

    @classmethod
    def from_state(cls, state: Mapping[str, t.Any], stream: str) -> Taken:
        """Read the tap's bookmark for a stream.

        Raises:
            StateError: a value is not one the tap writes.
        """
        bookmark = bookmark_of(state, stream)
        return cls(
            through=_integer(bookmark, stream, "replication_key_value"),
            position=_integer(bookmark, stream, "position") or 0,
            store_id=bookmark.get("store_id"),
            complete=bookmark.get("complete"),
            pruned_through=_integer(bookmark, stream, "pruned_through"),
            pruned_position=_integer(bookmark, stream, "pruned_position"),
            late_through=_integer(bookmark, stream, "late_through"),
            oldest=_integer(bookmark, stream, "start_logical_timestamp"),
            holes=_holes(bookmark, stream),
        )


def _holes(bookmark: Mapping[str, t.Any], stream: str) -> tuple[TimestampRange, ...]:
    try:
        return msgspec.convert(bookmark.get("holes") or (), tuple[TimestampRange, ...])
    except msgspec.ValidationError as error:
        raise StateError(
            f"the Singer state's bookmarks.{stream}.holes are not pairs of whole numbers: {error}. Restore the state"
        ) from error


def _cursors(written: t.Any) -> Mapping[str, Cursor]:
    if isinstance(written, dict):
        return written
    return {} if written is None else {"": written}


def checked(state: object) -> dict[str, t.Any]:
    """Return the value of a STATE, if it is a Singer state.

    Raises:
        StateError: it is not.
    """
    if isinstance(state, dict) and isinstance(state.get("bookmarks", {}), dict):
        return state
    raise StateError(
        "a STATE of the input has no object as its value, or none as its bookmarks",
        "See what stands between the tap and this mapper",
    )


def bookmark_of(state: Mapping[str, t.Any], stream: str) -> Mapping[str, t.Any]:
    """Return the bookmark of a stream; empty if it has none."""
    bookmark = (state.get("bookmarks") or {}).get(stream) or {}
    return bookmark if isinstance(bookmark, dict) else {}


def _integer(bookmark: Mapping[str, t.Any], stream: str, name: str) -> int | None:
    value = bookmark.get(name)
    if value is None or type(value) is int:
        return value
    raise StateError(
        f"the Singer state's bookmarks.{stream}.{name} is {value!r}, expected a whole number. Restore the state, or "
        f"let the tap send all events again: meltano run --full-refresh"
    )
