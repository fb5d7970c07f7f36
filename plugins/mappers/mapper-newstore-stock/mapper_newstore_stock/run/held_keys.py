"""Keys that have no number of their own today: held, stale or vanished ones (design rules 12 and 13)."""

from __future__ import annotations

import collections
import datetime as dt
import logging
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import HeldKeysError
from mapper_newstore_stock.ledger.database import empty, has_rows
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import completed_unit, held_key, is_absent, on_hand, run
from mapper_newstore_stock.ledger.temporary_tables import moved, noticed, unusable_row, without_row
from mapper_newstore_stock.run.absent_rows import UNUSABLE, VANISHED
from mapper_newstore_stock.run.erp_rows import NAMED_KEYS, is_among, name_keys
from mapper_newstore_stock.run.globs import matches
from mapper_newstore_stock.run.row_problems import joined

if t.TYPE_CHECKING:
    from mapper_newstore_stock.run.rules import Rules

logger = logging.getLogger("mapper-newstore-stock.planning")

HELD, STALE = "held", "stale"
#: So many keys may be held whatever their share is, unless max_held_percent is set.
ALWAYS_HELD = 20
DEFAULT_MAX_HELD_PERCENT = 1
#: What becomes of a key whose row cannot be used, by its kind.
MEANINGS = {
    HELD: "the key is held, nothing is sent for it",
    STALE: "its last row stands",
    VANISHED: "it has vanished before, and 0 is sent for it",
}
NO_ROW, UNREADABLE = "no row in the on-hand list", "its on-hand source is too old or cannot be read"
_KEY = ("fulfillment_node_id", "product_id")


def usable(rules: Rules) -> sa.ColumnElement[bool]:
    """Return the condition that an `on_hand` row may give its key a number."""
    known = [name for name in rules.proofs.by_source if name not in rules.unusable]
    return sa.and_(on_hand.c.absence != "ignored", on_hand.c.source.in_(known))


def is_zeroed(rules: Rules) -> sa.ColumnElement[bool]:
    """Return the condition that the key of an `on_hand` row has vanished, and 0 is sent for it.

    With `fail` no more keys vanish, and one that is 0 at NewStore stays so: its row says what was there long ago.
    """
    row = on_hand.c
    stays = sa.and_(row.source.not_in([*rules.zeroed, *rules.kept]), row.sent_quantity == 0)
    return sa.and_(row.absence == VANISHED, sa.or_(row.source.in_(list(rules.zeroed)), stays))


def find_keys_without_row(connection: sa.Connection, rules: Rules, pending: sa.ColumnElement[bool]) -> int:
    """Fill `without_row` with the touched keys that have no usable row, and return how many are held.

    A completion that NewStore once had acknowledged needs no row to be repeated, and one that every number contains
    needs none at all.

    Args:
        connection: The ledger's; `moved` is filled.
        rules: The user's settings.
        pending: The condition for completed units that NewStore has not acknowledged.
    """
    empty(connection, without_row)
    if not has_rows(connection, moved):
        return 0
    key, unit = moved.c, completed_unit.c
    moves_stock = sa.and_(pending, same_key(unit, key), _moves_stock(connection, rules))
    has_row = sa.exists().where(same_key(on_hand.c, key), usable(rules))
    query = sa.select(key.fulfillment_node_id, key.product_id, sa.exists().where(moves_stock)).where(
        key.touched, ~has_row
    )
    connection.execute(without_row.insert().from_select(without_row.c.keys(), query))
    return _count(connection, without_row, without_row.c.is_held)


def held_timestamps(connection: sa.Connection, rules: Rules, pending: sa.ColumnElement[bool]) -> list[int]:
    """Return the logical timestamps of the pending completions of held keys."""
    unit = completed_unit.c
    held = sa.select(unit.logical_timestamp).distinct().join(without_row, same_key(without_row.c, unit))
    held = held.where(pending, without_row.c.is_held, _moves_stock(connection, rules))
    return list(connection.scalars(held.order_by(unit.logical_timestamp)))


def _moves_stock(connection: sa.Connection, rules: Rules) -> sa.ColumnElement[bool]:
    """Return the condition for units that need a row; no number contains those of a source that cannot be read."""
    unit = completed_unit.c
    moves = sa.and_(unit.units > 0, ~_was_acknowledged(connection))
    if (through := rules.proofs.contained_through) is None:
        return moves
    unread = matches(unit.fulfillment_node_id, rules.unusable_nodes)
    return sa.and_(moves, sa.or_(unit.logical_timestamp > through, *unread))


