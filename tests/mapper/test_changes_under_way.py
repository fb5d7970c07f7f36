"""Transactions that are open while rows are read commit later what they wrote earlier; none of it is missed."""

from __future__ import annotations

import os
import random
import re
import typing as t

import psycopg
import pytest
from mapper_newstore_stock.run import erp_tables
from mapper_newstore_stock.run.under_way import UnderWay

from tests.mapper.open_shop import STAMPS, Clerk, OpenShop

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

SHOPS = int(os.environ.get("SHOPS_WITH_CLERKS", "4"))
STEPS = 60
CLERKS, PRODUCTS = 4, 60


@pytest.fixture(params=STAMPS)
def shop(request: pytest.FixtureRequest, tmp_path: Path, postgresql: PostgreSql) -> Iterator[OpenShop]:
    with OpenShop(tmp_path, postgresql.new_database(), request.param) as shop:
        yield shop


def late_commit(shop: OpenShop, reads: int = 1) -> None:
    """Let a transaction write first and commit last, with readings in between."""
    slow = shop.clerk()
    slow.begin()
    slow.write("SLOW", 5)
    shop.boss.write("QUICK", 7)
    for number in range(reads):
        shop.boss.write("QUICK", 8 + number)
        shop.day.run()
    slow.end()
    shop.day.run()


@pytest.mark.parametrize("reads", [1, 2, 4])
def test_what_is_committed_after_a_later_change_was_read_is_not_missed(shop: OpenShop, reads: int) -> None:
    shop.day.run()
    shop.day.run()
    late_commit(shop, reads)
    assert shop.known() == shop.numbers()


