"""A store that goes back: acknowledged events are gone, and the receiver says so, counts it, and has them found."""

from __future__ import annotations

import contextlib
import json
import shutil
import typing as t
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.shop.auditor import Auditor
from tests.shop.plugin import run_plugin
from tests.shop.process import wait_until
from tests.shop.receiver import Receiver
from tests.shop.warm_start import Forks
from tests.tap.events import an_event
from tests.tap.test_looking_after_the_store import keep
from tests.tap.test_receiver_on_a_store import metric

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.shop.newstore import NewStore
    from tests.shop.postgresql import PostgreSql

CALL_SECONDS = 30
WENT_BACK = r'"The landing store went back: (\S+) and what was published after (\S+) may be gone'
#: Two days before the events of `an_event` were published, and before this test.
EARLIER = 1_700_000_000_000


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as forks:
        yield forks


@pytest.fixture
def store(database_url: str) -> Iterator[LandingStore]:
    store = LandingStore(database_url)
    yield store
    store.close()


def lose(url: str, *timestamps: int) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for at in timestamps:
            connection.execute(sa.text("DELETE FROM fulfillment_event WHERE logical_timestamp = :at"), {"at": at})
    engine.dispose()


def test_what_this_process_has_stored_and_is_gone_is_noted_once(store: LandingStore, database_url: str) -> None:
    keep(store, 10, received_at=EARLIER)
    keep(store, 11)
    keep(store, 12)
    store.losses.look()
    assert store.losses.open() == []
    keep(store, 13)
    lose(database_url, 13)
    keep(store, 14)
    for _ in range(2):
        store.losses.look()
        (loss,) = store.losses.open()
    assert loss.evidence.endswith(":13")
    # The newest event that is old enough to have been there before.
    assert loss.since == EARLIER
    store.losses.close([loss])
    store.losses.look()
    assert (store.losses.open(), store.losses.count()) == ([], 1)


def test_an_event_that_came_again_does_not_speak_for_the_new_ones_beside_it(
    store: LandingStore, database_url: str
) -> None:
    keep(store, 10)
    store.losses.look()
    keep(store, 11, 10)
    lose(database_url, 11)
    store.losses.look()
    (loss,) = store.losses.open()
    assert loss.evidence.endswith(":11")


def test_the_last_event_is_watched_while_nothing_comes(store: LandingStore, database_url: str) -> None:
    keep(store, 10)
    store.losses.look()
    lose(database_url, 10)
    store.losses.look()
    assert len(store.losses.open()) == 1


def test_of_groups_committed_at_once_any_may_be_the_last_in_the_store(store: LandingStore, database_url: str) -> None:
    keep(store, 10)
    keep(store, 11)
    keep(store, 12)
    store.losses.look()
    lose(database_url, 11)
    store.losses.look()
    (loss,) = store.losses.open()
    assert loss.evidence.endswith(":11")


def test_pruned_and_discarded_events_are_not_gone(store: LandingStore) -> None:
    keep(store, *range(10, 30))
    keep(store, 10**12)
    store.far_ahead.note()
    (entry,) = store.quarantine.list()
    store.far_ahead.discard(entry.id)
    plan = store.plan_release(Bookmark(reader_id="r"), now=2**42)
    store.retention.note(plan.end)
    assert store.retention.prune(0) == 20
    store.losses.look()
    assert store.losses.open() == []


def test_a_tap_whose_bookmark_is_ahead_of_the_store_notes_what_is_gone(store: LandingStore, database_url: str) -> None:
    keep(store, 10, received_at=EARLIER)
    keep(store, 11, received_at=EARLIER + 60_000)
    bookmark = store.plan_release(Bookmark(reader_id="r"), now=2**42).end
    assert store.losses.open() == []
    lose(database_url, 11)
    for _ in range(2):
        store.plan_release(bookmark, now=2**42)
        (loss,) = store.losses.open()
    assert loss.evidence.endswith(":11")
    assert loss.since == EARLIER


def test_a_file_put_in_place_of_the_store_is_used_and_its_losses_are_said(tmp_path: Path, forks: Forks) -> None:
    url = f"sqlite:///{tmp_path / 'landing.db'}"
    with Receiver(tmp_path, forks=forks) as receiver:
        receiver.post(an_event(10))
    shutil.copy(tmp_path / "landing.db", tmp_path / "backup.db")
    with Receiver(tmp_path, forks=forks) as receiver:
        receiver.post(an_event(11))
        for name in ("landing.db-wal", "landing.db-shm"):
            (tmp_path / name).unlink()
        Path(tmp_path / "backup.db").replace(tmp_path / "landing.db")
        said = receiver.process.wait_for(WENT_BACK)
        assert said[1].endswith(":11")
        assert "Let newstore-event-receiver audit find what is gone" in receiver.process.output
        assert metric(receiver, "newstore_store_went_back") == 1
        receiver.post(an_event(12))
    store = LandingStore(url)
    plan = store.plan_release(Bookmark(), now=2**42)
    assert [row.logical_timestamp for part in store.released(plan) for row in part] == [10, 12]
    store.close()


