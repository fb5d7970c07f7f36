"""`newstore-stock-ledger` as a process, on both databases; and the ledger's SQL views."""

from __future__ import annotations

import csv
import http.server
import io
import json
import re
import threading
import typing as t

import pytest
from mapper_newstore_stock.comparison.rows import COLUMNS
from mapper_newstore_stock.ledger import tables
from mapper_newstore_stock.ledger.database import open_engine

from tests.mapper.shop_day import ShopDay, completed
from tests.shop import plugin
from tests.shop.newstore import NewStore
from tests.structure.packages import PACKAGES

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

SKU = ("DC01", "SKU-1")


@pytest.fixture
def day(tmp_path: Path, database_url: str) -> ShopDay:
    """Return a day after two runs: 10 on hand as of 10, completions at 10, 11 and 12, one ahead at 13."""
    day = ShopDay(tmp_path, ledger_url=database_url)
    day.erp.count(*SKU, 10, as_of=10)
    day.erp.count("DC01", "SKU-2", 5, as_of=13)
    day.run(completed(10), completed(11))
    day.run(completed(12), completed(13, "SKU-2", released=False), through=12)
    return day


def ask(day: ShopDay, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_command("--ledger-url", day.settings["ledger_url"], *arguments, **variables)


def run_command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return plugin.run_command("newstore-stock-ledger", *arguments, variables={"COLUMNS": "200", **variables})


def answer(day: ShopDay, *arguments: str) -> list[dict[str, t.Any]]:
    done = ask(day, *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return t.cast("list[dict[str, t.Any]]", json.loads(done.stdout))


def test_explain_tells_the_row_each_event_since_and_the_cut(day: ShopDay) -> None:
    steps = answer(day, "explain", "--node", "DC01", "--product", "SKU-1")
    assert [(step["step"], step["logical_timestamp"], step["units"], step["cut"]) for step in steps] == [
        ("ERP row", None, 10, None),
        ("not subtracted", 10, 0, 1),
        ("completed", 11, -1, 1),
        ("completed", 12, -1, 2),
        ("sent", 12, 8, 2),
    ]
    shown = ask(day, "explain", "--node", "DC01", "--product", "SKU-1").stdout
    assert "DC01/SKU-1 is 8: 10 on hand - 2 completed since + 0 added back, at mark 12, in cut 2" in shown


def test_explain_tells_what_was_added_back(day: ShopDay) -> None:
    steps = answer(day, "explain", "--node", "DC01", "--product", "SKU-2")
    assert [(step["step"], step["units"]) for step in steps] == [("ERP row", 5), ("added back", 1), ("sent", 6)]


def test_a_key_the_ledger_does_not_know_is_said_in_one_line(day: ShopDay) -> None:
    done = ask(day, "explain", "--node", "DC01", "--product", "X")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "ERROR the ledger has no on-hand row for DC01/X. Check how it is spelt, and that the ERP's list has it "
        "[NSS-234]\n"
    )


@pytest.mark.parametrize(
    ("timestamp", "quantity", "other"), [(9, 11, 6), (10, 10, 6), (11, 9, 6), (12, 8, 6), (13, 8, 5)]
)
def test_at_gives_all_quantities_as_of_any_timestamp(day: ShopDay, timestamp: int, quantity: int, other: int) -> None:
    rows = answer(day, "at", "--timestamp", str(timestamp))
    assert {row["product_id"]: row["quantity"] for row in rows} == {"SKU-1": quantity, "SKU-2": other}


def test_cuts_are_listed_with_what_newstore_has_acknowledged(day: ShopDay) -> None:
    done = ask(day, "cuts", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["cut"], row["logical_timestamp_start"], row["size"], row["acknowledged"]) for row in rows] == [
        ("1", "10", "2", "True"),
        ("2", "12", "2", "False"),
    ]


def test_diff_shows_demand_and_names_keys_promised_too_high(day: ShopDay, tmp_path: Path) -> None:
    with NewStore(tmp_path) as newstore:
        newstore.add_location("DC01")
        newstore.set_stock("DC01", "SKU-1", 9)
        newstore.set_stock("DC01", "SKU-2", 6)
        names = ("api_url", "auth_url", "client_id", "client_secret")
        variables = {f"TARGET_NEWSTORE_STOCK_{name.upper()}": newstore.target_settings[name] for name in names}
        done = ask(day, "diff", "--format", "json", **variables)
    (row, other) = json.loads(done.stdout)
    shown = ("product_id", "on_hand", "sent", "atp", "demand", "cause", "above")
    assert [row[name] for name in shown] == ["SKU-1", 10, 8, 9, -1, "refused", 1]
    assert [other[name] for name in shown] == ["SKU-2", 5, 6, 6, 0, "ahead", 0]
    assert done.returncode == 1
    assert "NewStore promises more than was sent for 1 keys" in done.stderr


