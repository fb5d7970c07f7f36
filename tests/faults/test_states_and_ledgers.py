"""States and ledgers that are lost, old, edited or somebody else's (faults F16 and F17)."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.faults.breaking.backups import Backups
from tests.faults.players.forked_shop import MAPPER, ForkedShop, Run
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EVENTS, STOCK = "fulfillment_events", "stock"
State = dict[str, t.Any]
REFUSED = "the ledger is older than the Singer state"
ADVICE = "meltano run --full-refresh"


def put(bookmark: str, **values: t.Any) -> Callable[[State], None]:
    """Return an edit that sets values in a bookmark of a state; numbers are added to the old value."""

    def edit(state: State) -> None:
        bookmarks = state["bookmarks"][bookmark]
        for name, value in values.items():
            is_number = isinstance(value, int) and isinstance(bookmarks.get(name), int)
            bookmarks[name] = bookmarks[name] + value if is_number else value

    return edit


def drop(bookmark: str, *names: str) -> Callable[[State], None]:
    """Return an edit that deletes a bookmark, or some of its values."""

    def edit(state: State) -> None:
        if not names:
            del state["bookmarks"][bookmark]
        for name in names:
            del state["bookmarks"][bookmark][name]

    return edit


#: Edits of the state, by name.
EDITS: dict[str, Callable[[State], None]] = {
    "tap's timestamp raised": put(EVENTS, replication_key_value=1000),
    "tap's timestamp lowered": put(EVENTS, replication_key_value=-3),
    "tap's position raised": put(EVENTS, position=1000),
    "tap's position lowered": put(EVENTS, position=-3),
    "tap's bookmark dropped": drop(EVENTS),
    "tap's position dropped": drop(EVENTS, "position"),
    "another landing store": put(EVENTS, store_id="11111111-0000-0000-0000-000000000000"),
    "cut raised": put(STOCK, cut=1000),
    "cut lowered": put(STOCK, cut=-1),
    "cut not a number": put(STOCK, cut="many"),
    "mark raised": put(STOCK, mark=1000),
    "mark lowered": put(STOCK, mark=-3),
    "mark not a number": put(STOCK, mark="high"),
    "range raised": put(STOCK, replication_key_value=1000, mark=1000),
    "mapper's bookmark dropped": drop(STOCK),
    "mapper's ledger dropped": drop(STOCK, "ledger"),
    "tap's timestamp not a number": put(EVENTS, replication_key_value="soon"),
    "tap's position not a number": put(EVENTS, position="here"),
}
#: Edits that look like a ledger that has lost events, or that are not numbers.
REFUSED_EDITS = {
    "tap's timestamp raised",
    "tap's position raised",
    "another landing store",
    "cut not a number",
    "mark not a number",
    "tap's timestamp not a number",
    "tap's position not a number",
}


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> t.Iterator[ForkedShop]:
    with ForkedShop(tmp_path, database_url) as shop:
        for product in ("A", "B"):
            shop.stock(product, 1000)
        yield shop


@pytest.fixture(params=["sqlite", "postgresql"])
def backups(request: pytest.FixtureRequest, tmp_path: Path) -> Backups:
    server = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    return Backups(tmp_path, server)


def sell_and_run(shop: ForkedShop) -> Run:
    shop.sell("A")
    shop.sell("A", "B")
    run = shop.run()
    shop.assert_never_oversold()
    return run


def end_with_the_right_numbers(shop: ForkedShop, run: Run) -> bool:
    """Follow the error's advice, if there is an error; return whether there was one."""
    if is_refused := run.codes != (0, 0, 0):
        assert run.codes[2] == 0
        assert ADVICE in run.log, run.log
        assert "Traceback" not in run.log
        shop.state = None
        run = shop.run()
    assert run.codes == (0, 0, 0), run.log
    shop.assert_in_sync()
    return is_refused


@pytest.mark.fault("F16")
def test_f16_after_any_edit_of_the_state_numbers_are_right_or_the_run_is_refused_with_advice(
    shop: ForkedShop,
) -> None:
    refused = set()
    # The mapper treats bookmarks alike on both databases; one edit in three is enough on the second.
    edits = list(EDITS.items())[:: 1 if shop.url.startswith("sqlite") else 3]
    assert sell_and_run(shop).codes == (0, 0, 0)
    for name, edit in edits:
        assert shop.state
        shop.state = copy.deepcopy(shop.state)
        edit(shop.state)
        if end_with_the_right_numbers(shop, sell_and_run(shop)):
            refused.add(name)
    assert refused == REFUSED_EDITS & dict(edits).keys()