def needs_no_row(connection: sa.Connection) -> sa.ColumnElement[bool]:
    """Return the condition for units of keys without a row that NewStore once had acknowledged."""
    return sa.and_(_was_acknowledged(connection), sa.exists().where(same_key(without_row.c, completed_unit.c)))


def refuse_too_many(connection: sa.Connection, rules: Rules, count: int) -> None:
    """Refuse to hold keys, if the user will not have it or they are too many.

    Args:
        connection: The ledger's; `without_row` and `unusable_row` are filled.
        rules: The user's settings.
        count: How many keys are held for want of a row.

    Raises:
        HeldKeysError: names the keys, or says what is wrong with the first rows.
    """
    if not count and not has_rows(connection, unusable_row):
        return
    bad = unusable_row.c
    # A key is counted once: as held, or by its row. Where nothing is held, the row is what has to be corrected.
    is_held = sa.exists().where(same_key(without_row.c, bad), without_row.c.is_held)
    unusable = _count(connection, unusable_row, *([~is_held] if rules.holds_keys else []))
    if count and not (rules.holds_keys or unusable):
        raise HeldKeysError(f"no on-hand row for keys with completed units: {_named(connection)}. {_ADVICE}")
    percent = DEFAULT_MAX_HELD_PERCENT if rules.max_held_percent is None else rules.max_held_percent
    held = _count(connection, without_row, without_row.c.is_held, ~_of_unusable(rules))
    total = held + _count(connection, on_hand)
    most = most_held(rules.max_held_percent, total)
    if unusable and (not rules.holds_keys or held + unusable > most):
        query = sa.select(bad.reason).order_by(bad.fulfillment_node_id, bad.product_id).limit(NAMED_KEYS)
        reasons = joined(connection.scalars(query), rules.lists)
        more = f"; and {unusable - NAMED_KEYS} more" if unusable > NAMED_KEYS else ""
        too_many = f", more than max_held_percent ({percent:g})" if rules.holds_keys else ""
        raise HeldKeysError(
            f"{unusable} on-hand rows cannot be used{too_many}: {reasons}{more}. Nothing was sent. Correct them in the "
            f"on-hand source"
        )
    if held > most:
        raise HeldKeysError(
            f"{held} of {total} keys have completed units and no on-hand row, more than max_held_percent "
            f"({percent:g}): {_named(connection)}. {_ADVICE}"
        )


def most_held(percent: float | None, total: int) -> float:
    """Return how many of all keys may be held, or have rows that cannot be used.

    Args:
        percent: The setting `max_held_percent`.
        total: How many keys there are.
    """
    return max(total * DEFAULT_MAX_HELD_PERCENT / 100, ALWAYS_HELD) if percent is None else total * percent / 100


def _count(connection: sa.Connection, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table).where(*conditions)) or 0


_ADVICE = (
    "Nothing was sent. Add them to the on-hand source; ignored_nodes and ignored_products are for what NewStore does "
    "not sell from a number imported here"
)


def note_keys(connection: sa.Connection, rules: Rules, now: dt.datetime) -> collections.Counter[str]:
    """Bring `held_key` up to date, and return how many keys there are of each kind; the caller commits.

    Args:
        connection: The ledger's; `without_row` and `unusable_row` are filled.
        rules: The user's settings.
        now: The time, with its zone.
    """
    if not (rules.proofs.has_absent or has_rows(connection, without_row, unusable_row, held_key)):
        return collections.Counter()
    _fill_noticed(connection, rules)
    same = sa.and_(same_key(noticed.c, held_key.c), noticed.c.kind == held_key.c.kind)
    connection.execute(held_key.delete().where(~sa.exists().where(same)))
    connection.execute(held_key.update().where(same).values(reason=noticed.c.reason))
    since = sa.literal(now.astimezone(dt.UTC).isoformat(timespec="seconds"))
    new = sa.select(*noticed.c, since).where(~sa.exists().where(same_key(held_key.c, noticed.c)))
    connection.execute(held_key.insert().from_select(held_key.c.keys(), new))
    counted = sa.select(held_key.c.kind, sa.func.count()).group_by(held_key.c.kind)
    counts = collections.Counter({kind: int(count) for kind, count in connection.execute(counted)})
    _say_which(connection)
    return counts


