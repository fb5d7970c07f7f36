"""Keys that a list has no usable row of any more (design rules 12 and 13).

The last row of such a key stays in the ledger, marked: so a late unit stays late when the row comes back, and
completions can go on being subtracted from it.
"""

from __future__ import annotations

import logging
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import NotWholeError, VanishedRowsError
from mapper_newstore_stock.ledger.database import has_any
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import is_absent, is_present, on_hand
from mapper_newstore_stock.ledger.temporary_tables import gone_row, read_row, unusable_row
from mapper_newstore_stock.run.erp_rows import NAMED_KEYS, is_among, name_keys
from mapper_newstore_stock.run.globs import at_nodes, matches, matches_none
from mapper_newstore_stock.run.standing_rows import keep_what_rows_prove
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.run.standing_rows import LastRead

logger = logging.getLogger("mapper-newstore-stock.on-hand")

#: Why a key has no usable row in the last list.
VANISHED, UNUSABLE, IGNORED = "vanished", "unusable", "ignored"
Policy = t.Literal["zero", "keep", "fail"]


class ListRules(Value, frozen=True):
    """What a whole list may lack.

    Attributes:
        source: Whose list it is.
        vanished_rows: What a key means that is no longer in it: `zero`, `keep` its number, or `fail`.
        max_vanished_percent: By how much it may be shorter than the last one.
        ignored_nodes: Fulfillment nodes not managed here (`*` globs).
        ignored_products: Products not managed here (`*` globs).
        nodes: The fulfillment nodes the source owns (`*` globs); None: all.
        givers: Sources whose rows at its nodes are its own now; a run has given them to it, a check has not.
        given_away: Nodes (`*` globs) at which its rows are those of others now.
    """

    source: str
    vanished_rows: Policy
    max_vanished_percent: float
    ignored_nodes: Sequence[str] = ()
    ignored_products: Sequence[str] = ()
    nodes: Sequence[str] | None = None
    givers: Sequence[str] = ()
    given_away: Sequence[str] = ()

    @property
    def title(self) -> str:
        """What messages call the list."""
        return f"the on-hand list of {self.source}" if self.source else "the on-hand list"

    def is_ignored(self) -> sa.ColumnElement[bool]:
        """Return the condition that an `on_hand` row's key is not managed here."""
        key = on_hand.c
        nodes, products = self.ignored_nodes, self.ignored_products
        return sa.or_(sa.false(), *matches(key.fulfillment_node_id, nodes), *matches(key.product_id, products))

    def here(self) -> sa.ColumnElement[bool]:
        """Return the condition that an `on_hand` row is the source's."""
        away = matches(on_hand.c.fulfillment_node_id, self.given_away)
        here = sa.and_(on_hand.c.source == self.source, *[~match for match in away])
        given = sa.and_(on_hand.c.source.in_(self.givers), *at_nodes(on_hand.c, self.nodes))
        return sa.or_(here, given) if self.givers else here

    def present(self) -> sa.ColumnElement[bool]:
        """Return the condition that an `on_hand` row's key was in the last list."""
        managed = matches_none(on_hand.c, self.ignored_nodes, self.ignored_products)
        return sa.and_(self.here(), is_present, *managed)


def refuse_short_list(connection: sa.Connection, rules: ListRules, count: int, before: int | None) -> None:
    """Refuse a whole list that is empty, or much shorter than the last one.

    Args:
        connection: The ledger's.
        rules: What it may lack.
        count: How many rows it has, those that cannot be used included.
        before: How many rows the last one had; None: the ledger is asked.

    Raises:
        OnHandError: it is.
    """
    if not count:
        raise NotWholeError(_nothing_managed(rules))
    if before is None:
        before = connection.scalar(sa.select(sa.func.count()).select_from(on_hand).where(rules.present())) or 0
    if before and count < before * (1 - rules.max_vanished_percent / 100):
        raise NotWholeError(
            f"{rules.title} has {count} rows, the last one had {before}: more than max_vanished_percent "
            f"({rules.max_vanished_percent:g}) are missing. Nothing of it was taken. Check that it is whole; if it is, "
            f"raise max_vanished_percent for one run"
        )


def _nothing_managed(rules: ListRules) -> str:
    """Return what is said of a list that has rows, none of which counts."""
    left_out_by = {"ignored_nodes": rules.ignored_nodes, "ignored_products": rules.ignored_products}
    settings = [name for name, globs in left_out_by.items() if globs] + (["nodes"] if rules.nodes is not None else [])
    if not settings:
        return f"{rules.title} is empty. Nothing of it was taken. Check that it was written whole"
    named = " and ".join(settings)
    return (
        f"{rules.title} has no row of what is managed here: {named} leave out all it has. Nothing of it was taken. "
        f"Correct {named}, or let the ERP write the list again"
    )


def refuse_vanished(connection: sa.Connection, rules: ListRules, *, has_all: bool) -> None:
    """Refuse a whole list that lacks a key, if the user will not have it.

    Args:
        connection: The ledger's.
        rules: What it may lack.
        has_all: `read_row` has all its rows, not only those that differ from the last list.

    Raises:
        OnHandError: names the keys.
    """
    if rules.vanished_rows == "fail" and (said := _what_vanished(connection, rules, _vanishes(rules, has_all=has_all))):
        raise VanishedRowsError(f"{said}. Nothing was sent. Put them back, or set vanished_rows to zero or keep")


