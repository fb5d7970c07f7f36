"""`newstore-stock-ledger serve`: the ledger as pages, read-only, for whoever may read them."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import typing as t
from pathlib import Path

import psycopg
import pytest
import requests
import sqlalchemy as sa
from mapper_newstore_stock.ledger.read_only import read_only
from mapper_newstore_stock.ledger.search import search_keys

from tests.mapper.shop_day import ShopDay, completed
from tests.mapper.sql_erp import NOON
from tests.mapper.test_report import EVIL, Page, between, lived
from tests.shop import browser
from tests.shop.plugin import run_command
from tests.shop.process import Process, command
from tests.shop.raw_http import send
from tests.shop.receiver import Receiver

if t.TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 30
KEY = "a-key-nobody-guesses"
PAGES = ("/", "/keys", "/keys?q=SKU", "/key?node=DC01&product=SKU-1", "/imports", "/attention", "/health")
SCREENSHOTS = Path(__file__).parents[2] / ".screenshots"


@contextlib.contextmanager
def serving(ledger_url: str, directory: Path, *arguments: str, **variables: str) -> Iterator[str]:
    words = [command("newstore-stock-ledger"), "--ledger-url", ledger_url, "serve", "--port", "0", *arguments]
    with Process(words, directory / "serve.log", variables) as process:
        yield process.wait_for(r"listening on (http://\S+)")[1]


def read(url: str, **options: t.Any) -> Page:
    answer = requests.get(url, timeout=SECONDS, **options)
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


def a_day(directory: Path, **settings: t.Any) -> ShopDay:
    """Return a day with late, held and stale keys, and products whose names are markup."""
    day = ShopDay(directory, max_vanished_percent=100, max_held_percent=100, **settings)
    lived(day)
    day.erp.count("DC01", EVIL, "\x1b[31m<b>many")
    day.run(completed(15, "NEW"), completed(16, "<i>NOBODY\u202e"))
    return day


def test_every_page_is_served_on_each_database(database_url: str, tmp_path: Path) -> None:
    day = a_day(tmp_path, ledger_url=database_url)
    with serving(day.settings["ledger_url"], tmp_path) as url:
        for path in PAGES:
            page = read(url + path)
            assert page.all("html")[0]["lang"] == "en"
            assert not {"script", "style", "i", "img"} & {tag for tag, _ in page.elements}, path
        assert "DC01/NEW" in read(f"{url}/keys?q=new").text, "a key that is only held is found, in small letters too"
        key = read(f"{url}/key?node=DC01&product=SKU-1").text
        assert "completed:fr-11:11" in key
        assert "late, not proven to be in the ERP's row" in key or "late, in the ERP's row" in key
        attention = read(f"{url}/attention").text
        assert all(kind in attention for kind in ("held", "stale", "no row in the on-hand list"))
        assert r"<i>NOBODY\u202e" in attention
        assert requests.get(f"{url}/key?node=DC01&product=X", timeout=SECONDS).status_code == 404
        assert requests.get(f"{url}/keys?q=%00", timeout=SECONDS).status_code == 200
        assert requests.post(url, timeout=SECONDS).status_code == 405


def test_before_the_first_completion_words_stand_for_the_charts(tmp_path: Path) -> None:
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "SKU-1", 10)
    day.run()
    with serving(day.settings["ledger_url"], tmp_path) as url:
        for path in ("/", "/imports"):
            page = read(url + path)
            assert "No import answers for a range yet" in page.text
            assert "svg" not in {tag for tag, _ in page.elements}
        health = read(f"{url}/health").text
        assert "No unit was found hidden" in health
        assert "charts" not in health
        assert "A run planned a cut that no later run has seen imported" in health


def test_imports_runs_and_the_stream_are_told_from_their_files(tmp_path: Path) -> None:
    day = a_day(tmp_path)
    line = {"at": "2026-03-04T09:16:07Z", "event": "import", "outcome": "failed", "cut_id": "2", "error": "<b>no</b>"}
    lines = [{**line, **between(11, 14)}, {**line, **between(11, 14), "at": "soon"}]
    (tmp_path / "imports").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    summary = {"event": "run_summary", "plugin": "target-newstore-stock", "exit_code": 1, "outcome": "failed"}
    plain = json.dumps({**summary, "reason": "NewStore says <no>"})
    inside = json.dumps({"level": "info", "event": json.dumps({**summary, "plugin": "tap", "reason": 'a "tap"'})})
    (tmp_path / "log").write_text(f"12:00 | INFO | {plain}\n{inside}\n", encoding="utf-8")
    with Receiver(tmp_path) as receiver:
        receiver.post(b"not an event")
        given = ("--report-path", tmp_path / "imports", "--log", tmp_path / "log", "--receiver-url", receiver.url)
        with serving(day.settings["ledger_url"], tmp_path, *map(str, given)) as url:
            assert "failed at 2026-03-04 09:16:07" in read(f"{url}/imports").text
            assert "<b>no</b>" in read(f"{url}/imports").text
            key = read(f"{url}/key?node=DC01&product=SKU-1").text
            assert "2026-03-04 09:16:07NewStoreimport failed" in key
            overview = read(url).text
            assert "The last run failed." in overview
            assert "target-newstore-stock ended with 1 (failed): NewStore says <no>" in overview
            assert 'tap ended with 1 (failed): a "tap"' in overview
            health = read(f"{url}/health").text
            assert "Bodies quarantined since it started1" in health
            assert "The oldest set aside0 min ago" in health
            receiver.process.stop()
            assert "--receiver-url: no answer from" in read(f"{url}/health").text


def test_files_that_are_not_there_yet_are_said_to_be_and_the_pages_are_there(tmp_path: Path) -> None:
    day = a_day(tmp_path)
    given = ("--report-path", tmp_path / "none", "--log", tmp_path / "no-log")
    with serving(day.settings["ledger_url"], tmp_path, *map(str, given)) as url:
        for path in PAGES:
            read(url + path)
        assert "The target writes it with the first import" in read(f"{url}/imports").text
        assert "Let the schedule write the runs' log there" in read(url).text


def test_a_page_that_is_none_leads_back(tmp_path: Path) -> None:
    with serving(a_day(tmp_path).settings["ledger_url"], tmp_path) as url:
        answer = requests.get(f"{url}/nothing", timeout=SECONDS)
        assert answer.status_code == 404
        assert "There is no such page." in Page(answer.text).text
        assert 'href="/imports"' in answer.text


def test_nobody_reads_without_the_key(tmp_path: Path) -> None:
    day = a_day(tmp_path)
    with serving(day.settings["ledger_url"], tmp_path, NEWSTORE_STOCK_PAGE_KEY=KEY) as url:
        for path in PAGES:
            refused = requests.get(url + path, timeout=SECONDS)
            assert refused.status_code == 401
            assert "SKU" not in refused.text
            assert refused.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
        assert requests.get(url, headers={"Authorization": "Bearer wrong"}, timeout=SECONDS).status_code == 401
        assert "Overview" in read(url, headers={"Authorization": f"Bearer {KEY}"}).text
        browsing = requests.Session()
        assert browsing.post(f"{url}/login", data={"key": "wröng"}, timeout=SECONDS).status_code == 401
        assert browsing.post(f"{url}/login", data={"key": "x" * 5000}, timeout=SECONDS).status_code == 413
        assert browsing.post(f"{url}/login", data={"key": KEY}, timeout=SECONDS).status_code == 200
        assert "Overview" in browsing.get(url, timeout=SECONDS).text
        set_cookie = requests.post(f"{url}/login", data={"key": KEY}, timeout=SECONDS, allow_redirects=False).headers[
            "Set-Cookie"
        ]
        assert "HttpOnly" in set_cookie
        assert "SameSite=strict" in set_cookie
        assert KEY not in set_cookie


@pytest.mark.parametrize("host", ["x/login?", "x/style.css#", "[", "[x]"])
def test_a_host_header_opens_no_page_and_breaks_none(tmp_path: Path, host: str) -> None:
    with serving(a_day(tmp_path).settings["ledger_url"], tmp_path, NEWSTORE_STOCK_PAGE_KEY=KEY) as url:
        for path in PAGES:
            assert requests.get(url + path, headers={"Host": host}, timeout=SECONDS).status_code == 401, path
        named = {"Host": host, "Authorization": f"Bearer {KEY}"}
        assert requests.get(url, headers=named, timeout=SECONDS).status_code == 200
        form = f"key={KEY}".encode()
        head = f"POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(form)}\r\n\r\n"
        assert send(url, head.encode() + form).status == 303


def test_a_name_that_leads_here_from_elsewhere_is_refused(tmp_path: Path) -> None:
    with serving(a_day(tmp_path).settings["ledger_url"], tmp_path) as url:
        answer = requests.get(url, headers={"Host": "evil.example:80"}, timeout=SECONDS)
        assert (answer.status_code, answer.text) == (400, "unknown host name\n")


@pytest.mark.parametrize(
    ("arguments", "key", "says"),
    [
        (("--host", "0.0.0.0"), "", "--host 0.0.0.0: others can reach this address; set NEWSTORE_STOCK_PAGE_KEY"),
        (("--host", "::"), "", "--host ::: others can reach this address"),
        (("--port", "0"), "short", "NEWSTORE_STOCK_PAGE_KEY: shorter than 16 characters"),
        (("--port", "99999"), "", "--host, --port: cannot listen on 127.0.0.1:99999"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...], key: str, says: str
) -> None:
    where = ("--ledger-url", a_day(tmp_path).settings["ledger_url"])
    variables = {"NEWSTORE_STOCK_PAGE_KEY": key}
    done = run_command("newstore-stock-ledger", *where, "serve", *arguments, variables=variables)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "starlette.py").write_text("raise ModuleNotFoundError(name='starlette')", encoding="utf-8")
    where = ("--ledger-url", a_day(tmp_path).settings["ledger_url"])
    # A fresh process: the module must not have been imported.
    done = run_command("newstore-stock-ledger", *where, "serve", variables={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr == "ERROR serve: starlette is not installed: install mapper-newstore-stock[page] [NSS-201]\n"


def test_no_page_writes_to_sqlite(tmp_path: Path) -> None:
    day = a_day(tmp_path)
    ledger = tmp_path / "ledger.db"
    before = hashlib.sha256(ledger.read_bytes()).digest()
    with serving(day.settings["ledger_url"], tmp_path) as url:
        for path in PAGES:
            read(url + path)
    assert hashlib.sha256(ledger.read_bytes()).digest() == before
    with (
        read_only(day.settings["ledger_url"]) as engine,
        engine.connect() as connection,
        pytest.raises(sa.exc.OperationalError, match="readonly"),
    ):
        connection.exec_driver_sql("DELETE FROM run")


def test_a_user_that_may_only_select_is_enough(postgresql: t.Any, tmp_path: Path) -> None:
    owner = postgresql.new_database()
    a_day(tmp_path, ledger_url=owner)
    url = sa.make_url(owner)
    with psycopg.connect(owner.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS page_reader")
        connection.execute("CREATE ROLE page_reader LOGIN PASSWORD 'reads'")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO page_reader")
    reader = url.set(username="page_reader", password="reads").render_as_string(hide_password=False)
    with serving(reader, tmp_path) as served:
        for path in PAGES:
            read(served + path)
    with (
        read_only(owner) as engine,
        engine.connect() as connection,
        pytest.raises(sa.exc.InternalError, match="read-only"),
    ):
        connection.exec_driver_sql("DELETE FROM run")


def test_a_search_finds_each_key_that_begins_so_and_no_other(database_url: str, tmp_path: Path) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url)
    names = ["A", "AB", "AB-1", "ABC", "B", "b", "A%", "A_1", "A/B", "ÄB"]
    for node in ("N1", "N10", "N2"):
        for name in names:
            day.erp.count(node, name, 5)
    day.run()
    with read_only(day.settings["ledger_url"]) as engine, engine.connect() as connection:
        for text in ("A", "AB", "A%", "_", "Ä", "b", "zz"):
            found = {(key.node, key.product) for key in search_keys(connection, text, 100)}
            begins = (text, text.upper())
            assert found == {(n, p) for n in ("N1", "N10", "N2") for p in names if p.startswith(begins)}, text
        assert [key.node for key in search_keys(connection, "N1/AB-", 100)] == ["N1"]
        assert {key.node for key in search_keys(connection, "n1", 100)} == {"N1", "N10"}
        assert [key.product for key in search_keys(connection, "N2/A/", 100)] == ["A/B"]
        assert len(search_keys(connection, "A", 4)) == 4
        assert search_keys(connection, "AB-1", 9)[0][2:] == (5, 5, 1)


def test_the_pages_work_in_a_real_browser(tmp_path: Path) -> None:
    path = browser.find()
    if path is None:
        pytest.skip("no Chromium on this machine: install Debian's package `chromium` to run this test")
    day = a_day(tmp_path)
    with serving(day.settings["ledger_url"], tmp_path) as url, browser.Browser(path, tmp_path) as chromium:
        for width in (390, 1280):
            for scheme in ("light", "dark"):
                chromium.prefer(scheme)
                for place in PAGES:
                    chromium.open(url + place, width=width, height=900)
                    assert chromium.evaluate("document.documentElement.scrollWidth") <= width, (place, width)
                    name = place.partition("?")[0].strip("/") or "overview"
                    chromium.screenshot(SCREENSHOTS / f"serve-{name}-{width}-{scheme}.png")
                    said = [each for method, each in chromium.events if method == "Log.entryAdded"]
                    assert [each for each in said if "favicon" not in json.dumps(each)] == []
        chromium.open(url, width=1280, height=900)
        stops = []
        for _ in range(7):
            chromium.press("Tab")
            stops.append(chromium.evaluate("document.activeElement.id || document.activeElement.textContent"))
        assert stops == ["Skip to the page", "Overview", "Keys", "Imports", "Attention", "Health", "q"]
        chromium.evaluate("document.activeElement.value = 'DC01/SKU'")
        chromium.press("Enter")
        chromium.wait_for("document.title.startsWith('Keys') && document.querySelector('td')")
        assert chromium.evaluate("document.querySelector('tbody a').textContent") == "DC01/SKU-1"


def test_hidden_units_are_shown_by_cause_with_what_lowers_it(tmp_path: Path) -> None:
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "SKU-1", 10)
    day.begun_at = NOON
    day.run()
    with serving(day.settings["ledger_url"], tmp_path) as url:
        for minutes, number, events in ((10, 9, (completed(11),)), (10 + 12 * 60, 12, ())):
            day.begun_at = NOON + dt.timedelta(minutes=minutes)
            day.erp.count("DC01", "SKU-1", number, as_of=11 if minutes > 10 else None)
            day.run(*events)
            if minutes == 10:
                text = read(f"{url}/health").text
                assert "No unit was found hidden" in text
                assert "clock_skew_seconds" not in text
        page = read(f"{url}/health")
    assert "more frequent runs" in page.text
    assert "on_hand_as_of" in page.text
    assert "Hidden by held" not in page.text
    for said in (
        "day (UTC)",
        "Hidden by unproven, unit-minutes",
        "2025-03-04: 710",
        "2025-03-05: 10",
        "2025-03-04: 2130",
    ):
        assert said in page.text
