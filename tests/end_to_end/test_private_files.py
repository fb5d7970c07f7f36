"""What the plugins write is for their user alone, whatever the umask; what was there keeps its mode."""

from __future__ import annotations

import os
import stat
import subprocess
import typing as t

import pytest

from tests.shop.newstore import NewStore
from tests.shop.plugin import run_plugin
from tests.shop.process import command, environment
from tests.shop.receiver import Receiver
from tests.tap.events import an_event
from tests.target.runs import run_target
from tests.target.stock_messages import a_cut, a_schema, a_state

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE, PRIVATE_DIRECTORY = 0o600, 0o700
#: Longer than what is not worth keeping.
MANY = 60_000


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory that holds nothing but what the plugins write."""
    place = tmp_path / "place"
    place.mkdir(mode=0o755)
    return place


def modes(place: Path) -> dict[str, int]:
    return {str(path.relative_to(place)): stat.S_IMODE(path.stat().st_mode) for path in place.rglob("*")}


def assert_private(place: Path, *some: str) -> None:
    """Check that nobody else may read what lies in a directory, and that some names are among it."""
    found = modes(place)
    assert all(any(name.endswith(end) for name in found) for end in some), found
    assert not {name: oct(mode) for name, mode in found.items() if mode & 0o077}, found


def test_the_landing_store_and_the_rejects_are_private(tmp_path: Path, place: Path) -> None:
    with Receiver(tmp_path, landing_url=f"sqlite:///{place / 'landing.db'}") as receiver:
        assert receiver.post(an_event(1)).status_code == 200
        assert_private(place, "landing.db", "landing.db-wal")
    exports = tmp_path / "exports"
    (exports / "t").mkdir(parents=True)
    (exports / "t" / "1700000000000-data-x.export").write_text("no event\n", encoding="utf-8")
    settings = {
        "source": "export_files",
        "tenant": "t",
        "export_files_url": str(exports),
        "landing_url": f"sqlite:///{place / 'exports.db'}",
        "export_rejects_path": str(place / "rejects.jsonl"),
    }
    done = run_plugin("tap-newstore-fulfillment", tmp_path, settings)
    assert done.code == 0, done.log
    assert_private(place, "exports.db", "rejects.jsonl")


def test_the_ledger_the_kept_list_and_the_page_are_private(tmp_path: Path, place: Path) -> None:
    rows = "".join(f"DC01,SKU-{number:06},1,\n" for number in range(MANY))
    header = "fulfillment_node_id,product_id,quantity,as_of_logical_timestamp\n"
    (tmp_path / "on_hand.csv").write_text(header + rows, encoding="utf-8")
    ledger_url = f"sqlite:///{place / 'ledger.db'}"
    settings = {
        "ledger_url": ledger_url,
        "on_hand_url": str(tmp_path / "on_hand.csv"),
        "cache_dir": str(place / "cache" / "lists"),
    }
    events = [
        {"type": "SCHEMA", "stream": "fulfillment_events", "schema": {"properties": {}}, "key_properties": []},
        {"type": "STATE", "value": {}},
    ]
    done = run_plugin("mapper-newstore-stock", tmp_path, settings, messages=events)
    assert done.code == 0, done.log
    page = place / "page.html"
    written = [command("newstore-stock-ledger"), "--ledger-url", ledger_url, "report", "--html", str(page)]
    subprocess.run(written, check=True, env=environment())
    assert_private(place, "ledger.db", "ledger.db.lock", "page.html", "cache/lists")
    assert any(".list-" in name for name in modes(place))
    # Somebody serves the page.
    page.chmod(0o644)
    subprocess.run(written, check=True, env=environment())
    assert stat.S_IMODE(page.stat().st_mode) == 0o644


def test_stock_files_notes_and_the_import_report_are_private(tmp_path: Path, place: Path) -> None:
    messages = [a_schema(), *a_cut(1, {"A": 1}), a_state(1)]
    settings = {"tenant": "t", "client_id": "c", "client_secret": "s", "staging_url": str(place / "new" / "staging")}
    report = {"report_path": str(place / "reports" / "imports.jsonl")}
    done = run_plugin("target-newstore-stock", tmp_path, {**settings, **report, "dry_run": True}, messages=messages)
    assert done.code == 0, done.log
    assert_private(place, ".zip", "imports.jsonl", "new/staging")


@pytest.mark.parametrize(("directory", "file"), [(0o755, 0o644), (0o750, 0o640), (0o700, 0o600)])
def test_a_stock_file_that_is_served_can_be_read_by_whom_its_directory_can(
    tmp_path: Path, directory: int, file: int
) -> None:
    with NewStore(tmp_path, import_seconds=0) as newstore:
        newstore.add_location("DC01")
        staging = newstore.staging
        staging.chmod(directory)
        done = run_target(newstore, tmp_path, *a_cut(1, {"A": 1}), a_state(1))
        assert done.code == 0, done.log
        found = modes(staging)
    assert {mode for name, mode in found.items() if name.endswith(".zip")} == {file}
    assert {mode for name, mode in found.items() if name.endswith(".claim")} <= {PRIVATE}
