"""`newstore-stock-ledger report`: one page of what the ledger, the tap, the receiver and NewStore say."""

from __future__ import annotations

import datetime as dt
import html.parser
import json
import re
import typing as t

import pytest
from mapper_newstore_stock.report.charts import available_to_promise, key_over_time, sent_over_time
from mapper_newstore_stock.report.events import Move
from mapper_newstore_stock.report.figures import Completion, KeyHistory, Sent
from mapper_newstore_stock.report.markup import VOID, element

from tests.mapper.comparing import import_cuts
from tests.mapper.shop_day import ShopDay, completed
from tests.mapper.sql_erp import NOON
from tests.shop.newstore import NewStore
from tests.shop.plugin import run_command
from tests.shop.receiver import Receiver

if t.TYPE_CHECKING:
    import subprocess
    from pathlib import Path

EVIL = '"><script>alert(1)</script>'


class Page(html.parser.HTMLParser):
    """A parsed page; it must be well formed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def day(tmp_path: Path) -> ShopDay:
    """Return a day after three runs, with a late completion and a product whose name is markup."""
    return lived(ShopDay(tmp_path))


def lived(day: ShopDay) -> ShopDay:
    day.erp.count("DC01", "SKU-1", 10)
    day.erp.count("DC01", EVIL, 5)
    day.run(completed(10), completed(12, EVIL))
    day.erp.count("DC01", "SKU-1", 19, as_of=10)
    day.run(completed(11), completed(14))
    day.run()
    return day


def events_of(day: ShopDay, tmp_path: Path) -> str:
    """Write what the tap would send, and return the file."""
    names = [(8, "assigned"), (9, "assigned"), (10, "items_completed"), (13, "items_failed")]
    lines = [json.dumps({"type": "SCHEMA", "stream": "fulfillment_events", "schema": {}, "key_properties": []})]
    for at, name in names:
        record = completed(at, name=f"fulfillment_request.{name}")
        record |= {"published_at": "2026-03-04T09:15:02.5Z", "received_at": "2026-03-04T09:15:05.500+00:00"}
        lines.append(json.dumps({"type": "RECORD", "stream": "fulfillment_events", "record": record}))
    lines.append(json.dumps({"type": "STATE", "value": day.state}))
    path = tmp_path / "events.singer"
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def report(day: ShopDay, page: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    where = ("--ledger-url", day.settings["ledger_url"])
    return run_command("newstore-stock-ledger", *where, "report", "--html", page, *arguments, variables=variables)


def written(day: ShopDay, tmp_path: Path, *arguments: str) -> Page:
    done = report(day, tmp_path / "page.html", *arguments)
    assert done.returncode == 0, done.stderr
    return Page((tmp_path / "page.html").read_text(encoding="utf-8"))


def test_the_page_stands_alone(day: ShopDay, tmp_path: Path) -> None:
    page = written(day, tmp_path, "--events", events_of(day, tmp_path))
    names = {name for _, attributes in page.elements for name in attributes}
    assert not names & {"src", "srcset", "action", "onload", "style"}
    assert {link["href"][0] for link in page.all("a")} == {"#"}
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.elements}
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//|url\(|@import", text)


def test_it_is_made_for_phones_keyboards_and_screen_readers(day: ShopDay, tmp_path: Path) -> None:
    page = written(day, tmp_path, "--events", events_of(day, tmp_path))
    assert page.all("html")[0]["lang"] == "en"
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
    assert [len(page.all(landmark)) for landmark in ("header", "main", "nav", "h1")] == [1, 1, 1, 1]
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {link["href"][1:] for link in page.all("a")} <= ids
    assert {section["aria-labelledby"] for section in page.all("section")} <= ids
    assert page.all("a")[0]["href"] == "#main", "the first stop of the keyboard leads past the links"
    wide = [box for box in page.all("div") if box.get("class") == "wide"]
    assert all(box["tabindex"] == "0" and box["aria-label"] and box["role"] == "region" for box in wide)
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in page.all("svg"))
    assert len(page.all("table")) == len(page.all("caption"))
    style = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in style


def test_what_comes_from_outside_stays_text(day: ShopDay, tmp_path: Path) -> None:
    page = written(day, tmp_path, "--key", f"DC01/{EVIL}")
    assert page.all("script") == []
    assert EVIL in page.text


def test_imports_ranges_and_late_completions_are_shown(database_url: str, tmp_path: Path) -> None:
    page = written(lived(ShopDay(tmp_path, ledger_url=database_url)), tmp_path)
    assert "10-12" in page.text
    assert "11-14" in page.text
    assert "import 1 of" in page.text
    assert "1 completions came after later ones had been taken" in page.text
    assert "completed:fr-11:11" in page.text
    assert "ERP: 10 became 19, as of 10" in page.text


def test_keys_without_a_number_of_their_own_are_shown_with_the_reason(day: ShopDay, tmp_path: Path) -> None:
    day.settings["max_vanished_percent"] = 100
    day.erp.remove("DC01", EVIL)
    day.erp.count("DC01", "SKU-1", "many")
    day.run(completed(15, "NEW"))
    page = written(day, tmp_path)
    assert "no longer in the on-hand list" in page.text
    assert "quantity is 'many', expected a whole number" in page.text
    assert "no row in the on-hand list" in page.text
    assert all(kind in page.text for kind in ("held", "stale", "vanished"))


def test_the_page_names_the_options_for_what_was_not_asked(day: ShopDay, tmp_path: Path) -> None:
    page = written(day, tmp_path)
    for option in ("--events", "--api-url", "--receiver-url"):
        assert option in page.text


def test_the_taps_events_tell_lag_and_allocations(day: ShopDay, tmp_path: Path) -> None:
    page = written(day, tmp_path, "--events", events_of(day, tmp_path), "--key", "DC01/SKU-1")
    assert "4 events: half within 3 s, 95 % within 3 s, all within 3 s" in page.text
    assert "8: 1 assigned" in page.text
    assert "13: 1 failed" in page.text
    assert any(path.get("class") == "line atp" for path in page.all("path"))


def test_newstore_and_the_receiver_are_asked(day: ShopDay, tmp_path: Path) -> None:
    with NewStore(tmp_path) as newstore, Receiver(tmp_path) as receiver:
        receiver.post(b"not an event")
        newstore.add_location("DC01")
        newstore.set_stock("DC01", "SKU-1", 99)
        names = ("api_url", "auth_url", "client_id", "client_secret")
        options = [part for name in names for part in (f"--{name.replace('_', '-')}", newstore.target_settings[name])]
        page = written(day, tmp_path, *options, "--receiver-url", receiver.url)
    assert "2 of 2 keys differ" in page.text
    assert "promised too high" in page.text
    assert "unknown to NewStore" in page.text
    assert "1 bodies have been quarantined" in page.text


def test_the_page_says_of_a_key_what_diff_says(tmp_path: Path) -> None:
    day = ShopDay(tmp_path)
    with NewStore(tmp_path, import_seconds=0) as newstore:
        newstore.add_location("DC01")
        for product in ("A", "B", "C", "D"):
            day.erp.count("DC01", product, 10)
        assert import_cuts(newstore, tmp_path, day.run()) == 0
        assert day.run() == []
        newstore.hold_back("DC01", "A", future=5, future_allocations=1)
        newstore.hold_back("DC01", "B", future=7)
        newstore.set_stock("DC01", "C", 12)
        newstore.order("DC01", "D")
        names = ("api_url", "auth_url", "client_id", "client_secret")
        options = [part for name in names for part in (f"--{name.replace('_', '-')}", newstore.target_settings[name])]
        options += ["--visible-minutes=0"]
        unnamed = written(day, tmp_path, *options)
        named = written(day, tmp_path, *options, "--future-inventory-nodes=DC01")
    assert "4 of 4 keys differ from the number last sent; of 2 more is promised than was sent" in unnamed.text
    assert "4 units of future inventory" in unnamed.text
    assert "promised too high: NewStore holds 12, which no cut has sent" in unnamed.text
    assert "NewStore subtracts units of orders; 1 allocated" in unnamed.text
    # What needs a look comes first, however many have future inventory.
    shown = unnamed.text.partition("4 of 4 keys differ")[2]
    assert shown.index("DC01/C") < shown.index("DC01/A")
    assert "4 of 4 keys differ from the number last sent; of none more is promised than was sent" in named.text
    assert "promised too high" not in named.text


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--key", "SKU-1"), 2, "--key SKU-1: expected NODE/PRODUCT"),
        (("--key", "DC01/X"), 1, "--key DC01/X: the ledger keeps no cut and no completion of it"),
        (("--events", "none.singer"), 1, "--events: cannot read none.singer: No such file or directory"),
        (("--receiver-url", "http://127.0.0.1:1"), 1, "--receiver-url"),
        (("--api-url", "http://127.0.0.1:1"), 2, "--api-url needs --auth-url, --client-id, --client-secret too"),
    ],
)
def test_a_part_that_cannot_be_had_is_one_line_and_no_page(
    tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "SKU-1", 10)
    day.run(completed(10))
    done = report(day, tmp_path / "page.html", *arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


def test_a_line_that_is_not_a_message_is_named(tmp_path: Path) -> None:
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "SKU-1", 10)
    day.run(completed(10))
    (tmp_path / "events").write_text('{"type": "STATE", "value": {}}\nnonsense\n', encoding="utf-8")
    done = report(day, tmp_path / "page.html", "--events", str(tmp_path / "events"))
    assert done.returncode == 1
    assert "--events: line 2 is not a message of the tap" in done.stderr


def test_an_empty_ledger_gives_a_page_too(tmp_path: Path) -> None:
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "SKU-1", 10)
    day.delete_ledger()
    day.run()
    assert "Imports" in written(day, tmp_path).text


def test_available_to_promise_follows_orders_and_imports() -> None:
    sent = [Sent(1, 10, 10, 10, None), Sent(2, 14, 8, 10, None)]
    moves = [
        Move(8, "fulfillment_request.assigned", 3),
        Move(11, "fulfillment_request.assigned", 2),
        Move(12, "fulfillment_request.items_completed", 2),
        Move(13, "fulfillment_request.items_failed", 1),
        Move(14, "fulfillment_request.items_completed", 1),
    ]
    # 10 sent, 3 ordered; 2 more; shipping changes nothing; one fails; the import leaves out the 3 shipped.
    assert available_to_promise(sent, moves) == [(10, 7), (11, 5), (12, 5), (13, 6), (14, 7)]


def test_markup_escapes_text_and_attributes() -> None:
    assert element("p", "<b>", element("b", 1), title='"') == '<p title="&quot;">&lt;b&gt;<b>1</b></p>'


def test_an_import_without_a_mark_never_makes_the_line_run_backwards() -> None:
    sent = [Sent(1, None, 10, 10, None), Sent(2, 14, 8, 10, None), Sent(3, None, 7, 9, None), Sent(4, 20, 6, 9, None)]
    points = sent_over_time(KeyHistory(("DC01", "A"), sent, [Completion(11, 1, is_late=False)]))
    assert points == [(11, 10), (14, 8), (14, 7), (20, 6)]


def test_a_key_sent_once_is_a_line_with_its_number() -> None:
    drawn = key_over_time(
        KeyHistory(("DC01", "A"), [Sent(1, 14, 8, 10, None)], [Completion(10, 1, is_late=False)]), None
    )
    begin, end = re.search(r'd="M([\d.]+) [\d.]+H(\d+)" class="line quantity"', drawn).groups()  # type: ignore[union-attr]
    assert float(end) - float(begin) > 20
    assert "8 now" in drawn


def test_the_targets_report_says_when_an_import_finished(day: ShopDay, tmp_path: Path) -> None:
    lines = [
        {"at": "2026-03-04T09:16:07Z", "event": "import", "outcome": "finished", "cut_id": "2", **between(11, 14)},
        {"at": "2026-03-04T09:17:07Z", "event": "import", "outcome": "finished", "cut_id": "1", **between(3, 4)},
    ]
    path = tmp_path / "imports.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\nnonsense\n", encoding="utf-8")
    page = written(day, tmp_path, "--report-path", str(path))
    assert "11-14, 1 keys, finished at 2026-03-04 09:16:07" in page.text
    assert "09:17:07" not in page.text, "cut 1 of another ledger is not this one's"
    missing = report(day, tmp_path / "page.html", "--report-path", "none.jsonl")
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    assert "--report-path: cannot read none.jsonl" in missing.stderr


def test_an_import_that_finished_is_known_before_the_next_run(tmp_path: Path) -> None:
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "SKU-1", 10)
    day.run(completed(10))
    line = {"at": "2026-03-04T09:16:07Z", "event": "import", "outcome": "finished", "cut_id": "1", **between(10, 10)}
    (tmp_path / "imports.jsonl").write_text(json.dumps(line), encoding="utf-8")
    assert "not confirmed yet" in written(day, tmp_path).text
    page = written(day, tmp_path, "--report-path", str(tmp_path / "imports.jsonl"))
    assert "not confirmed yet" not in page.text
    assert any(bar.get("class") == "range sent" for bar in page.all("rect"))


def between(start: int, end: int) -> dict[str, int]:
    return {"logical_timestamp_start": start, "logical_timestamp_end": end}


def test_keys_that_need_attention_are_shown_and_why(day: ShopDay, tmp_path: Path) -> None:
    assert "late: 1 units came late" in written(day, tmp_path).text
    day.erp.count("DC01", "SKU-1", 15, as_of=14)
    day.run()
    assert "no key needs attention; this one is of the newest import" in written(day, tmp_path).text
    day.run(completed(15, "NEW"))
    text = written(day, tmp_path).text
    assert "DC01/NEW" in text
    assert "Shown because held: no row in the on-hand list" in text


def test_the_report_says_when_nothing_was_hidden_and_what_lowers_what_was(tmp_path: Path) -> None:
    day = ShopDay(tmp_path)
    for minutes, number in ((0, 10), (10, 13)):
        day.begun_at = NOON + dt.timedelta(minutes=minutes)
        day.erp.count("DC01", "SKU-1", number)
        day.run()
        page = written(day, tmp_path)
        assert ("No unit was found hidden" in page.text) == (minutes == 0)
    assert "2025-03-04: 30" in page.text
    assert "the imports that failed or take long" in page.text
