"""The receiver on both databases: what its answers mean, its metrics, and several receivers at once."""

from __future__ import annotations

import re
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import sqlalchemy as sa
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.shop.process import wait_until
from tests.shop.receiver import Receiver
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

CALL_SECONDS = 30


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def released(url: str) -> list[int]:
    """Return the timestamps the tap would emit if everything had settled."""
    store = LandingStore(url)
    plan = store.plan_release(Bookmark(), now=2**42)
    timestamps = [arrival.logical_timestamp for part in store.released(plan) for arrival in part]
    store.close()
    return timestamps


def metric(receiver: Receiver, name: str) -> float:
    text = requests.get(f"{receiver.url}/metrics", timeout=CALL_SECONDS).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"no {name} in\n{text}"
    return float(found[1])


def test_what_is_answered_200_is_in_the_store(tmp_path: Path, url: str) -> None:
    with Receiver(tmp_path, landing_url=url) as receiver:
        assert [receiver.post(an_event(at)).status_code for at in (12, 10, 11, 10)] == [200] * 4
    assert released(url) == [10, 11, 12]


def test_metrics_count_received_new_and_refused_events(tmp_path: Path, url: str) -> None:
    with Receiver(tmp_path, landing_url=url) as receiver:
        for at in (10, 11, 10):
            receiver.post(an_event(at))
        receiver.post(an_event(12, name="fulfillment_request.something_new"))
        receiver.post(b"temp")
        completed = 'event_name="fulfillment_request.items_completed"'
        assert metric(receiver, f"newstore_events_received_total{{{completed}}}") == 3
        assert metric(receiver, f"newstore_events_stored_total{{{completed}}}") == 2
        assert metric(receiver, f"newstore_events_duplicate_total{{{completed}}}") == 1
        assert metric(receiver, 'newstore_events_stored_total{event_name="other"}') == 1
        assert metric(receiver, "newstore_bodies_quarantined_total") == 1
        assert metric(receiver, "newstore_answer_seconds_count") == 5
        assert metric(receiver, 'newstore_answers_total{status="400"}') == 1
        assert metric(receiver, "newstore_newest_event_lag_seconds") > 0


def test_the_newest_event_is_known_after_a_restart_and_to_every_receiver(tmp_path: Path, url: str) -> None:
    name = "newstore_newest_event_timestamp_seconds"
    with Receiver(tmp_path, landing_url=url) as receiver:
        assert metric(receiver, name) == 0
        receiver.post(an_event(10))
        published = metric(receiver, name)
        (tmp_path / "other").mkdir()
        with Receiver(tmp_path / "other", landing_url=url) as other:
            assert metric(other, name) == published > 0
    with Receiver(tmp_path, landing_url=url) as receiver:
        assert metric(receiver, name) == published


def test_the_backlog_is_what_a_pipeline_has_not_confirmed_a_late_event_too(tmp_path: Path, url: str) -> None:
    with Receiver(tmp_path, landing_url=url) as receiver:
        for at in (10, 12):
            receiver.post(an_event(at))
        assert metric(receiver, 'newstore_backlog_events{pipeline=""}') == 2
        store = LandingStore(url)
        store.retention.note(Bookmark(through=12, position=2, reader_id="reader-1"))
        store.close()
        mine = 'newstore_backlog_events{pipeline="reader-1"}'
        assert metric(receiver, mine) == 0
        for at in (11, 13):
            receiver.post(an_event(at))
        assert metric(receiver, mine) == 2


def test_many_receivers_fill_one_store(tmp_path: Path, url: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with Receiver(tmp_path / "a", landing_url=url) as a, Receiver(tmp_path / "b", landing_url=url) as b:

        def post(at: int) -> int:
            return (a if at % 2 else b).post(an_event(at // 2)).status_code

        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(post, range(400))) == {200}
    assert released(url) == list(range(200))


def test_both_keys_are_accepted_while_a_key_is_changed(tmp_path: Path) -> None:
    keys: dict[str, t.Any] = {"receiver_api_key": "new-key", "receiver_previous_api_key": "old-key"}
    with Receiver(tmp_path, **keys) as receiver:
        assert [receiver.post(an_event(10), key=key).status_code for key in ("new-key", "old-key")] == [200, 200]
        assert receiver.post(an_event(10), key="new-keyold-key").status_code == 401


def test_a_store_that_is_down_is_answered_503_and_recovers_by_itself(
    tmp_path: Path, own_postgresql: PostgreSql
) -> None:
    url = own_postgresql.new_database()
    with Receiver(tmp_path, landing_url=url) as receiver:
        assert receiver.post(an_event(10)).status_code == 200
        own_postgresql.stop()
        try:
            refused = receiver.post(an_event(11))
            health = requests.get(f"{receiver.url}/healthz", timeout=CALL_SECONDS)
            malformed = receiver.post(b"temp")
        finally:
            own_postgresql.start()
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert (health.status_code, malformed.status_code) == (503, 503)
        assert receiver.post(an_event(11)).status_code == 200
        assert requests.get(f"{receiver.url}/healthz", timeout=CALL_SECONDS).status_code == 200
    assert released(url) == [10, 11]


def test_on_shutdown_everything_accepted_is_answered(tmp_path: Path, url: str) -> None:
    with Receiver(tmp_path, landing_url=url) as receiver, ThreadPoolExecutor(16) as pool:

        def post(at: int) -> int | None:
            try:
                status = receiver.post(an_event(at)).status_code
            except requests.ConnectionError:
                return None
            if at == 50:
                receiver.process.stop()
            return at if status == 200 else None

        answered = {at for at in pool.map(post, range(200)) if at is not None}
    assert answered <= set(released(url))
    assert 50 in answered


def test_locked_tables_hold_up_no_shutdown_and_nothing_is_acknowledged_that_is_not_stored(
    url: str, tmp_path: Path
) -> None:
    if url.startswith("sqlite"):
        pytest.skip("tested in test_idle_connections.py: its lock is the file's")
    engine = sa.create_engine(url)
    with Receiver(tmp_path, landing_url=url) as receiver, ThreadPoolExecutor() as pool:
        assert receiver.post(an_event(11)).status_code == 200
        with engine.connect() as holder:
            holder.execute(sa.text("LOCK TABLE fulfillment_event IN ACCESS EXCLUSIVE MODE"))
            senders = [pool.submit(receiver.post, an_event(at)) for at in (12, 13)]
            waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            wait_until(lambda: holder.scalar(waits), "a post that waits for the table")
            begun = time.monotonic()
            assert receiver.process.stop() == 0
            assert time.monotonic() - begun < 8
            assert [sender.result().status_code for sender in senders] == [503, 503]
    engine.dispose()
    assert "Traceback" not in receiver.process.output
    assert 11 in released(url)


def test_a_clock_that_cannot_be_stored_holds_up_no_shutdown(url: str, tmp_path: Path) -> None:
    if url.startswith("sqlite"):
        pytest.skip("no receiver starts beside a lock of the whole file")
    LandingStore(url).close()
    engine = sa.create_engine(url)
    with engine.connect() as holder:
        holder.execute(sa.text("LOCK TABLE clock_check IN ACCESS EXCLUSIVE MODE"))
        with Receiver(tmp_path, landing_url=url) as receiver:
            begun = time.monotonic()
            assert receiver.process.stop() == 0
            assert time.monotonic() - begun < 8
    engine.dispose()
    assert "Traceback" not in receiver.process.output
