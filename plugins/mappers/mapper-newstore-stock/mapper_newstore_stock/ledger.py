"""The ledger: what was completed, what the ERP says, and what has been sent.

It is written before anything is sent, so a run can die anywhere and the next one repeats
what NewStore has not acknowledged (design rules 4, 6 and 7).
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import socket
import typing as t

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mapper_newstore_stock import lock, tables
from mapper_newstore_stock.errors import LedgerError, OnHandError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mapper_newstore_stock.events import CompletedUnits
    from mapper_newstore_stock.on_hand import OnHandRow
    from mapper_newstore_stock.state import Acknowledged, Taken

INSERT_ROWS = 10_000
NAMED_KEYS = 20


class Ledger:
    """One run's hold on the ledger.

    Args:
        url: SQLAlchemy URL; the schema is created when it is not there yet.

    Raises:
        LedgerError: it cannot be opened, another version made it, or another run holds it.
    """

    def __init__(self, url: str) -> None:
        try:
            self._engine = sa.create_engine(url)
            if self._engine.dialect.name == "sqlite":
                sa.event.listen(self._engine, "connect", _make_durable)
            self.connection = self._engine.connect()
            release = lock.acquire(self.connection)
            if release is None:
                raise LedgerError(self._who_holds_it())
            self._release_lock = release
            self._open_schema()
            self.run = self._start_run()
        except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
            raise LedgerError(f"ledger_url: cannot open the ledger: {short(error)}") from error
        self._seen_through = self._highest_taken()

    def close(self) -> None:
        """Let go of the ledger; what was not committed is undone."""
        self.connection.close()
        self._engine.dispose()
        self._release_lock()

    def check_state(self, acknowledged: Acknowledged, taken: Taken) -> None:
        """Refuse a state that knows more than this ledger does.

        The tap will not send again what the state counts as read; if the ledger has not
        taken it either, those units would be missing from every quantity.

        Raises:
            LedgerError: the ledger is new, or older than the state.
        """
        last = self.last_cut()
        if acknowledged.cut <= last and (taken.through is None or self._has_taken(taken)):
            return
        raise LedgerError(
            f"the ledger is older than the Singer state: the state counts events up to logical timestamp "
            f"{taken.through} as read and cut {acknowledged.cut} as imported, the ledger has taken them up to "
            f"{self._seen_through} and knows {last} cuts. Restore the newer ledger, or let the tap send all "
            f"events again: meltano run --full-refresh"
        )

    def take(self, units: Sequence[CompletedUnits]) -> None:
        """Add completed units; those of an event already known change nothing."""
        if not units:
            return
        seen = self._seen_through
        rows = [
            {**unit._asdict(), "run": self.run, "late": seen is not None and unit.logical_timestamp <= seen}
            for unit in units
        ]
        statement = self.insert(tables.completed_unit).on_conflict_do_nothing(index_elements=["event_id", "product_id"])
        self.connection.execute(statement, rows)

    def commit_taken(self, taken: Taken) -> None:
        """Make what was taken durable, with the tap's bookmark that covers it."""
        values = {
            "taken_through": taken.through,
            "taken_position": taken.position,
            "taken_store_id": taken.store_id,
        }
        self.connection.execute(tables.run.update().where(tables.run.c.run == self.run).values(values))
        self.connection.commit()

    def forget_uncommitted(self) -> None:
        """Undo what came after the tap's last STATE: it comes again (design rule 3)."""
        self.connection.rollback()

    def replace_on_hand(self, rows: Iterable[OnHandRow]) -> None:
        """Take over the ERP's rows, and remember which of them changed in this run.

        Raises:
            OnHandError: a key stands in the source more than once.
        """
        read = tables.on_hand_read
        self.connection.execute(read.delete())
        source = iter(rows)
        while batch := list(itertools.islice(source, INSERT_ROWS)):
            self.connection.execute(
                read.insert(),
                [dict(zip(read.columns.keys(), row, strict=True)) for row in batch],
            )
        self._refuse_duplicates()
        self._merge_read_rows()
        self.connection.execute(read.delete())

    def last_cut(self) -> int:
        """Give the number of the last cut ever planned (0: none)."""
        return self.connection.scalar(sa.select(sa.func.max(tables.cut.c.cut))) or 0

    def insert(self, table: sa.Table) -> t.Any:
        """Give the dialect's INSERT, which knows ON CONFLICT."""
        return (postgresql if self.connection.dialect.name == "postgresql" else sqlite).insert(table)

    def _has_taken(self, taken: Taken) -> bool:
        run = tables.run.c
        found = sa.select(run.run).where(
            run.taken_through >= taken.through,
            run.taken_position >= taken.position,
            run.taken_store_id.is_not_distinct_from(taken.store_id),
        )
        return self.connection.execute(found.limit(1)).first() is not None

    def _highest_taken(self) -> int | None:
        highest: int | None = self.connection.scalar(sa.select(sa.func.max(tables.run.c.taken_through)))
        return highest

    def _refuse_duplicates(self) -> None:
        read = tables.on_hand_read.c
        key = (read.fulfillment_node_id, read.product_id)
        query = sa.select(*key).group_by(*key).having(sa.func.count() > 1).order_by(*key)
        if rows := self.connection.execute(query.limit(NAMED_KEYS)).all():
            raise OnHandError(f"the on-hand source names these keys more than once: {name_keys(rows)}")

    def _merge_read_rows(self) -> None:
        read, kept = tables.on_hand_read.c, tables.on_hand.c
        insert = self.insert(tables.on_hand).from_select(
            kept.keys(),
            sa.select(
                read.fulfillment_node_id,
                read.product_id,
                read.quantity,
                read.as_of_logical_timestamp,
                sa.literal(self.run),
            ).where(sa.true()),
        )
        new = insert.excluded
        self.connection.execute(
            insert.on_conflict_do_update(
                index_elements=[kept.fulfillment_node_id, kept.product_id],
                set_={
                    "quantity": new.quantity,
                    "as_of_logical_timestamp": new.as_of_logical_timestamp,
                    "changed_run": new.changed_run,
                },
                where=sa.or_(
                    kept.quantity != new.quantity,
                    kept.as_of_logical_timestamp.is_distinct_from(new.as_of_logical_timestamp),
                ),
            )
        )
        still_there = sa.exists().where(
            read.fulfillment_node_id == kept.fulfillment_node_id, read.product_id == kept.product_id
        )
        self.connection.execute(tables.on_hand.delete().where(~still_there))

    def _open_schema(self) -> None:
        tables.metadata.create_all(self.connection)
        version = self.connection.scalar(sa.select(tables.ledger.c.schema_version))
        if version is None:
            self.connection.execute(tables.ledger.insert(), {"schema_version": tables.SCHEMA_VERSION})
        elif version != tables.SCHEMA_VERSION:
            raise LedgerError(
                f"the ledger has schema version {version}, this program knows {tables.SCHEMA_VERSION}; "
                f"use the version of mapper-newstore-stock that made it"
            )
        self.connection.commit()

    def _start_run(self) -> int:
        me = {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "started_at": dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
        }
        key = self.connection.execute(tables.run.insert().values(me)).inserted_primary_key
        self.connection.commit()
        return int(key[0]) if key else 0

    def _who_holds_it(self) -> str:
        holder = "another run"
        if sa.inspect(self.connection).has_table(tables.run.name):
            last = sa.select(tables.run).order_by(tables.run.c.run.desc()).limit(1)
            if row := self.connection.execute(last).first():
                holder = f"process {row.process} on host {row.host}, since {row.started_at}"
        return f"the ledger is in use: {holder} is writing it. Wait for that run to end; one ledger has one writer"


def name_keys(rows: Sequence[sa.Row[t.Any]]) -> str:
    """Write keys for an error text: "DC01/SKU-1, DC01/SKU-2"."""
    return ", ".join(f"{row.fulfillment_node_id}/{row.product_id}" for row in rows)


def short(error: Exception) -> str:
    """Give the driver's own sentence, without SQL, parameters or links."""
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _make_durable(connection: t.Any, _record: object) -> None:
    """A commit is on disk before it returns; LIKE tells upper from lower case."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA case_sensitive_like = ON")
    cursor.close()
