"""The ledger alone against a naive oracle: after every cut its quantities are the oracle's.

Events come late, twice and in replays; ERP rows lag, run ahead, go back, and vanish and come back; runs die between
any two database statements; states get lost or old; units are folded away; the ledger is deleted. EXAMPLES says how
many such stories are told (`make fuzz` tells 50,000).
"""

from __future__ import annotations

import os
import tempfile
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from mapper_newstore_stock.ledger import tables

from tests.mapper.oracle import Oracle, OracleNewStore, OracleUnit
from tests.mapper.shop_day import STREAM, Ledgers, SentCut, ShopDay, completed

if t.TYPE_CHECKING:
    from collections.abc import Collection

EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", "250"))
#: Independent of each other, so that they can run in several processes.
SHARDS = 4
STEPS = 7
NODE = "DC01"
PRODUCTS = ("A", "B", "C")
KEYS = [(NODE, product) for product in PRODUCTS]
#: Products of an event, the distance of its timestamp from the last one, whether it arrives at once.
Sale = tuple[list[str], int, bool]
SALES = st.lists(
    st.tuples(st.lists(st.sampled_from(PRODUCTS), max_size=3), st.integers(1, 2), st.sampled_from([True, True, False])),
    min_size=1,
    max_size=4,
)
#: Product, the ERP's number, and how far its as-of lags behind the last timestamp (below 0: runs ahead).
Count = tuple[str, int, int | None]
COUNTS = st.lists(st.tuples(st.sampled_from(PRODUCTS), st.integers(0, 30), st.none() | st.integers(-2, 5)), max_size=2)
#: Of whom the ERP's list has no row in a run.
LOST = st.sets(st.sampled_from(PRODUCTS), max_size=1)
#: What a ledger has of the last run whose events it has taken, and of the last one that has planned.
TOOK = sa.select(sa.func.max(tables.run.c.run)).where(tables.run.c.taken_position.is_not(None))
PLANNED = sa.select(sa.func.max(tables.source.c.read_run))
_LEDGERS = Ledgers(durable=False)


class Died(Exception):  # noqa: N818 - being killed is not an error of the process
    """The run was killed."""


class Killer:
    """Kills a run before its n-th statement."""

    def __init__(self, engine: sa.Engine) -> None:
        self.left: int | None = None
        sa.event.listen(engine, "before_cursor_execute", self._before)

    def _before(self, *_arguments: object) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Died


_KILLER = Killer(_LEDGERS.engine)


