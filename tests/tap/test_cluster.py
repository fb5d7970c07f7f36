"""A landing store on a cluster of PostgreSQL: all its servers in one URL, and the one that takes writes is used."""

from __future__ import annotations

import contextlib
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import sqlalchemy as sa
from tap_newstore_fulfillment.address import address
from tap_newstore_fulfillment.errors import NoPrimaryError, StoreUnavailableError
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.shop.cluster import PASSWORD, Cluster
from tests.shop.plugin import run_plugin
from tests.shop.process import wait_until
from tests.shop.receiver import CALL_SECONDS, Receiver
from tests.tap.events import an_event
from tests.tap.test_looking_after_the_store import keep

if t.TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from tap_newstore_fulfillment.landing.releases import Arrival

    from tests.shop.postgresql import PostgreSql

STANDBY = "no server there takes writes: what answers is a standby, or read-only"
WAITING = "SELECT pid, query NOT LIKE 'WITH locked%' FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(is_synchronous=False) as cluster:
        yield cluster


@pytest.fixture
def synchronous() -> Iterator[Cluster]:
    with Cluster(is_synchronous=True) as cluster:
        yield cluster


def arguments(url: str) -> dict[str, t.Any]:
    """Return what the driver is told of a URL."""
    parsed = address(url)
    (_, told) = parsed.get_dialect()().create_connect_args(parsed)
    return dict(told)


@pytest.mark.parametrize(
    ("hosts", "host", "port"),
    [
        ("a:5432,b:5433", "a,b", "5432,5433"),
        ("a,b:5433", "a,b", ",5433"),
        ("[::1]:1,[::2]:2,c:3", "::1,::2,c", "1,2,3"),
        ("%2Frun%2Fone,%2Frun%2Fother", "/run/one,/run/other", ","),
    ],
)
def test_all_servers_of_a_url_are_understood(hosts: str, host: str, port: str) -> None:
    told = arguments(f"postgresql://user:p%40ss,word@{hosts}/db?target_session_attrs=read-write&application_name=it")
    assert told == {
        "host": host,
        "port": port,
        "user": "user",
        "password": "p@ss,word",
        "dbname": "db",
        "target_session_attrs": "read-write",
        "application_name": "it",
    }


def test_one_server_and_the_form_of_sqlalchemy_stay_what_they_were() -> None:
    for url in ("postgresql+psycopg://u:p,w@a:1/db", "postgresql+psycopg:///db?host=a:1&host=b:2", "sqlite:///a,b.db"):
        assert address(url) == sa.make_url(url)
    assert address("postgres://a/db").drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@a:5432,b:x/db",
        "postgresql://user:hunter2@a,,b/db",
        "postgresql://user:one@hunter2@a,b/db",
        "postgresql://user:one@hunter2:two@a/db",
        "postgresql://user:one@hunter2@a/db",
    ],
)
def test_what_is_no_url_is_bad_configuration_and_shows_no_password(tmp_path: Path, url: str) -> None:
    done = run_plugin("tap-newstore-fulfillment", tmp_path, {"landing_url": url})
    assert done.code == 2
    assert "landing_url: " in done.log
    assert "hunter2" not in done.log + done.output
    assert "Traceback" not in done.log


def test_what_cannot_be_opened_is_one_line_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://user:hunter2@127.0.0.1:1,127.0.0.1:2/db"
    done = run_plugin("tap-newstore-fulfillment", tmp_path, {"landing_url": url})
    assert done.code == 1
    assert "landing_url: cannot open the landing store: " in done.log
    assert "hunter2" not in done.log + done.output
    assert "Traceback" not in done.log


def test_a_receiver_in_front_of_a_standby_says_so_and_goes_on_when_it_is_promoted(
    tmp_path: Path, cluster: Cluster
) -> None:
    both = cluster.new_database()
    cluster.catch_up()
    alone = f"{cluster.standby.url}/{address(both).database}"
    with Receiver(tmp_path, landing_url=alone) as receiver:
        refused = receiver.post(an_event(10))
        health = requests.get(f"{receiver.url}/healthz", timeout=CALL_SECONDS)
        assert (refused.status_code, health.status_code) == (503, 503)
        # Where the database is, and what it says, is for the log alone.
        assert refused.json()["error"] == "the landing store takes no events now; send it again"
        assert f"landing_url: cannot open the landing store: {STANDBY}" in receiver.process.output
        said = [line for line in receiver.process.output.splitlines() if "standby" in line]
        assert sum("Answering 503 until the landing store takes events again" in line for line in said) == 1
        assert sum("Not healthy: " in line for line in said) == 1
        cluster.primary.kill()
        cluster.promote()
        wait_until(lambda: receiver.post(an_event(10)).status_code == 200, "an event taken")
        assert requests.get(f"{receiver.url}/healthz", timeout=CALL_SECONDS).status_code == 200
    assert kept(both) == [10]


