"""`newstore-stock-ledger check`: each bad day is named before a run meets it, and the ledger stays as it is."""

from __future__ import annotations

import email.utils
import json
import os
import re
import time
import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.check.locations import read_mapped
from mapper_newstore_stock.errors import OnHandError, QuantityError
from mapper_newstore_stock.ledger import tables
from mapper_newstore_stock.ledger.database import open_engine
from mapper_newstore_stock.ledger.store import Ledger

from tests.mapper.shop_day import ShopDay, completed
from tests.shop.newstore import NewStore
from tests.shop.plugin import run_command
from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

SKU = ("DC01", "SKU-1")
MAPPINGS_OF_DC01 = ('{"DC01": "store-1"}', "DC01=store-1,NYC1=")
HEADER = "fulfillment_node_id,product_id,quantity,as_of_logical_timestamp\n"


class Checked(t.NamedTuple):
    """What a check has said: its exit code, the result, and its lines by what they are about."""

    code: int
    result: str
    lines: dict[str, list[dict[str, str]]]

    def only(self, what: str) -> dict[str, str]:
        (line,) = self.lines[what]
        return line


@pytest.fixture
def day(tmp_path: Path, database_url: str) -> ShopDay:
    """Return a day after a run: two keys on hand, one sale."""
    day = ShopDay(tmp_path, ledger_url=database_url)
    day.erp.count(*SKU, 10)
    day.erp.count("DC01", "SKU-2", 5)
    day.run(completed(10))
    return day


def check(directory: Path, settings: t.Mapping[str, t.Any], *options: str, **variables: str) -> Checked:
    """Run the check, and see that every line that is not green says what to do."""
    done = run_check(directory, settings, "--format=json", *options, **variables)
    said = json.loads(done.stdout)
    assert said["plugin"] == "mapper-newstore-stock"
    assert all(bool(line["to_do"]) == (line["color"] != "green") for line in said["findings"]), said
    lines: dict[str, list[dict[str, str]]] = {}
    for line in said["findings"]:
        lines.setdefault(line["what"], []).append(line)
    return Checked(done.returncode, said["result"], lines)


def run_check(
    directory: Path, settings: t.Mapping[str, t.Any], *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    config = directory / "check.json"
    config.write_text(json.dumps(dict(settings)), encoding="utf-8")
    done = run_command("newstore-stock-ledger", "--config", config, "check", *arguments, variables=variables)
    assert "Traceback" not in done.stderr + done.stdout
    return done


def contents(url: str) -> dict[str, list[t.Any]]:
    """Return every row of every table of a ledger."""
    engine = open_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: sorted(map(repr, connection.execute(sa.select(table))))
            for table in tables.metadata.tables.values()
        }
    engine.dispose()
    return found


def test_all_is_green_and_the_ledger_stays_as_it_is(day: ShopDay, tmp_path: Path) -> None:
    before = contents(day.settings["ledger_url"])
    day.erp.count("DC01", "SKU-3", 7)
    found = check(tmp_path, day.settings)
    assert (found.code, found.result) == (0, "green"), found.lines
    assert found.only("on-hand list")["said"] == f"3 rows of 1 fulfillment nodes in {day.erp.path}"
    assert found.only("next run")["said"].startswith("1 rows are new or changed since the last run, 0 are gone")
    assert "1 completed units wait for an import" in found.only("ledger")["said"]
    assert contents(day.settings["ledger_url"]) == before
    assert len(day.run()) == 1


def test_before_the_first_run_all_is_green_and_nothing_is_made(tmp_path: Path) -> None:
    day = ShopDay(tmp_path)
    day.erp.count(*SKU, 10)
    found = check(tmp_path, day.settings)
    assert (found.code, found.result) == (0, "green"), found.lines
    assert "the first run makes it" in found.only("ledger")["said"]
    assert found.only("next run")["said"].startswith("1 rows are new")
    assert not (tmp_path / "ledger.db").exists()


def test_every_missing_setting_is_named_at_once(tmp_path: Path) -> None:
    done = run_check(tmp_path, {})
    assert done.returncode == 2
    for name in ("ledger_url", "on_hand_url"):
        assert f"'{name}' is a required property. Set MAPPER_NEWSTORE_STOCK_{name.upper()}" in done.stdout


