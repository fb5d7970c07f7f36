"""What cannot be parsed is not printed: it may be a secret, or the rest of one (tap, receiver, mapper and target)."""

from __future__ import annotations

import typing as t

import pytest
from tap_newstore_fulfillment.errors import TapError
from tap_newstore_fulfillment.export_files.prefix import ExportPrefix
from tap_newstore_fulfillment.masking import in_text, masked
from tap_newstore_fulfillment.receiver.newstore_api import NewStoreApi
from target_newstore_stock.auth import NewStoreAuthenticator
from target_newstore_stock.client import NewStoreClient
from target_newstore_stock.errors import TargetError
from target_newstore_stock.staging import Staging

from tests.shop.plugin import run_command, run_plugin
from tests.shop.scripted_http import ScriptedHttp

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TAP, RECEIVER, TARGET = "tap-newstore-fulfillment", "newstore-event-receiver", "target-newstore-stock"
MAPPER, LEDGER = "mapper-newstore-stock", "newstore-stock-ledger"
#: No other text of this project has these.
SECRET, REST, NUMBER = "hunter2", "zq7@xw9", 90210777
PASSWORDS = [SECRET, f"{SECRET}@{REST}", f"{SECRET}/{REST}", f"{SECRET}#{REST}", f"{SECRET}?{REST}", f"[{SECRET}"]
PASSWORDS += [f"{SECRET} {REST}", f"{SECRET}%zz{REST}"]
DATABASES = [
    *(f"postgresql://shop:{password}@127.0.0.1:1/landing" for password in PASSWORDS),
    f"postgresql://127.0.0.1:1/landing?password={SECRET}&sslmode=odd",
    *(f"postgresql://{host}/landing?user=shop&password=a@{SECRET}" for host in ("127.0.0.1:1", "127.0.0.1:1,[::1]:1")),
    f"postgres//shop:{SECRET}",
    f"odd://shop:{SECRET}@host/db",
]
PLACES = [
    *(f"{scheme}://shop:{password}@127.0.0.1:1/x" for scheme in ("odd", "http") for password in PASSWORDS),
    *(f"zip://a::http://shop:{password}@127.0.0.1:1/x.zip" for password in PASSWORDS),
    *(f"http://127.0.0.1:1/x?signature={password}" for password in PASSWORDS),
    f"s3://{SECRET}:{REST}@[/x",
]
CALLED = [
    *(f"http://shop:{password}@127.0.0.1:1/x" for password in PASSWORDS),
    *(f"http:/shop:{password}@127.0.0.1:1/x" for password in PASSWORDS),
    *(f"http://127.0.0.1:1/x?key={password}" for password in PASSWORDS),
    f"odd://shop:{SECRET}@host",
    f"shop:{SECRET}@host",
]
NEWSTORE = {"tenant": "t", "client_id": "c", "client_secret": "s", "api_url": "http://127.0.0.1:1"}
STOCK = [
    {"type": "SCHEMA", "stream": "stock", "schema": {"properties": {}}, "key_properties": []},
    {
        "type": "RECORD",
        "stream": "stock",
        "record": {"fulfillment_node_id": "A", "product_id": "B", "quantity": 1},
    },
]
#: What a tap says that has no event.
NOTHING = [
    {"type": "SCHEMA", "stream": "fulfillment_events", "schema": {"properties": {}}, "key_properties": ["event_id"]},
    {"type": "STATE", "value": {}},
]
INPUTS = {TARGET: STOCK, MAPPER: NOTHING}


def assert_nothing_is_shown(name: str, directory: Path, settings: dict[str, t.Any], *arguments: str) -> None:
    done = run_plugin(name, directory, settings, *arguments, messages=INPUTS.get(name, ""))
    assert done.code in (1, 2), (done.code, done.log)
    assert not shown_in(done.log + done.output)
    assert "Traceback" not in done.log


def shown_in(text: str) -> list[str]:
    """Return which parts of the secrets a text shows."""
    return [secret for secret in (SECRET, *REST.split("@"), str(NUMBER)) if secret in text]


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    with ScriptedHttp().serving() as server:
        yield server


@pytest.mark.parametrize("url", DATABASES)
@pytest.mark.parametrize("name", [TAP, RECEIVER])
def test_no_part_of_a_databases_password_is_shown(tmp_path: Path, name: str, url: str) -> None:
    assert_nothing_is_shown(name, tmp_path, {"landing_url": url, "receiver_port": 0, "receiver_open": True})


@pytest.mark.parametrize("url", PLACES)
def test_nor_of_the_place_of_export_files_or_stock_files(url: str) -> None:
    with pytest.raises(TapError) as listing:
        list(ExportPrefix(url).files())
    with pytest.raises(TargetError) as writing:
        Staging(url, "uri").note("a", "b")
    assert not shown_in(f"{listing.value} {writing.value}")


