"""States, ledgers and landing stores of different versions beside each other: the true numbers, or one line."""

from __future__ import annotations

import csv
import json
import typing as t

import pytest
import sqlalchemy as sa

from tests.shop.erp import HEADER
from tests.shop.plugin import run_plugin
from tests.upgrades.stores import VERSIONS, kind_of, load

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.shop.plugin import Finished

    State = dict[str, t.Any]

OLDEST = VERSIONS[0]
NOT_CONFIRMED = ("DC01/SKU-1", "NYC1/SKU-3")


class Shop:
    """The shop of the oldest version: its stores, each loaded anew where asked for."""

    def __init__(self, directory: Path, new_database: Callable[[str], str]) -> None:
        self.directory, self._new_database = directory, new_database
        self._kind = kind_of(new_database("any"))
        found = json.loads((OLDEST / f"{self._kind}.json").read_text(encoding="utf-8"))
        self.state: State = found["state"]
        self.shelf: dict[str, int] = found["shelf"]
        with (directory / "on_hand.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([HEADER, *found["on_hand"]])
        self.landing, self.ledger = self.store("landing"), self.store("ledger")

    def store(self, name: str, version: str = "") -> str:
        """Return the URL of a store as the oldest version left it."""
        return load(self._new_database(f"{name}{version}"), OLDEST / f"{name}.{self._kind}.sql")

    def tap(self, state: State | None, **more: int) -> Finished:
        arguments = []
        if state is not None:
            (self.directory / "state.json").write_text(json.dumps(state), encoding="utf-8")
            arguments = ["--state", str(self.directory / "state.json")]
        settings = {"landing_url": self.landing, "settle_seconds": 0, **more}
        return run_plugin("tap-newstore-fulfillment", self.directory, settings, *arguments)

    def map(self, state: State | None, **more: int) -> Finished:
        """Run tap and mapper, the tap with more settings."""
        tapped = self.tap(state, **more)
        assert tapped.code == 0, tapped.log
        settings = {"ledger_url": self.ledger, "on_hand_url": str(self.directory / "on_hand.csv")}
        return run_plugin("mapper-newstore-stock", self.directory, settings, messages=tapped.output)


@pytest.fixture
def shop(tmp_path: Path, new_database: Callable[[str], str]) -> Shop:
    return Shop(tmp_path, new_database)


def said(run: Finished) -> dict[str, int]:
    assert run.code == 0, run.log
    return {f"{row['fulfillment_node_id']}/{row['product_id']}": row["quantity"] for row in run.records}


def test_a_state_of_an_older_mapper_confirms_to_an_upgraded_ledger_what_it_confirmed_before(shop: Shop) -> None:
    expected = {key: shop.shelf[key] for key in NOT_CONFIRMED}
    assert said(shop.map(shop.state)) == expected
    assert said(shop.map(shop.state)) == expected


def test_a_state_of_this_mapper_is_refused_by_a_ledger_of_before_the_upgrade_and_a_full_refresh_goes_on(
    shop: Shop,
) -> None:
    newer = shop.map(shop.state).states[-1]
    shop.ledger = shop.store("ledger", "-of-the-backup")
    refused = shop.map(newer)
    assert refused.code == 1
    assert "the ledger is older than the Singer state" in refused.log
    assert not refused.records
    # --full-refresh begins without a state. The oldest version folded units away without a trace.
    again = shop.map(None)
    assert (again.code, again.records) == (1, [])
    assert "Set start_logical_timestamp of the tap to 3" in again.log
    numbers = said(shop.map(None, start_logical_timestamp=3))
    assert numbers == {key: shop.shelf[key] for key in numbers}
    assert numbers.keys() >= set(NOT_CONFIRMED)


def test_what_a_later_version_has_added_to_the_state_changes_no_number(shop: Shop) -> None:
    later: State = json.loads(json.dumps(shop.state))
    for bookmark in later["bookmarks"].values():
        bookmark["of_a_later_version"] = {"any": [1, None, "thing"]}
    later["bookmarks"]["of_a_later_version"] = {"replication_key_value": "unknown"}
    assert said(shop.map(later)) == {key: shop.shelf[key] for key in NOT_CONFIRMED}


def test_a_tap_and_a_mapper_refuse_a_store_of_a_later_version_in_one_line_and_send_nothing(shop: Shop) -> None:
    for url, table in ((shop.landing, "landing_store"), (shop.ledger, "ledger")):
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE {table} SET schema_version = 99"))
        engine.dispose()
    tapped = shop.tap(shop.state)
    assert (tapped.code, tapped.records) == (1, [])
    settings = {"ledger_url": shop.ledger, "on_hand_url": str(shop.directory / "on_hand.csv")}
    mapped = run_plugin("mapper-newstore-stock", shop.directory, settings, messages=tapped.output)
    assert (mapped.code, mapped.records) == (1, [])
    for run in (tapped, mapped):
        assert "schema version 99, this program knows" in run.log
        assert "Traceback" not in run.log


def test_a_receiver_refuses_a_store_of_a_later_version_in_one_line(shop: Shop) -> None:
    engine = sa.create_engine(shop.landing)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE landing_store SET schema_version = 99"))
    engine.dispose()
    settings = {"landing_url": shop.landing, "receiver_port": 0, "receiver_open": True}
    refused = run_plugin("newstore-event-receiver", shop.directory, settings)
    assert (refused.code, refused.log.count("\n")) == (1, 1)
    assert "schema version 99, this program knows" in refused.log
