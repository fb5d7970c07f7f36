"""`explain` over time, and where an event or an order is."""

from __future__ import annotations

import json
import time
import typing as t

import pytest
import sqlalchemy as sa
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.mapper.shop_day import ShopDay, completed
from tests.shop.plugin import run_command
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tap_newstore_fulfillment.events import FulfillmentEvent

    from tests.shop.postgresql import PostgreSql

Row = dict[str, t.Any]
KEY = ("--node=DC01", "--product=SKU-1")


@pytest.fixture
def day(tmp_path: Path, database_url: str) -> ShopDay:
    """Return a day after four runs: sold, counted anew, sold late and ahead."""
    day = ShopDay(tmp_path, ledger_url=database_url)
    day.erp.count("DC01", "SKU-1", 10)
    day.run(completed(11), completed(12))
    day.erp.count("DC01", "SKU-1", 20, as_of=12)
    day.run()
    day.run(completed(10), completed(14, released=False), completed(13, "NEW"), through=13)
    day.run()
    return day


def run(day: ShopDay, *arguments: str) -> subprocess.CompletedProcess[str]:
    ledger = ("--ledger-url", day.settings["ledger_url"])
    return run_command("newstore-stock-ledger", *ledger, "explain", *arguments, variables={"COLUMNS": "250"})


def explained(day: ShopDay, *arguments: str) -> list[Row]:
    done = run(day, *arguments, "--format=json")
    assert done.returncode == 0, done.stderr
    return t.cast("list[Row]", json.loads(done.stdout))


def test_each_number_is_told_with_the_row_behind_it_and_who_changed_what(day: ShopDay) -> None:
    steps = explained(day, *KEY, "--since=2020-01-01")
    sent = [
        (step["cut"], step["on_hand"], step["completed"], step["quantity"]) for step in steps if step["step"] == "sent"
    ]
    assert sent == [(1, 10, 2, 8), (2, 20, 0, 20), (3, 20, 1, 19)]
    rows = [(step["who"], step["on_hand"], step["why"]) for step in steps if step["step"] == "on hand"]
    assert rows == [("ERP", 10, ""), ("ERP", 20, "was 10")]
    units = [(step["logical_timestamp"], step["cut"], step["why"]) for step in steps if step["step"] == "completed"]
    assert units == [
        (11, 1, "in the ERP's row"),
        (12, 1, "in the ERP's row"),
        (10, 3, "late, not proven to be in the ERP's row"),
    ]
    assert [(step["logical_timestamp"], step["units"]) for step in steps if step["step"] == "ahead"] == [(14, -1)]
    assert [step["cut"] for step in steps if step["step"] == "confirmed"] == [1, 2, 3]
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)


def test_a_row_of_the_erp_is_told_that_no_number_came_of(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url)
    day.erp.count("DC01", "SKU-1", 10)
    day.run(completed(11))
    # 9 were sent, and the row says so by now.
    day.erp.count("DC01", "SKU-1", 9, as_of=11)
    assert day.run() == []
    (last,) = (step for step in explained(day, *KEY, "--since=2020-01-01") if step["on_hand"] == 9)
    assert (last["who"], last["step"]) == ("ERP", "on hand")
    assert "was 10 when a number was sent" in last["why"]


def test_a_key_that_never_had_a_row_is_explained(day: ShopDay) -> None:
    shown = run(day, "--node=DC01", "--product=NEW")
    assert shown.returncode == 0, shown.stderr
    assert "DC01/NEW has no number: no row in the on-hand list" in shown.stdout
    (unit,) = explained(day, "--node=DC01", "--product=NEW")
    assert (unit["step"], unit["event_id"]) == ("completed", "completed:fr-13:13")


def test_only_what_happened_since_is_told(day: ShopDay) -> None:
    assert explained(day, *KEY, "--since=2999-01-01T00:00:00+02:00") == []


def test_a_table_names_the_events_of_each_number(day: ShopDay) -> None:
    shown = run(day, *KEY, "--since=2020-01-01").stdout
    assert "completed:fr-10:10" in shown
    assert "+12 since cut 1" in shown


def test_a_held_key_has_a_history_too(day: ShopDay) -> None:
    steps = explained(day, "--node=DC01", "--product=NEW", "--since=2020-01-01")
    assert [(step["step"], step["why"]) for step in steps] == [
        ("completed", "no row in the on-hand list"),
        ("held", "no row in the on-hand list"),
    ]


