"""What the ledger may forget without any number changing.

A unit that NewStore has acknowledged and the ERP's row contains no longer moves anything. Once old,
it is folded away. Its hash is kept, so that the ledger can tell it from a new one when all events are sent again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import empty, has_any, insert, load
from mapper_newstore_stock.ledger.past_tables import folded, folded_booking, folded_unit
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import (
    completed_unit,
    cut,
    cut_item,
    hidden_unit,
    late_unit,
    ledger,
    lowered_key,
    on_hand,
    run,
)
from mapper_newstore_stock.ledger.temporary_tables import hashed_unit, read_booking

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from mapper_newstore_stock.ledger.proof import Proof, Proofs
    from mapper_newstore_stock.ledger.store import Ledger

DEFAULT_KEEP_DAYS = 90
LONGEST_PAUSE = dt.timedelta(days=1)
#: As good as for ever: the calendar goes back no further than 2,000 years.
LONGEST_MEMORY_DAYS = 365_000
#: So long at least a booking is remembered that the ERP no longer lists.
SHORTEST_MEMORY = dt.timedelta(days=1)


def forget_old(
    ledger_: Ledger,
    acknowledged_cut: int,
    keep_days: int,
    now: dt.datetime,
    *,
    proofs: Proofs,
    known_by: Mapping[str, str] | None = None,
) -> int:
    """Fold old units away, at most once a day, and return how many.

    Args:
        ledger_: The run's hold on the ledger; the caller commits.
        acknowledged_cut: The last cut NewStore has.
        keep_days: How many days a unit is kept after it was taken.
        now: The time, with its zone.
        proofs: How the rows of the sources that were read prove what they contain; of no others a unit is folded.
        known_by: The column a source's bookings are known by, for each that has bookings.
    """
    connection = ledger_.connection
    keep = dt.timedelta(days=min(keep_days, LONGEST_MEMORY_DAYS))
    if not _is_due(connection, now, min(keep, LONGEST_PAUSE)):
        return 0
    last = _last_run_before(connection, now - keep)
    connection.execute(ledger.update().values(folded_at=now.isoformat(timespec="seconds")))
    if last is None:
        return 0
    old_cuts = sa.select(cut.c.cut).where(cut.c.run <= last, cut.c.cut <= acknowledged_cut)
    connection.execute(cut_item.delete().where(cut_item.c.cut.in_(old_cuts)))
    for table in (hidden_unit, lowered_key):
        connection.execute(table.delete().where(table.c.run <= last))
    _forget_unlisted(connection, _last_run_before(connection, now - max(keep, SHORTEST_MEMORY)))
    return _fold(connection, last, acknowledged_cut, proofs, known_by or {})


def note_unlisted(connection: sa.Connection, *listed_anew: sa.ColumnElement[bool]) -> None:
    """Note since which run the ERP has not listed bookings of folded units; `read_booking` holds what it lists now.

    Args:
        connection: The ledger's; the caller commits.
        listed_anew: Which rows of `folded_booking` the list answers for; none: all.
    """
    reference, since = folded_booking.c.reference, folded_booking.c.unlisted_run
    if not has_any(connection, sa.select(reference)):
        return
    listed = sa.select(read_booking.c.reference)
    this_run = sa.select(sa.func.max(run.c.run)).scalar_subquery()
    gone = since.is_(None), reference.in_(sa.select(reference).except_(listed)), *listed_anew
    back = since.is_not(None), reference.in_(listed), *listed_anew
    connection.execute(folded_booking.update().where(*gone).values(unlisted_run=this_run))
    connection.execute(folded_booking.update().where(*back).values(unlisted_run=None))


def _forget_unlisted(connection: sa.Connection, last: int | None) -> None:
    """Forget folded bookings that the ERP has not listed since a run; a list may be short for a run and come back."""
    if last is not None:
        connection.execute(folded_booking.delete().where(folded_booking.c.unlisted_run <= last))


def _fold(
    connection: sa.Connection, last: int, acknowledged_cut: int, proofs: Proofs, known_by: Mapping[str, str]
) -> int:
    unit = completed_unit.c
    of_source = on_hand.c.source.in_([name for name, proof in proofs.by_source.items() if _is_for_good(proof)])
    row_contains_it = sa.and_(same_key(on_hand.c, unit), of_source, proofs.units_missing(completed_unit) == 0)
    old = sa.and_(unit.run <= last, unit.cut <= acknowledged_cut, sa.exists().where(row_contains_it))
    _remember(connection, old)
    _add_up(connection, old)
    for source, reference in known_by.items():
        in_source = sa.exists().where(same_key(on_hand.c, unit), on_hand.c.source == source)
        _add_up_bookings(connection, sa.and_(old, in_source), reference)
    count = connection.execute(completed_unit.delete().where(old)).rowcount
    same_unit = (completed_unit.c[column.name] == column for column in late_unit.primary_key)
    connection.execute(late_unit.delete().where(~sa.exists().where(*same_unit)))
    return count


def _is_for_good(proof: Proof) -> bool:
    """Return whether what is proven stays so: bookings may be taken back where their source's fingerprint says so."""
    return proof.form != "booked" or not proof.known_by.endswith("true]")


