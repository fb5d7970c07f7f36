"""One key over time: each number sent, and who changed what between two of them."""

from __future__ import annotations

import bisect
import datetime as dt
import types
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import NotKnownError
from mapper_newstore_stock.ledger.key_numbers import sent_for
from mapper_newstore_stock.ledger.proof import Proof, last_proofs
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.queries import Table
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, cut, cut_item, held_key, on_hand, run

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

COLUMNS = (
    "at",
    "who",
    "step",
    "cut",
    "event_id",
    "logical_timestamp",
    "units",
    "on_hand",
    "completed",
    "added_back",
    "quantity",
    "why",
)
_ERP, _NEWSTORE, _MAPPER = "ERP", "NewStore", "mapper"
#: Steps of one moment, in this order.
#: A run begins by reading what NewStore has; what was imported came before it.
_ORDER = (
    "import finished",
    "import failed",
    "confirmed",
    "on hand",
    "completed",
    "ahead",
    "sent",
    "held",
    "stale",
    "vanished",
    "goes out again",
)


class Ended(t.NamedTuple):
    """What the target said of the import of a cut; `at` is when it ended, ISO 8601 in UTC."""

    at: str
    is_finished: bool
    says: str = ""


class Step(t.NamedTuple):
    """One thing that happened to a key; `at` is when the run began that saw it, ISO 8601 in UTC."""

    at: str
    who: str
    step: str
    cut: int | None = None
    event_id: str | None = None
    logical_timestamp: int | None = None
    units: int | None = None
    on_hand: int | None = None
    completed: int | None = None
    added_back: int | None = None
    quantity: int | None = None
    why: str = ""


def history(
    connection: sa.Connection,
    node: str,
    product: str,
    since: dt.datetime,
    *,
    newest: int | None = None,
    ended: Mapping[int, Ended] = types.MappingProxyType({}),
) -> Table:
    """Return what happened to a key since a moment, the oldest first, as far as the ledger keeps it.

    Args:
        connection: To the ledger, for reading.
        node: The key's fulfillment node.
        product: Its product.
        since: With its zone.
        newest: How many of the last numbers are looked at (None: all).
        ended: What is known of the imports of cuts.

    Raises:
        LedgerError: the ledger does not know the key.
    """
    numbers = _numbers(connection, node, product, newest)
    steps = [
        *numbers,
        *_imports(numbers, ended),
        *_completions(connection, node, product),
        *_ahead(connection, node, product),
        *_state(connection, node, product),
    ]
    if not steps:
        raise NotKnownError(
            f"the ledger knows nothing of {node}/{product}",
            "Check how it is spelt; after ledger_keep_days the ledger forgets",
        )
    begin = since.astimezone(dt.UTC).isoformat(timespec="seconds")
    shown = sorted((step for step in steps if step.at >= begin), key=lambda step: (step.at, _ORDER.index(step.step)))
    return Table(COLUMNS, [tuple(step) for step in shown], f"{node}/{product} since {begin}: {len(shown)} steps")


def confirmed_at(connection: sa.Connection, number: int) -> str | None:
    """Return when the run began that first read in the state that NewStore has a cut; None: no run has yet."""
    later = sa.select(run.c.started_at).where(run.c.acknowledged_cut >= number).order_by(run.c.run).limit(1)
    moment: str | None = connection.scalar(later)
    return moment


def _confirmations(connection: sa.Connection) -> list[tuple[int, str]]:
    """Return each cut that was read in a state to be the last, if none before it was higher, and when."""
    query = sa.select(run.c.acknowledged_cut, run.c.started_at).where(run.c.acknowledged_cut.is_not(None))
    found: list[tuple[int, str]] = []
    for number, moment in connection.execute(query.order_by(run.c.run)):
        if not found or number > found[-1][0]:
            found.append((number, moment))
    return found


def _first_since(confirmations: list[tuple[int, str]], number: int) -> str | None:
    place = bisect.bisect_left(confirmations, (number, ""))
    return confirmations[place][1] if place < len(confirmations) else None


def _imports(numbers: Iterable[Step], ended: Mapping[int, Ended]) -> Iterator[Step]:
    """Yield how the imports of numbers ended."""
    for step in numbers:
        if step.step == "sent" and step.cut is not None and (end := ended.get(step.cut)):
            what = "import finished" if end.is_finished else "import failed"
            yield Step(end.at, _NEWSTORE, what, step.cut, quantity=step.quantity, why=end.says)