def test_a_standby_that_has_the_store_is_not_taken_for_healthy(tmp_path: Path, cluster: Cluster) -> None:
    url = cluster.new_database()
    LandingStore(url).close()
    cluster.catch_up()
    alone = f"{cluster.standby.url}/{address(url).database}"
    with Receiver(tmp_path, landing_url=alone) as receiver:
        health = requests.get(f"{receiver.url}/healthz", timeout=CALL_SECONDS)
        refused = receiver.post(an_event(10))
        assert (refused.status_code, health.status_code) == (503, 503)
        assert STANDBY not in refused.json()["error"]
        assert (health.json(), STANDBY in receiver.process.output) == ({"error": "not healthy"}, True)
    done = run_plugin("tap-newstore-fulfillment", tmp_path, {"landing_url": alone})
    assert (done.code, done.records) == (1, [])
    assert STANDBY in done.log
    assert "Traceback" not in done.log + done.output
    assert PASSWORD not in done.log + done.output


def test_a_receiver_starts_while_there_is_no_primary(tmp_path: Path, cluster: Cluster) -> None:
    url = cluster.new_database()
    cluster.catch_up()
    cluster.primary.kill()
    with Receiver(tmp_path, landing_url=url) as receiver:
        assert receiver.post(an_event(10)).status_code == 503
        cluster.promote()
        wait_until(lambda: receiver.post(an_event(10)).status_code == 200, "an event taken")
        assert PASSWORD not in receiver.process.output
    assert kept(url) == [10]


def test_a_former_primary_that_takes_no_writes_any_more_is_left_by_itself(tmp_path: Path, cluster: Cluster) -> None:
    url = cluster.new_database()
    with Receiver(tmp_path, landing_url=url) as receiver:
        assert receiver.post(an_event(10)).status_code == 200
        cluster.catch_up()
        former = cluster.primary
        former.configure("default_transaction_read_only", "on")
        # Its connections stay open, and lead to where nothing can be written.
        assert receiver.post(an_event(11)).status_code == 503
        assert requests.get(f"{receiver.url}/healthz", timeout=CALL_SECONDS).status_code == 503
        cluster.promote()
        assert receiver.post(an_event(11)).status_code == 200
        assert receiver.post(b"temp").status_code == 400
        assert requests.get(f"{receiver.url}/healthz", timeout=CALL_SECONDS).status_code == 200
        former.stop()
    assert kept(url) == [10, 11]


def test_connections_of_each_kind_leave_a_former_primary(cluster: Cluster) -> None:
    store = LandingStore(cluster.new_database())
    keep(store, 10)
    cluster.catch_up()
    cluster.primary.configure("default_transaction_read_only", "on")
    cluster.promote()
    # One statement alone is tried again at once; a transaction fails once, and its connection is gone.
    keep(store, 11)
    with pytest.raises(StoreUnavailableError, match=STANDBY):
        store.losses.note("evidence", 1)
    store.losses.note("evidence", 1)
    assert [loss.evidence for loss in store.losses.open()] == ["evidence"]
    store.close()


def test_a_look_at_the_health_leaves_a_former_primary(cluster: Cluster) -> None:
    store = LandingStore(cluster.new_database())
    store.check()
    cluster.catch_up()
    cluster.primary.configure("default_transaction_read_only", "on")
    cluster.promote()
    with pytest.raises(NoPrimaryError):
        store.check()
    store.check()
    store.close()


@pytest.mark.parametrize("ends", ["pg_terminate_backend", "pg_cancel_backend"])
def test_an_event_that_no_standby_has_is_not_acknowledged_when_it_comes_again(synchronous: Cluster, ends: str) -> None:
    store = LandingStore(synchronous.new_database())
    keep(store, 9)
    synchronous.standby.stop()
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(keep, store, 10)
        try:
            first = the_waiting(synchronous)
            # As a restart of the primary does, or somebody who saw a statement hang: it is written here, nowhere else.
            synchronous.primary.execute(f"SELECT {ends}({first})")
            wait_until(lambda: taken.done() or waits_again(synchronous, first), "another wait, or an end", 10)
            was_taken = taken.done()
        finally:
            synchronous.standby.start()
        taken.result(CALL_SECONDS)
    store.close()
    assert not was_taken, "acknowledged, and no standby has it"


def the_waiting(cluster: Cluster) -> int:
    """Wait for a session that waits for the standby, and return its process."""
    found = wait_until(lambda: cluster.primary.execute(WAITING), "a commit that waits for the standby")
    return int(found[0][0])


def kept(url: str) -> list[int]:
    """Return the logical timestamps in a landing store."""
    store = LandingStore(url)
    with store._database.reading() as connection:
        found = connection.exec_driver_sql("SELECT logical_timestamp FROM fulfillment_event ORDER BY 1").scalars().all()
    store.close()
    return list(found)


def waits_again(cluster: Cluster, first: int) -> bool:
    """Return whether a session waits for the standby, in a later transaction than the first wait was in."""
    return any(row[0] != first or row[1] for row in cluster.primary.execute(WAITING))


def test_events_nobody_reads_on_end_without_an_error_when_the_server_is_gone(own_postgresql: PostgreSql) -> None:
    """Python would show an error of a generator it lets go as a traceback, beside the one line that counts."""
    with contextlib.closing(LandingStore(own_postgresql.new_database())) as store:
        for at in range(1, 20):
            keep(store, at)
        plan = store.plan_release(Bookmark(), now=2**42)
        begun = t.cast("Generator[Sequence[Arrival], None, None]", store.released_first(plan))
        assert len(next(begun)) == 19
        own_postgresql.restart()
        begun.close()