def what_vanishes(connection: sa.Connection, rules: ListRules) -> str:
    """Return which keys a list, all of which is in `read_row`, no longer has, and what that means; "": it has all."""
    return _what_vanished_means(connection, rules, _vanishes(rules, has_all=True))


def mark_absent(
    connection: sa.Connection, rules: ListRules, count: int | None, run: int, last: LastRead | None
) -> None:
    """Mark the keys a whole list has no usable row of, and name those that vanished; the caller commits.

    Args:
        connection: The ledger's; `read_row` and `unusable_row` hold the list, and `on_hand` knows all of it.
        rules: What it may lack.
        count: How many usable rows `read_row` has; None: those that differ from the last list.
        run: The first run in which a row may have vanished.
        last: When rows were read before.
    """
    here = rules.here()
    if has_any(connection, sa.select(on_hand.c.absence).where(here, is_absent)):
        _mark(connection, rules, sa.and_(here, is_absent, on_hand.c.absence != _why(rules)), run)
    if _has_gone(connection, here, count):
        gone = sa.and_(here, is_present, _not_read() if count is not None else is_among(gone_row, on_hand.c))
        keep_what_rows_prove(connection, last, gone)
        _mark(connection, rules, gone, run)


def mark_unusable(connection: sa.Connection, rules: ListRules, run: int, last: LastRead | None) -> None:
    """Mark the keys whose changed rows cannot be used; the caller commits.

    Args:
        connection: The ledger's; `unusable_row` holds them.
        rules: Whose rows they are.
        run: The first run in which a row may have changed.
        last: When rows were read before.
    """
    is_unusable = sa.exists().where(same_key(unusable_row.c, on_hand.c))
    bad = sa.and_(rules.here(), is_present, is_unusable)
    keep_what_rows_prove(connection, last, bad)
    _mark(connection, rules, bad, run)


def _has_gone(connection: sa.Connection, here: sa.ColumnElement[bool], count: int | None) -> bool:
    """Return whether a list lacks keys that were in the last one; `gone_row` then has these alone."""
    if count is not None:
        known = sa.select(sa.func.count()).select_from(on_hand).where(here, is_present)
        return connection.scalar(known) != count
    connection.execute(gone_row.delete().where(sa.exists().where(same_key(read_row.c, gone_row.c))))
    return has_any(connection, sa.select(gone_row.c.product_id))


def _is_missing(*, has_all: bool) -> sa.ColumnElement[bool]:
    """Return the condition that a list has no usable row of a key."""
    if has_all:
        return _not_read()
    return sa.and_(_not_read(), sa.or_(is_absent, is_among(gone_row, on_hand.c)))


def _not_read() -> sa.ColumnElement[bool]:
    return ~sa.exists().where(same_key(read_row.c, on_hand.c))


def _why(rules: ListRules) -> sa.ColumnElement[str]:
    """Return why the list has no usable row of a key."""
    is_unusable = sa.exists().where(same_key(unusable_row.c, on_hand.c))
    # What had vanished is not back before it can be read: the ERP's last word was that there is none.
    has_become_so = sa.and_(is_unusable, on_hand.c.absence != VANISHED)
    return sa.case((has_become_so, UNUSABLE), (rules.is_ignored(), IGNORED), else_=VANISHED)


def _mark(connection: sa.Connection, rules: ListRules, rows: sa.ColumnElement[bool], run: int) -> None:
    why = _why(rules)
    if said := _what_vanished_means(connection, rules, sa.and_(rows, why == VANISHED)):
        logger.warning("%s", said)
    connection.execute(on_hand.update().where(rows).values(absence=why, changed_run=run))


def _vanishes(rules: ListRules, *, has_all: bool) -> sa.ColumnElement[bool]:
    """Return the condition for keys that vanish with the list that was read."""
    was_there = sa.and_(rules.here(), on_hand.c.absence != VANISHED)
    return sa.and_(was_there, _is_missing(has_all=has_all), _why(rules) == VANISHED)


def _what_vanished_means(connection: sa.Connection, rules: ListRules, rows: sa.ColumnElement[bool]) -> str:
    """Return which rows a list no longer has, and what becomes of their keys; empty: none."""
    said = _what_vanished(connection, rules, rows)
    meaning = "0 is sent for them" if rules.vanished_rows == "zero" else "their last rows stand"
    return said and f"{said}; {meaning} (vanished_rows: {rules.vanished_rows})"


def _what_vanished(connection: sa.Connection, rules: ListRules, rows: sa.ColumnElement[bool]) -> str:
    """Return which rows a list no longer has; empty: none."""
    count = connection.scalar(sa.select(sa.func.count()).select_from(on_hand).where(rows)) or 0
    if not count:
        return ""
    key = (on_hand.c.fulfillment_node_id, on_hand.c.product_id)
    named = name_keys(connection.execute(sa.select(*key).where(rows).order_by(*key).limit(NAMED_KEYS)).all())
    return f"{rules.title} no longer has {count} keys: {named}{' and more' if count > NAMED_KEYS else ''}"
