"""Runs the mapper in process, one run after another, on a ledger and a CSV."""

from __future__ import annotations

import collections
import dataclasses
import logging
import sqlite3
import typing as t

import sqlalchemy as sa
from mapper_newstore_stock.events import read_event
from mapper_newstore_stock.ledger import tables
from mapper_newstore_stock.ledger.database import open_engine, open_ledger_engine, set_up_sqlite
from mapper_newstore_stock.ledger.lock import Holder
from mapper_newstore_stock.ledger.store import Ledger
from mapper_newstore_stock.mapper import MapperNewStoreStock
from mapper_newstore_stock.run.stock_run import StockRun
from sqlalchemy.dialects.sqlite.base import SQLiteDDLCompiler

from tests.shop.erp import Erp, LiveErp

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

STREAM = "fulfillment_events"
State = dict[str, t.Any]


class Ledgers:
    """Ledgers on SQLite, one after another behind one engine: so statements are compiled once for all.

    Args:
        durable: Open them as the mapper does. Otherwise they are fast and survive no crash of the machine.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self._path = ""
        self.engine = sa.create_engine("sqlite://", creator=self._connect, poolclass=sa.NullPool)
        self.engine.dialect.ddl_compiler = _CreatedBefore
        sa.event.listen(self.engine, "connect", set_up_sqlite if durable else _make_fast)

    def new(self, directory: Path) -> sa.Engine:
        """Return the engine, which from now on leads to a new ledger in the directory."""
        self._path = str(directory / "ledger.db")
        return self.engine

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path)


class _CreatedBefore(SQLiteDDLCompiler):
    """Compiles each CREATE TABLE once; SQLAlchemy would do so for each ledger and each run's temporary tables."""

    written: t.ClassVar[dict[tuple[str, bool], str]] = {}

    def visit_create_table(self, create: sa.schema.CreateTable, **options: t.Any) -> str:
        key = (create.element.name, create.if_not_exists)
        if key not in self.written:
            self.written[key] = super().visit_create_table(create, **options)  # type: ignore[no-untyped-call]
        return self.written[key]