@pytest.mark.fault("F16")
def test_f16_any_older_state_ends_with_the_right_numbers(shop: ForkedShop) -> None:
    states: list[State | None] = [None]
    for _ in range(3):
        assert sell_and_run(shop).codes == (0, 0, 0)
        states.append(shop.state)
    for older in states:
        shop.state = older
        assert not end_with_the_right_numbers(shop, sell_and_run(shop))


@pytest.mark.fault("F16")
def test_f16_the_state_of_another_environment_does_no_harm(shop: ForkedShop, tmp_path: Path) -> None:
    """The other shop's state is younger, then older than this one's."""
    (tmp_path / "other").mkdir()
    with ForkedShop(tmp_path / "other", f"sqlite:///{tmp_path / 'other.db'}") as other:
        for product in ("A", "B"):
            other.stock(product, 1000)
        assert sell_and_run(other).codes == (0, 0, 0)
        for _ in range(2):
            assert sell_and_run(shop).codes == (0, 0, 0)
        ours, theirs = shop.state, other.state
        shop.state = theirs
        end_with_the_right_numbers(shop, sell_and_run(shop))
        other.state = ours
        assert end_with_the_right_numbers(other, sell_and_run(other))


@pytest.mark.fault("F17")
def test_f17_a_ledger_deleted_or_restored_from_a_backup_is_refused_with_advice_that_helps(
    tmp_path: Path, backups: Backups
) -> None:
    with ForkedShop(tmp_path, f"sqlite:///{tmp_path / 'database.db'}") as shop:
        for product in ("A", "B"):
            shop.stock(product, 1000)
        ledger = shop.settings[MAPPER]["ledger_url"] = backups.new()
        assert sell_and_run(shop).codes == (0, 0, 0)
        yesterday, state_then = backups.copy(ledger), shop.state
        assert sell_and_run(shop).codes == (0, 0, 0)
        state_now = shop.state
        for restored in (backups.copy(yesterday), backups.new()):
            shop.settings[MAPPER]["ledger_url"], shop.state = restored, state_now
            run = sell_and_run(shop)
            assert run.codes == (0, 1, 0)
            assert REFUSED in run.log
            assert end_with_the_right_numbers(shop, run)
        # With a state as old as the ledger, everything since then goes out again.
        shop.settings[MAPPER]["ledger_url"], shop.state = backups.copy(yesterday), state_then
        assert not end_with_the_right_numbers(shop, sell_and_run(shop))


@pytest.mark.fault("F17")
def test_f17_a_landing_store_restored_from_a_backup_is_noticed_and_read_again(
    backups: Backups,
) -> None:
    """The restored store has grown beyond the old position; events late since the backup lie below that position."""
    yesterday = backups.new()
    store = LandingStore(yesterday)
    keep(store, 10, 14)
    store.close()
    lost = LandingStore(backups.copy(yesterday))
    keep(lost, 20, 21)
    bookmark = lost.plan_release(Bookmark(), now=1).end
    lost.close()
    restored = LandingStore(backups.copy(yesterday))
    keep(restored, 12, 15, 30)
    plan = restored.plan_release(bookmark, now=1)
    released = [arrival.logical_timestamp for part in restored.released(plan) for arrival in part]
    restored.close()
    assert released == [10, 12, 14, 15, 30]


def keep(store: LandingStore, *timestamps: int) -> None:
    bodies = [an_event(at, request=f"fr-{at}") for at in timestamps]
    store.add([check_event(json.dumps(body).encode()) for body in bodies], received_at=0)


