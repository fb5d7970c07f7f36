"""Notes in the ERP's rows what cuts say of their keys (design rule 4)."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import analyze, has_any, has_rows, is_postgresql
from mapper_newstore_stock.ledger.quantities import not_negative, same_key
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, cut_item, is_absent, on_hand

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.run.cuts import Cut

    #: A fulfillment node and a product.
    Key = tuple[str, str] | sa.Row[tuple[str, str]]


def note_sent(connection: sa.Connection, cuts: Sequence[Cut]) -> None:
    """Note what cuts say of each key, in their order: the last one counts.

    Args:
        connection: The ledger's.
        cuts: All of one run.
    """
    analyze(connection, cut_item, on_hand)
    if not is_postgresql(connection) and _have_each_row(connection, cuts):
        _note_each_row(connection, cuts)
        return
    for part in cuts:
        if part.range:
            _note(connection, cut_item.c.cut == part.number)
    # No key is in two of the rest.
    if rest := [part.number for part in cuts if not part.range]:
        _note(connection, cut_item.c.cut >= rest[0])


def forget_numbers_not_sent(connection: sa.Connection, sent: int, first: int) -> None:
    """Take rows without a number today out of cuts NewStore lacks: with this run's it would seem to have them.

    Args:
        connection: The ledger's.
        sent: The last cut NewStore has.
        first: The first cut of this run.
    """
    row = on_hand.c
    if sent + 1 < first:
        left = sa.and_(row.sent_cut > sent, row.sent_cut < first)
        connection.execute(on_hand.update().where(left).values(sent_quantity=None, sent_cut=None))


def within(key: t.Any, begin: Key | None, end: Key | None) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for keys from one on (None: the first) that come before another (None: to the last)."""
    place = sa.tuple_(key.fulfillment_node_id, key.product_id)
    conditions = [] if begin is None else [place >= _values(begin)]
    return conditions if end is None else [*conditions, place < _values(end)]


def _note(connection: sa.Connection, items: sa.ColumnElement[bool]) -> None:
    sent = {"sent_quantity": cut_item.c.quantity, "sent_cut": cut_item.c.cut}
    connection.execute(on_hand.update().where(items, same_key(cut_item.c, on_hand.c)).values(sent))


def _have_each_row(connection: sa.Connection, cuts: Sequence[Cut]) -> bool:
    """Return whether cuts have each row of the ERP once, as those of a first run; no cut has a key without one."""
    if any(part.range for part in cuts):
        return False
    return sum(part.size for part in cuts) == connection.scalar(sa.select(sa.func.count()).select_from(on_hand))


def _note_each_row(connection: sa.Connection, cuts: Sequence[Cut]) -> None:
    """Note cuts that have each row, in key order; SQLite needs a third of the time where no item is looked for."""
    row, item, by_row = on_hand.c, cut_item.c, not_negative(on_hand.c.quantity)
    key = (item.fulfillment_node_id, item.product_id)
    items = [sa.select(*key).where(item.cut == part.number).order_by(*key).limit(1) for part in cuts]
    begins = [connection.execute(first).one() for first in items]
    for part, begin, end in zip(cuts, begins, [*begins[1:], None], strict=True):
        here = on_hand.update().where(*within(row, begin, end))
        connection.execute(here.values(sent_quantity=by_row, sent_cut=part.number))
    if not (
        has_rows(connection, completed_unit, ahead_unit) or has_any(connection, sa.select(row.absence).where(is_absent))
    ):
        # Each item says what the ERP's row says.
        return
    is_new = item.cut >= cuts[0].number
    others = sa.select(*key).where(is_new, item.quantity != not_negative(item.on_hand))
    quantity = sa.select(item.quantity).where(item.cut == row.sent_cut, same_key(item, row)).scalar_subquery()
    is_other = sa.tuple_(row.fulfillment_node_id, row.product_id).in_(others)
    connection.execute(on_hand.update().where(is_other).values(sent_quantity=quantity))


def _values(key: Key) -> sa.Tuple:
    return sa.tuple_(*(sa.literal(name) for name in key))