def _make_fast(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")
    connection.execute("PRAGMA case_sensitive_like = ON")


@dataclasses.dataclass
class SentCut:
    """A cut as it left the mapper, with the STATE that followed it."""

    cut_id: str
    range: tuple[int, int] | None
    quantities: dict[tuple[str, str], int]
    size: int
    state: State = dataclasses.field(default_factory=dict)


class ShopDay:
    """A tap's events, an ERP and a mapper; the state is passed on as Meltano would.

    Attributes:
        bookmark: The tap's bookmark after the next run (None: made up from the events).
        begun_at: When the next run begins (None: now).

    Args:
        directory: For the ledger and the CSV.
        engine: The ledger's engine instead of one per run, so that days share compiled statements.
        settings: The mapper's settings; by default ledger and CSV are in the directory.
    """

    def __init__(self, directory: Path, engine: sa.Engine | None = None, **settings: t.Any) -> None:
        is_live = settings.get("on_hand_as_of") == "current"
        self.erp = LiveErp(directory / "erp.db") if is_live else Erp(directory / "on_hand.csv")
        flat = {} if "on_hand_sources" in settings else self.erp.settings
        ledger = {"ledger_url": f"sqlite:///{directory / 'ledger.db'}"}
        self.settings = dict(MapperNewStoreStock(config={**ledger, **flat, **settings}).config)
        self.state: State = {}
        self.bookmark: dict[str, t.Any] | None = None
        self.begun_at: dt.datetime | None = None
        self._engine = engine
        self._position = 0

    def run(
        self,
        *events: dict[str, t.Any],
        known_late: Sequence[dict[str, t.Any]] = (),
        through: int | None = None,
        lose_last_state: bool = False,
        acknowledge: int = 99,
    ) -> list[SentCut]:
        """Run the mapper once over new events.

        Args:
            events: Records of the tap.
            known_late: Events that follow once the tap has said that late ones do.
            through: The tap's bookmark after them; default: the highest timestamp so far.
            lose_last_state: The tap dies before the STATE that covers its events.
            acknowledge: How many of the cuts NewStore gets before the run ends.
        """
        me = Holder("here", 1, self.begun_at.isoformat(timespec="seconds")) if self.begun_at else None
        engine = self._engine or open_ledger_engine(self.settings["ledger_url"])
        ledger = Ledger(engine, me) if self._engine or me else None
        run = StockRun(self.settings, logging.getLogger("test"), collections.Counter(), ledger)
        try:
            return self._run(run, events, known_late, through, lose_last_state=lose_last_state, acknowledge=acknowledge)
        finally:
            run.close()

    def delete_ledger(self, engine: sa.Engine | None = None) -> None:
        """Drop the whole ledger."""
        engine = engine or open_engine(self.settings["ledger_url"])
        with engine.begin() as connection:
            for view in sa.inspect(connection).get_view_names():
                connection.exec_driver_sql(f"DROP VIEW {view}")
            tables.metadata.drop_all(connection)
        engine.dispose()

    def _run(
        self,
        run: StockRun,
        events: tuple[dict[str, t.Any], ...],
        known_late: Sequence[dict[str, t.Any]],
        through: int | None,
        *,
        lose_last_state: bool,
        acknowledge: int,
    ) -> list[SentCut]:
        if self.state:
            run.take_state(self.state)
        run.begin_events()
        state = self._state_after((*events, *known_late), through)
        for event in events:
            run.take_events([read_event(event)])
        if known_late:
            run.take_state(_before_late_ones(state, known_late))
        for event in known_late:
            run.take_events([read_event(event)])
        if not lose_last_state:
            run.take_state(state)
        cuts = read_cuts([message.to_dict() for message in run.finish()])
        for cut in cuts[:acknowledge]:
            self.state = cut.state or self.state
        return [cut for cut in cuts if cut.size]

    def _state_after(self, events: tuple[dict[str, t.Any], ...], through: int | None) -> State:
        bookmarks = dict(self.state.get("bookmarks", {}))
        if self.bookmark is not None:
            return {"bookmarks": {**bookmarks, STREAM: self.bookmark}}
        known = [event["logical_timestamp"] for event in events if event["released"]]
        last = bookmarks.get(STREAM, {}).get("replication_key_value")
        known += [value for value in (through, last) if value is not None]
        self._position += len(events)
        bookmarks[STREAM] = {
            "replication_key": "logical_timestamp",
            "replication_key_value": max(known, default=None),
            "position": self._position,
            "store_id": "store",
            "complete": True,
        }
        return {"bookmarks": bookmarks}


def _before_late_ones(state: State, known_late: Sequence[dict[str, t.Any]]) -> State:
    """Return the STATE the tap writes after all other events, before those it knows to be late."""
    end = state["bookmarks"][STREAM]
    lowest = min(event["logical_timestamp"] for event in known_late)
    bookmark = {**end, "replication_key_value": lowest - 1, "complete": False}
    bookmark["late_through"] = end["replication_key_value"]
    return {"bookmarks": {**state["bookmarks"], STREAM: bookmark}}


def read_cuts(messages: list[dict[str, t.Any]]) -> list[SentCut]:
    """Return the cuts messages make up; a STATE without records becomes a cut of size 0."""
    cuts: list[SentCut] = []
    open_cut = None
    for message in messages:
        if message["type"] == "RECORD":
            record = message["record"]
            if open_cut is None:
                start, end = record["logical_timestamp_start"], record["logical_timestamp_end"]
                covered = None if start is None else (start, end)
                open_cut = SentCut(record["cut_id"], covered, {}, record["cut_size"])
            assert record["cut_id"] == open_cut.cut_id
            open_cut.quantities[record["fulfillment_node_id"], record["product_id"]] = record["quantity"]
        elif message["type"] == "STATE":
            cut = open_cut or SentCut("", None, {}, 0)
            assert len(cut.quantities) == cut.size
            cut.state, open_cut = message["value"], None
            cuts.append(cut)
    assert open_cut is None, "a cut without its STATE"
    return cuts


def completed(
    at: int, *products: str, node: str = "DC01", name: str | None = None, **fields: t.Any
) -> dict[str, t.Any]:
    """Return a record of the tap: one unit of each product named left the node."""
    return {
        "event_id": f"{name or 'completed'}:fr-{at}:{at}",
        "event_name": name or "fulfillment_request.items_completed",
        "tenant": "demo",
        "logical_timestamp": at,
        "fulfillment_location_id": node,
        "released": True,
        "items": [{"id": f"{at}-{n}", "product_id": product} for n, product in enumerate(products or ("SKU-1",))],
        **fields,
    }
