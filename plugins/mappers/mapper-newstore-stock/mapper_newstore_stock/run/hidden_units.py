"""Accounts for units hidden from sale: units times minutes, by cause.

A unit is hidden while NewStore promises less of a key than its shelf holds by the ERP's last row, open orders aside.
Between two imports that shortfall moves only with goods received or lost, so a run finds it in a number that it raises
above the one last sent and the completions it covers: units that runs had taken out of the number before are back by
evidence and were hidden since then (the newest first), the others are goods, hidden since the run before at most.
What a number brings back stays hidden until the import that carries it is known to have ended.
"""

from __future__ import annotations

import collections
import datetime as dt
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import empty, has_any, has_rows
from mapper_newstore_stock.ledger.hidden import CLOCK_SKEW, HELD, IMPORT_WAIT, SETTLING, UNPROVEN
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import cut, cut_item, held_key, hidden_unit, lowered_key, on_hand, run, source
from mapper_newstore_stock.ledger.temporary_tables import dated, planned

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper_newstore_stock.ledger.proof import Proofs
    from mapper_newstore_stock.ledger.store import Ledger

#: Among so many runs the last acknowledged cut is looked for: a state that was lost acknowledges nothing for one run.
LOOKED_BACK = 100
SECONDS_PER_MINUTE = 60


class Found(t.NamedTuple):
    """Units a run found hidden.

    Attributes:
        since: Since when they were.
        is_new: This run found them; others wait for an import since an earlier one did.
    """

    since: dt.datetime
    cause: str
    units: int
    is_new: bool = True


def account(ledger: Ledger, proofs: Proofs) -> dict[str, float]:
    """Account for what this run found hidden, and return it in unit-minutes by cause; the caller commits.

    Args:
        ledger: The run's hold on the ledger; `planned` is filled, and nothing is noted as sent yet.
        proofs: How the rows prove what they contain.
    """
    connection = ledger.connection
    if not has_rows(connection, planned, hidden_unit):
        return {}
    before = _started(connection, sa.select(sa.func.max(source.c.read_run)).scalar_subquery())
    if before is None:
        return {}
    found = list(_waiting(connection, before))
    if not has_rows(connection, planned):
        return _note(ledger, found)
    gained = planned.c.gained
    sums = (sa.func.coalesce(sa.func.sum(sa.case((gained > 0, part), else_=0)), 0) for part in (1, gained))
    raised, units, least = connection.execute(sa.select(*sums, sa.func.min(gained))).one()
    if raised:
        found += _raised(connection, proofs, int(raised), int(units))
    if (least or 0) < 0:
        key = planned.c
        fallen = sa.select(*_key(key), sa.literal(ledger.run), -key.gained, key.vanished).where(key.gained < 0)
        connection.execute(lowered_key.insert().from_select(lowered_key.c.keys(), fallen.order_by(*_key(key))))
    return _note(ledger, found)


def _waiting(connection: sa.Connection, before: dt.datetime) -> Iterator[Found]:
    """Yield the units of earlier runs whose imports are not known to have ended."""
    last = sa.select(run.c.acknowledged_cut).order_by(run.c.run.desc()).limit(LOOKED_BACK).subquery()
    acknowledged = sa.select(sa.func.coalesce(sa.func.max(last.c.acknowledged_cut), 0)).scalar_subquery()
    open_runs = sa.select(cut.c.run).where(cut.c.cut > acknowledged)
    units = connection.scalar(sa.select(sa.func.sum(hidden_unit.c.units)).where(hidden_unit.c.run.in_(open_runs)))
    if units:
        yield Found(before, IMPORT_WAIT, int(units), is_new=False)


def _raised(connection: sa.Connection, proofs: Proofs, keys: int, units: int) -> Iterator[Found]:
    """Yield the units that this run's numbers bring back: how many, of how many keys."""
    if has_any(connection, sa.select(lowered_key.c.run)):
        _date(connection, keys)
    yield from _goods(connection, units)
    yield from _evidence(connection, proofs)
    empty(connection, dated)


