"""States and ledgers that are lost, old, edited or somebody else's (faults F16 and F17)."""

from __future__ import annotations

import copy
import shutil
import typing as t

import psycopg
import pytest
import sqlalchemy as sa

from tests.faults.forked_shop import MAPPER, ForkedShop, Run

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

EVENTS, STOCK = "fulfillment_events", "stock"
State = dict[str, t.Any]
REFUSED = "the ledger is older than the Singer state"
ADVICE = "meltano run --full-refresh"


def put(bookmark: str, **values: t.Any) -> Callable[[State], None]:
    """Give a hand that writes into a bookmark of a state; numbers are added to what is there."""

    def edit(state: State) -> None:
        bookmarks = state["bookmarks"][bookmark]
        for name, value in values.items():
            is_number = isinstance(value, int) and isinstance(bookmarks.get(name), int)
            bookmarks[name] = bookmarks[name] + value if is_number else value

    return edit


def drop(bookmark: str, *names: str) -> Callable[[State], None]:
    """Give a hand that deletes a bookmark, or some of it."""

    def edit(state: State) -> None:
        if not names:
            del state["bookmarks"][bookmark]
        for name in names:
            del state["bookmarks"][bookmark][name]

    return edit


#: What was done to the state.
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
    "cut of no meaning": put(STOCK, cut="many"),
    "mark raised": put(STOCK, mark=1000),
    "mark lowered": put(STOCK, mark=-3),
    "mark of no meaning": put(STOCK, mark="high"),
    "range raised": put(STOCK, replication_key_value=1000, mark=1000),
    "mapper's bookmark dropped": drop(STOCK),
    "mapper's ledger dropped": drop(STOCK, "ledger"),
    "tap's timestamp of no meaning": put(EVENTS, replication_key_value="soon"),
    "tap's position of no meaning": put(EVENTS, position="here"),
}
#: What cannot be told from a ledger that has lost events, or is no number.
REFUSED_EDITS = {
    "tap's timestamp raised",
    "tap's position raised",
    "another landing store",
    "cut of no meaning",
    "mark of no meaning",
    "tap's timestamp of no meaning",
    "tap's position of no meaning",
}


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> t.Iterator[ForkedShop]:
    with ForkedShop(tmp_path, database_url) as shop:
        for product in ("A", "B"):
            shop.stock(product, 1000)
        yield shop


def sell_and_run(shop: ForkedShop) -> Run:
    shop.sell("A")
    shop.sell("A", "B")
    run = shop.run()
    shop.assert_never_oversold()
    return run


def end_in_right_numbers(shop: ForkedShop, run: Run) -> bool:
    """Do what the error advises, if there is one; give whether there was."""
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
def test_f16_whatever_is_done_to_the_state_numbers_are_right_or_the_run_is_refused_with_advice(
    shop: ForkedShop,
) -> None:
    refused = set()
    for name, edit in EDITS.items():
        assert sell_and_run(shop).codes == (0, 0, 0)
        assert shop.state
        shop.state = copy.deepcopy(shop.state)
        edit(shop.state)
        if end_in_right_numbers(shop, sell_and_run(shop)):
            refused.add(name)
    assert refused == REFUSED_EDITS


@pytest.mark.fault("F16")
def test_f16_any_older_state_ends_in_right_numbers(shop: ForkedShop) -> None:
    states: list[State | None] = [None]
    for _ in range(4):
        assert sell_and_run(shop).codes == (0, 0, 0)
        states.append(shop.state)
    for older in states:
        shop.state = older
        assert not end_in_right_numbers(shop, sell_and_run(shop))


@pytest.mark.fault("F16")
def test_f16_the_state_of_another_environment_does_no_harm(shop: ForkedShop, tmp_path: Path) -> None:
    """The other shop is younger, then older than this one."""
    (tmp_path / "other").mkdir()
    with ForkedShop(tmp_path / "other", f"sqlite:///{tmp_path / 'other.db'}") as other:
        for product in ("A", "B"):
            other.stock(product, 1000)
        assert sell_and_run(other).codes == (0, 0, 0)
        for _ in range(2):
            assert sell_and_run(shop).codes == (0, 0, 0)
        ours, theirs = shop.state, other.state
        shop.state = theirs
        end_in_right_numbers(shop, sell_and_run(shop))
        other.state = ours
        assert end_in_right_numbers(other, sell_and_run(other))


class Backups:
    """Ledgers in databases of their own, which can be copied."""

    def __init__(self, directory: Path, postgresql: PostgreSql | None) -> None:
        self._directory = directory
        self._postgresql = postgresql
        self._number = 0

    def new(self) -> str:
        """Give the URL of an empty database."""
        self._number += 1
        path = self._directory / f"ledger-{self._number}.db"
        return self._postgresql.new_database() if self._postgresql else f"sqlite:///{path}"

    def copy(self, url: str) -> str:
        """Give the URL of a copy."""
        copy = self.new()
        if self._postgresql:
            source, target = (sa.make_url(name).database for name in (url, copy))
            with psycopg.connect(self._postgresql._server.get_uri(), autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{target}"'.encode())
                connection.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"'.encode())
        else:
            shutil.copy(*(sa.make_url(name).database or "" for name in (url, copy)))
        return copy


@pytest.fixture(params=["sqlite", "postgresql"])
def backups(request: pytest.FixtureRequest, tmp_path: Path) -> Backups:
    server = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    return Backups(tmp_path, server)


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
            assert end_in_right_numbers(shop, run)
        # The state of the same day as the ledger: everything since goes out again.
        shop.settings[MAPPER]["ledger_url"], shop.state = backups.copy(yesterday), state_then
        assert not end_in_right_numbers(shop, sell_and_run(shop))
