"""The ledger: what was completed, what the ERP says, and what has been sent.

It is written before anything is sent, so a run can die anywhere and the next one repeats what
NewStore has not acknowledged (design rules 4, 6 and 7).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import typing as t
import uuid

import sqlalchemy as sa

from mapper_newstore_stock.errors import OlderLedgerError
from mapper_newstore_stock.ledger import lock, tables
from mapper_newstore_stock.ledger.database import has_any, open_ledger_engine
from mapper_newstore_stock.ledger.opening import cannot_open, open_schema

if t.TYPE_CHECKING:
    from mapper_newstore_stock.state import Acknowledged, Taken

logger = logging.getLogger("mapper-newstore-stock.ledger")

#: Drops the tap's bookmark, and keeps the mark, which a ledger that was lost no longer knows.
EVENTS_AGAIN = """meltano state merge STATE_ID '{"singer_state":{"bookmarks":{"fulfillment_events":null}}}'"""

#: How many earlier runs a run names, so that a target can tell an older run from a newer one: with one every ten
#: minutes, those of 16 hours.
RUNS_BEFORE = 100


class Ledger:
    """One run's hold on the ledger.

    Attributes:
        seen_through: The highest bookmark of the tap in any earlier run.
        started_at: When the run began.
        run_before: The run before this one, however it ended; None: there was none.
        unread_since: The first run since the last one that planned a cut: no cut has weighed the
            events of these runs against the ERP's rows yet.

    Args:
        engine: Where the ledger is kept; a missing schema is created.
        me: Who holds it, and since when; default: this process, from now on.

    Raises:
        LedgerError: it cannot be opened, another version made it, or another run holds it.
    """

    def __init__(self, engine: sa.Engine, me: lock.Holder | None = None) -> None:
        self._resources = contextlib.ExitStack()
        try:
            self._open(engine, me or lock.Holder.this_process())
        except BaseException:
            self._resources.close()
            raise

    def _open(self, engine: sa.Engine, me: lock.Holder) -> None:
        self._resources.callback(engine.dispose)
        try:
            self.connection = self._resources.enter_context(engine.connect())
            self._resources.enter_context(lock.holding(self.connection, me))
            self.ledger_id = open_schema(self.connection)
            self.seen_through = self._highest_taken()
            self.run_before = self.connection.scalar(sa.select(sa.func.max(tables.run.c.run)))
            self.unread_since = self._last_planned_run() + 1
            self.started_at = dt.datetime.fromisoformat(me.started_at)
            self.run_id = uuid.uuid4().hex[:12]
            self.run = self._start_run(me)
        except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
            raise cannot_open(error, url=engine.url) from error

    @classmethod
    def at(cls, url: str) -> Ledger:
        """Open the ledger behind a SQLAlchemy URL."""
        try:
            engine = open_ledger_engine(url)
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise cannot_open(error) from error
        return cls(engine)

    @property
    def identity(self) -> str:
        """The ledger and its run: what a cut's number means depends on both."""
        return f"{self.ledger_id}.{self.run_id}"

    def runs_before(self) -> list[str]:
        """Return the ids of the last runs before this one, the last first."""
        run = tables.run.c
        query = sa.select(run.run_id).where(run.run < self.run).order_by(run.run.desc())
        return list(self.connection.scalars(query.limit(RUNS_BEFORE)))

    def close(self) -> None:
        """Release the ledger, without what was not committed."""
        self._resources.close()

    def acknowledge(self, acknowledged: Acknowledged, taken: Taken, *, echoed: bool) -> Acknowledged:
        """Return what of a state holds for this ledger, and refuse a state that knows more.

        The tap will not send again what the state counts as read. If the ledger has not taken it
        either, those units would be missing from every quantity. A cut of another ledger, or of a
        past this ledger does not have, acknowledges nothing here.

        Args:
            acknowledged: The mapper's own bookmark.
            taken: The tap's bookmark.
            echoed: The state came before the tap's SCHEMA, so it is the tap's input state. A later
                state already covers this run's events.

        Raises:
            LedgerError: the ledger is new, or older than the state.
        """
        ours = self._planned(acknowledged)
        events_known = taken.through is None or self._has_taken(taken)
        if not (events_known if echoed else ours):
            raise OlderLedgerError(
                f"the ledger is older than the Singer state: the state counts events up to logical timestamp "
                f"{taken.through} as read and cut {acknowledged.cut} as imported, the ledger has taken them up to "
                f"{self.seen_through} and knows {self.last_cut()} cuts. Restore the newer ledger, or let the tap "
                f"send all events again, while the state still says what was declared: {EVENTS_AGAIN}. Only if that "
                f"is not this pipeline's state: meltano run --full-refresh"
            )
        if not ours:
            logger.warning(
                "The state's cut %d is not one of this ledger's: everything goes out again", acknowledged.cut
            )
            acknowledged = acknowledged.forgotten()
        statement = tables.run.update().where(tables.run.c.run == self.run)
        self.connection.execute(statement.values(acknowledged_cut=acknowledged.cut))
        # Nothing is held while the tap sends: its landing store may be in the same file.
        self.connection.commit()
        return acknowledged

    def last_cut(self) -> int:
        """Return the number of the last cut ever planned (0: none)."""
        return self.connection.scalar(sa.select(sa.func.max(tables.cut.c.cut))) or 0

    def has_taken_from_a_store(self) -> bool:
        """Return whether the tap of any run had a landing store: such a tap says when it has sent all it releases."""
        found = sa.select(tables.run.c.run).where(tables.run.c.taken_store_id.is_not(None))
        return has_any(self.connection, found)

    def _planned(self, acknowledged: Acknowledged) -> bool:
        """Return whether this ledger planned a cut, in the very run the state names."""
        if acknowledged.cut == 0:
            return True
        ledger_id, _, run_id = (acknowledged.ledger or "").partition(".")
        planned = (
            sa.select(tables.cut.c.cut)
            .join(tables.run, tables.run.c.run == tables.cut.c.run)
            .where(tables.cut.c.cut == acknowledged.cut, tables.run.c.run_id == run_id)
        )
        return ledger_id == self.ledger_id and self.connection.execute(planned).first() is not None

    def _has_taken(self, taken: Taken) -> bool:
        run = tables.run.c
        found = sa.select(run.run).where(
            run.taken_through >= taken.through,
            run.taken_position >= taken.position,
            run.taken_store_id.is_not_distinct_from(taken.store_id),
        )
        return has_any(self.connection, found)

    def _highest_taken(self) -> int | None:
        highest: int | None = self.connection.scalar(sa.select(sa.func.max(tables.run.c.taken_through)))
        return highest

    def _last_planned_run(self) -> int:
        return self.connection.scalar(sa.select(sa.func.max(tables.cut.c.run))) or 0

    def _start_run(self, me: lock.Holder) -> int:
        values = {"run_id": self.run_id, "host": me.host, "process": me.process, "started_at": me.started_at}
        key = self.connection.execute(tables.run.insert().values(values)).inserted_primary_key
        self.connection.commit()
        return int(key[0]) if key else 0
