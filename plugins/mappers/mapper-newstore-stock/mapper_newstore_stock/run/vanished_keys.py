"""Keys that vanished under another `vanished_rows` than today's: they go out with what it says now."""

from __future__ import annotations

import logging
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import is_absent, on_hand
from mapper_newstore_stock.ledger.temporary_tables import planned
from mapper_newstore_stock.run.absent_rows import VANISHED
from mapper_newstore_stock.run.erp_rows import NAMED_KEYS, name_keys

if t.TYPE_CHECKING:
    from mapper_newstore_stock.run.rules import Rules

logger = logging.getLogger("mapper-newstore-stock.planning")


def meant_otherwise(rules: Rules) -> sa.ColumnElement[bool]:
    """Return the condition that an `on_hand` row may have been sent by another `vanished_rows`, since it vanished.

    What the number is has to be computed: completions may have emptied a row that stands.
    """
    row, sent = on_hand.c, on_hand.c.sent_quantity
    is_zero_now = sa.and_(row.source.in_(list(rules.zeroed)), sent != 0)
    stands_now = sa.and_(row.source.in_(list(rules.kept)), sent == 0, row.quantity > 0)
    return sa.and_(is_absent, row.absence == VANISHED, sa.or_(is_zero_now, stands_now))


def name_keys_meant_otherwise(connection: sa.Connection, rows: sa.ColumnElement[bool]) -> None:
    """Name the keys in `planned` that go out because their absence means something else now.

    Args:
        connection: The ledger's.
        rows: The condition for their `on_hand` rows.
    """
    key = (planned.c.fulfillment_node_id, planned.c.product_id)
    query = sa.select(*key).join(on_hand, same_key(on_hand.c, planned.c)).where(rows)
    if count := connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())):
        named = name_keys(connection.execute(query.order_by(*key).limit(NAMED_KEYS)).all())
        more = " and more" if count > NAMED_KEYS else ""
        logger.warning("%d keys that had vanished before are sent as vanished_rows says now: %s%s", count, named, more)