@pytest.mark.fault("F17")
def test_f17_a_new_ledger_is_refused_when_what_it_needs_is_pruned_and_no_row_contains_it(
    tmp_path: Path, database_url: str
) -> None:
    with ForkedShop(tmp_path, database_url) as shop:
        shop.stock("A", 1000)
        assert shop.sell("A")
        # Only the second run returns the bookmark, and only then may anything be pruned.
        for _ in range(2):
            assert shop.run().codes == (0, 0, 0)
        prune(shop)
        assert sell_and_run_a(shop).codes == (0, 0, 0)
        shop.assert_in_sync()
        shop.settings[MAPPER]["ledger_url"] = f"sqlite:///{tmp_path / 'new-ledger.db'}"
        shop.state = None
        for _ in range(2):
            run = sell_and_run_a(shop)
            assert run.codes == (0, 1, 0)
            assert "the landing store has pruned completions up to logical timestamp 2" in run.log
        shop.erp.count("DC01", "A", 998, as_of=4)
        assert shop.run().codes == (0, 0, 0)
        shop.assert_in_sync()


@pytest.mark.fault("F17")
@pytest.mark.fault("F14")
def test_f17_a_new_ledger_leaves_out_a_late_event_that_the_erps_row_does_not_contain(
    tmp_path: Path, database_url: str
) -> None:
    with ForkedShop(tmp_path, database_url) as shop:
        shop.stock("A", 1000)
        shop.settings[MAPPER]["ledger_url"] = f"sqlite:///{tmp_path / 'ledger.db'}"
        first = shop.sell("A")
        shop.newstore.pause_delivery()
        late = shop.newstore.sell("DC01", "A")
        pass_by(shop, first, late + 100)
        assert shop.run().codes == (0, 0, 0)
        # What it has booked by then, without the late event, which is still under way.
        shop.erp.count("DC01", "A", 999, as_of=late + 100)
        shop.newstore.resume_delivery()
        shop.newstore.wait_for_delivery()
        assert shop.run().codes == (0, 0, 0)
        shop.assert_in_sync()
        shop.settings[MAPPER]["ledger_url"] = f"sqlite:///{tmp_path / 'new-ledger.db'}"
        run = shop.run()
        assert run.codes == (0, 1, 0)
        assert end_with_the_right_numbers(shop, run)
        assert shop.newstore.on_hand("DC01", "A") == 998


@pytest.mark.fault("F17")
@pytest.mark.fault("F14")
def test_f17_a_restored_ledger_is_refused_when_a_late_event_it_never_took_is_pruned(
    tmp_path: Path, database_url: str, backups: Backups
) -> None:
    with ForkedShop(tmp_path, database_url) as shop:
        shop.stock("A", 1000)
        ledger = shop.settings[MAPPER]["ledger_url"] = backups.new()
        first = shop.sell("A")
        shop.newstore.pause_delivery()
        late = shop.newstore.sell("DC01", "A")
        pass_by(shop, first, late + 100)
        assert shop.run().codes == (0, 0, 0)
        shop.erp.count("DC01", "A", 999, as_of=late + 100)
        yesterday = backups.copy(ledger)
        shop.newstore.resume_delivery()
        shop.newstore.wait_for_delivery()
        for _ in range(2):
            assert shop.run().codes == (0, 0, 0)
        shop.assert_in_sync()
        prune(shop)
        shop.settings[MAPPER]["ledger_url"], shop.state = yesterday, None
        run = shop.run()
        assert run.codes == (0, 1, 0)
        assert "the landing store has pruned completions up to logical timestamp" in run.log
        shop.assert_never_oversold()
        # A row that says more than was known by then has been written since.
        shop.erp.count("DC01", "A", 998, as_of=late + 101)
        assert shop.run().codes == (0, 0, 0)
        shop.assert_in_sync()


def pass_by(shop: ForkedShop, known: int, at: int) -> None:
    """Deliver an event without units, above every event that is under way."""
    (body,) = (event["body"] for event in shop.newstore.events() if event["payload"]["logical_timestamp"] == known)
    payload = {**body["payload"], "logical_timestamp": at, "id": "higher", "items": []}
    higher = {**body, "name": "fulfillment_request.items_ready_for_handover", "payload": payload}
    assert shop.receiver.post(higher).status_code == 200


def prune(shop: ForkedShop) -> None:
    store = LandingStore(shop.url)
    assert store.retention.prune(0) > 0
    store.close()


def sell_and_run_a(shop: ForkedShop) -> Run:
    shop.sell("A")
    run = shop.run()
    shop.assert_never_oversold()
    return run