@pytest.mark.parametrize(
    ("event_id", "stage", "cut", "confirmed"),
    [
        ("completed:fr-11:11", "confirmed", 1, True),
        ("completed:fr-10:10", "confirmed", 3, True),
        ("completed:fr-14:14", "ahead", None, False),
        ("completed:fr-13:13", "held", None, False),
    ],
)
def test_an_event_is_found_wherever_it_is(
    day: ShopDay, event_id: str, stage: str, cut: int | None, *, confirmed: bool
) -> None:
    (row,) = explained(day, f"--event={event_id}")
    assert (row["stage"], row["cut"], row["confirmed_at"] is not None) == (stage, cut, confirmed)


def test_an_event_of_the_last_cut_is_sent_until_a_run_reads_that_newstore_has_it(day: ShopDay) -> None:
    day.run(completed(21))
    (row,) = explained(day, "--event=completed:fr-21:21")
    assert (row["stage"], row["cut"], row["quantity"]) == ("sent", 4, 17)
    day.run()
    (row,) = explained(day, "--event=completed:fr-21:21")
    assert row["stage"] == "confirmed"


def waiting_units(day: ShopDay) -> float:
    done = run_command("newstore-stock-ledger", "--ledger-url", day.settings["ledger_url"], "metrics")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("newstore_stock_waiting_units ")]
    return float(line.split()[1])


def test_a_range_covers_events_of_nodes_that_are_not_managed_here(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, ignored_nodes=["S*"])
    day.erp.count("DC01", "A", 10)
    sold = [completed(10, "A"), completed(11, "A", node="S1"), completed(12, "A"), completed(13, "A", node="S1")]
    day.run(*sold)
    (row,) = explained(day, "--event=completed:fr-11:11")
    assert (row["stage"], row["cut"], row["quantity"]) == ("sent", 1, None)
    assert waiting_units(day) == 4
    day.run()
    (row,) = explained(day, "--event=completed:fr-11:11")
    assert (row["stage"], row["cut"], row["quantity"], row["confirmed_at"] is not None) == ("confirmed", 1, None, True)
    assert row["why"] == "in the range 10-12; no number of its key was sent with it"
    # Beyond the range of the last managed key, NewStore does go on subtracting it.
    (row,) = explained(day, "--event=completed:fr-13:13")
    assert (row["stage"], row["cut"]) == ("uncovered", None)
    assert waiting_units(day) == 1
    day.run(completed(14, "A", node="S1"), completed(15, "A"), completed(5, "A"))
    day.run()
    for position in (13, 14):
        (row,) = explained(day, f"--event=completed:fr-{position}:{position}")
        assert (row["stage"], row["cut"]) == ("confirmed", 2)
    (row,) = explained(day, "--event=completed:fr-11:11")
    assert row["cut"] == 1
    assert waiting_units(day) == 0


def test_a_held_key_waits_though_ranges_surround_it(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, max_held_percent=100)
    day.erp.count("DC01", "A", 10)
    day.run(completed(10, "A"), completed(11, "NEW"), completed(12, "A"))
    day.run()
    (row,) = explained(day, "--event=completed:fr-11:11")
    assert (row["stage"], row["cut"], waiting_units(day)) == ("held", None, 1)


def test_an_order_is_found_by_its_units(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, on_hand_as_of="taken_at", on_hand_lag_seconds=10**6)
    day.erp.count("DC01", "A", 10)
    day.erp.count("DC01", "B", 10)
    sold = {"order_id": "o-1", "published_at": "2025-03-04T09:15:02Z", "fulfillment_request_id": "r"}
    day.run(completed(10, "A", "B", **sold), completed(11, "A", **{**sold, "order_id": "o-2"}))
    rows = explained(day, "--order=o-1")
    assert [(row["product_id"], row["order_id"], row["stage"]) for row in rows] == [
        ("A", "o-1", "sent"),
        ("B", "o-1", "sent"),
    ]
    done = run(day, "--order=o-3")
    assert (done.returncode, done.stderr.startswith("ERROR the ledger has no units of order o-3")) == (1, True)


