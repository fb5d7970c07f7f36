"""Rows beside what the ledger has folded away: they must still contain it."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import LostProofError
from mapper_newstore_stock.ledger.database import has_rows
from mapper_newstore_stock.ledger.past_tables import folded
from mapper_newstore_stock.ledger.quantities import NO_MARK, same_key
from mapper_newstore_stock.ledger.tables import is_present, on_hand
from mapper_newstore_stock.ledger.temporary_tables import read_row, unusable_row
from mapper_newstore_stock.run.erp_rows import NAMED_KEYS, name_keys
from mapper_newstore_stock.run.on_hand import AS_OF, TAKEN_AT

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from mapper_newstore_stock.ledger.proof import Proof
    from mapper_newstore_stock.run.rules import Rules


def set_rows_below_folded_aside(connection: sa.Connection, name: str, proof: Proof) -> int:
    """Move rows of a source's list with fewer completions than were folded to `unusable_row`, and return how many.

    The last row of such a key stands.
    """
    if not has_rows(connection, folded):
        return 0
    read, gone = read_row.c, folded.c
    if proof.form == "column":
        contains = sa.and_(read.as_of.is_not(None), read.as_of >= gone.through)
    elif proof.form == "taken_at" and proof.taken_at is None:
        contains = sa.or_(gone.published_through.is_(None), read.as_of - proof.skew_ms > gone.published_through)
    else:
        return 0
    if proof.contained_through is not None:
        contains = sa.or_(contains, gone.through <= proof.contained_through)
    went_back = sa.exists().where(same_key(gone, read), ~contains)
    key = (read.fulfillment_node_id, read.product_id)
    reason = key[0] + "/" + key[1] + ": the row contains fewer completions than before, some of them folded away"
    keys = sa.select(*key, reason + " (ledger_keep_days)", sa.literal(name)).where(went_back)
    connection.execute(unusable_row.insert().from_select(unusable_row.c.keys(), keys))
    return connection.execute(read_row.delete().where(went_back)).rowcount


def refuse_rows_below_folded(connection: sa.Connection, rules: Rules, last: Mapping[str, Proof]) -> None:
    """Refuse rows that give their keys a number, and no longer contain units the ledger has folded away.

    Args:
        connection: The ledger's.
        rules: The user's settings.
        last: How the rows of each source proved what they contain in the last plan.

    Raises:
        OnHandError: names the keys.
    """
    if not has_rows(connection, folded):
        return
    # The last row of a key that the list lacks is the one that contained them, whatever it says of another form of
    # proof, and nobody could correct it. Only the user's word for all rows may be taken back.
    words = (proof.contained_through for proof in last.values() if proof.contained_through is not None)
    speaks = sa.or_(is_present, folded.c.through <= max(words, default=NO_MARK))
    for source, proof in rules.proofs_in_use.items():
        if (said := _contains(proof)) is None:
            continue
        name, contains = said
        if proof.contained_through is not None:
            contains = sa.or_(contains, folded.c.through <= proof.contained_through)
        key = (folded.c.fulfillment_node_id, folded.c.product_id)
        row = sa.and_(same_key(on_hand.c, folded.c), on_hand.c.source == source, speaks)
        # Asked of each folded key: there may be few, beside millions of rows.
        went_back = sa.exists().where(row, ~contains)
        query = sa.select(*key).where(went_back).order_by(*key)
        if rows := connection.execute(query.limit(NAMED_KEYS)).all():
            raise LostProofError(
                f"these on-hand rows say that they contain fewer completions than before, and the ledger no longer "
                f"knows the units in question (ledger_keep_days): {name_keys(rows)}. Nothing was sent. Correct "
                f"{name} in the on-hand source, or contained_through if it was lowered"
            )


def _contains(proof: Proof) -> tuple[str, sa.ColumnElement[bool]] | None:
    """Return which column says that a row contains what was folded, and the condition; None: no column does."""
    gone = folded.c
    if proof.form == "column":
        as_of = on_hand.c.as_of_logical_timestamp
        return AS_OF, sa.and_(as_of.is_not(None), as_of >= gone.through)
    if proof.form == "taken_at":
        published = gone.published_through
        return TAKEN_AT, sa.or_(published.is_(None), proof.proven_before() > published)
    return None
