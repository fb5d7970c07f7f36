"""`newstore-event-receiver backlog`: the alarm on silence, on both databases."""

from __future__ import annotations

import json
import typing as t

from tap_newstore_fulfillment.landing.store import LandingStore

from tests.tap.test_looking_after_the_store import keep, look_after, released

if t.TYPE_CHECKING:
    from pathlib import Path

LIMITS = ("--max-silence-minutes=60", "--max-wait-minutes=45")


def backlog(directory: Path, url: str, *arguments: str) -> dict[str, t.Any]:
    return t.cast(
        "dict[str, t.Any]", json.loads(look_after(directory, url, "backlog", "--format=json", *arguments).output)
    )


def test_unconfirmed_events_wait(tmp_path: Path, database_url: str) -> None:
    store = LandingStore(database_url)
    keep(store, 10, 12, received_at=0)
    assert backlog(tmp_path, database_url)["waiting"][0]["events"] == 2
    bookmark = released(store)[1]
    store.retention.note(bookmark)
    assert backlog(tmp_path, database_url)["waiting"] == [
        {"reader_id": "reader-1", "events": 0, "oldest_minutes": None}
    ]
    # A late event below the bookmark waits too.
    keep(store, 11, 13)
    shown = backlog(tmp_path, database_url, *LIMITS)
    assert shown["silence_minutes"] < 1
    assert [(row["events"], row["oldest_minutes"] < 1) for row in shown["waiting"]] == [(2, True)]
    done = look_after(tmp_path, database_url, "backlog", *LIMITS)
    assert done.code == 0, done.log
    store.close()


def test_exceeding_a_limit_exits_with_1(tmp_path: Path, database_url: str) -> None:
    store = LandingStore(database_url)
    silent = look_after(tmp_path, database_url, "backlog", "--max-silence-minutes=60")
    assert (silent.code, "no event for 60 minutes" in silent.log) == (1, True)
    keep(store, 10, received_at=0)
    store.close()
    done = look_after(tmp_path, database_url, "backlog", *LIMITS)
    assert done.code == 1
    assert "no event for 60 minutes; 1 events wait, the oldest for" in done.log
    assert look_after(tmp_path, database_url, "backlog").code == 0


def test_another_tenants_backlog_is_not_shown(tmp_path: Path, database_url: str) -> None:
    LandingStore(database_url, tenant="demo").close()
    for tenant, code in (("other", 2), ("demo", 0)):
        (tmp_path / "config.json").write_text(json.dumps({"tenant": tenant}), encoding="utf-8")
        done = look_after(tmp_path, database_url, "backlog", f"--config={tmp_path / 'config.json'}")
        assert done.code == code, done.log
        assert ("the landing store is demo's, not other's" in done.log) == (code == 2)
