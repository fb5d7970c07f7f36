"""Which completions the ranges of a run may cover (design rules 13, 14 and 18).

A range tells NewStore to stop subtracting completions. It must not cover one whose key has no number here, or one
that was refused on its way: NewStore goes on subtracting those. So ranges are split around their timestamps where
that costs few imports, and end before the next one otherwise. All numbers are computed for exactly what the ranges
cover, so every other key stays exact.
"""

from __future__ import annotations

import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import has_rows
from mapper_newstore_stock.ledger.tables import completed_unit, unclaimed
from mapper_newstore_stock.run.cuts import TimestampRange
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Around how many timestamps a run's ranges are split. Each costs an import, and imports are minutes apart.
MOST_GAPS = 3
#: How many of them are looked at.
_LOOKED_AT = 64


class Claims(Value, frozen=True):
    """What the ranges of a run may cover.

    Attributes:
        ranges: Between the timestamps that must not be covered; None: there are none, and all is claimed.
        barred: The timestamps that must not be covered, also those below all that is pending.
    """

    ranges: tuple[TimestampRange, ...] | None = None
    barred: tuple[TimestampRange, ...] = ()

    @property
    def are_partial(self) -> bool:
        """Whether something is left out."""
        return self.ranges is not None

    def leaving_out(self, through: int | None, oldest: int | None) -> Claims:
        """Return these claims without what the tap leaves out: nobody here knows which units that moves.

        Args:
            through: All up to this logical timestamp is declared; None: nothing but what is known.
            oldest: The tap leaves out events with a lower logical timestamp; None: none.
        """
        if through is None or oldest is None or oldest <= through + 1:
            return self
        return msgspec.structs.replace(self, barred=(*self.barred, TimestampRange(through + 1, oldest - 1)))

    def cover(self, timestamp: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        """Return the condition that a timestamp is covered."""
        if self.ranges is None:
            return sa.true()
        return sa.or_(sa.false(), *(timestamp.between(part.start, part.end) for part in self.ranges))


def claims_around(
    connection: sa.Connection, pending: sa.ColumnElement[bool], barred: Iterable[TimestampRange], lowest: int
) -> Claims:
    """Return the ranges of pending completions that leave barred timestamps out.

    Args:
        connection: The ledger's.
        pending: The condition for completed units that NewStore has not acknowledged.
        barred: Timestamps that must not be covered.
        lowest: The lowest timestamp of a pending completion.
    """
    merged = _merged(barred)
    gaps = [gap for gap in merged if gap.end >= lowest]
    if not gaps:
        return Claims(barred=tuple(merged))
    looked_at = gaps[:_LOOKED_AT]
    at = completed_unit.c.logical_timestamp
    arms: list[tuple[sa.ColumnElement[bool], int]] = []
    for place, gap in enumerate(looked_at):
        arms += [(at < gap.start, place), (at <= gap.end, -1)]
    beyond = len(looked_at) if len(gaps) == len(looked_at) else -1
    found = sa.select(sa.case(*arms, else_=beyond).label("place"), at).where(pending).subquery().c
    between = (
        sa.select(sa.func.min(found.logical_timestamp), sa.func.max(found.logical_timestamp))
        .where(found.place >= 0)
        .group_by(found.place)
        .order_by(found.place)
    )
    rows = connection.execute(between.limit(MOST_GAPS + 1)).all()
    return Claims(tuple(TimestampRange(start, end) for start, end in rows), tuple(merged))


def note_unclaimed(
    connection: sa.Connection, covered: Sequence[TimestampRange], barred: Sequence[int], last: int, mark: int
) -> None:
    """Remember timestamps below the mark that no range has covered; the caller commits.

    NewStore still subtracts their completions, of every key they touch.

    Args:
        connection: The ledger's.
        covered: The ranges of this run.
        barred: Timestamps of known completions that it must not cover.
        last: The mark before this run: what was barred below it may have been covered earlier.
        mark: The mark of this run.
    """
    at = unclaimed.c.logical_timestamp
    known = set(connection.scalars(sa.select(at))) if has_rows(connection, unclaimed) else set()
    if known:
        connection.execute(unclaimed.delete().where(Claims(tuple(covered)).cover(at)))
    new = [{"logical_timestamp": one} for one in barred if last < one <= mark and one not in known]
    if new:
        connection.execute(unclaimed.insert(), new)


def _merged(barred: Iterable[TimestampRange]) -> list[TimestampRange]:
    """Return ranges in order, those that meet as one."""
    merged: list[TimestampRange] = []
    for part in sorted(barred):
        if merged and part.start <= merged[-1].end + 1:
            merged[-1] = TimestampRange(merged[-1].start, max(merged[-1].end, part.end))
        else:
            merged.append(part)
    return merged