def test_what_the_ledger_does_not_keep_is_said(day: ShopDay) -> None:
    done = run(day, "--order=o-1")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "does not keep the orders of its units" in done.stderr
    done = run(day, "--event=none")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "up to logical timestamp 13 have been taken" in done.stderr
    assert "quarantine list" in done.stderr


@pytest.fixture
def landing(day: ShopDay, tmp_path: Path, postgresql: PostgreSql) -> Iterator[LandingStore]:
    """Return the landing store beside the ledger, on the same kind of database."""
    is_file = day.settings["ledger_url"].startswith("sqlite")
    url = f"sqlite:///{tmp_path / 'landing.db'}" if is_file else postgresql.new_database()
    store = LandingStore(url, tenant="demo")
    yield store
    store.close()


def in_landing(store: LandingStore, day: ShopDay, *arguments: str) -> list[Row]:
    url = store._database._engine.url.render_as_string(hide_password=False)
    return explained(day, *arguments, f"--landing-url={url}", "--settle-seconds=900")


def test_what_lies_before_the_ledger_is_told_by_the_landing_store(day: ShopDay, landing: LandingStore) -> None:
    def stage(at: int) -> tuple[str, str]:
        (row,) = in_landing(landing, day, f"--event={event_of(at).event_id}")
        assert row["received_at"].endswith("+00:00")
        return row["stage"], row["why"]

    def event_of(at: int, **more: t.Any) -> FulfillmentEvent:
        return check_event(json.dumps(an_event(at, request=f"waits-{at}") | more).encode())

    long_ago = time.time_ns() // 10**6 - 3_600_000
    landing.add([event_of(101, tenant="demo")], received_at=long_ago)
    plan = landing.plan_release(Bookmark(reader_id="r"), now=2**42)
    landing.retention.note(plan.end)
    landing.add([event_of(102, tenant="demo")], received_at=long_ago)
    landing.add([event_of(103, tenant="demo"), event_of(104, tenant="other")])
    assert stage(101)[0] == "released"
    assert stage(102)[0] == "settled"
    assert stage(103)[0] == "received"
    aside, why = stage(104)
    assert aside == "set aside"
    assert "quarantine entry 1, another tenant: " in why


def test_an_order_is_found_whatever_the_form_of_proof(day: ShopDay, landing: LandingStore) -> None:
    for at in (11, 12, 105):
        body = an_event(at, request=f"fr-{at}")
        body["payload"]["order_id"] = 'o-"1"_%'
        landing.add([check_event(json.dumps(body).encode())])
    other = an_event(106)
    other["payload"]["order_id"] = 'o-"1"xx'
    landing.add([check_event(json.dumps(other).encode())])
    ids = [event_id_of(landing, at) for at in (11, 12, 105)]
    rows = in_landing(landing, day, '--order=o-"1"_%')
    assert [row["event_id"] for row in rows] == ids
    assert rows[-1]["stage"] == "received"


def event_id_of(store: LandingStore, at: int) -> str:
    with store.transaction() as connection:
        query = sa.text("SELECT event_id FROM fulfillment_event WHERE logical_timestamp = :at")
        return str(connection.scalar(query, {"at": at}))


def test_a_landing_store_that_is_not_there_is_one_line(day: ShopDay, tmp_path: Path) -> None:
    done = run(day, "--event=none", f"--landing-url=sqlite:///{tmp_path / 'none.db'}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "--landing-url: there is no file" in done.stderr
    assert "[NSS-236]" in done.stderr
    assert not (tmp_path / "none.db").exists()


def test_a_landing_store_is_not_blamed_for_the_ledger(day: ShopDay, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'its-own.db'}"
    LandingStore(url).close()
    engine = sa.create_engine(day.settings["ledger_url"], poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE ahead_unit")
    done = run(day, "--event=event-101", f"--landing-url={url}")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "cannot read the ledger" in done.stderr
    assert "landing" not in done.stderr


def test_what_cannot_be_asked_ends_with_2(day: ShopDay) -> None:
    for arguments in (
        (),
        ("--node=DC01",),
        ("--product=A", "--event=e"),
        (*KEY, "--event=e"),
        ("--event=e", "--order=o"),
        ("--event=e", "--since=2025-01-01"),
        (*KEY, "--since=yesterday"),
    ):
        done = run(day, *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), arguments