@pytest.mark.parametrize("rows", [2, 25])
def test_bad_quantities_are_named_and_red_where_a_run_stops(rows: int, day: ShopDay, tmp_path: Path) -> None:
    for number in range(rows):
        day.erp.count_later("DC01", f"BAD-{number}", "a dozen")
    day.erp.count(*SKU, 10)
    found = check(tmp_path, day.settings)
    said = found.only("on-hand list")["said"]
    assert f"{rows} more cannot be used" in said
    assert said.count("a dozen") == min(rows, 20)
    assert said.count(str(day.erp.path)) == 1
    if rows <= 20:
        assert (found.code, found.result) == (0, "yellow")
        day.run()
        return
    assert said.endswith("and 5 more")
    assert (found.code, found.only("bad rows")["color"]) == (1, "red")
    with pytest.raises(QuantityError, match=r"25 on-hand rows cannot be used.*; and 5 more") as refused:
        day.run()
    assert str(refused.value).count("a dozen") == 20
    assert str(refused.value).count(str(day.erp.path)) == 1


def test_a_row_that_cannot_be_used_is_not_gone(day: ShopDay, tmp_path: Path) -> None:
    day.erp.count("DC01", "SKU-2", "ten")
    found = check(tmp_path, day.settings)
    assert "0 are gone" in found.only("next run")["said"]
    assert found.only("next run")["color"] == "green"


@pytest.mark.parametrize(("policy", "meaning"), [("zero", "0 is sent for them"), ("keep", "their last rows stand")])
def test_rows_that_have_vanished_are_yellow_with_what_that_means(
    policy: str, meaning: str, day: ShopDay, tmp_path: Path
) -> None:
    day.erp.remove("DC01", "SKU-2")
    settings = {**day.settings, "vanished_rows": policy, "max_vanished_percent": 50}
    line = check(tmp_path, settings).only("next run")
    assert line["color"] == "yellow"
    assert f"the on-hand list no longer has 1 keys: DC01/SKU-2; {meaning} (vanished_rows: {policy})" in line["said"]
    ignored = check(tmp_path, {**settings, "ignored_products": ["SKU-2"]}).only("next run")
    assert (ignored["color"], "0 are gone" in ignored["said"]) == ("green", True)


def test_held_keys_are_yellow_with_the_command_that_lists_them(day: ShopDay, tmp_path: Path) -> None:
    day.erp.count("DC01", "SKU-3", "a dozen")
    day.run()
    line = check(tmp_path, day.settings).only("ledger")
    assert (line["color"], "1 keys are held, stale or vanished" in line["said"]) == ("yellow", True)
    assert line["to_do"] == (
        "See which and why: meltano invoke mapper-newstore-stock:ledger held "
        "(without Meltano newstore-stock-ledger held)"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("", "the file is empty"),
        (HEADER, "there is no row in it"),
        (f"{HEADER}DC01,SKU-1,10,\nDC01,SKU-2,1", "the file ends inside this line"),
        (f"{HEADER}DC01,SKU-1,10,\nDC01,SKU-1,10,\n", "names these keys more than once: DC01/SKU-1"),
        (f"{HEADER}DC01,SKU-1,10,\n", "more than max_vanished_percent"),
        (f"{HEADER}DC01,,10,\nDC01,,11,\nDC01,SKU-2,5,\n", "2 rows cannot be used"),
    ],
)
def test_a_bad_list_is_red_before_the_run(content: str | None, said: str, day: ShopDay, tmp_path: Path) -> None:
    day.erp.path.unlink()
    if content is not None:
        day.erp.path.write_text(content, encoding="utf-8")
    found = check(tmp_path, day.settings)
    assert (found.code, found.result) == (1, "red")
    assert said in found.lines["on-hand list"][-1]["said"]
    assert found.only("ledger")["color"] == "green"