def _is_due(connection: sa.Connection, now: dt.datetime, pause: dt.timedelta) -> bool:
    last = connection.scalar(sa.select(ledger.c.folded_at))
    return last is None or dt.datetime.fromisoformat(last) <= now - pause


def _last_run_before(connection: sa.Connection, moment: dt.datetime) -> int | None:
    """Return the last run that had begun by a moment; ISO 8601 in UTC sorts like time."""
    before = run.c.started_at <= moment.astimezone(dt.UTC).isoformat(timespec="seconds")
    last: int | None = connection.scalar(sa.select(sa.func.max(run.c.run)).where(before))
    return last


def unit_hash(node: str, product: str, timestamp: int, event_id: str) -> int:
    """Return 64 bits that tell a unit of one key and event from any other."""
    text = "\x1f".join((node, product, str(timestamp), event_id))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


def hash_units(connection: sa.Connection, units: sa.Select[t.Any]) -> None:
    """Fill `hashed_unit` with units: node, product, logical timestamp and event of each."""
    empty(connection, hashed_unit)
    rows = connection.execute(units).all()
    load(connection, hashed_unit, ((*row, unit_hash(*row)) for row in rows))


def _remember(connection: sa.Connection, old: sa.ColumnElement[bool]) -> None:
    """Keep the hashes of units: when all events are sent again, these do not count a second time."""
    key = [completed_unit.c[column.name] for column in hashed_unit.primary_key]
    hash_units(connection, sa.select(*key).where(old))
    # Without a WHERE, SQLite parses ON CONFLICT as a join.
    hashes = sa.select(hashed_unit.c.hash).where(sa.true())
    connection.execute(insert(connection, folded_unit).from_select(["hash"], hashes).on_conflict_do_nothing())
    empty(connection, hashed_unit)


def _add_up(connection: sa.Connection, old: sa.ColumnElement[bool]) -> None:
    unit = completed_unit.c
    key = (unit.fulfillment_node_id, unit.product_id)
    highest = (sa.func.max(unit.logical_timestamp), sa.func.max(unit.published_at))
    sums = sa.select(*key, sa.func.sum(unit.units), *highest).where(old).group_by(*key)
    statement = insert(connection, folded).from_select(folded.c.keys(), sums)
    new = statement.excluded
    published = folded.c.published_through
    values = {
        "units": folded.c.units + new.units,
        "through": sa.case((new.through > folded.c.through, new.through), else_=folded.c.through),
        "published_through": sa.case(
            (sa.or_(published.is_(None), new.published_through > published), new.published_through), else_=published
        ),
    }
    index = [folded.c.fulfillment_node_id, folded.c.product_id]
    connection.execute(statement.on_conflict_do_update(index_elements=index, set_=values))


def _add_up_bookings(connection: sa.Connection, old: sa.ColumnElement[bool], known_by: str) -> None:
    """Remember how many units of each booked group are folded: they prove no other unit of it."""
    unit = completed_unit.c
    group = (unit[known_by], unit.fulfillment_node_id, unit.product_id)
    sums = sa.select(*group, sa.func.sum(unit.units)).where(old, unit[known_by].is_not(None)).group_by(*group)
    names = [*folded_booking.primary_key.columns.keys(), "units"]
    statement = insert(connection, folded_booking).from_select(names, sums)
    more = {"units": folded_booking.c.units + statement.excluded.units}
    index = [column.name for column in folded_booking.primary_key]
    connection.execute(statement.on_conflict_do_update(index_elements=index, set_=more))
