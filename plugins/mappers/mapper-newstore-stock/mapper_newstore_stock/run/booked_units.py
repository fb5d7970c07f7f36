"""Which units the ERP's bookings prove to be in its numbers (form `booked`)."""

from __future__ import annotations

import logging
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import analyze, load
from mapper_newstore_stock.ledger.retention import note_unlisted
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, folded_booking
from mapper_newstore_stock.ledger.temporary_tables import newly_booked, read_booking
from mapper_newstore_stock.run.globs import matches

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.run.bookings import BookingSource
    from mapper_newstore_stock.run.erp_tables import ErpTables

logger = logging.getLogger("mapper-newstore-stock.bookings")

NAMED_KEYS = 20
UNIT = ("fulfillment_node_id", "product_id", "logical_timestamp", "event_id")


def load_bookings(connection: sa.Connection, source: BookingSource, erp: ErpTables) -> int:
    """Read the bookings of a source into `read_booking`, and return how many there are.

    Raises:
        OnHandError: a booking cannot be used.
    """
    connection.execute(read_booking.delete())
    count = load(connection, read_booking, source.rows(erp))
    analyze(connection, read_booking)
    return count


def prove_units(
    connection: sa.Connection, source: BookingSource, *, anew: bool, nodes: Sequence[str] | None = None
) -> None:
    """Write down which units the ERP has booked, and add to `newly_booked` those whose proof has changed.

    Of equal units of one request only the number counts: which of them the ERP booked first makes no difference
    to any number. How many are proven never falls, even when the ERP no longer lists them, unless bookings are
    reversible.

    Args:
        connection: The ledger's; `read_booking` holds the bookings; the caller commits.
        source: Where they are from.
        anew: Forget what was proven before: it was known by something else.
        nodes: The fulfillment nodes (`*` globs) whose units these bookings can prove; None: all.
    """
    keeps = not (source.is_reversible or anew)
    proven = _proven(source, nodes, keeps=keeps).subquery("proven")
    for units in (completed_unit, ahead_unit):
        _note_changes(connection, units, proven, nodes, keeps=keeps)
    _say_what_is_odd(connection, source)
    note_unlisted(connection, *_at(folded_booking.c, nodes))
    for units in (completed_unit, ahead_unit):
        same_unit = sa.and_(*(units.c[name] == newly_booked.c[name] for name in UNIT))
        connection.execute(units.update().where(same_unit).values(booked=newly_booked.c.units))
    connection.execute(read_booking.delete())


def _at(key: t.Any, nodes: Sequence[str] | None) -> list[sa.ColumnElement[bool]]:
    """Return the condition that a key is at one of the nodes."""
    return [] if nodes is None else [sa.or_(sa.false(), *matches(key.fulfillment_node_id, nodes))]


def _proven(source: BookingSource, nodes: Sequence[str] | None, *, keeps: bool) -> sa.Select[t.Any]:
    """Select the units of each listed group, and how many of each are booked, the lowest timestamps first.

    A unit with a lower timestamp may come later than others of its group. It then takes the proof of one of
    them; with a proof of its own, one booking would prove two units.
    """
    known, booked = _known_units(source.reference), _booked_groups().subquery("booked")
    unit = known.c
    group = [unit[name] for name in _group(source)]
    at_node = [*group, *({} if source.is_of_whole_events else {unit.fulfillment_node_id})]
    if "fulfillment_node_id" in source.columns or source.is_of_whole_events:
        elsewhere: sa.ColumnElement[int] = sa.literal(0)
    else:
        # What the ERP may have booked for the same order at another node proves nothing here.
        of_group, of_node = (sa.func.sum(unit.units).over(partition_by=part) for part in (group, at_node))
        elsewhere = of_group - of_node
    order = [unit.logical_timestamp, unit.event_id, unit.product_id]
    up_to_here = sa.func.sum(unit.units).over(partition_by=at_node, order_by=order)
    count = sa.func.coalesce(booked.c.units, _EVERY) - elsewhere
    if keeps:
        already = sa.func.sum(unit.booked).over(partition_by=at_node)
        count = sa.case((count < already, already), else_=count)
    left = count - (up_to_here - unit.units)
    units = sa.case((left <= 0, 0), (left >= unit.units, unit.units), else_=left)
    same_group = sa.and_(*(unit[name] == booked.c[name] for name in _group(source)))
    columns = [*(unit[name] for name in UNIT), units.label("units"), unit.is_folded]
    return sa.select(*columns).select_from(known.join(booked, same_group)).where(*_at(unit, nodes))


