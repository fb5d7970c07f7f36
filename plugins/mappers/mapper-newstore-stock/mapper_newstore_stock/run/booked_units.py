"""Which units the ERP's bookings prove to be in its numbers (form `booked`)."""

from __future__ import annotations

import functools
import logging
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import empty
from mapper_newstore_stock.ledger.past_tables import folded_booking
from mapper_newstore_stock.ledger.retention import note_unlisted
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit
from mapper_newstore_stock.ledger.temporary_tables import (
    asked_reference,
    changed_group,
    known_group,
    listed_group,
    newly_booked,
    read_booking,
)
from mapper_newstore_stock.run.booked_groups import GROUP, compare_groups, group_of, is_listed_as
from mapper_newstore_stock.run.globs import at_nodes

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.run.booking_lists import ReadBookings
    from mapper_newstore_stock.run.bookings import BookingSource

logger = logging.getLogger("mapper-newstore-stock.bookings")

NAMED_KEYS = 20
UNIT = ("fulfillment_node_id", "product_id", "logical_timestamp", "event_id")


class Unproven(t.NamedTuple):
    """Bookings that prove nothing, added up.

    Attributes:
        unknown: How many are of no completion the ledger knows.
        is_too_much: Some have more units booked than were completed.
    """

    unknown: int
    is_too_much: bool


def prove_units(
    connection: sa.Connection,
    source: BookingSource,
    read: ReadBookings,
    *,
    anew: bool,
    nodes: Sequence[str] | None = None,
) -> Unproven:
    """Write down which units the ERP has booked, and add to `newly_booked` those whose proof has changed.

    Of equal units of one request only the number counts: which of them the ERP booked first makes no difference
    to any number. How many are proven never falls, even when the ERP no longer lists them, unless bookings are
    reversible, or what is listed may be at another node.

    Args:
        connection: The ledger's; `read_booking` holds the bookings; the caller commits.
        source: Where they are from.
        read: What was read of them.
        anew: Forget what was proven before: it was known by something else.
        nodes: The fulfillment nodes (`*` globs) whose units these bookings can prove; None: all.
    """
    keeps = not (source.is_reversible or anew)
    compare_groups(connection, source, keeps=keeps, asked=read.asked)
    _note_changes(connection, source, nodes, keeps=keeps)
    unproven = Unproven(_unknown(connection) + read.unknown, _name_what_is_too_much(connection, source))
    if unproven.unknown:
        logger.info("%d bookings are of no completion the ledger knows; they prove nothing yet", unproven.unknown)
    asked = [folded_booking.c.reference.in_(sa.select(asked_reference.c.reference))] if read.asked else []
    note_unlisted(connection, *at_nodes(folded_booking.c, nodes), *asked)
    for units in (completed_unit, ahead_unit):
        same_unit = sa.and_(*(units.c[name] == newly_booked.c[name] for name in UNIT))
        connection.execute(units.update().where(same_unit).values(booked=newly_booked.c.units))
    empty(connection, read_booking)
    return unproven


def _note_changes(
    connection: sa.Connection, source: BookingSource, nodes: Sequence[str] | None, *, keeps: bool
) -> None:
    """Fill `newly_booked` with the units whose proof is another one now."""
    group = changed_group.c
    note = functools.partial(newly_booked.insert().from_select, [*UNIT, "units"])
    for table in (completed_unit, ahead_unit):
        unit = table.c
        key = [unit[name] for name in UNIT]
        wholly = sa.select(*key, unit.units).select_from(_of_changed_groups(source, table))
        own = wholly.where(group.booked == group.units, unit.booked != unit.units, *at_nodes(unit, nodes))
        connection.execute(note(own))
        if not keeps:
            # Proven by something that it is no longer known by.
            unnamed = sa.select(*key, sa.literal(0)).where(unit.booked > 0, group_of(source, table)[0].is_(None))
            connection.execute(note(unnamed.where(*at_nodes(unit, nodes))))
    in_part = sa.select(sa.literal(1)).where(group.booked < group.units).limit(1)
    if connection.execute(in_part).first():
        connection.execute(note(_shared(source, nodes)))


def _of_changed_groups(source: BookingSource, units: sa.Table) -> sa.Join:
    same_group = zip(GROUP, group_of(source, units), strict=True)
    return units.join(changed_group, sa.and_(*(changed_group.c[name] == column for name, column in same_group)))


def _shared(source: BookingSource, nodes: Sequence[str] | None) -> sa.Select[t.Any]:
    """Select the units of groups that are proven in part, the lowest timestamps first."""
    group = changed_group.c
    names = [f"group_{name}" for name in GROUP]
    parts = []
    for table in (completed_unit, ahead_unit):
        columns = [*(table.c[name] for name in UNIT), table.c.units, table.c.booked, group.booked.label("proven")]
        of_group = (group[name].label(label) for name, label in zip(GROUP, names, strict=True))
        joined = _of_changed_groups(source, table)
        in_part = sa.select(*columns, *of_group).select_from(joined).where(group.booked < group.units)
        parts.append(in_part.where(*at_nodes(table.c, nodes)))
    unit = sa.union_all(*parts).subquery("unit").c
    order = [unit.logical_timestamp, unit.event_id, unit.product_id]
    up_to_here = sa.func.sum(unit.units).over(partition_by=[unit[name] for name in names], order_by=order)
    left = unit.proven - (up_to_here - unit.units)
    share = sa.case((left <= 0, 0), (left >= unit.units, unit.units), else_=left)
    key = (unit[name] for name in UNIT)
    shared = sa.select(*key, unit.booked, sa.cast(share, sa.BigInteger).label("share")).subquery("shared").c
    return sa.select(*(shared[name] for name in UNIT), shared.share).where(shared.share != shared.booked)


def _unknown(connection: sa.Connection) -> int:
    """Count bookings of unknown references."""
    is_known = sa.exists().where(known_group.c.reference == listed_group.c.reference)
    return connection.scalar(sa.select(sa.func.count()).select_from(listed_group).where(~is_known)) or 0


def _name_what_is_too_much(connection: sa.Connection, source: BookingSource) -> bool:
    """Name keys with more units booked than were completed; return whether there are any."""
    if source.is_of_whole_events:
        return False
    known, listed = known_group.c, listed_group.c
    more = (
        sa.select(known.fulfillment_node_id, known.product_id, listed.reference, listed.units, known.units)
        .select_from(listed_group.join(known_group, is_listed_as(source, known)))
        .where(listed.units > known.units)
        .order_by(known.fulfillment_node_id, known.product_id)
    )
    rows = connection.execute(more.limit(NAMED_KEYS)).all()
    for node, product, reference, booked, completed in rows:
        logger.warning(
            "%s/%s: the ERP has booked %d units of %s, %d were completed; %d count",
            node,
            product,
            booked,
            reference,
            completed,
            completed,
        )
    return bool(rows)


def newly_booked_keys() -> sa.Select[t.Any]:
    """Select the keys whose proof has changed since the last run."""
    return sa.select(newly_booked.c.fulfillment_node_id, newly_booked.c.product_id).distinct()