def _say_which(connection: sa.Connection) -> None:
    """Name the keys that are held, or whose rows cannot be used, and why."""
    if count := _count(connection, without_row, without_row.c.is_held):
        logger.warning(
            "%d keys are held, nothing is sent for them and no range covers their completions: %s. Add them to the "
            "on-hand source",
            count,
            _named(connection),
        )
    bad = unusable_row.c
    few = sa.select(unusable_row).order_by(bad.fulfillment_node_id, bad.product_id).limit(NAMED_KEYS).subquery().c
    kind = sa.select(noticed.c.kind).where(same_key(noticed.c, few)).scalar_subquery()
    query = sa.select(few.reason, kind).order_by(few.fulfillment_node_id, few.product_id)
    rows = connection.execute(query).all()
    for reason, of_kind in rows:
        logger.warning("%s; %s", reason, MEANINGS[of_kind])
    if (total := _count(connection, unusable_row)) > len(rows):
        logger.warning("%d more rows cannot be used: see newstore-stock-ledger held", total - len(rows))


def _fill_noticed(connection: sa.Connection, rules: Rules) -> None:
    """Fill `noticed`, each key once: a key may be held or unusable that has vanished before."""
    empty(connection, noticed)
    row, bad, bare = on_hand.c, unusable_row.c, without_row.c
    is_known = sa.exists().where(same_key(row, bad))
    zeroed = is_zeroed(rules)
    why = sa.select(sa.func.min(bad.reason)).where(same_key(bad, bare)).scalar_subquery()
    reason = sa.func.coalesce(why, sa.case((_of_unusable(rules), UNREADABLE), else_=NO_ROW))
    held = sa.select(bare.fulfillment_node_id, bare.product_id, sa.literal(HELD), reason).where(bare.is_held)
    unusable = (
        sa.select(
            bad.fulfillment_node_id,
            bad.product_id,
            sa.case((sa.exists().where(same_key(row, bad), zeroed), VANISHED), (is_known, STALE), else_=HELD),
            sa.func.min(bad.reason),
        )
        .where(~sa.exists().where(same_key(bare, bad), bare.is_held))
        .group_by(bad.fulfillment_node_id, bad.product_id)
    )
    vanished = sa.select(
        row.fulfillment_node_id,
        row.product_id,
        sa.case((zeroed, VANISHED), else_=STALE),
        sa.literal("no longer in the on-hand list"),
    ).where(is_absent, row.absence == VANISHED, ~is_among(noticed, row))
    for found in (held, unusable, vanished):
        connection.execute(noticed.insert().from_select(noticed.c.keys(), found))
    _keep_reasons(connection)


def _keep_reasons(connection: sa.Connection) -> None:
    """Keep what an earlier run said of rows that this one did not read."""
    row = on_hand.c
    unread = sa.and_(is_absent, row.absence == UNUSABLE, ~sa.exists().where(same_key(noticed.c, row)))
    said = sa.select(held_key.c.reason).where(same_key(held_key.c, row)).scalar_subquery()
    reason = sa.func.coalesce(said, "its row cannot be used")
    kept = sa.select(row.fulfillment_node_id, row.product_id, sa.literal(STALE), reason).where(unread)
    connection.execute(noticed.insert().from_select(noticed.c.keys(), kept))


def _of_unusable(rules: Rules) -> sa.ColumnElement[bool]:
    """Return the condition that a key without a row belongs to a source that cannot be read."""
    return sa.or_(sa.false(), *matches(without_row.c.fulfillment_node_id, rules.unusable_nodes))


def _named(connection: sa.Connection) -> str:
    key = (without_row.c.fulfillment_node_id, without_row.c.product_id)
    query = sa.select(*key).where(without_row.c.is_held).order_by(*key)
    rows = connection.execute(query.limit(NAMED_KEYS + 1)).all()
    return name_keys(rows[:NAMED_KEYS]) + (" and more" if len(rows) > NAMED_KEYS else "")


def _was_acknowledged(connection: sa.Connection) -> sa.ColumnElement[bool]:
    """Return the condition for completed units of a cut that some run's state acknowledged."""
    highest = connection.scalar(sa.select(sa.func.max(run.c.acknowledged_cut))) or 0
    return sa.and_(completed_unit.c.cut.is_not(None), completed_unit.c.cut <= highest)