class StubHandler(http.server.BaseHTTPRequestHandler):
    """Answers 200 with what the test wants at each path."""

    bodies: t.ClassVar[dict[str, str]] = {}

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.bodies[self.path].encode())

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.bodies[self.path.partition("?")[0]].encode())

    def log_message(self, *_arguments: object) -> None:
        """Stay quiet."""


@pytest.fixture
def stub_url() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), StubHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


TOKEN = '{"access_token": "secret"}'
ITEM = '{"fulfillment_node_id": "DC01", "product_id": "SKU-1"}'


@pytest.mark.parametrize(
    ("token", "availabilities", "says"),
    [
        ("{}", "", "/token answered 200 with a body that cannot be used: Object missing required field `access_token`"),
        ("[]", "", "/token answered 200 with a body that cannot be used: Expected `object`, got `array`"),
        ("<html>", "", "/token answered 200 with a body that cannot be used: JSON is malformed"),
        (TOKEN, f'{{"items": [{ITEM}]}}', "/v0/availabilities answered 200 with a body that cannot be used: Object mi"),
        (TOKEN, '{"items": null}', "Expected `array`, got `null` - at `$.items`"),
        (TOKEN, '"none"', "Expected `object`, got `str`"),
    ],
)
def test_an_answer_of_newstore_that_cannot_be_used_is_one_line(
    tmp_path: Path, stub_url: str, token: str, availabilities: str, says: str
) -> None:
    day = ShopDay(tmp_path)
    day.erp.count(*SKU, 10)
    day.run()
    StubHandler.bodies = {"/token": token, "/v0/availabilities": availabilities}
    options = ("--api-url", stub_url, "--auth-url", f"{stub_url}/token", "--client-id", "a", "--client-secret", "b")
    done = ask(day, "diff", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert done.stderr.startswith(f"ERROR POST {stub_url}/")
    assert done.stderr.count("\n") == 1


def test_ids_that_newstore_writes_as_numbers_are_compared_as_text(tmp_path: Path, stub_url: str) -> None:
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "1001", 10)
    day.run()
    item = '{"fulfillment_node_id": "DC01", "product_id": 1001, "atp": 9}'
    insights = '{"allocations": [{"order_id": "1"}]}'
    StubHandler.bodies = {
        "/token": TOKEN,
        "/v0/availabilities": f'{{"items": [{item}]}}',
        "/v0/stock/insights": insights,
    }
    options = ("--api-url", stub_url, "--auth-url", f"{stub_url}/token", "--client-id", "a", "--client-secret", "b")
    done = ask(day, "diff", "--format", "csv", *options)
    assert [line.split(",")[:7] for line in done.stdout.splitlines()[1:]] == [
        ["DC01", "1001", "10", "10", "9", "1", "allocations"]
    ]


def test_without_a_ledger_nothing_is_made(tmp_path: Path) -> None:
    done = run_command("--ledger-url", f"sqlite:///{tmp_path / 'none.db'}", "cuts")
    assert done.returncode == 1
    assert "there is no file" in done.stderr
    assert not (tmp_path / "none.db").exists()


def test_a_database_without_a_ledger_is_said_in_one_line(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE something_else (id INTEGER)")
    engine.dispose()
    done = run_command("--ledger-url", database_url, "cuts")
    assert (done.returncode, done.stdout) == (1, "")
    said = "ERROR ledger_url: there is no ledger in this database; a run of the mapper creates it [NSS-230]\n"
    assert done.stderr == said


def test_a_ledger_of_another_schema_version_is_not_read(day: ShopDay) -> None:
    engine = open_engine(day.settings["ledger_url"])
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ledger SET schema_version = 99")
    engine.dispose()
    done = ask(day, "cuts")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"ERROR the ledger has schema version 99, this program knows {tables.SCHEMA_VERSION}; "
        "use the version of mapper-newstore-stock that made it [NSS-232]\n"
    )


