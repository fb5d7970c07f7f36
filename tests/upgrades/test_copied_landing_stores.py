"""A landing store moves between SQLite and PostgreSQL with identity and positions; nobody goes on with both."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import typing as t

import pytest
import requests
import sqlalchemy as sa
from tap_newstore_fulfillment.errors import TapError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing import copying
from tap_newstore_fulfillment.landing.copying import copy, take_back
from tap_newstore_fulfillment.landing.database import LandingDatabase
from tap_newstore_fulfillment.landing.opening import version_of
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.landing.tables import metadata

from tests.shop.plugin import run_plugin
from tests.shop.receiver import Receiver
from tests.tap.events import an_event
from tests.upgrades.stores import content, load_oldest

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LAST_POSITION = 13


@pytest.fixture
def urls(new_databases: Callable[[str], tuple[str, str]]) -> tuple[str, str]:
    """Return the URL of a landing store with content, and that of an empty database."""
    source, target = new_databases("store")
    LandingDatabase.upgrade(load_oldest(source, "landing"))
    return source, target


def rows(url: str) -> dict[str, list[str]]:
    """Return the rows of a landing store, as both databases write them."""
    engine, found = sa.create_engine(url), {}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            found[table.name] = sorted(map(repr, connection.execute(sa.select(table)).all()))
    engine.dispose()
    return found


def can_be_used(url: str) -> bool:
    """Return whether a program could go on with a landing store; nothing is changed."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        version = version_of(connection)
    engine.dispose()
    return version is not None and version > 0


def can_be_written(url: str) -> bool:
    """Return whether a landing store takes rows; nothing is kept."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        connection.execute(sa.text("UPDATE reader SET seen_at = 0"))
        connection.rollback()
    engine.dispose()
    return True


def refuses(url: str) -> str:
    with pytest.raises(TapError) as refused:
        LandingStore(url)
    return str(refused.value)


def test_all_of_it_arrives_and_the_next_event_has_the_next_position(urls: tuple[str, str]) -> None:
    source, target = urls
    before = rows(source)
    assert "rows: set landing_url to it" in copy(source, target)
    assert rows(target) == before
    with contextlib.closing(LandingStore(target)) as store:
        store.add([check_event(json.dumps(an_event(40, request="fr-40")).encode())])
        plan = store.plan_release(Bookmark(), now=2**42)
        assert plan.position == LAST_POSITION + 1


def test_what_was_copied_is_out_of_use_and_says_where_it_went(urls: tuple[str, str], tmp_path: Path) -> None:
    source, target = urls
    copy(source, target)
    said = refuses(source)
    assert said.startswith("landing_url: the landing store was moved to ")
    assert said.endswith("set landing_url to it")
    settings = {"landing_url": source}
    for command in (["backlog"], ["upgrade"], ["upgrade", "--check"]):
        run_plugin("tap-newstore-fulfillment", tmp_path, settings, "--about")
        config = tmp_path / "tap-newstore-fulfillment.json"
        run = run_plugin("newstore-event-receiver", tmp_path, None, *command, "--config", str(config))
        assert (run.code, run.log) == (1, f"ERROR {said} [NSS-114]\n")


def test_a_receiver_that_still_runs_takes_nothing_and_says_so(urls: tuple[str, str], tmp_path: Path) -> None:
    source, target = urls
    receiver = Receiver(tmp_path, landing_url=source)
    with receiver.process:
        assert requests.post(receiver.events_url, json=an_event(50, request="fr-50"), timeout=30).status_code == 200
        copy(source, target)
        answer = requests.post(receiver.events_url, json=an_event(51, request="fr-51"), timeout=30)
        assert answer.status_code == 503
        health = receiver.events_url.replace("/events", "/healthz")
        assert requests.get(health, timeout=30).status_code == 503
        receiver.process.wait_for("was moved by newstore-event-receiver copy")
    engine = sa.create_engine(target)
    with engine.connect() as connection:
        found = set(connection.scalars(sa.text("SELECT logical_timestamp FROM fulfillment_event")))
    engine.dispose()
    assert 50 in found
    assert 51 not in found


def test_a_copy_that_was_made_is_not_made_twice(urls: tuple[str, str], tmp_path: Path) -> None:
    source, target = urls
    copy(source, target)
    before = content(target)
    assert "had been copied" in copy(source, target)
    with pytest.raises(TapError, match="was moved to"):
        copy(source, f"sqlite:///{tmp_path / 'another.db'}")
    with pytest.raises(TapError, match="the copy is there"):
        take_back(source, target)
    assert content(target) == before


def test_a_store_in_use_is_not_copied_and_goes_on(urls: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = urls
    monkeypatch.setattr(copying, "TRIES", 1)
    engine = sa.create_engine(source)
    with engine.connect() as connection:
        connection.execute(sa.text("UPDATE reader SET seen_at = seen_at"))
        with pytest.raises(TapError, match=r"landing_url: cannot open or write the landing store: .*lock"):
            copy(source, target)
        connection.rollback()
    engine.dispose()
    assert can_be_used(source)
    assert not can_be_used(target)


def test_it_is_copied_into_an_empty_database_only(urls: tuple[str, str], tmp_path: Path) -> None:
    source, target = urls
    LandingStore(target).close()
    with pytest.raises(TapError, match=r"--to: .* is not empty"):
        copy(source, target)
    with pytest.raises(TapError, match="--to: this is the landing store itself"):
        copy(source, source)
    with pytest.raises(TapError, match="there is no file"):
        copy(f"sqlite:///{tmp_path / 'none.db'}", target)
    assert can_be_used(source)


@pytest.mark.parametrize(
    ("name", "option"),
    [("newstore-event-receiver", "landing_url"), ("newstore-stock-ledger", "ledger_url")],
)
@pytest.mark.parametrize("wrong", ["foo", "sqlite://"])
def test_a_url_that_names_no_place_is_bad_configuration(name: str, option: str, wrong: str, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    for urls, said in (((f"sqlite:///{tmp_path / 'store.db'}", wrong), "--to: "), ((wrong, wrong), f"{option}: ")):
        config.write_text(json.dumps({option: urls[0]}), encoding="utf-8")
        group, own = (("--config", str(config)), ()) if option == "ledger_url" else ((), ("--config", str(config)))
        done = run_plugin(name, tmp_path, None, *group, "copy", *own, "--to", urls[1])
        assert done.code == 2, done.log
        assert f"{said}{'SQLite in memory' if wrong == 'sqlite://' else 'Could not parse'}" in done.log


def test_an_older_store_is_upgraded_first(tmp_path: Path) -> None:
    source = load_oldest(f"sqlite:///{tmp_path / 'old.db'}", "landing")
    with pytest.raises(TapError, match="newstore-event-receiver upgrade first"):
        copy(source, f"sqlite:///{tmp_path / 'new.db'}")


def test_a_store_without_a_table_that_is_made_when_it_is_needed_is_copied(urls: tuple[str, str]) -> None:
    source, target = urls
    engine = sa.create_engine(source)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE export_file"))
    engine.dispose()
    copy(source, target)
    assert rows(target)["export_file"] == []
    assert can_be_used(target)


def test_whatever_a_program_has_imported_it_knows_all_tables() -> None:
    """Otherwise a copy depends on who makes it."""
    known = run_python("from tap_newstore_fulfillment.landing.copying import metadata; print(*sorted(metadata.tables))")
    assert known.split() == sorted(metadata.tables)
    assert "export_file" in known


def run_python(text: str) -> str:
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
