"""Completions the landing store had pruned before this ledger took them.

A new ledger is filled by a replay, and a replay lacks what has been pruned. NewStore no longer
subtracts those units, so a number that still counts them would oversell. Only the ERP's row can say
that it has already left them out.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.ledger.tables import on_hand, unknown_past
from mapper_newstore_stock.run.erp_rows import NAMED_KEYS, name_keys

if t.TYPE_CHECKING:
    from mapper_newstore_stock.ledger.proof import Proofs
    from mapper_newstore_stock.state import Taken


def note_unknown_past(connection: sa.Connection, taken: Taken, seen_through: int | None) -> None:
    """Note what was pruned before this ledger took it; the caller commits.

    Args:
        connection: The ledger's.
        taken: The tap's bookmark.
        seen_through: How far the ledger had taken the tap's events before this run.
    """
    pruned = taken.pruned_through
    if pruned is None or (seen_through is not None and seen_through >= pruned):
        return
    connection.execute(unknown_past.delete())
    connection.execute(unknown_past.insert().values(through=pruned))


def refuse_rows_of_unknown_past(connection: sa.Connection, proofs: Proofs) -> None:
    """Refuse rows that do not say they contain the units this ledger has never known.

    Only a row's own logical timestamp, or the user's word for all rows (`contained_through`), can say that it does.

    Raises:
        OnHandError: names the keys.
    """
    through = connection.scalar(sa.select(unknown_past.c.through))
    known = proofs.contained_through
    if through is None or proofs.is_complete or (known is not None and known >= through):
        return
    key = (on_hand.c.fulfillment_node_id, on_hand.c.product_id)
    as_of = on_hand.c.as_of_logical_timestamp
    says_less = [
        sa.and_(
            on_hand.c.source == name, sa.or_(as_of.is_(None), as_of < through) if proof.form == "column" else sa.true()
        )
        for name, proof in proofs.by_source.items()
        if not proof.is_complete
    ]
    query = sa.select(*key).where(sa.or_(*says_less)).order_by(*key)
    if rows := connection.execute(query.limit(NAMED_KEYS)).all():
        raise OnHandError(
            f"the landing store has pruned completions up to logical timestamp {through}, this ledger has never taken "
            f"them, and these on-hand rows do not say that they contain them: {name_keys(rows)}. Nothing was sent. "
            f"Restore the ledger that has taken them, or provide rows whose as_of_logical_timestamp is {through} or "
            f"more, or set contained_through to {through} if every number contains what was completed up to it"
        )