def _of(table: sa.Table, node: str, product: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.fulfillment_node_id == node, table.c.product_id == product


def _numbers(connection: sa.Connection, node: str, product: str, newest: int | None) -> list[Step]:
    """Return each number sent, the ERP's rows behind them, and when each was confirmed."""
    query = (
        sa.select(cut_item, cut.c.mark, cut.c.logical_timestamp_start, cut.c.logical_timestamp_end, run.c.started_at)
        .join(cut, cut.c.cut == cut_item.c.cut)
        .join(run, run.c.run == cut.c.run)
        .where(*sent_for(connection, node, product))
        .order_by(cut_item.c.cut.desc())
        .limit(newest)
    )
    steps: list[Step] = []
    last: sa.Row[t.Any] | None = None
    confirmations = _confirmations(connection)
    for item in reversed(connection.execute(query).all()):
        if last is None or item.on_hand != last.on_hand:
            was = "" if last is None else f"was {last.on_hand}"
            steps.append(Step(item.started_at, _ERP, "on hand", on_hand=item.on_hand, why=was))
        steps.append(_sent(item, last))
        if moment := _first_since(confirmations, item.cut):
            steps.append(Step(moment, _NEWSTORE, "confirmed", item.cut, quantity=item.quantity))
        last = item
    row = connection.execute(sa.select(on_hand).where(*_of(on_hand, node, product))).first()
    if row is not None:
        steps += _not_sent(connection, row, last)
    return steps


def _not_sent(connection: sa.Connection, row: sa.Row[t.Any], last: sa.Row[t.Any] | None) -> Iterator[Step]:
    """Yield what the ERP's row of now has beyond the number last sent."""
    if last is None or row.quantity != last.on_hand:
        moment = connection.scalar(sa.select(run.c.started_at).where(run.c.run == row.changed_run))
        was = "" if last is None else f"; was {last.on_hand} when a number was sent"
        yield Step(moment or "", _ERP, "on hand", on_hand=row.quantity, why=f"no number of its own{was}")
    if last is not None and row.sent_cut is None:
        yield Step(_last_run(connection), _MAPPER, "goes out again", why="noted by diff --repair")


def _sent(item: sa.Row[t.Any], last: sa.Row[t.Any] | None) -> Step:
    covered = item.logical_timestamp_start is not None
    claim = f"completions {item.logical_timestamp_start}-{item.logical_timestamp_end}" if covered else "no range"
    change = "" if last is None else f", {item.quantity - last.quantity:+d} since cut {last.cut}"
    why = f"at mark {item.mark}, {claim}{', no row in the list' if item.vanished else ''}{change}"
    sums = {name: getattr(item, name) for name in ("on_hand", "completed", "added_back", "quantity")}
    return Step(item.started_at, _MAPPER, "sent", item.cut, logical_timestamp=item.mark, **sums, why=why)


def _completions(connection: sa.Connection, node: str, product: str) -> list[Step]:
    row = connection.execute(sa.select(on_hand.c.source).where(*_of(on_hand, node, product))).first()
    unit = completed_unit.c
    columns = (unit.event_id, unit.logical_timestamp, unit.units, unit.cut, unit.late, run.c.started_at)
    query = sa.select(*columns).join(run, run.c.run == unit.run, isouter=True)
    if row is None:
        query = query.add_columns(sa.null().label("missing"))
    else:
        proof = last_proofs(connection).get(row.source, Proof())
        query = query.join(on_hand, same_key(on_hand.c, unit)).add_columns(
            proof.units_missing(completed_unit).label("missing")
        )
    query = query.where(*_of(completed_unit, node, product)).order_by(unit.run, unit.logical_timestamp)
    return [
        Step(
            line.started_at or "",
            _NEWSTORE,
            "completed",
            line.cut,
            line.event_id,
            line.logical_timestamp,
            -line.units,
            why=_proven(line),
        )
        for line in connection.execute(query)
    ]


def _proven(line: sa.Row[t.Any]) -> str:
    late = "late, " if line.late else ""
    if line.missing is None:
        return f"{late}no row in the on-hand list"
    if not line.missing:
        return f"{late}in the ERP's row"
    some = "" if line.missing == line.units else f"{line.missing} of them "
    return f"{late}{some}not proven to be in the ERP's row"


def _ahead(connection: sa.Connection, node: str, product: str) -> list[Step]:
    unit = ahead_unit.c
    columns = (unit.event_id, unit.logical_timestamp, unit.units, run.c.started_at)
    query = sa.select(*columns).join(run, run.c.run == unit.run, isouter=True)
    return [
        Step(line.started_at or "", _NEWSTORE, "ahead", None, line[0], line[1], -line.units, why="not released yet")
        for line in connection.execute(query.where(*_of(ahead_unit, node, product)).order_by(unit.logical_timestamp))
    ]


def _state(connection: sa.Connection, node: str, product: str) -> list[Step]:
    query = sa.select(held_key.c.since, held_key.c.kind, held_key.c.reason).where(*_of(held_key, node, product))
    return [Step(since, _ERP, kind, why=reason) for since, kind, reason in connection.execute(query)]


def _last_run(connection: sa.Connection) -> str:
    return connection.scalar(sa.select(sa.func.max(run.c.started_at))) or ""
