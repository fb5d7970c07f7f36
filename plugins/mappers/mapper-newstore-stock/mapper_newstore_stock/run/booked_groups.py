"""How many units of each event, request or order the ERP's bookings prove (form `booked`).

Equal units are one group: of them only the number counts. Most groups have one unit, and most were proven by an
earlier run, so everything is added up once and compared by group; only what has changed is looked at unit by unit.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import analyze, empty, is_postgresql
from mapper_newstore_stock.ledger.past_tables import folded_booking
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit
from mapper_newstore_stock.ledger.temporary_tables import (
    asked_reference,
    changed_group,
    known_group,
    listed_group,
    read_booking,
)

if t.TYPE_CHECKING:
    from mapper_newstore_stock.run.bookings import BookingSource

GROUP = ("reference", "product_id", "fulfillment_node_id")


def compare_groups(connection: sa.Connection, source: BookingSource, *, keeps: bool, asked: bool) -> None:
    """Fill the tables of groups from `read_booking`.

    Args:
        connection: The ledger's; the caller commits.
        source: Where the bookings were read.
        keeps: How many units of a group are proven falls only when one of its reference at another node comes to be
            known.
        asked: Only bookings of `asked_reference` were read, and only its groups are compared.
    """
    for table, rows in (
        (listed_group, _listed()),
        (known_group, _known(source, asked=asked)),
        (changed_group, _changed(source, keeps=keeps)),
    ):
        empty(connection, table)
        # SQLite keeps them in the order of their key.
        in_order = rows if is_postgresql(connection) else rows.order_by(*list(rows.selected_columns)[: len(GROUP)])
        connection.execute(table.insert().from_select(table.c.keys(), in_order))
        analyze(connection, table)


def group_of(source: BookingSource, units: sa.Table) -> tuple[sa.ColumnElement[str], ...]:
    """Return the group of a row of `completed_unit` or `ahead_unit`."""
    unit = units.c
    if source.is_of_whole_events:
        return unit.event_id, sa.literal(""), sa.literal("")
    return unit[source.reference], unit.product_id, unit.fulfillment_node_id


def known_in(source: BookingSource, run: int) -> sa.CompoundSelect[tuple[str]]:
    """Select the references of units that came in a run."""
    return sa.union(*(_references(source, table).where(table.c.run == run) for table in (completed_unit, ahead_unit)))


def known_before(source: BookingSource, run: int) -> sa.CompoundSelect[tuple[str]]:
    """Select those of `asked_reference` that units were known by before a run."""
    parts = [_references(source, table).where(table.c.run != run) for table in (completed_unit, ahead_unit)]
    if not source.is_of_whole_events:
        parts.append(sa.select(folded_booking.c.reference))
    return sa.union(*(part.where(_is_asked(part)) for part in parts))


def _references(source: BookingSource, units: sa.Table) -> sa.Select[tuple[str]]:
    reference = group_of(source, units)[0]
    return sa.select(reference.label("reference")).where(reference.is_not(None))


def _is_asked(units: sa.Select[t.Any]) -> sa.ColumnElement[bool]:
    return units.selected_columns[0].in_(sa.select(asked_reference.c.reference))


def is_listed_as(source: BookingSource, known: t.Any) -> sa.ColumnElement[bool]:
    """Return the condition that a row of `listed_group` is of a known group."""
    names = [name for name in GROUP if name == "reference" or _is_apart(source, name)]
    return sa.and_(*(listed_group.c[name] == known[name] for name in names))


def _is_apart(source: BookingSource, name: str) -> bool:
    """Return whether the ERP lists units apart that differ in product or node."""
    return not source.is_of_whole_events and (name == "product_id" or name in source.columns)


def _tells_nodes_apart(source: BookingSource) -> bool:
    return source.is_of_whole_events or _is_apart(source, "fulfillment_node_id")


def _listed() -> sa.Select[t.Any]:
    row = read_booking.c
    key = (row.reference, sa.func.coalesce(row.product_id, ""), sa.func.coalesce(row.fulfillment_node_id, ""))
    # A booking without units is of every unit of its event.
    units = sa.case((sa.func.count(row.units) == sa.func.count(), sa.cast(sa.func.sum(row.units), sa.BigInteger)))
    return sa.select(*key, units).group_by(*key)


def _known(source: BookingSource, *, asked: bool) -> sa.Select[t.Any]:
    """Select the groups of all units that can be proven; those folded away were proven first.

    They count as long as the ledger stands, also when the ERP no longer lists them: a list may be cut short for a
    run and come back.
    """
    parts = [_units(source, table) for table in (completed_unit, ahead_unit)]
    if not source.is_of_whole_events:
        folded = folded_booking.c
        columns = (folded[name] for name in GROUP)
        nothing = sa.cast(sa.null(), sa.BigInteger)
        parts.append(
            sa.select(*columns, *(folded.units.label(name) for name in ("units", "booked", "folded")), nothing)
        )
    if asked:
        parts = [part.where(_is_asked(part)) for part in parts]
    unit = sa.union_all(*parts).subquery("unit").c
    key = [unit[name] for name in GROUP]
    sums = (sa.cast(sa.func.sum(unit[name]), sa.BigInteger) for name in ("units", "booked", "folded"))
    first_open = sa.func.min(sa.case((unit.booked < unit.units, unit.at)))
    last_booked = sa.func.max(sa.case((unit.booked > 0, unit.at)))
    return sa.select(*key, *sums, first_open, last_booked).group_by(*key)


def _units(source: BookingSource, table: sa.Table) -> sa.Select[t.Any]:
    unit, key = table.c, group_of(source, table)
    named = (column.label(name) for name, column in zip(GROUP, key, strict=True))
    columns = (unit.units, unit.booked, sa.literal(0).label("folded"), unit.logical_timestamp.label("at"))
    return sa.select(*named, *columns).where(key[0].is_not(None))


def _changed(source: BookingSource, *, keeps: bool) -> sa.Select[t.Any]:
    listed = listed_group.c
    known = sa.select(known_group, _elsewhere(source).label("elsewhere")).subquery("known").c
    proven = sa.func.coalesce(listed.units, known.units + known.elsewhere) - known.elsewhere
    if not keeps:
        proven = sa.case((listed.reference.is_(None), 0), else_=proven)
    least: sa.ColumnElement[int] = known.booked if keeps else known.folded
    if keeps and not _tells_nodes_apart(source):
        # What is listed may be a unit at another node that nobody knew of when it proved this one.
        may_be_elsewhere = sa.and_(known.elsewhere > 0, listed.units.is_not(None))
        least = sa.case((may_be_elsewhere, known.folded), else_=known.booked)
    booked = sa.case((proven < least, least), (proven > known.units, known.units), else_=proven)
    # A unit with a lower timestamp may come later than others of its group, and then takes the proof of one of them.
    in_order = sa.func.coalesce(known.last_booked <= known.first_open, sa.true())
    rows = sa.select(
        *(known[name] for name in GROUP),
        (known.units - known.folded).label("units"),
        (booked - known.folded).label("booked"),
    )
    joined = sa.join(known.reference.table, listed_group, is_listed_as(source, known), isouter=not keeps)
    return rows.select_from(joined).where(sa.or_(booked != known.booked, ~in_order))


def _elsewhere(source: BookingSource) -> sa.ColumnElement[int]:
    """Return the known units of the same reference and product at other nodes, unless the ERP tells nodes apart.

    What it may have booked there proves nothing here.
    """
    if _tells_nodes_apart(source):
        return sa.literal(0)
    group = known_group.c
    everywhere = sa.func.sum(group.units).over(partition_by=[group.reference, group.product_id])
    return sa.cast(everywhere, sa.BigInteger) - group.units
