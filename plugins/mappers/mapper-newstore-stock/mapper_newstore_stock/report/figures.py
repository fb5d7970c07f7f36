"""Reads from the ledger what the report shows."""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import NotKnownError
from mapper_newstore_stock.ledger.hidden import hidden_units
from mapper_newstore_stock.ledger.key_numbers import keys_of_newest_cut, sent_for
from mapper_newstore_stock.ledger.queries import acknowledged_cut
from mapper_newstore_stock.ledger.tables import completed_unit, cut, cut_item, held_key, run
from mapper_newstore_stock.report.attention import needing_attention
from mapper_newstore_stock.report.import_reports import FINISHED

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.report.events import Key
    from mapper_newstore_stock.report.import_reports import ImportReport

#: Nobody would read more; the page says how many it leaves out.
SHOWN_CUTS = 200
SHOWN_KEYS = 6
SHOWN_NUMBERS = 1_000
SHOWN_LATE = 100
SHOWN_HELD = 200
NO_ATTENTION = "no key needs attention; this one is of the newest import"


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
    report: ImportReport | None = None

    @property
    def is_imported(self) -> bool:
        """Whether NewStore is known to have it: a run has read so in the state, or the target has said so."""
        return self.is_acknowledged or (self.report is not None and self.report.outcome == FINISHED)


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
    #: Why it is shown, if nobody asked for it.
    why: str = ""


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
    #: Day, cause and unit-minutes, the newest day first.
    hidden: list[tuple[str, str, float]]
    last_run_at: str | None
    taken_through: int | None


def read_ledger(connection: sa.Connection, keys: Sequence[Key], reports: Sequence[ImportReport] = ()) -> LedgerFigures:
    """Read everything the page shows of the ledger.

    Args:
        connection: To a ledger.
        keys: The keys to show (none: those that need attention, or else some of the newest cut).
        reports: What the target says of its imports.

    Raises:
        LedgerError: the ledger does not know a key.
    """
    last = connection.execute(sa.select(run.c.started_at).order_by(run.c.run.desc()).limit(1)).first()
    return LedgerFigures(
        cuts=read_cuts(connection, reports),
        all_cuts=connection.scalar(sa.select(sa.func.count()).select_from(cut)) or 0,
        histories=_named(connection, keys) if keys else _unnamed(connection),
        late=_late(connection),
        all_late=connection.scalar(sa.select(sa.func.count()).where(completed_unit.c.late)) or 0,
        held=_held(connection),
        all_held=connection.scalar(sa.select(sa.func.count()).select_from(held_key)) or 0,
        hidden=hidden_units(connection),
        last_run_at=last.started_at if last else None,
        taken_through=connection.scalar(sa.select(sa.func.max(run.c.taken_through))),
    )


def read_cuts(connection: sa.Connection, reports: Sequence[ImportReport] = ()) -> list[ShownCut]:
    """Return the last cuts, the newest last, each with what the target said of its import."""
    said = {report.cut_id: report for report in reports}
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
            report if (report := said.get(str(line.cut))) and report.is_of(line) else None,
        )
        for line in reversed(connection.execute(query.limit(SHOWN_CUTS)).all())
    ]


def _named(connection: sa.Connection, keys: Sequence[Key]) -> list[KeyHistory]:
    histories = [key_history(connection, key) for key in keys]
    for history in histories:
        if not history.sent and not history.completions:
            raise NotKnownError(
                f"--key {'/'.join(history.key)}: the ledger keeps no cut and no completion of it",
                "Check how it is spelt; after ledger_keep_days the ledger forgets",
            )
    return histories


def _unnamed(connection: sa.Connection) -> list[KeyHistory]:
    """Return keys that need attention; where none does, some of the newest import."""
    keys = {
        (each.node, each.product): f"{each.kind}: {each.reason}" for each in needing_attention(connection, SHOWN_KEYS)
    }
    if not keys:
        keys = dict.fromkeys(keys_of_newest_cut(connection, SHOWN_KEYS), NO_ATTENTION)
    return [key_history(connection, key, why) for key, why in keys.items()]


def key_history(connection: sa.Connection, key: Key, why: str = "") -> KeyHistory:
    """Return a key's numbers and completions, as far as the ledger keeps them; a busy key's newest only."""
    item, unit = cut_item.c, completed_unit.c
    sent = (
        sa.select(item.cut, cut.c.mark, item.quantity, item.on_hand, item.as_of_logical_timestamp)
        .join(cut, cut.c.cut == item.cut)
        .where(*sent_for(connection, *key))
        .order_by(item.cut.desc())
        .limit(SHOWN_NUMBERS)
    )
    left = (
        sa.select(unit.logical_timestamp, unit.units, unit.late)
        .where(unit.fulfillment_node_id == key[0], unit.product_id == key[1])
        .order_by(unit.logical_timestamp.desc())
        .limit(SHOWN_NUMBERS)
    )
    return KeyHistory(
        key,
        [Sent(*row) for row in reversed(connection.execute(sent).all())],
        [Completion(*row) for row in reversed(connection.execute(left).all())],
        why,
    )


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
