"""Reads from the ledger what the report shows."""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import LedgerError
from mapper_newstore_stock.ledger.queries import acknowledged_cut
from mapper_newstore_stock.ledger.tables import completed_unit, cut, cut_item, held_key, run

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.report.events import Key

#: Nobody would read more; the page says how many it leaves out.
SHOWN_CUTS = 200
SHOWN_KEYS = 6
SHOWN_LATE = 100
SHOWN_HELD = 200


@dataclasses.dataclass(frozen=True)
class ShownCut:
    """An import as the ledger planned it; times are ISO 8601, UTC."""

    cut: int
    started_at: str
    start: int | None
    end: int | None
    mark: int | None
    size: int
    is_acknowledged: bool


@dataclasses.dataclass(frozen=True)
class Sent:
    """A number sent for a key, and the ERP's row it came from."""

    cut: int
    mark: int | None
    quantity: int
    on_hand: int
    as_of: int | None


@dataclasses.dataclass(frozen=True)
class Completion:
    """Units of a key that left the shelf with one event."""

    logical_timestamp: int
    units: int
    is_late: bool


@dataclasses.dataclass(frozen=True)
class KeyHistory:
    """A key over logical time."""

    key: Key
    sent: list[Sent]
    completions: list[Completion]


@dataclasses.dataclass(frozen=True)
class Late:
    """A completion that came after later ones had been taken."""

    logical_timestamp: int
    event_id: str
    node: str
    product: str
    units: int
    run_started_at: str


@dataclasses.dataclass(frozen=True)
class HeldKey:
    """A key without a number of its own as of the last run; `kind` is `held`, `stale` or `vanished`."""

    node: str
    product: str
    kind: str
    reason: str
    since: str


@dataclasses.dataclass(frozen=True)
class LedgerFigures:
    """The ledger's part of the report; lists end with the newest."""

    cuts: list[ShownCut]
    all_cuts: int
    histories: list[KeyHistory]
    late: list[Late]
    all_late: int
    held: list[HeldKey]
    all_held: int
    last_run_at: str | None
    taken_through: int | None


def read_ledger(connection: sa.Connection, keys: Sequence[Key]) -> LedgerFigures:
    """Read everything the page shows of the ledger.

    Args:
        connection: To a ledger.
        keys: The keys to show (none: those that most cuts carried).

    Raises:
        LedgerError: the ledger does not know a key.
    """
    last = connection.execute(sa.select(run.c.started_at).order_by(run.c.run.desc()).limit(1)).first()
    return LedgerFigures(
        cuts=_cuts(connection),
        all_cuts=connection.scalar(sa.select(sa.func.count()).select_from(cut)) or 0,
        histories=[_history(connection, key) for key in keys or _busiest_keys(connection)],
        late=_late(connection),
        all_late=connection.scalar(sa.select(sa.func.count()).where(completed_unit.c.late)) or 0,
        held=_held(connection),
        all_held=connection.scalar(sa.select(sa.func.count()).select_from(held_key)) or 0,
        last_run_at=last.started_at if last else None,
        taken_through=connection.scalar(sa.select(sa.func.max(run.c.taken_through))),
    )


def _cuts(connection: sa.Connection) -> list[ShownCut]:
    acknowledged = acknowledged_cut(connection)
    query = sa.select(cut, run.c.started_at).join(run, run.c.run == cut.c.run).order_by(cut.c.cut.desc())
    return [
        ShownCut(
            line.cut,
            line.started_at,
            line.logical_timestamp_start,
            line.logical_timestamp_end,
            line.mark,
            line.size,
            line.cut <= acknowledged,
        )
        for line in reversed(connection.execute(query.limit(SHOWN_CUTS)).all())
    ]


def _busiest_keys(connection: sa.Connection) -> list[Key]:
    key = (cut_item.c.fulfillment_node_id, cut_item.c.product_id)
    query = sa.select(*key).group_by(*key).order_by(sa.func.count().desc(), *key).limit(SHOWN_KEYS)
    return [(row[0], row[1]) for row in connection.execute(query)]


def _history(connection: sa.Connection, key: Key) -> KeyHistory:
    item, unit = cut_item.c, completed_unit.c
    sent = (
        sa.select(item.cut, cut.c.mark, item.quantity, item.on_hand, item.as_of_logical_timestamp)
        .join(cut, cut.c.cut == item.cut)
        .where(item.fulfillment_node_id == key[0], item.product_id == key[1])
        .order_by(item.cut)
    )
    left = (
        sa.select(unit.logical_timestamp, unit.units, unit.late)
        .where(unit.fulfillment_node_id == key[0], unit.product_id == key[1])
        .order_by(unit.logical_timestamp)
    )
    history = KeyHistory(
        key,
        [Sent(*row) for row in connection.execute(sent)],
        [Completion(*row) for row in connection.execute(left)],
    )
    if not history.sent and not history.completions:
        raise LedgerError(f"--key {key[0]}/{key[1]}: the ledger keeps no cut and no completion of it")
    return history


def _late(connection: sa.Connection) -> list[Late]:
    unit = completed_unit.c
    query = (
        sa.select(
            unit.logical_timestamp,
            unit.event_id,
            unit.fulfillment_node_id,
            unit.product_id,
            unit.units,
            run.c.started_at,
        )
        .join(run, run.c.run == unit.run)
        .where(unit.late)
        .order_by(unit.run.desc(), unit.logical_timestamp.desc())
    )
    return [Late(*row) for row in reversed(connection.execute(query.limit(SHOWN_LATE)).all())]


def _held(connection: sa.Connection) -> list[HeldKey]:
    key = held_key.c
    columns = (key.fulfillment_node_id, key.product_id, key.kind, key.reason, key.since)
    query = sa.select(*columns).order_by(key.since, key.fulfillment_node_id, key.product_id)
    return [HeldKey(*row) for row in connection.execute(query.limit(SHOWN_HELD))]
