"""Rows go to the sources that own their nodes now.

A source may get another name, the one of a flat configuration become several, and a node move from one to another.
What the last list of a node had and the next one lacks must be missed all the same (design rule 12), and no list can
lack what its source does not own any more.
"""

from __future__ import annotations

import functools
import logging
import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import insert
from mapper_newstore_stock.ledger.proof import last_proofs
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, is_present, on_hand
from mapper_newstore_stock.ledger.tables import source as source_table
from mapper_newstore_stock.run.globs import at_nodes

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.run.sources import Source, Sources

logger = logging.getLogger("mapper-newstore-stock.on-hand")

#: What `source` says of one that has never been read.
_NEVER_READ = {"read_run": None, "taken_at": None, "full_read_at": None, "cursor": None, "list": None}


@functools.cache
def _nodes() -> sa.Select[tuple[str, str]]:
    """Return the query for all fulfillment nodes, each with the source of its rows: one step in the index for each."""
    node = on_hand.c.fulfillment_node_id
    nodes = sa.select(sa.func.min(node).label("node")).cte("nodes", recursive=True)
    next_node = sa.select(sa.func.min(node)).where(node > nodes.c.node).scalar_subquery()
    nodes = nodes.union_all(sa.select(next_node).where(nodes.c.node.is_not(None)))
    of_node = sa.select(on_hand.c.source).where(node == nodes.c.node).limit(1).scalar_subquery()
    return sa.select(nodes.c.node, of_node).where(nodes.c.node.is_not(None))


def no_longer_named(connection: sa.Connection, sources: Sources) -> Sequence[str]:
    """Return the names of sources the ledger has read and the settings no longer name."""
    name = source_table.c.name
    return connection.scalars(sa.select(name).where(name.not_in([source.name for source in sources]))).all()


class Gift(t.NamedTuple):
    """Rows that change hands.

    Attributes:
        giver: The name of the source they are of.
        taker: The source that owns their nodes.
    """

    giver: str
    taker: Source


def gifts(connection: sa.Connection, sources: Sources, gone: Sequence[str]) -> list[Gift]:
    """Return which rows are not those of the source that owns their nodes.

    Args:
        connection: The ledger's.
        sources: Those of the settings.
        gone: The names of those the settings no longer name.

    Raises:
        ConfigurationError: two sources own a node.
    """
    if len(sources) == 1 and not gone:
        return []
    by_name = {source.name: source for source in sources}
    found = set()
    for node, giver in connection.execute(_nodes()):
        taker = sources.owner(node)
        if taker not in (None, giver):
            found.add((giver, taker))
    return [Gift(giver, by_name[taker]) for giver, taker in sorted(found)]


def give_rows(connection: sa.Connection, given: Sequence[Gift], gone: Sequence[str], run: int) -> None:
    """Give rows to the sources that own their nodes, as if these had never been read.

    So no row proves more in other hands than it did, and a list is compared with none of another time.

    Args:
        connection: The ledger's; the caller commits.
        given: Which rows.
        gone: The names of sources that the settings no longer name.
        run: The first run in which the rows may have changed.
    """
    for giver, taker in given:
        _give_proof(connection, giver, taker)
        _give(connection, giver, taker, run, is_gone=giver in gone)
    forgotten = {*gone, *(taker.name for _, taker in given)}
    connection.execute(source_table.update().where(source_table.c.name.in_(forgotten)).values(_NEVER_READ))
    has_rows = sa.exists().where(on_hand.c.source == source_table.c.name)
    connection.execute(source_table.delete().where(source_table.c.name.in_(gone), ~has_rows))


def _give_proof(connection: sa.Connection, name: str, to: Source) -> None:
    """Give a source's proof to one that has none; what its bookings prove counts with no other bookings."""
    proofs = last_proofs(connection)
    proof, own = proofs.get(name), proofs.get(to.name)
    if proof:
        values = {"name": to.name, "proof": msgspec.json.encode(own.with_rows_of(proof) if own else proof).decode()}
        row = insert(connection, source_table).values(values)
        connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))
    if not (proof and (own is None or own.is_of_the_same_bookings(proof))):
        nodes = sa.select(on_hand.c.fulfillment_node_id).distinct().where(on_hand.c.source == name)
        given = nodes.where(*at_nodes(on_hand.c, to.nodes))
        for units in (completed_unit, ahead_unit):
            proven = units.update().where(units.c.booked > 0, units.c.fulfillment_node_id.in_(given))
            connection.execute(proven.values(booked=0))


def _give(connection: sa.Connection, name: str, to: Source, run: int, *, is_gone: bool) -> None:
    """Give a source's rows to another, as far as it owns their nodes."""
    proof = last_proofs(connection).get(name)
    # What does not say when it was taken was not taken with the next list, nor with the last one if that lacked it.
    of_list = sa.case((is_present, (proof and proof.taken_at) or 0), else_=0)
    taken_at = sa.func.coalesce(on_hand.c.taken_at, of_list)
    given = on_hand.update().where(on_hand.c.source == name, *at_nodes(on_hand.c, to.nodes))
    count = connection.execute(given.values(source=to.name, changed_run=run, taken_at=taken_at)).rowcount
    logger.warning(
        "%d on-hand rows of %s%s are those of %s now, which owns their nodes",
        count,
        name or "the source without a name",
        ", which is no longer in the settings," if is_gone else "",
        to.name or "the one source there is",
    )