def _group(source: BookingSource) -> list[str]:
    """Return the columns whose units are equal to each other: of them only the number counts."""
    if source.is_of_whole_events:
        return ["reference"]
    at_node = ["fulfillment_node_id"] if "fulfillment_node_id" in source.columns else []
    return ["reference", "product_id", *at_node]


_EVERY = sa.literal(2**62, sa.BigInteger)


def _known_units(reference: str) -> sa.Subquery:
    """All units that can be proven; those folded away come first, because they were proven first.

    They are kept when the ERP no longer lists them: a list may be cut short for a run and come back.
    """
    folded = folded_booking.c
    parts = [
        sa.select(
            folded.fulfillment_node_id,
            folded.product_id,
            sa.literal(-(2**63), sa.BigInteger).label("logical_timestamp"),
            sa.literal("").label("event_id"),
            folded.units,
            folded.units.label("booked"),
            folded.reference,
            sa.true().label("is_folded"),
        )
    ]
    for table in (completed_unit, ahead_unit):
        unit = table.c
        columns = [*(unit[name] for name in UNIT), unit.units, unit.booked, unit[reference].label("reference")]
        parts.append(sa.select(*columns, sa.false()).where(unit[reference].is_not(None)))
    return sa.union_all(*parts).subquery("known")


def _booked_groups() -> sa.Select[t.Any]:
    row = read_booking.c
    key = (row.reference, row.product_id, row.fulfillment_node_id)
    # A booking without units is of every unit of its event.
    units = sa.case((sa.func.count(row.units) == sa.func.count(), sa.cast(sa.func.sum(row.units), sa.BigInteger)))
    return sa.select(*key, units.label("units")).group_by(*key)


def _note_changes(
    connection: sa.Connection, units: sa.Table, proven: sa.Subquery, nodes: Sequence[str] | None, *, keeps: bool
) -> None:
    """Fill `newly_booked` with the units of a table whose proof is another one now."""
    unit = units.c
    same_unit = sa.and_(*(unit[name] == proven.c[name] for name in UNIT), ~proven.c.is_folded)
    key = [unit[name] for name in UNIT]
    found = sa.select(*key, proven.c.units).select_from(units.join(proven, same_unit))
    found = found.where(proven.c.units != unit.booked)
    connection.execute(newly_booked.insert().from_select([*UNIT, "units"], found))
    if not keeps:
        gone = sa.select(*key, sa.literal(0)).where(unit.booked > 0, ~sa.exists().where(same_unit), *_at(unit, nodes))
        connection.execute(newly_booked.insert().from_select([*UNIT, "units"], gone))


def _say_what_is_odd(connection: sa.Connection, source: BookingSource) -> None:
    """Count bookings of unknown references, and name keys with more units booked than were completed."""
    known, booked = _known_units(source.reference), _booked_groups().subquery("booked")
    unknown = sa.select(sa.func.count()).select_from(booked)
    count = connection.scalar(unknown.where(~sa.exists().where(known.c.reference == booked.c.reference))) or 0
    if count:
        logger.info("%d bookings are of no completion the ledger knows; they prove nothing yet", count)
    if source.is_of_whole_events:
        return
    same = sa.and_(known.c.reference == booked.c.reference, known.c.product_id == booked.c.product_id)
    key = (known.c.fulfillment_node_id, known.c.product_id)
    more = (
        sa.select(*key, booked.c.reference, booked.c.units, sa.func.sum(known.c.units).label("completed"))
        .select_from(booked.join(known, same))
        .group_by(*key, booked.c.reference, booked.c.units)
        .having(booked.c.units > sa.func.sum(known.c.units))
        .order_by(*key)
    )
    for row in connection.execute(more.limit(NAMED_KEYS)):
        logger.warning(
            "%s/%s: the ERP has booked %d units of %s, %d were completed; %d count",
            row.fulfillment_node_id,
            row.product_id,
            row.units,
            row.reference,
            row.completed,
            row.completed,
        )


def newly_booked_keys() -> sa.Select[t.Any]:
    """Select the keys whose proof has changed since the last run."""
    return sa.select(newly_booked.c.fulfillment_node_id, newly_booked.c.product_id).distinct()