def _goods(connection: sa.Connection, gained: int) -> Iterator[Found]:
    """Yield what no earlier run had taken out of its numbers, since the rows were read before."""
    read = {name: _started(connection, sa.literal(last)) for name, last in connection.execute(_last_reads())}
    newest = max(moment for moment in read.values() if moment)
    rest = _goods_by_source(connection, gained, several=len(read) > 1)
    key = planned.c
    back = sa.select(sa.func.coalesce(sa.func.sum(dated.c.units), 0)).where(same_key(dated.c, key)).scalar_subquery()
    rows = held_key.join(planned, same_key(held_key.c, key)).join(on_hand, same_key(on_hand.c, key))
    held = sa.select(on_hand.c.source, held_key.c.since, key.gained - back).select_from(rows).where(key.gained > 0)
    for name, since, units in connection.execute(held).all():
        rest[name if name in rest else ""] -= int(units)
        yield Found(min(dt.datetime.fromisoformat(since), read.get(name) or newest), HELD, int(units))
    for name, units in rest.items():
        since_read = read.get(name) or newest
        yield Found(since_read, IMPORT_WAIT if since_read == newest else HELD, units)


def _goods_by_source(connection: sa.Connection, gained: int, *, several: bool) -> collections.Counter[str]:
    """Return the units of goods by the source of their rows; of one source under ""."""
    goods: collections.Counter[str] = collections.Counter()
    if not several:
        goods[""] = gained - int(connection.scalar(sa.select(sa.func.sum(dated.c.units))) or 0)
        return goods
    for table, units, is_goods, sign in (
        (planned, planned.c.gained, planned.c.gained > 0, 1),
        (dated, dated.c.units, sa.true(), -1),
    ):
        rows = table.join(on_hand, same_key(on_hand.c, table.c))
        sums = sa.select(on_hand.c.source, sa.func.sum(units)).select_from(rows).where(is_goods)
        for name, count in connection.execute(sums.group_by(on_hand.c.source)):
            goods[name] += sign * int(count)
    return goods


def _last_reads() -> sa.Select[tuple[str, int]]:
    return sa.select(source.c.name, source.c.read_run).where(source.c.read_run.is_not(None))


def _date(connection: sa.Connection, keys: int) -> None:
    """Fill `dated` with the runs that lowered numbers by what evidence brings back now, and take it off `lowered_key`.

    The newest are taken first: older ones may be goods that were lost.

    Args:
        connection: The ledger's.
        keys: How many are raised.
    """
    key, item, low = planned.c, cut_item.c, lowered_key.c
    grown = key.on_hand - item.on_hand
    evidence = key.gained - sa.case((grown > 0, grown), else_=0)
    before = sa.func.sum(low.units).over(partition_by=_key(low), order_by=low.run.desc(), rows=(None, -1))
    last = sa.and_(item.cut == key.sent_cut, same_key(item, key))
    fallen = (
        sa.select(
            lowered_key,
            key.new_units,
            evidence.label("evidence"),
            sa.func.coalesce(before, 0).label("before"),
        )
        .select_from(planned.join(lowered_key, same_key(key, low)).join(cut_item, last, isouter=True))
        .where(key.gained > 0, *_looked_up(connection, keys))
        .subquery()
    )
    each = fallen.c
    left, unsettled = each.evidence - each.before, each.new_units - each.before
    taken = sa.case((each.units < left, each.units), else_=left)
    settled = sa.case((unsettled <= 0, 0), (unsettled < taken, unsettled), else_=taken)
    query = sa.select(*_key(each), each.run, each.vanished, taken, settled, each.units - taken).where(left > 0)
    connection.execute(dated.insert().from_select(dated.c.keys(), query))
    used_up = sa.select(*_key(dated.c), dated.c.run).where(dated.c.rest == 0)
    connection.execute(lowered_key.delete().where(sa.tuple_(*_key(low), low.run).in_(used_up)))
    same = sa.and_(same_key(dated.c, low), dated.c.run == low.run, dated.c.rest > 0)
    connection.execute(lowered_key.update().where(same).values(units=dated.c.rest))


