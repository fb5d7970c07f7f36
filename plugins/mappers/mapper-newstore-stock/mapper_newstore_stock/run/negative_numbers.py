"""Numbers below zero: refused, or sent as 0 (setting `negative_on_hand`)."""

from __future__ import annotations

import logging
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import QuantityError
from mapper_newstore_stock.ledger.database import has_rows
from mapper_newstore_stock.ledger.temporary_tables import planned
from mapper_newstore_stock.run.erp_rows import NAMED_KEYS

if t.TYPE_CHECKING:
    from mapper_newstore_stock.run.rules import Rules

logger = logging.getLogger("mapper-newstore-stock.planning")


def refuse_negative(connection: sa.Connection, rules: Rules, unplanned: sa.Subquery | None) -> None:
    """Refuse planned numbers below zero, or name those that are sent as 0.

    Args:
        connection: The ledger's; `planned` is filled.
        rules: The user's settings.
        unplanned: The keys of a first cut that are not in `planned`, in its columns.

    Raises:
        QuantityError: names the keys.
    """
    if unplanned is None and not has_rows(connection, planned):
        return
    names = ("fulfillment_node_id", "product_id", "quantity")
    keys = [planned.c] if unplanned is None else [planned.c, unplanned.c]
    below = [sa.select(*(key[name] for name in names)).where(key.quantity < 0) for key in keys]
    negative = sa.union_all(*below).order_by(*names[:2])
    rows = connection.execute(negative.limit(NAMED_KEYS)).all()
    if not rows:
        return
    text = ", ".join(f"{row.fulfillment_node_id}/{row.product_id} ({row.quantity})" for row in rows)
    if not rules.negative_is_zero:
        raise QuantityError(
            f"negative quantities: {text}. Nothing was sent. Correct the on-hand source, or set negative_on_hand to "
            f"zero"
        )
    logger.warning("Negative quantities are sent as 0: %s", text)
