"""Rows of sources that the settings no longer name go to the sources that own their nodes now.

A source may get another name, or the one of a flat configuration become several. What its last list had and the next
one lacks must be missed all the same (design rule 12).
"""

from __future__ import annotations

import logging
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.proof import last_proofs
from mapper_newstore_stock.ledger.tables import is_present, on_hand
from mapper_newstore_stock.ledger.tables import source as source_table
from mapper_newstore_stock.run.globs import at_nodes

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.run.sources import Source, Sources

logger = logging.getLogger("mapper-newstore-stock.on-hand")

#: What `source` says of one that has never been read.
_NEVER_READ = {"read_run": None, "taken_at": None, "full_read_at": None, "cursor": None, "list": None}


def no_longer_named(connection: sa.Connection, sources: Sources) -> Sequence[str]:
    """Return the names of sources the ledger has read and the settings no longer name."""
    name = source_table.c.name
    return connection.scalars(sa.select(name).where(name.not_in([source.name for source in sources]))).all()


def give_rows(connection: sa.Connection, gone: Sequence[str], sources: Sources, run: int) -> None:
    """Give rows of sources that are no longer named to those that own their nodes, as if these had never been read.

    So no row proves more in other hands than it did, and a list is compared with none of another time.

    Args:
        connection: The ledger's; the caller commits.
        gone: The names of those sources.
        sources: Those of the settings.
        run: The first run in which the rows may have changed.
    """
    for name in gone:
        takers = [source.name for source in sources if _give(connection, name, source, run)]
        changed = source_table.update().where(source_table.c.name.in_([name, *takers]))
        connection.execute(changed.values(_NEVER_READ))
    has_rows = sa.exists().where(on_hand.c.source == source_table.c.name)
    connection.execute(source_table.delete().where(source_table.c.name.in_(gone), ~has_rows))


def _give(connection: sa.Connection, name: str, to: Source, run: int) -> bool:
    """Give a source's rows to another, as far as it owns their nodes; return whether there are any."""
    proof = last_proofs(connection).get(name)
    # What does not say when it was taken was not taken with the next list, nor with the last one if that lacked it.
    of_list = sa.case((is_present, (proof and proof.taken_at) or 0), else_=0)
    taken_at = sa.func.coalesce(on_hand.c.taken_at, of_list)
    given = on_hand.update().where(on_hand.c.source == name, *at_nodes(on_hand.c, to.nodes))
    count = connection.execute(given.values(source=to.name, changed_run=run, taken_at=taken_at)).rowcount
    if count:
        title = name or "the source without a name"
        to_title = to.name or "the one source there is"
        said = "%d on-hand rows of %s, which is no longer in the settings, are those of %s now, which owns their nodes"
        logger.warning(said, count, title, to_title)
    return bool(count)
