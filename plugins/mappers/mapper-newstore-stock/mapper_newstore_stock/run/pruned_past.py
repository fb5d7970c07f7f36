"""Completions the landing store had pruned before this ledger took them.

A new ledger is filled by a replay, and a replay lacks what has been pruned; a ledger restored from a backup lacks
what came late after it and has been pruned since. NewStore no longer subtracts those units, so a number that still
counts them would oversell. Only the ERP's row can say that it has already left them out.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import LostProofError
from mapper_newstore_stock.ledger.database import has_any
from mapper_newstore_stock.ledger.past_tables import unknown_past
from mapper_newstore_stock.ledger.tables import on_hand, run
from mapper_newstore_stock.run.erp_rows import NAMED_KEYS, name_keys

if t.TYPE_CHECKING:
    from mapper_newstore_stock.run.rules import Rules
    from mapper_newstore_stock.state import Taken


def note_unknown_past(connection: sa.Connection, taken: Taken, this_run: int) -> None:
    """Note what was pruned before this ledger took it; the caller commits.

    Args:
        connection: The ledger's.
        taken: The tap's bookmark.
        this_run: The run that takes it; only what earlier ones took is known.
    """
    pruned = taken.pruned_through
    if pruned is None:
        return
    earlier = run.c.run < this_run
    if not _is_any(connection, earlier, run.c.taken_through >= pruned):
        _note(connection, pruned, some_late=False)
        return
    of_store = sa.and_(earlier, run.c.taken_store_id == taken.store_id)
    position = taken.pruned_position
    if position is None or not _is_any(connection, of_store):
        # Positions of another store say nothing.
        return
    if not _is_any(connection, of_store, run.c.taken_through >= pruned, run.c.taken_position >= position):
        _note(connection, max(pruned, taken.through or pruned), some_late=True)


def _is_any(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> bool:
    return has_any(connection, sa.select(run.c.run).where(*conditions))


def _note(connection: sa.Connection, through: int, *, some_late: bool) -> None:
    connection.execute(unknown_past.delete())
    connection.execute(unknown_past.insert().values(through=through, some_late=some_late))


def refuse_rows_of_unknown_past(connection: sa.Connection, rules: Rules) -> None:
    """Refuse rows that give their keys a number, and do not say they contain the units this ledger has never known.

    Only a row's own logical timestamp, or the user's word for all rows (`contained_through`), can say that it does.

    Raises:
        OnHandError: names the keys.
    """
    unknown = connection.execute(sa.select(unknown_past)).first()
    doubtful = {name: proof for name, proof in rules.proofs_in_use.items() if not proof.is_complete}
    if unknown is None or not doubtful:
        return
    through, known = unknown.through, rules.proofs.contained_through
    if known is not None and known >= through:
        return
    # A row that says no more than was known when a late one came need not contain it.
    least = through + 1 if unknown.some_late else through
    key = (on_hand.c.fulfillment_node_id, on_hand.c.product_id)
    as_of = on_hand.c.as_of_logical_timestamp
    says_less = [
        sa.and_(
            on_hand.c.source == name, sa.or_(as_of.is_(None), as_of < least) if proof.form == "column" else sa.true()
        )
        for name, proof in doubtful.items()
    ]
    query = sa.select(*key).where(sa.or_(*says_less)).order_by(*key)
    if rows := connection.execute(query.limit(NAMED_KEYS)).all():
        raise LostProofError(
            f"the landing store has pruned completions up to logical timestamp {through}, this ledger has never taken "
            f"them, and these on-hand rows do not say that they contain them: {name_keys(rows)}. Nothing was sent. "
            f"Restore the ledger that has taken them, or provide rows whose as_of_logical_timestamp is {least} or "
            f"more, or set contained_through to {through} if every number contains what was completed up to it"
        )