def test_a_list_that_is_too_old_is_red_with_its_age(day: ShopDay, tmp_path: Path) -> None:
    os.utime(day.erp.path, (0, time.time() - 3570))
    line = check(tmp_path, {**day.settings, "max_on_hand_age_minutes": 5}).only("on-hand list")
    assert (line["color"], line["code"]) == ("red", "NSS-215")
    assert line["said"] == f"{day.erp.path} is 60 minutes old, more than max_on_hand_age_minutes (5)"
    assert line["to_do"] == "See why the ERP has written no newer one, or raise max_on_hand_age_minutes"


def test_ledger_and_list_are_both_named_when_both_are_wrong(tmp_path: Path) -> None:
    wrong = {"ledger_url": "sqlite:////nowhere/ledger.db", "on_hand_url": "/nowhere/on_hand.csv"}
    found = check(tmp_path, wrong)
    assert found.code == 1
    assert found.only("ledger")["color"] == found.only("on-hand list")["color"] == "red"


def test_a_database_that_is_down_is_red(own_postgresql: PostgreSql, tmp_path: Path) -> None:
    url = own_postgresql.new_database()
    day = ShopDay(tmp_path, ledger_url=url)
    day.erp.count(*SKU, 10)
    live = {**day.settings, "on_hand_url": url, "on_hand_table": "stock"}
    assert check(tmp_path, day.settings).result == "green"
    own_postgresql.stop()
    found = check(tmp_path, live)
    assert found.only("ledger")["color"] == found.only("on-hand list")["color"] == "red"
    own_postgresql.start()
    assert check(tmp_path, day.settings).result == "green"


def test_the_run_that_holds_the_ledger_is_named_and_not_hindered(day: ShopDay, tmp_path: Path) -> None:
    ledger = Ledger.at(day.settings["ledger_url"])
    found = check(tmp_path, day.settings)
    assert found.only("lock")["color"] == "yellow"
    assert "process" in found.only("lock")["said"]
    ledger.close()
    assert check(tmp_path, day.settings).only("lock")["color"] == "green"


def test_a_location_newstore_does_not_know_is_named(day: ShopDay, tmp_path: Path) -> None:
    with NewStore(tmp_path) as newstore:
        variables = {
            f"TARGET_NEWSTORE_STOCK_{name.upper()}": str(value) for name, value in newstore.client_settings.items()
        }
        unknown = check(tmp_path, day.settings, **variables)
        newstore.add_location("DC01")
        known = check(tmp_path, day.settings, **variables)
        wrong = check(tmp_path, day.settings, **variables | {"TARGET_NEWSTORE_STOCK_CLIENT_SECRET": "hush"})
    assert (unknown.code, unknown.only("locations")["color"]) == (0, "yellow")
    assert "DC01" in unknown.only("locations")["said"]
    assert known.result == "green"
    assert (wrong.code, wrong.only("locations")["color"]) == (1, "red")


def test_the_targets_settings_may_be_options(day: ShopDay, tmp_path: Path) -> None:
    with NewStore(tmp_path) as newstore:
        given = [f"--{name.replace('_', '-')}={value}" for name, value in newstore.client_settings.items()]
        unknown = check(tmp_path, day.settings, *given)
        mapped = [check(tmp_path, day.settings, *given, f"--store-mapping={text}") for text in MAPPINGS_OF_DC01]
    in_part = check(tmp_path, day.settings, "--tenant=acme", "--client-id=sync").only("locations")
    not_asked = check(tmp_path, day.settings).only("locations")
    assert unknown.only("locations")["color"] == "yellow"
    assert [found.only("locations")["color"] for found in mapped] == ["green", "green"]
    assert (in_part["color"], in_part["said"]) == ("yellow", "not compared with NewStore's: DC01")
    assert in_part["to_do"] == "Set TARGET_NEWSTORE_STOCK_CLIENT_SECRET, or give --client-secret, to have them compared"
    assert not_asked["color"] == "green"
    assert not_asked["said"] == (
        "not compared with NewStore's: DC01. Set TARGET_NEWSTORE_STOCK_TENANT, TARGET_NEWSTORE_STOCK_CLIENT_ID, "
        "TARGET_NEWSTORE_STOCK_CLIENT_SECRET, or give --tenant, --client-id, --client-secret, to have them compared"
    )


