"""What the last row of a key proves while the list lacks the key: what it proved when it was read.

Rows of the forms `column` and `taken_at` say it themselves. `current` and `booked` speak of all rows at once, so
what they say today does not hold for a row that was read in an earlier run.
"""

from __future__ import annotations

import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import has_rows, insert
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, is_present, on_hand, standing_unit

if t.TYPE_CHECKING:
    from mapper_newstore_stock.ledger.proof import Proof

_UNIT = ("fulfillment_node_id", "product_id", "logical_timestamp", "event_id")


class LastRead(t.NamedTuple):
    """The last time a source was read.

    Attributes:
        proof: How its rows proved what they contained.
        run: The run that read them; None: since then it has got rows of another source, or was out of the settings.
    """

    proof: Proof
    run: int | None


def keep_what_rows_prove(connection: sa.Connection, last: LastRead | None, leaving: sa.ColumnElement[bool]) -> None:
    """Keep what `on_hand` rows prove that are about to be marked absent; the caller commits.

    Args:
        connection: The ledger's; bookings of this run have not been taken in yet.
        last: When the rows were read; None: never before, so nothing is known to be in them.
        leaving: The condition for the rows.
    """
    if last is None:
        return
    if (taken_at := last.proof.taken_at) is not None:
        undated = sa.and_(leaving, on_hand.c.taken_at.is_(None))
        connection.execute(on_hand.update().where(undated).values(taken_at=taken_at))
    if last.run is None:
        # Rows of another form may be among them. Those say when they were taken, if that proves anything.
        return
    proof = last.proof
    if proof.form == "current" and proof.known_run is None:
        proof = msgspec.structs.replace(proof, known_run=last.run)
    for units in (completed_unit, ahead_unit):
        key = [units.c[name] for name in _UNIT]
        contained = proof.units_in(units).label("units")
        found = sa.select(*key, contained).select_from(units.join(on_hand, same_key(units.c, on_hand.c)))
        kept = insert(connection, standing_unit).from_select(
            standing_unit.c.keys(), found.where(leaving, is_present, contained > 0)
        )
        connection.execute(kept.on_conflict_do_nothing())


def forget_rows_that_are_back(connection: sa.Connection) -> None:
    """Forget what rows proved in whose place the list has others now; the caller commits."""
    if not has_rows(connection, standing_unit):
        return
    is_back = sa.exists().where(same_key(on_hand.c, standing_unit.c), is_present)
    connection.execute(standing_unit.delete().where(is_back))