class LedgerStory(RuleBasedStateMachine):
    """One random story."""

    @initialize(
        current=st.booleans(),
        size=st.sampled_from([1, 2, 100]),
        emit_unreleased=st.booleans(),
        vanished=st.sampled_from(["zero", "keep"]),
        folds=st.booleans(),
    )
    def begin(self, current: bool, size: int, emit_unreleased: bool, vanished: str, folds: bool) -> None:
        self.directory = tempfile.TemporaryDirectory()
        path = Path(self.directory.name)
        as_of = "current" if current else "column"
        whole = {"vanished_rows": vanished, "max_vanished_percent": 100}
        keeps = {"ledger_keep_days": 0} if folds else {}
        self.folds = folds
        self.day = ShopDay(path, _LEDGERS.new(path), max_cut_items=size, on_hand_as_of=as_of, **whole, **keeps)
        self.rows: dict[tuple[str, str], tuple[int, int | None]] = {}
        self.emit_unreleased = emit_unreleased
        self.oracle = Oracle(current=current, vanished_is_zero=vanished == "zero")
        self.newstores = [OracleNewStore(whole_tenant=True), OracleNewStore(whole_tenant=False)]
        self.clock = 0
        self.under_way: list[dict[str, t.Any]] = []
        self.arrived: list[dict[str, t.Any]] = []
        self.found_late: set[str] = set()
        self.states: list[dict[str, t.Any]] = [{}]
        for key in KEYS:
            self.rows[key] = (20, None)

    def teardown(self) -> None:
        if hasattr(self, "day"):
            self._run(through_all=True)
            self.directory.cleanup()

    @rule(sales=SALES, counts=COUNTS, lost=LOST, behind=st.integers(0, 3), acknowledge=st.sampled_from([99, 99, 1, 0]))
    def run(self, sales: list[Sale], counts: list[Count], lost: set[str], behind: int, acknowledge: int) -> None:
        self._live(sales, counts)
        self._run(lost, behind=behind, acknowledge=acknowledge)

    @rule(sales=SALES, counts=COUNTS, lost=LOST, behind=st.integers(0, 3), statements=st.integers(0, 90))
    def die(self, sales: list[Sale], counts: list[Count], lost: set[str], behind: int, statements: int) -> None:
        self._live(sales, counts)
        self._run(lost, behind=behind, acknowledge=0, statements=statements)

    @rule(which=st.integers(0, 20))
    def go_back_to_an_older_state(self, which: int) -> None:
        self.day.state = self.states[which % len(self.states)]

    @rule(ledger_too=st.booleans())
    def lose_the_state(self, ledger_too: bool) -> None:
        self.day.state = {}
        if ledger_too:
            self.day.delete_ledger(_LEDGERS.engine)
            self.oracle.forget()
            self.states = [{}]

    def _live(self, sales: list[Sale], counts: list[Count]) -> None:
        """Let some events arrive, sell, and count stock."""
        self.arrived += self.under_way[::2]
        self.under_way = self.under_way[1::2]
        for products, gap, comes in sales:
            self.clock += gap
            event = completed(self.clock, *products) if products else completed(self.clock, items=[])
            for product in products:
                for newstore in self.newstores:
                    newstore.complete((NODE, product), event["event_id"], self.clock)
            (self.arrived if comes else self.under_way).append(event)
        for product, quantity, lag in counts:
            as_of = None if lag is None else max(self.clock - lag, 0)
            before = self.rows[NODE, product][1]
            if self.folds and before is not None:
                # What is folded away, no row may lose again.
                as_of = max(as_of or 0, before)
            self.rows[NODE, product] = (quantity, as_of)

    def _list(self, lost: Collection[str]) -> dict[tuple[str, str], tuple[int, int | None]]:
        """Return the ERP's list; a key can only vanish from it once it has been read."""
        return {key: row for key, row in self.rows.items() if key[1] not in lost or key not in self.oracle.rows}

    def _run(
        self,
        lost: Collection[str] = (),
        *,
        behind: int = 0,
        acknowledge: int = 99,
        statements: int | None = None,
        through_all: bool = False,
    ) -> None:
        bookmarks = self.day.state.get("bookmarks", {})
        stock, start = bookmarks.get("stock", {}), bookmarks.get(STREAM, {})
        acknowledged = stock.get("cut", 0)
        through = self._release_mark(0 if through_all else behind, start)
        self._find_late_ones(start)
        events, known_late = self._events_of_tap(start, through)
        self.day.bookmark = {"replication_key_value": through, "position": len(self.arrived), "store_id": "store"}
        rows = self._list(lost)
        self.day.erp.replace(rows)
        seen = self.oracle.seen_through
        self.oracle.run += 1
        before = self._reached()
        _KILLER.left = statements
        try:
            cuts = self.day.run(*events, known_late=known_late, acknowledge=acknowledge)
        except Died:
            cuts = []
        _KILLER.left = None
        took, planned = (now != then for now, then in zip(self._reached(), before, strict=True))
        if took:
            self.oracle.take([*events, *({**event, "late": True} for event in known_late)], through)
        if planned:
            self.oracle.plan(rows, acknowledged, stock.get("mark"), seen)
            self._judge(cuts, acknowledged, acknowledge, whole=statements is None)
        self.states.append(self.day.state)

    def _reached(self) -> tuple[int | None, ...]:
        """Return the last run whose events the ledger has taken, and the last one that has planned."""
        with _LEDGERS.engine.connect() as connection:
            if not {tables.run.name, tables.source.name} <= set(sa.inspect(connection).get_table_names()):
                return (None, None)
            return tuple(connection.scalar(query) for query in (TOOK, PLANNED))

    def _judge(self, cuts: list[SentCut], acknowledged: int, imported: int, *, whole: bool) -> None:
        for cut in cuts:
            assert cut.quantities == {key: self.oracle.quantity(key) for key in cut.quantities}
            if cut.range:
                inside = [unit for unit in self.oracle.pending(acknowledged) if cut.range[0] <= unit.at <= cut.range[1]]
                # What is folded away NewStore has; after a lost state it need not be told again.
                open_keys = {unit.key for unit in inside if not self.folds or self._is_subtracted(unit)}
                assert open_keys <= cut.quantities.keys()
        for number, covered in self._planned_ranges():
            self.oracle.assign(number, covered, acknowledged)
        for cut in cuts[:imported]:
            for newstore in self.newstores:
                newstore.apply(cut)
        if whole and imported >= len(cuts):
            self._judge_newstore()

    def _is_subtracted(self, unit: OracleUnit) -> bool:
        return any(unit.event_id in newstore.subtracted.get(unit.key, {}) for newstore in self.newstores)

    def _judge_newstore(self) -> None:
        """Check that NewStore's numbers are the oracle's, and that it subtracts only what is beyond the mark."""
        known = {unit.event_id for unit in self.oracle.units}
        for newstore in self.newstores:
            assert newstore.on_hand == {key: self.oracle.quantity(key) for key in KEYS}
            for key in KEYS:
                assert not known & newstore.subtracted.get(key, {}).keys()

    def _planned_ranges(self) -> list[tuple[int, tuple[int, int] | None]]:
        """Return the cuts of the last run, even those that were never sent."""
        with _LEDGERS.engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "SELECT cut, logical_timestamp_start, logical_timestamp_end FROM cut"
                " WHERE run = (SELECT max(run) FROM run) ORDER BY cut"
            ).all()
        return [(row[0], None if row[1] is None else (row[1], row[2])) for row in rows]

    def _release_mark(self, behind: int, start: dict[str, t.Any]) -> int | None:
        known = sorted(event["logical_timestamp"] for event in self.arrived)
        mark = known[-1 - behind] if len(known) > behind else None
        values = [value for value in (mark, start.get("replication_key_value")) if value is not None]
        return max(values, default=None)

    def _find_late_ones(self, start: dict[str, t.Any]) -> None:
        """Remember, as the tap does, what came below the bookmark it starts from."""
        last, position = start.get("replication_key_value"), start.get("position", 0)
        if last is not None and position:
            new = self.arrived[position:]
            self.found_late |= {event["event_id"] for event in new if event["logical_timestamp"] <= last}

    def _events_of_tap(
        self, start: dict[str, t.Any], through: int | None
    ) -> tuple[list[dict[str, t.Any]], list[dict[str, t.Any]]]:
        """Return what the tap sends, and what it says is late."""
        last, position = start.get("replication_key_value"), start.get("position", 0)
        released, ahead, known_late = [], [], []
        for index, event in enumerate(self.arrived):
            at = event["logical_timestamp"]
            if through is None or at > through:
                ahead.append({**event, "released": False})
            elif (last is None or at > last) and event["event_id"] in self.found_late:
                known_late.append(event)
            elif last is None or at > last or index >= position:
                released.append(event)
        released.sort(key=_timestamp)
        return [*released, *released[:2], *(ahead if self.emit_unreleased else [])], sorted(known_late, key=_timestamp)


def _timestamp(event: dict[str, t.Any]) -> int:
    return t.cast("int", event["logical_timestamp"])


@pytest.mark.fault("F6")
@pytest.mark.parametrize("shard", range(SHARDS))
def test_after_every_cut_the_quantities_are_the_oracles(shard: int) -> None:
    examples = len(range(shard, EXAMPLES, SHARDS))
    stories = type(f"LedgerStory{shard}", (LedgerStory,), {})
    if settings().derandomize:
        # As on a CI server, where all shards would otherwise tell the same stories.
        stories = seed(shard)(stories)
    run_state_machine_as_test(
        stories,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