def test_what_becomes_of_an_unknown_location_is_said_as_the_target_is_set(day: ShopDay, tmp_path: Path) -> None:
    day.erp.count("dc02", "SKU-1", 1)
    with NewStore(tmp_path) as newstore:
        newstore.add_location("DC02")
        given = [f"--{name.replace('_', '-')}={value}" for name, value in newstore.client_settings.items()]
        left_out = check(tmp_path, day.settings, *given)
        fails = check(tmp_path, day.settings, *given, TARGET_NEWSTORE_STOCK_UNKNOWN_LOCATIONS="fail")
        created = check(tmp_path, day.settings, *given, "--create-locations=stores")
        both = check(tmp_path, day.settings, *given, "--create-locations=Stores", "--unknown-locations=fail")
    line = left_out.only("locations")
    assert (left_out.code, line["color"], line["said"].count("DC01, dc02")) == (0, "yellow", 1)
    assert "their items are left out of imports (unknown_locations)" in line["to_do"]
    line = fails.only("locations")
    assert (fails.code, line["color"], line["said"].count("DC01, dc02")) == (1, "red", 1)
    assert "the import fails (unknown_locations)" in line["to_do"]
    for found, color in ((created, "yellow"), (both, "red")):
        new, alike = sorted(found.lines["locations"], key=lambda line: "dc02" in line["said"])
        assert (new["color"], "DC01" in new["said"]) == ("yellow", True)
        assert "creates each as a store of its own name, for ever (create_locations)" in new["to_do"]
        assert (alike["color"], "another node's but for case" in alike["said"]) == (color, True)


def test_a_mapping_that_meltano_has_nested_names_the_same_nodes() -> None:
    assert read_mapped('{"DC": {"01": "", "02": {"b": "x"}}, "NYC1": "NYC1"}') == {"DC.01", "DC.02.b", "NYC1"}


def test_a_clock_that_is_off_is_red(tmp_path: Path) -> None:
    day = ShopDay(tmp_path, on_hand_as_of="taken_at", on_hand_columns={"taken_at": "as_of_logical_timestamp"})
    day.erp.path.write_text(f"{HEADER}DC01,SKU-1,10,2026-01-01T00:00:00Z\n", encoding="utf-8")
    with ScriptedHttp().serving() as newstore:
        newstore.answers["/"] = answer(200, b"", Date=email.utils.formatdate(1_000_000, usegmt=True))
        found = check(tmp_path, {**day.settings, "newstore_clock_url": f"{newstore.url}/"})
    assert (found.code, found.only("on-hand list")["color"]) == (1, "red")
    assert "s apart, more than clock_skew_seconds" in found.only("on-hand list")["said"]


def test_settings_that_contradict_each_other_end_with_2(tmp_path: Path) -> None:
    settings = {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}", "on_hand_url": "a.csv", "on_hand_as_of": "current"}
    found = check(tmp_path, settings)
    assert (found.code, found.only("configuration")["color"]) == (2, "red")