def test_a_cursor_that_ignores_open_transactions_misses_it(shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    ignore_open_transactions(monkeypatch)
    shop.day.run()
    shop.day.run()
    late_commit(shop)
    assert "SLOW" not in shop.known()


def test_a_transaction_that_has_its_time_and_writes_after_the_reading_is_not_missed(shop: OpenShop) -> None:
    shop.day.run()
    slow = shop.clerk()
    slow.begin()
    shop.boss.write("QUICK", 7)
    shop.day.run()
    slow.write("SLOW", 5)
    shop.day.run()
    slow.end()
    shop.day.run()
    assert shop.known() == shop.numbers()


def test_the_cursor_moves_on_though_there_is_always_an_open_transaction(
    shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    last = shop.clerk()
    last.begin()
    for number in range(8):
        shop.boss.write(f"P{number}", number)
        following = shop.clerk()
        following.begin()
        last.end()
        caplog.clear()
        shop.day.run()
        last = following
    assert re.search("[34] on-hand rows read, changed since", caplog.text)
    assert shop.known() == shop.numbers()


def test_a_reader_without_rights_sees_what_is_open(tmp_path: Path, postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    with OpenShop(tmp_path, url, "time of the transaction") as shop:
        reader = f"reader_{os.getpid()}_{random.getrandbits(32)}"
        shop.boss.connection.execute(f"CREATE ROLE {reader} LOGIN".encode())
        shop.boss.connection.execute(f"GRANT SELECT ON stock TO {reader}".encode())
        shop.day.settings["on_hand_url"] = f"{url}{'&' if '?' in url else '?'}options=-crole%3D{reader}"
        shop.day.run()
        late_commit(shop)
        assert shop.known() == shop.numbers()


def test_a_query_is_read_like_a_table(tmp_path: Path, postgresql: PostgreSql) -> None:
    query = "SELECT fulfillment_node_id, product_id, quantity, as_of_logical_timestamp, updated_at FROM stock"
    with OpenShop(tmp_path, postgresql.new_database(), "time of the transaction") as shop:
        shop.day.settings.update(on_hand_query=query, on_hand_table=None)
        shop.day.run()
        late_commit(shop)
        assert shop.known() == shop.numbers()


def test_a_prepared_transaction_is_waited_for(tmp_path: Path, own_postgresql: PostgreSql) -> None:
    url = own_postgresql.new_database()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET max_prepared_transactions = 4")
    own_postgresql.restart()
    with OpenShop(tmp_path, url, "time of the transaction") as shop:
        shop.day.run()
        slow = shop.clerk()
        slow.begin()
        slow.write("SLOW", 5)
        shop.boss.write("QUICK", 7)
        shop.day.run()
        slow.end("PREPARE TRANSACTION 'slow'")
        for number in range(2):
            shop.boss.write("QUICK", 8 + number)
            shop.day.run()
        slow.end("COMMIT PREPARED 'slow'")
        shop.day.run()
        assert shop.known() == shop.numbers()


@pytest.mark.parametrize("is_busy", [False, True])
def test_an_erp_that_was_restored_is_read_from_where_it_is(shop: OpenShop, is_busy: bool) -> None:
    for number in range(3):
        shop.boss.write("A", number)
        shop.day.run()
    shop.boss.connection.execute("ALTER SEQUENCE version RESTART 1")
    shop.boss.connection.execute(f"UPDATE stock SET updated_at = {older(shop)}".encode())
    shop.day.settings["full_read_hours"] = 0
    other = shop.clerk()
    if is_busy:
        other.begin()
    for _ in range(2):
        shop.day.run()
    other.end()
    shop.day.settings["full_read_hours"] = 24
    shop.boss.connection.execute(f"UPDATE stock SET quantity = 9, updated_at = {older(shop)}".encode())
    shop.day.run()
    assert shop.known() == shop.numbers()


def older(shop: OpenShop) -> str:
    """Return a value as a restored ERP writes it: below what it wrote before, above what it wrote before that."""
    return shop.boss.stamp if "nextval" in shop.boss.stamp else f"{shop.boss.stamp} - interval '1 hour'"


@pytest.mark.parametrize("first", ["changes_under_way", "database_now"])
def test_what_begins_between_the_questions_and_the_rows_is_not_missed(
    shop: OpenShop, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    for _ in range(2):
        shop.day.run()
    slow, ask = shop.clerk(), getattr(erp_tables, first)

    def ask_and_let_begin(connection: object) -> object:
        answer = ask(connection)
        monkeypatch.undo()
        slow.begin()
        slow.write("SLOW", 5)
        shop.boss.write("QUICK", 7)
        return answer

    monkeypatch.setattr(erp_tables, first, ask_and_let_begin)
    shop.day.run()
    shop.day.run()
    slow.end()
    shop.day.run()
    assert shop.known() == shop.numbers()


@pytest.mark.parametrize("seed", range(SHOPS))
def test_whatever_is_open_and_ends_in_whatever_order(tmp_path: Path, postgresql: PostgreSql, seed: int) -> None:
    with OpenShop(tmp_path, postgresql.new_database(), list(STAMPS)[seed % len(STAMPS)]) as shop:
        assert play(shop, random.Random(seed)) == []


def test_a_cursor_that_ignores_open_transactions_is_caught(
    tmp_path: Path, postgresql: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignore_open_transactions(monkeypatch)
    for seed, filled in enumerate(STAMPS):
        directory = tmp_path / str(seed)
        directory.mkdir()
        with OpenShop(directory, postgresql.new_database(), filled) as shop:
            assert play(shop, random.Random(seed))


def play(shop: OpenShop, chance: random.Random) -> list[str]:
    """Let clerks work while the mapper reads, and return what it had missed when all was done."""
    clerks = [shop.clerk() for _ in range(CLERKS)]
    held: dict[int, set[str]] = {}
    for _ in range(STEPS):
        number = chance.randrange(CLERKS)
        step(shop, clerks[number], held, number, chance)
        if chance.random() < 0.3:
            shop.day.run()
    for number in held:
        clerks[number].end()
    shop.day.run()
    known, numbers = shop.known(), shop.numbers()
    missed = [f"{product} is {numbers[product]}" for product in numbers if known.get(product) != numbers[product]]
    shop.day.settings["full_read_hours"] = 0
    shop.day.run()
    return missed + ([] if shop.known() == numbers else ["a full reading differs"])


def step(shop: OpenShop, clerk: Clerk, held: dict[int, set[str]], number: int, chance: random.Random) -> None:
    """Let one clerk begin, write, delete, commit or roll back, or somebody write at once."""
    free = sorted({f"P{n}" for n in range(PRODUCTS)} - set().union(*held.values()))
    if number not in held:
        if chance.random() < 0.5:
            shop.boss.write(chance.choice(free), chance.randrange(1000))
        else:
            clerk.begin()
            held[number] = set()
    elif chance.random() < 0.3:
        clerk.end(chance.choice(["COMMIT", "COMMIT", "ROLLBACK"]))
        del held[number]
    else:
        product = chance.choice(free)
        held[number].add(product)
        if chance.random() < 0.15:
            clerk.delete(product)
        else:
            clerk.write(product, chance.randrange(1000))


def ignore_open_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Callable[[object], UnderWay] = lambda _connection: UnderWay()  # noqa: E731
    monkeypatch.setattr(erp_tables, "changes_under_way", nothing)