def _looked_up(connection: sa.Connection, keys: int) -> list[sa.ColumnElement[bool]]:
    """Return a condition by which the past of raised keys is looked up, unless there is less past than such keys.

    The past of all keys grows with every run, and SQLite would go through it.
    """
    some = sa.select(lowered_key.c.run).limit(keys).subquery()
    if (connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0) < keys:
        return []
    raised = sa.select(*_key(planned.c)).where(planned.c.gained > 0)
    return [sa.tuple_(*_key(lowered_key.c)).in_(raised)]


def _evidence(connection: sa.Connection, proofs: Proofs) -> Iterator[Found]:
    """Yield the units in `dated`."""
    skewed = [name for name, proof in proofs.by_source.items() if proof.form == "taken_at"]
    by_skew: sa.ColumnElement[bool] = sa.literal(bool(skewed))
    units: sa.FromClause = dated
    if 0 < len(skewed) < len(proofs.by_source):
        by_skew, units = on_hand.c.source.in_(skewed), dated.join(on_hand, same_key(on_hand.c, dated.c))
    group = (dated.c.run, dated.c.vanished, by_skew.label("by_skew"))
    sums = (sa.func.sum(dated.c.units), sa.func.sum(dated.c.settled))
    rows = sa.select(*group, *sums).select_from(units).group_by(dated.c.run, dated.c.vanished, sa.text("by_skew"))
    for lowered_by, vanished, is_skewed, count, settled in connection.execute(rows).all():
        since = t.cast("dt.datetime", _started(connection, sa.literal(lowered_by)))
        if vanished:
            yield Found(since, HELD, int(count))
            continue
        yield Found(since, SETTLING, int(settled))
        yield Found(since, CLOCK_SKEW if is_skewed else UNPROVEN, int(count) - int(settled))


def _note(ledger: Ledger, found: list[Found]) -> dict[str, float]:
    minutes: dict[tuple[str, str], float] = collections.defaultdict(float)
    units: collections.Counter[tuple[str, str]] = collections.Counter()
    for each in found:
        for day, share in _days(each.since, ledger.started_at):
            minutes[day, each.cause] += each.units * share
        if each.is_new:
            units[ledger.started_at.date().isoformat(), each.cause] += each.units
    rows = [
        {"run": ledger.run, "day": day, "cause": cause, "units": units[day, cause], "unit_minutes": minutes[day, cause]}
        for day, cause in {*minutes, *units}
        if minutes[day, cause] or units[day, cause]
    ]
    if rows:
        ledger.connection.execute(hidden_unit.insert(), rows)
    by_cause: dict[str, float] = collections.defaultdict(float)
    for (_, cause), amount in minutes.items():
        by_cause[cause] += amount
    return by_cause


def _days(since: dt.datetime, until: dt.datetime) -> Iterator[tuple[str, float]]:
    """Yield each day (UTC) of a period with its minutes."""
    while since < until:
        midnight = dt.datetime.combine(since.date() + dt.timedelta(days=1), dt.time(), dt.UTC)
        end = min(midnight, until)
        yield since.date().isoformat(), (end - since).total_seconds() / SECONDS_PER_MINUTE
        since = end


def _started(connection: sa.Connection, which: sa.ColumnElement[int]) -> dt.datetime | None:
    """Return when a run started; None: there is none."""
    moment = connection.scalar(sa.select(run.c.started_at).where(run.c.run == which))
    return dt.datetime.fromisoformat(moment) if moment else None


def _key(table: t.Any) -> tuple[sa.ColumnElement[str], sa.ColumnElement[str]]:
    return table.fulfillment_node_id, table.product_id