def test_each_of_several_sources_has_its_lines(tmp_path: Path) -> None:
    for name in ("shops", "centre"):
        (tmp_path / f"{name}.csv").write_text(f"{HEADER}{name},SKU-1,10,\n", encoding="utf-8")
    sources = [
        {"name": name, "nodes": [name], "on_hand_url": str(tmp_path / f"{name}.csv")} for name in ("shops", "centre")
    ]
    (tmp_path / "centre.csv").unlink()
    found = check(tmp_path, {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}", "on_hand_sources": sources})
    assert found.only("on-hand list of shops")["color"] == "green"
    assert found.only("on-hand list of centre")["color"] == "red"


def test_a_row_of_a_node_its_source_does_not_own_is_named_and_no_bad_row(tmp_path: Path, database_url: str) -> None:
    sources = []
    for name, nodes, lines in (("wms", "DC*", "DC01,A,10,\n" + "NYC1,A,n/a,\n" * 30), ("erp", "NYC*", "NYC1,A,7,\n")):
        path = tmp_path / f"{name}.csv"
        path.write_text(HEADER + lines, encoding="utf-8")
        sources.append({"name": name, "nodes": [nodes], "on_hand_url": str(path)})
    day = ShopDay(tmp_path, ledger_url=database_url, on_hand_sources=sources)
    day.run()
    checked = check(tmp_path, day.settings)
    said = [(line["color"], line["said"]) for line in checked.lines["on-hand list of wms"]]
    assert said == [
        ("green", f"1 rows of 1 fulfillment nodes in {tmp_path / 'wms.csv'}"),
        ("yellow", "it has rows of fulfillment nodes that it does not own (nodes): NYC1"),
    ]
    assert "bad rows" not in checked.lines


def test_a_node_that_has_another_source_now_is_looked_for_in_its_list_alone(tmp_path: Path, database_url: str) -> None:
    dc, stores = tmp_path / "on_hand.csv", tmp_path / "stores.csv"
    stores.write_text("fulfillment_node_id,product_id,quantity,as_of_logical_timestamp\nNYC1,A,7,\n", encoding="utf-8")
    both: list[dict[str, t.Any]] = [
        {"name": "wms", "nodes": ["DC*", "NYC1"], "on_hand_url": str(dc)},
        {"name": "erp", "nodes": ["BER1"], "on_hand_url": str(stores)},
    ]
    day = ShopDay(tmp_path, ledger_url=database_url, on_hand_sources=both, max_vanished_percent=60)
    for node, product in (("DC01", "A"), ("NYC1", "A"), ("NYC1", "B")):
        day.erp.count(node, product, 7)
    day.run()
    day.settings["on_hand_sources"] = [{**both[0], "nodes": ["DC*"]}, {**both[1], "nodes": ["BER1", "NYC1"]}]
    done = check(tmp_path, day.settings)
    # Those of another's node are left out.
    assert done.only("next run of wms")["said"].startswith("0 rows are new or changed since the last run, 0 are gone")
    day.erp.replace({("DC01", "A"): (7, None)})
    done = check(tmp_path, day.settings)
    assert done.only("next run of wms")["said"].startswith("0 rows are new or changed since the last run, 0 are gone")
    assert "erp no longer has 1 keys: NYC1/B; 0 is sent" in done.only("next run of erp")["said"]
    (cut,) = day.run()
    assert cut.quantities == {("NYC1", "B"): 0}


@pytest.mark.parametrize("is_flat", [True, False])
def test_a_list_is_compared_with_that_of_its_source_by_another_name(
    tmp_path: Path, database_url: str, is_flat: bool
) -> None:
    path = tmp_path / "on_hand.csv"
    source = {"name": "erp", "nodes": ["DC*"], "on_hand_url": str(path)}
    where: dict[str, t.Any] = {} if is_flat else {"on_hand_sources": [source]}
    day = ShopDay(tmp_path, ledger_url=database_url, **where)
    for product in "ABCD":
        day.erp.count("DC01", product, 5)
    if is_flat:
        day.erp.count("NYC1", "A", 5)
    day.run()
    day.settings |= {"on_hand_sources": [{**source, "name": "wms"}], "on_hand_url": None}
    day.erp.replace({("DC01", "A"): (5, None), ("DC01", "B"): (4, None), ("DC01", "C"): (5, None)})
    line = check(tmp_path, day.settings).lines["on-hand list of wms"][-1]
    said = r"^the on-hand list of wms has 3 rows, the last one had 4: more than max_vanished_percent"
    assert (line["color"], bool(re.match(said, line["said"]))) == ("red", True)
    day.settings["max_vanished_percent"] = 50
    line = check(tmp_path, day.settings).only("next run of wms")
    assert line["color"] == "yellow"
    assert line["said"].startswith(
        "1 rows are new or changed since the last run; the on-hand list of wms no longer has 1 keys: DC01/D; 0 is sent"
    )
    # What the run after it does.
    day.settings["max_vanished_percent"] = 5
    with pytest.raises(OnHandError, match=said):
        day.run()
    day.settings["max_vanished_percent"] = 50
    (cut,) = day.run()
    assert cut.quantities == {("DC01", "B"): 4, ("DC01", "D"): 0}