def test_the_ledger_is_the_one_of_the_mappers_configuration(day: ShopDay, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"ledger_url": day.settings["ledger_url"]}), encoding="utf-8")
    done = run_command("--config", str(config), "cuts", "--format", "csv")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "--config cannot be read: [Errno 2] No such file or directory"),
        ("{", "config.json is not JSON: Expecting property name"),
        ("[" * 200_000, "config.json is not JSON: nested too deeply"),
        ("[]", "config.json is not a JSON object"),
        ("{}", "ledger_url: set --ledger-url, --config or MAPPER_NEWSTORE_STOCK_LEDGER_URL"),
    ],
)
def test_a_configuration_that_cannot_be_used_ends_with_2_and_one_line(
    tmp_path: Path, text: str | None, says: str
) -> None:
    config = tmp_path / "config.json"
    if text is not None:
        config.write_text(text, encoding="utf-8")
    done = run_command("--config", str(config), "cuts")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_four_views_serve_other_tools(day: ShopDay) -> None:
    engine = open_engine(day.settings["ledger_url"])
    with engine.connect() as connection:
        runs = connection.exec_driver_sql("SELECT run, first_cut, last_cut, records FROM runs ORDER BY run").all()
        changes = connection.exec_driver_sql(
            "SELECT cut, on_hand, completed, added_back, quantity FROM changes WHERE product_id = 'SKU-1' ORDER BY cut"
        ).all()
        latest = connection.exec_driver_sql("SELECT product_id, quantity, cut FROM latest ORDER BY 1").all()
        held = connection.exec_driver_sql("SELECT product_id, kind, reason FROM held").all()
    engine.dispose()
    assert [tuple(row) for row in runs] == [(1, 1, 1, 2), (2, 2, 2, 2)]
    assert [tuple(row) for row in changes] == [(1, 10, 1, 0, 9), (2, 10, 2, 0, 8)]
    assert [tuple(row) for row in latest] == [("SKU-1", 8, 2), ("SKU-2", 6, 2)]
    assert held == []


def test_keys_without_a_number_of_their_own_are_listed_with_reason_and_age(day: ShopDay) -> None:
    day.run(completed(30, "NEW"))
    url = day.settings["ledger_url"]
    done = run_command("--ledger-url", url, "held", "--format", "json")
    (row,) = json.loads(done.stdout)
    assert (row["product_id"], row["kind"], row["reason"]) == ("NEW", "held", "no row in the on-hand list")
    assert run_command("--ledger-url", url, "held", "--older-than", "5").returncode == 0
    done = run_command("--ledger-url", url, "held", "--older-than", "-1")
    assert (done.returncode, done.stderr) == (
        1,
        "ERROR 1 keys are in the list for -1 minutes. Add or correct the rows that held lists [NSS-202]\n",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("at", f"--timestamp={2**63}"),
        ("at", f"--timestamp={-(2**63) - 1}"),
        ("explain", "--node=DC01", "--product=SKU-1", "--since=9999-12-31T23:59:59-14:00"),
        ("explain", "--node=DC01", "--product=SKU-1", "--since=0001-01-01T00:00:00+14:00"),
    ],
)
def test_numbers_and_times_that_no_ledger_has_are_refused_in_one_line(day: ShopDay, arguments: tuple[str, ...]) -> None:
    day.run(completed(10))
    done = run_command("--ledger-url", day.settings["ledger_url"], *arguments)
    assert (done.returncode, done.stderr.count("[NSS-201]")) == (2, 1)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("explain", "--node=DC01", "--product=SKU-1"),
        ("explain", "--node=DC01", "--product=SKU-1", "--since=2020-01-01"),
        ("explain", "--event=completed:fr-10:10"),
        ("at", "--timestamp=12"),
        ("held",),
        ("cuts",),
        ("age",),
        ("upgrade",),
        ("upgrade", "--check"),
    ],
)
def test_the_fields_of_each_answer_are_those_the_readme_promises(day: ShopDay, arguments: tuple[str, ...]) -> None:
    fields = ask(day, *arguments, "--format", "csv").stdout.splitlines()[0]
    assert fields.replace(",", ", ") in promised_fields()


def test_metrics_are_there_for_programs_too(day: ShopDay) -> None:
    rows = json.loads(ask(day, "metrics", "--format=json").stdout)
    assert {", ".join(row) for row in rows} <= set(promised_fields())
    hidden = [row["labels"] for row in rows if row["name"] == "newstore_stock_hidden_unit_minutes"]
    assert {"cause": "settling"} in hidden


def test_a_copy_says_so_to_programs_too(day: ShopDay, tmp_path: Path) -> None:
    done = ask(day, "copy", f"--to=sqlite:///{tmp_path / 'copy.db'}", "--format=json")
    (row,) = json.loads(done.stdout)
    assert ", ".join(row) in promised_fields()
    assert "copied" in row["says"]


def test_the_fields_of_a_comparison_are_those_the_readme_promises() -> None:
    assert ", ".join(COLUMNS) in promised_fields()


def promised_fields() -> list[str]:
    """Return the lists of fields in the README."""
    readme = (PACKAGES["mapper_newstore_stock"].parent / "README.md").read_text(encoding="utf-8")
    section = readme.partition("#### Fields")[2].partition("\n\nFive SQL views")[0]
    return re.findall(r"^\| `.*` \| `([^`]+)` \|$", section, re.MULTILINE)
