"""A ledger on a cluster of PostgreSQL: a run ends cleanly when the primary goes, and the next one goes on."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.address import address
from mapper_newstore_stock.errors import LedgerError
from mapper_newstore_stock.ledger import database
from mapper_newstore_stock.ledger.primary import writable
from mapper_newstore_stock.ledger.store import Ledger
from newstore_erp_postgresql.address import address as address_of_the_erp
from newstore_erp_postgresql.stock import taken_by
from tap_newstore_fulfillment.address import address as address_of_the_tap

from tests.shop.cluster import PASSWORD, Cluster
from tests.shop.plugin import run_command, run_plugin

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

STANDBY = "no server there takes writes: what answers is a standby, or read-only"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(is_synchronous=False) as cluster:
        yield cluster


def ledger_command(*words: str) -> subprocess.CompletedProcess[str]:
    return run_command("newstore-stock-ledger", *words)


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@a,b:5433/db?x=1", "postgres://a/db", "sqlite:///a,b", "oracle://a,b"]
)
def test_three_packages_read_a_url_alike(url: str) -> None:
    assert address(url) == address_of_the_tap(url) == address_of_the_erp(url)


def test_the_server_that_takes_writes_is_asked_for_unless_the_url_says_otherwise() -> None:
    assert writable(address("postgresql://a,b/db")).query["target_session_attrs"] == "read-write"
    assert writable(address("postgresql://a,b/db?target_session_attrs=any")).query["target_session_attrs"] == "any"
    assert "target_session_attrs" not in writable(address("postgresql://a/db")).query


@pytest.mark.parametrize("url", ["postgresql://u:hunter2@a,b:x/db", "postgresql://u:one@hunter2:two@a/db"])
def test_no_error_shows_a_password(tmp_path: Path, url: str) -> None:
    settings = {"ledger_url": url, "on_hand_url": str(tmp_path / "on_hand.csv")}
    messages = [{"type": "SCHEMA", "stream": "fulfillment_events", "schema": {}, "key_properties": ["event_id"]}]
    done = run_plugin("mapper-newstore-stock", tmp_path, settings, messages=messages)
    asked = ledger_command("--ledger-url", url, "cuts")
    assert (done.code, asked.returncode) == (2, 2)
    for said in (done.log, asked.stderr):
        assert "not a database's URL" in said
        assert "hunter2" not in said
        assert "Traceback" not in said


def test_a_standby_as_ledger_is_refused_with_one_line_and_can_be_read(tmp_path: Path, cluster: Cluster) -> None:
    url = cluster.new_database()
    Ledger.at(url).close()
    cluster.catch_up()
    alone = f"{cluster.standby.url}/{address(url).database}"
    settings = {"ledger_url": alone, "on_hand_url": str(tmp_path / "on_hand.csv")}
    messages = [{"type": "SCHEMA", "stream": "fulfillment_events", "schema": {}, "key_properties": ["event_id"]}]
    done = run_plugin("mapper-newstore-stock", tmp_path, settings, messages=messages)
    assert (done.code, done.output) == (1, "")
    (said,) = [line for line in done.log.splitlines() if "| ERROR" in line]
    assert said.endswith(
        f"ledger_url: cannot open the ledger: {STANDBY}. Correct ledger_url, or start its database [NSS-230]"
    )
    assert "Traceback" not in done.log
    assert PASSWORD not in done.log
    for readable in (url, alone):
        assert ledger_command("--ledger-url", readable, "cuts", "--format=json").stdout.strip() == "[]"
    assert taken_by(url).through is None


def test_a_lost_connection_is_an_error_of_the_database_also_in_a_copy(cluster: Cluster) -> None:
    engine = database.open_ledger_engine(cluster.new_database())
    with engine.connect() as connection:
        table = sa.Table("anything", sa.MetaData(), sa.Column("number", sa.Integer))
        table.create(connection)
        session = connection.scalar(sa.text("SELECT pg_backend_pid()"))

        def rows() -> Iterator[tuple[int]]:
            yield (1,)
            cluster.primary.execute(f"SELECT pg_terminate_backend({session}, 5000)")
            for number in range(100_000):
                yield (number,)

        with pytest.raises(sa.exc.DBAPIError):
            database.load(connection, table, rows())
    engine.dispose()


def test_one_ledger_has_one_writer_after_a_failover_too(cluster: Cluster) -> None:
    url = cluster.new_database()
    former = Ledger.at(url)
    cluster.catch_up()
    cluster.primary.kill()
    with pytest.raises(LedgerError, match=r"ledger_url: cannot open the ledger: no server there takes writes"):
        Ledger.at(url)
    cluster.promote()
    next_run = Ledger.at(url)
    with pytest.raises(LedgerError, match="the ledger is in use"):
        Ledger.at(url)
    with pytest.raises(sa.exc.OperationalError):
        former.connection.execute(sa.text("SELECT 1"))
    former.close()
    next_run.close()
    cluster.rejoin()
