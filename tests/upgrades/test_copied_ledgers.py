"""A ledger moves between SQLite and PostgreSQL with its identity; nobody goes on with both."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.errors import LedgerError
from mapper_newstore_stock.ledger import copying, lock, past_tables
from mapper_newstore_stock.ledger.copying import copy, take_back
from mapper_newstore_stock.ledger.opening import holding, upgrade_store, version_of
from mapper_newstore_stock.ledger.store import Ledger
from mapper_newstore_stock.ledger.tables import ledger as ledger_row

from tests.shop.plugin import run_plugin
from tests.upgrades.stores import content, load_oldest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def urls(new_databases: Callable[[str], tuple[str, str]]) -> tuple[str, str]:
    """Return the URL of a ledger with content, and that of an empty database."""
    source, target = new_databases("store")
    upgrade_store(load_oldest(source, "ledger"))
    return source, target


def rows(url: str) -> dict[str, list[str]]:
    """Return the rows of a ledger, as both databases write them."""
    engine, found = sa.create_engine(url), {}
    with engine.connect() as connection:
        for table in (*copying.COPIED, ledger_row):
            found[table.name] = sorted(map(repr, connection.execute(sa.select(table)).all()))
    engine.dispose()
    return found


def refuses(url: str) -> str:
    with pytest.raises(LedgerError) as refused:
        Ledger.at(url)
    return str(refused.value)


def test_all_of_it_arrives_and_the_next_run_has_the_next_number(urls: tuple[str, str]) -> None:
    source, target = urls
    with contextlib.closing(Ledger.at(source)) as ledger:
        ledger.connection.execute(past_tables.tenant.insert().values(name="demo"))
        ledger.connection.commit()
    before = rows(source)
    assert "rows: set ledger_url to it" in copy(source, target)
    assert rows(target) == before
    ledger = Ledger.at(target)
    assert ledger.run == 10
    ledger.close()


def test_what_was_copied_is_out_of_use_and_says_where_it_went(urls: tuple[str, str], tmp_path: Path) -> None:
    source, target = urls
    copy(source, target)
    said = refuses(source)
    assert said.startswith("the ledger was moved to ")
    assert said.endswith("set ledger_url to it")
    for command in (["cuts"], ["upgrade"], ["upgrade", "--check"]):
        run = run_plugin("newstore-stock-ledger", tmp_path, None, "--ledger-url", source, *command)
        assert (run.code, run.log) == (1, f"ERROR {said} [NSS-232]\n")


def test_a_copy_that_was_made_is_not_made_twice(urls: tuple[str, str], tmp_path: Path) -> None:
    source, target = urls
    copy(source, target)
    before = content(target)
    assert "had been copied" in copy(source, target)
    with pytest.raises(LedgerError, match="was moved to"):
        copy(source, f"sqlite:///{tmp_path / 'another.db'}")
    with pytest.raises(LedgerError, match="the copy is there"):
        take_back(source, target)
    assert content(target) == before


def can_be_used(url: str) -> bool:
    """Return whether a run could go on with a ledger; nothing is changed."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        version = version_of(connection)
    engine.dispose()
    return version is not None and version > 0


def test_a_ledger_in_use_is_not_copied_nor_onto_one(urls: tuple[str, str]) -> None:
    source, target = urls
    me = lock.Holder.this_process()
    for held in urls:
        with holding(held), pytest.raises(LedgerError, match=f"in use: process {me.process}"):
            copy(source, target)
    assert can_be_used(source)


def test_it_is_copied_into_an_empty_database_only(urls: tuple[str, str], tmp_path: Path) -> None:
    source, target = urls
    Ledger.at(target).close()
    with pytest.raises(LedgerError, match=r"--to: .* is not empty"):
        copy(source, target)
    with pytest.raises(LedgerError, match=r"--to: this is the ledger itself|in use"):
        copy(source, source)
    with pytest.raises(LedgerError, match="there is no file"):
        copy(f"sqlite:///{tmp_path / 'none.db'}", target)
    assert can_be_used(source)


def test_an_older_ledger_is_upgraded_first(tmp_path: Path) -> None:
    source = load_oldest(f"sqlite:///{tmp_path / 'old.db'}", "ledger")
    run = run_plugin(
        "newstore-stock-ledger", tmp_path, None, "--ledger-url", source, "copy", "--to", f"sqlite:///{tmp_path}/x.db"
    )
    assert run.code == 1
    assert run.log.endswith("newstore-stock-ledger upgrade first [NSS-232]\n")
