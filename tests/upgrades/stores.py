"""Stores of earlier versions: loaded from their SQL, looked at, and opened by processes that are killed on the way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import typing as t
from pathlib import Path

import psycopg
import sqlalchemy as sa
from mapper_newstore_stock.ledger import opening as ledger_opening
from tap_newstore_fulfillment.landing.database import LandingDatabase

from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from collections.abc import Callable

VERSIONS = sorted(path for path in Path(__file__).parent.iterdir() if (path / "sqlite.json").exists())
OPENS: dict[str, Callable[[str], object]] = {
    "ledger": ledger_opening.upgrade_store,
    "landing": LandingDatabase.upgrade,
}
SECONDS = 120
#: Before which statements a process is killed: `make failover` takes each, else every fourth and the last ones.
STRIDE = 1 if "EVERY_STATEMENT" in os.environ else 4
LAST = 16
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


def kind_of(url: str) -> str:
    """Return the kind of database a URL leads to, as the names of the SQL files have it."""
    return "sqlite" if url.startswith("sqlite") else "postgresql"


def load(url: str, script: Path) -> str:
    """Load a store from its SQL and return its URL."""
    text = script.read_text(encoding="utf-8")
    if kind_of(url) == "sqlite":
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.executescript(text)
        connection.close()
    else:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as server:
            server.execute(text.encode())
    return url


def load_oldest(url: str, store: str) -> str:
    """Load the ledger or landing store of the oldest version there is, and return its URL."""
    return load(url, VERSIONS[0] / f"{store}.{kind_of(url)}.sql")


def content(url: str) -> dict[str, t.Any]:
    """Return all there is in a database: columns and rows of its tables, indexes and views."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        found: dict[str, t.Any] = {"views": sorted(inspector.get_view_names())}
        for name in inspector.get_table_names():
            columns = sorted((column["name"], str(column["type"])) for column in inspector.get_columns(name))
            names = ", ".join(f'"{column}"' for column, _ in columns)
            rows = sorted(map(repr, map(tuple, connection.exec_driver_sql(f'SELECT {names} FROM "{name}"'))))
            indexes = sorted(str(index["name"]) for index in inspector.get_indexes(name))
            found[name] = (columns, indexes, rows)
    engine.dispose()
    return found


def wait_until_alone(url: str) -> None:
    """Wait until a server has noticed that the sessions of a killed process are gone."""
    if kind_of(url) == "postgresql":
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as server:
            wait_until(lambda: server.execute(others).fetchone() == (0,), "an end of all other sessions")


def statements_of(does: Callable[..., object], *arguments: str) -> int:
    """Call something, and return how many statements and commits it had."""
    count = 0

    def happened(*_arguments: object) -> None:
        nonlocal count
        count += 1

    end = before_each(happened)
    does(*arguments)
    end()
    return count


def kill_in_turn(
    does: Callable[..., object], urls: tuple[str, ...], statements: int, look: Callable[[int], object]
) -> int:
    """Call something again and again, killed before one statement after the other, until it ends by itself.

    Args:
        does: What is called with the URLs.
        urls: Of its stores.
        statements: About how many it has.
        look: Looks at the stores after each kill before the n-th statement.

    Returns:
        Its exit code at last.
    """
    step, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        step += STRIDE if step + STRIDE < statements - LAST else 1
        code = call_killed(does, urls, step)
        for url in urls:
            wait_until_alone(url)
        look(step)
    assert step > statements // 2, f"ended before statement {step} of about {statements}"
    return code


def call_killed(does: Callable[..., object], arguments: tuple[str, ...], at: int) -> int:
    """Call something in a process that is killed right before its n-th statement or commit; return its exit code."""
    process = _processes.Process(target=_call, args=(does, arguments, at))
    process.start()
    process.join(SECONDS)
    assert process.exitcode is not None, f"did not end within {SECONDS} s"
    return process.exitcode


def _call(does: Callable[..., object], arguments: tuple[str, ...], at: int) -> None:
    before_nth(at, lambda _connection: os.kill(os.getpid(), signal.SIGKILL))
    does(*arguments)


def before_nth(at: int, happens: Callable[[sa.Connection], None]) -> Callable[[], None]:
    """Let something happen right before the n-th statement or commit of this process; return what ends that."""
    left = at

    def count(connection: sa.Connection, *_arguments: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            happens(connection)

    return before_each(count)


def before_each(happens: Callable[..., object]) -> Callable[[], None]:
    """Let something happen before each statement and commit of this process; return what ends that."""
    for event in ("before_cursor_execute", "commit"):
        sa.event.listen(sa.Engine, event, happens)

    def end() -> None:
        for event in ("before_cursor_execute", "commit"):
            sa.event.remove(sa.Engine, event, happens)

    return end