@pytest.mark.parametrize("url", CALLED)
@pytest.mark.parametrize("setting", ["api_url", "auth_url"])
def test_nor_of_where_newstore_is_called(server: ScriptedHttp, setting: str, url: str) -> None:
    settings = {**server.settings, setting: url}
    authenticator = NewStoreAuthenticator(client_id="c", client_secret=SECRET, auth_endpoint=settings["auth_url"])
    with pytest.raises(TapError) as tap:
        NewStoreApi(settings).get("/x")
    with pytest.raises(TargetError) as target:
        NewStoreClient(settings["api_url"], authenticator).post_once("/x", {})
    assert not shown_in(f"{tap.value} {target.value}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://bucket/a", "s3://bucket/a"),
        ("/exports/stock?.csv#1", "/exports/stock?.csv#1"),
        (f"https://shop:{SECRET} {REST}@host/x?sig={SECRET}#{SECRET}", "https://host/x"),
        (f"https://host/x?sig={SECRET}@{SECRET}", "https://…"),
        (f"shop:{SECRET} {REST}@host", "host"),
    ],
)
def test_a_place_is_shown_without_what_may_be_secret(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_a_text_is_shown_without_what_may_be_secret_of_its_addresses() -> None:
    for shown, address in (
        ("https://host/x", f"https://shop:{SECRET} {REST}@host/x?sig={SECRET}"),
        ("https://…", f"https://host/x?sig={SECRET}@{SECRET}"),
        ("host", f"shop:{SECRET}@host"),
        ("/exports/stock?.csv#1", "/exports/stock?.csv#1"),
    ):
        assert in_text(f"no answer from {address} in time") == f"no answer from {shown} in time"


@pytest.mark.parametrize("setting", ["client_secret", "receiver_api_key", "receiver_previous_api_key"])
def test_a_secret_that_is_a_number_is_not_shown(tmp_path: Path, setting: str) -> None:
    landing = {"landing_url": f"sqlite:///{tmp_path / 'landing.db'}", "receiver_port": 0}
    for name in (TAP, RECEIVER):
        assert_nothing_is_shown(name, tmp_path, {**landing, setting: NUMBER})


@pytest.mark.parametrize("value", [NUMBER, [SECRET], {"key": SECRET}])
def test_nor_one_of_the_target_of_any_other_kind(tmp_path: Path, value: t.Any) -> None:
    settings = {**NEWSTORE, "staging_url": "s3://bucket/stock", "staging_link": "uri", "client_secret": value}
    assert_nothing_is_shown(TARGET, tmp_path, settings)


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        *(("ledger_url", url) for url in DATABASES[1:]),
        *(("on_hand_url", url) for url in [*DATABASES, *PLACES]),
        *(("booked_url", url) for url in [*DATABASES[-2:], PLACES[1]]),
    ],
)
def test_nor_of_the_ledgers_and_the_erps(tmp_path: Path, setting: str, url: str) -> None:
    assert_nothing_is_shown(MAPPER, tmp_path, {**shop(tmp_path), setting: url})


@pytest.mark.parametrize("value", [NUMBER, [SECRET], {"key": SECRET}])
@pytest.mark.parametrize("setting", ["ledger_url", "on_hand_sources"])
def test_nor_one_of_the_mapper_of_any_other_kind(tmp_path: Path, setting: str, value: t.Any) -> None:
    assert_nothing_is_shown(MAPPER, tmp_path, {**shop(tmp_path), setting: value})


@pytest.mark.parametrize("source", [{}, {"nodes": []}, {"on_hand_as_of": "x"}, {"on_hand_url": NUMBER}, {"odd": 1}])
def test_nor_one_of_several_sources(tmp_path: Path, source: dict[str, t.Any]) -> None:
    url = f"postgresql://shop:{SECRET}@{REST}@127.0.0.1:1/erp"
    of = {"name": "erp", "nodes": ["*"], "on_hand_url": url, "on_hand_table": "t", **source}
    for sources in ([of], of):
        settings = {"ledger_url": shop(tmp_path)["ledger_url"], "on_hand_sources": sources}
        assert_nothing_is_shown(MAPPER, tmp_path, settings)


@pytest.mark.parametrize("url", DATABASES[-3:])
def test_nor_by_the_ledgers_command(tmp_path: Path, url: str) -> None:
    done = run_command(LEDGER, "--ledger-url", url, "cuts", cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert not shown_in(done.stdout + done.stderr)
    assert "Traceback" not in done.stderr


def shop(directory: Path) -> dict[str, t.Any]:
    """Return settings of a mapper with a ledger, a list and bookings."""
    (directory / "on_hand.csv").write_text("fulfillment_node_id,product_id,quantity\nA,B,1\n", encoding="utf-8")
    (directory / "booked.csv").write_text("event_id\n", encoding="utf-8")
    return {
        "ledger_url": f"sqlite:///{directory / 'ledger.db'}",
        "on_hand_url": str(directory / "on_hand.csv"),
        "on_hand_table": "t",
        "on_hand_as_of": "booked",
        "booked_url": str(directory / "booked.csv"),
        "booked_table": "b",
    }