@pytest.mark.parametrize("has_taken_events", [True, False])
@pytest.mark.parametrize("comes_back", ["the same", "an older copy"])
def test_events_are_answered_503_while_the_file_of_the_store_is_gone(
    tmp_path: Path, forks: Forks, comes_back: str, *, has_taken_events: bool
) -> None:
    files = [tmp_path / f"landing.db{end}" for end in ("", "-wal", "-shm")]
    with Receiver(tmp_path, forks=forks) as receiver:
        receiver.post(an_event(10))
    shutil.copy(files[0], tmp_path / "backup.db")
    with Receiver(tmp_path, forks=forks) as receiver:
        if has_taken_events:
            receiver.post(an_event(11))
        (tmp_path / "elsewhere").mkdir()
        for file in files:
            file.rename(tmp_path / "elsewhere" / file.name)
        wait_until(lambda: receiver.post(an_event(12)).status_code == 503, "an answer 503")
        receiver.process.wait_for("The file of the landing store is gone")
        assert requests.get(f"{receiver.url}/healthz", timeout=CALL_SECONDS).status_code == 503
        assert receiver.process.output.count("The file of the landing store is gone") == 1
        assert not files[0].exists()
        if comes_back == "the same":
            for file in files:
                (tmp_path / "elsewhere" / file.name).rename(file)
        else:
            (tmp_path / "backup.db").rename(files[0])
        wait_until(lambda: receiver.post(an_event(13)).status_code == 200, "an answer 200")
        if comes_back == "an older copy" and has_taken_events:
            assert receiver.process.wait_for(WENT_BACK)
        assert requests.get(f"{receiver.url}/healthz", timeout=CALL_SECONDS).status_code == 200


def test_what_is_refused_goes_into_the_file_that_took_the_stores_place(tmp_path: Path, forks: Forks) -> None:
    files = [tmp_path / f"landing.db{end}" for end in ("", "-wal", "-shm")]
    with Receiver(tmp_path, forks=forks) as receiver:
        receiver.post(an_event(10))
    shutil.copy(files[0], tmp_path / "backup.db")
    with Receiver(tmp_path, forks=forks) as receiver:
        for file in files[1:]:
            file.unlink(missing_ok=True)
        (tmp_path / "backup.db").replace(files[0])
        receiver.process.wait_for("The file of the landing store was replaced")
        without_name = an_event(11)
        del without_name["name"]
        assert receiver.post(without_name).status_code == 400
        assert metric(receiver, "newstore_store_went_back") == 0
    store = LandingStore(f"sqlite:///{files[0]}")
    assert len(store.quarantine.list()) == 1
    store.close()


def test_a_state_of_another_store_is_said(tmp_path: Path) -> None:
    said, state = [], tmp_path / "state.json"
    state.write_text("{}", encoding="utf-8")
    for name in ("one.db", "one.db", "another.db"):
        url = f"sqlite:///{tmp_path / name}"
        with contextlib.closing(LandingStore(url)) as store:
            keep(store, 10)
        done = run_plugin("tap-newstore-fulfillment", tmp_path, {"landing_url": url}, "--state", str(state))
        state.write_text(json.dumps(done.states[-1]), encoding="utf-8")
        said.append("The state is of another landing store" in done.log)
    assert said == [False, False, True]


def test_a_standby_that_lagged_is_healed_without_anybody(
    tmp_path: Path, newstore: NewStore, own_postgresql: PostgreSql, forks: Forks
) -> None:
    url = own_postgresql.new_database()
    LandingStore(url).close()
    with own_postgresql.new_standby() as standby:
        # libpq asks both and takes the one that can be written to.
        one, other = (sa.make_url(name).query["host"] for name in (url, standby.url_of(url)))
        both = sa.make_url(url).update_query_dict({"host": f"{one},{other}", "target_session_attrs": "read-write"})
        text = both.render_as_string(hide_password=False)
        with Auditor(tmp_path, newstore, text, forks, audit_on_loss=True) as auditor:
            auditor.register()
            auditor.sell(2)
            standby.stop_following()
            auditor.sell(2)
            own_postgresql.stop()
            standby.promote()
            assert auditor.receiver.process.wait_for(WENT_BACK)
            wait_until(lambda: auditor.kept() == list(range(1, 9)), "events found by an audit")
            auditor.receiver.process.wait_for("Audit: ")
            wait_until(lambda: auditor.integrations() == ["newstore-stock-sync"], "end of the audit")
            assert metric(auditor.receiver, "newstore_audit_lost_events") == 4
            assert metric(auditor.receiver, "newstore_store_went_back") == 1
            assert auditor.audit(code=0)["lost"] == 0
        own_postgresql.start()
