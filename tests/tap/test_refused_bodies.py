"""Refused at the door is not claimed at the exit: refused bodies are holes in the tap's bookmark (design rule 18)."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import typing as t

import pytest
import sqlalchemy as sa
from tap_newstore_fulfillment.errors import StoreRefusedError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.holes import MOST_HOLES
from tap_newstore_fulfillment.landing.quarantine import new_row
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.shop.plugin import Finished, run_plugin
from tests.shop.receiver import Receiver
from tests.tap.events import an_event, an_older_event
from tests.tap.export_files import ExportDirectory, ExportTap, an_export, timestamps

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STREAM = "fulfillment_events"
UNREADABLE = b"temp"
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def store(database_url: str) -> Iterator[LandingStore]:
    store = LandingStore(database_url)
    yield store
    store.close()


class Shop:
    """A landing store with a tap that keeps its state, and the commands of the receiver."""

    def __init__(self, directory: Path, url: str) -> None:
        self._directory = directory
        self._settings = {"landing_url": url, "settle_seconds": 0}
        self.state: dict[str, t.Any] = {}

    def run(self) -> Finished:
        state = self._directory / "state.json"
        state.write_text(json.dumps(self.state), encoding="utf-8")
        done = run_plugin("tap-newstore-fulfillment", self._directory, self._settings, "--state", str(state))
        assert done.code == 0, done.log
        self.state = done.states[-1]
        return done

    def holes(self) -> list[list[int]] | None:
        """Run, and return the holes in the bookmark: the same in all states of the run."""
        done = self.run()
        bookmarks = [state["bookmarks"][STREAM] for state in done.states if state.get("bookmarks", {}).get(STREAM)]
        assert len({json.dumps(bookmark.get("holes")) for bookmark in bookmarks[-2:]}) == 1
        return t.cast("list[list[int]] | None", bookmarks[-1].get("holes"))

    def quarantine(self, *arguments: str) -> Finished:
        return run_plugin("newstore-event-receiver", self._directory, self._settings, "quarantine", *arguments)

    def entries(self) -> list[dict[str, t.Any]]:
        return list(json.loads(self.quarantine("list", "--format=json").output)["bodies"])


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> Shop:
    return Shop(tmp_path, database_url)


def refused(at: int, **fields: t.Any) -> bytes:
    """Return a completion that names no location."""
    return json.dumps(an_event(at, request=f"fr-{at}", fulfillment_location_id=None, **fields)).encode()


def refuse(store: LandingStore, *bodies: bytes, received_at: int = 0) -> None:
    for body in bodies:
        store.add_rejected(body, path="/events", reason="no location", received_at=received_at)


def add(store: LandingStore, *timestamps: int) -> None:
    store.add([check_event(json.dumps(an_event(at, request=f"fr-{at}")).encode()) for at in timestamps], 0)


def test_a_refused_completion_is_a_hole_until_it_is_retried_or_discarded(
    tmp_path: Path, database_url: str, shop: Shop
) -> None:
    with Receiver(tmp_path, landing_url=database_url) as receiver:
        bodies = [an_event(10, request="fr-10"), refused(11), an_event(12, request="fr-12"), refused(14)]
        bodies = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
        assert [receiver.post(body).status_code for body in bodies] == [200, 400, 200, 400]
    assert shop.holes() == [[11, 11], [14, 14]]
    first, second = shop.entries()
    assert (first["holes"], second["holes"]) == ([[11, 11]], [[14, 14]])
    assert shop.quarantine("discard", str(first["id"])).code == 0
    assert shop.holes() == [[14, 14]]
    assert shop.quarantine("discard", str(second["id"])).code == 0
    assert shop.holes() is None


@pytest.mark.parametrize("body", [refused(11), b'{"logical_timestamp": 11}'], ids=["event", "body without identity"])
def test_what_was_discarded_stays_discarded_however_often_it_comes(store: LandingStore, body: bytes) -> None:
    refuse(store, body, refused(12))
    store.quarantine.prune(0)
    store.quarantine.remove(1)
    refuse(store, body)
    store.quarantine.prune(0)
    assert (store.quarantine.holes().pairs, store.quarantine.count()) == ([[12, 12]], 1)
    assert store.quarantine.find(1) is None
    add(store, 11)
    assert [arrival.logical_timestamp for part in store.released(store.plan_release(Bookmark())) for arrival in part]


@pytest.mark.parametrize("length", [1, 60, 75, 150, 200])
@pytest.mark.parametrize("pad", [b"", b"\0", b"\0" * 50], ids=len)
def test_what_was_cut_is_never_known_as_the_same(store: LandingStore, length: int, pad: bytes) -> None:
    cut = refused(11)[:length] + pad
    for body in (cut, cut[::-1], cut.decode().encode("utf-16")):
        refuse(store, body)
        (entry,) = store.quarantine.list()
        store.quarantine.remove(entry.id)
        refuse(store, body)
        (entry,) = store.quarantine.list()
        assert store.quarantine.holes().unread + store.quarantine.holes().bodies == 1
        store.quarantine.remove(entry.id)


def test_what_may_have_been_cut_is_kept_each_time_it_comes_for_an_audit(store: LandingStore) -> None:
    cut = refused(11)[:60]
    assert [store.audits.add_refused("one", cut, path="/events", reason="", received_at=0) for _ in range(2)] == [
        True,
        True,
    ]
    assert store.quarantine.count() == 2


def test_a_body_that_is_an_event_today_closes_its_hole_when_it_is_retried(store: LandingStore, shop: Shop) -> None:
    add(store, 10, 12)
    refuse(store, json.dumps(an_event(11, request="fr-11", associate_id=4711)).encode())
    assert shop.holes() == [[11, 11]]
    assert shop.quarantine("retry").output == "1 accepted, 0 still refused\n"
    done = shop.run()
    assert [record["logical_timestamp"] for record in done.records] == [11]
    assert "holes" not in shop.state["bookmarks"][STREAM]


def test_the_run_says_how_many_holes_there_are_and_since_when(store: LandingStore, shop: Shop) -> None:
    add(store, 10)
    refuse(store, refused(11), received_at=DAY_MS)
    refuse(store, refused(12), received_at=2 * DAY_MS)
    done = shop.run()
    assert "2 refused bodies since 1970-01-02T00:00:00+00:00 leave holes at logical timestamps 11-12" in done.log
    assert '"holes": 2' in done.log


def test_a_body_without_a_readable_timestamp_is_a_warning_of_every_run_until_somebody_has_looked(
    store: LandingStore, shop: Shop
) -> None:
    refuse(store, UNREADABLE)
    for _ in range(2):
        done = shop.run()
        assert "1 refused bodies since 1970-01-01T00:00:00+00:00 have no logical timestamp that can be read" in done.log
        assert '"refused_without_timestamp": 1' in done.log
    assert shop.quarantine("show", "1").output == UNREADABLE.decode()
    done = shop.run()
    assert "refused bodies" not in done.log
    assert "refused_without_timestamp" not in done.log
    assert len(shop.entries()) == 1


def test_a_hole_closes_when_its_event_comes(store: LandingStore, shop: Shop) -> None:
    refuse(store, refused(11))
    assert shop.holes() == [[11, 11]]
    add(store, 11)
    assert shop.holes() is None
    assert shop.entries()[0]["holes"] == []
    refuse(store, b'{"logical_timestamp": 11}')
    assert shop.holes() == [[11, 11]]


def test_an_older_completion_without_items_is_a_hole_and_says_what_to_ask_for(
    tmp_path: Path, database_url: str, shop: Shop
) -> None:
    body = an_older_event(11)
    body["event"]["payload"] = {"id": "fr-11", "order_id": "o-1", "logical_timestamp": 11}
    with Receiver(tmp_path, landing_url=database_url) as receiver:
        answer = receiver.post(body, "/fulfillment_request")
    assert (answer.status_code, "ask NewStore to send items" in answer.json()["error"]) == (400, True)
    assert shop.holes() == [[11, 11]]


def test_more_holes_than_a_bookmark_carries_become_fewer_wider_ones(store: LandingStore, shop: Shop) -> None:
    refuse(store, *(refused(at) for at in range(0, 4 * MOST_HOLES, 2)))
    holes = shop.holes()
    assert holes is not None
    assert (len(holes), holes[0][0], holes[-1][1]) == (MOST_HOLES, 0, 4 * MOST_HOLES - 2)


def test_holes_below_the_oldest_timestamp_are_left_out(store: LandingStore) -> None:
    refuse(store, refused(11), refused(20))
    assert store.quarantine.holes(oldest=12).pairs == [[20, 20]]


def test_pruning_empties_bodies_and_leaves_holes_open(store: LandingStore) -> None:
    refuse(store, refused(11), UNREADABLE, UNREADABLE, refused(12))
    store.quarantine.note_look(2)
    add(store, 12)
    assert store.quarantine.prune(DAY_MS) == 4
    assert [(entry.id, entry.holes, entry.size > 0) for entry in store.quarantine.list()] == [
        (1, [[11, 11]], True),
        (3, [], True),
    ]
    holes = store.quarantine.holes()
    assert (holes.pairs, holes.unread) == ([[11, 11]], 1)
    assert [store.quarantine.find(number)[1] for number in (1, 3)] == [b"", b""]  # type: ignore[index]
    assert store.quarantine.prune(DAY_MS) == 0


def test_a_pruned_body_cannot_be_retried_and_says_so(store: LandingStore, shop: Shop) -> None:
    refuse(store, refused(11))
    store.quarantine.prune(0)
    done = shop.quarantine("retry")
    assert (done.code, "its body has been pruned" in done.log) == (1, True)
    assert shop.holes() == [[11, 11]]


def test_young_bodies_are_not_pruned(store: LandingStore) -> None:
    refuse(store, refused(11), received_at=2**42)
    assert store.quarantine.prune(DAY_MS) == 0


def test_quarantine_stays_within_its_limit_and_keeps_the_newest(database_url: str) -> None:
    body = refused(11)[:-2] + b" " * 700_000 + b"}}"
    with contextlib.closing(LandingStore(database_url)) as store:
        refuse(store, *[body] * 8, received_at=2**42)
    with contextlib.closing(LandingStore(database_url, quarantine_max_mb=2)) as store:
        assert store.quarantine.prune(DAY_MS) == 6
        kept = [bool(store.quarantine.find(entry.id)[1]) for entry in store.quarantine.list()]  # type: ignore[index]
        assert kept == [False] * 6 + [True] * 2
        assert store.quarantine.holes().bodies == 8


def test_without_pruning_too_quarantine_does_not_grow_without_end(database_url: str) -> None:
    with contextlib.closing(LandingStore(database_url, quarantine_max_mb=1)) as store:
        refuse(store, *[b"x" * 500_000] * 20)
        with store.transaction() as connection:
            size = connection.scalar(sa.text("SELECT sum(length(body)) FROM quarantine"))
        assert size <= 3 * 2**20


def test_accept_says_why_it_cannot(store: LandingStore, shop: Shop) -> None:
    refuse(store, refused(11))
    done = shop.quarantine("accept", "1")
    assert (done.code, "it is no event (no location)" in done.log) == (1, True)
    assert shop.quarantine("discard", "7").code == 1


@pytest.fixture
def poisoned(store: LandingStore, database_url: str) -> LandingStore:
    """Return a store whose database cannot hold events of order `poison`, as if nobody had foreseen it."""
    with store.transaction() as connection:
        if database_url.startswith("sqlite"):
            connection.exec_driver_sql(
                "CREATE TRIGGER poison BEFORE INSERT ON fulfillment_event WHEN new.body LIKE '%poison%' "
                "BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
            )
        else:
            connection.exec_driver_sql(
                "ALTER TABLE fulfillment_event ADD CONSTRAINT poison CHECK (body NOT LIKE '%%poison%%')"
            )
    return store


def test_what_the_database_cannot_hold_is_set_aside_and_holds_up_nothing(poisoned: LandingStore) -> None:
    orders = {3: "poison", 8: "poison"}
    bodies = [an_event(at, request=f"fr-{at}", order_id=orders.get(at, "fine")) for at in range(10)]
    added = poisoned.add([check_event(json.dumps(body).encode()) for body in bodies], 0)
    assert (added.total(), added.set_aside.total()) == (8, 2)
    assert poisoned.quarantine.holes().pairs == [[3, 3], [8, 8]]
    assert StoreRefusedError.__name__ not in poisoned.quarantine.list()[0].reason


def test_a_line_the_tap_cannot_take_holds_up_no_run(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path / "exports")
    tap = ExportTap(tmp_path, exports.path)
    odd: list[dict[str, t.Any] | bytes] = [
        {**an_event(21, request="zero"), "published_at": "0001-01-01T00:00:00"},
        json.dumps(an_event(22, "A", request="huge")).replace('"A"}', '"A","weight":1e400}').encode(),
        json.dumps(an_event(23, request="text")).replace('"order-1"', '"\\ud800"').encode(),
    ]
    exports.put("1-data-a.export", an_event(20), *odd, refused(24), an_event(25, request="last"))
    done = tap.run()
    assert timestamps(done) == [20, 21, 22, 23, 25]
    assert tap.state["bookmarks"][STREAM]["holes"] == [[24, 24]]


def test_the_refused_lines_of_a_file_read_again_take_the_place_of_the_earlier_ones(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path / "exports")
    tap = ExportTap(tmp_path, exports.path)
    lines = [refused(11), json.dumps(an_event(12)).encode()]
    file = exports.put("1-data-a.export")
    file.write_bytes(b"\n".join(lines)[:-30])
    tap.run()
    assert tap.state["bookmarks"][STREAM]["holes"] == [[11, 12]]
    with contextlib.closing(sqlite3.connect(tmp_path / "landing.db")) as connection:
        rows = connection.execute("SELECT path, line, body FROM quarantine ORDER BY line").fetchall()
    assert [(row[0].rpartition("/exports/")[2], row[1]) for row in rows] == [
        ("demo/1-data-a.export", 1),
        ("demo/1-data-a.export", 2),
    ]
    file.write_bytes(b"\n".join(lines) + b"\n")
    assert timestamps(tap.run()) == [12]
    assert tap.state["bookmarks"][STREAM]["holes"] == [[11, 11]]
    exports.put("1-data-a.export", an_event(11, request="fr-11"), an_event(12))
    assert timestamps(tap.run()) == [11]
    assert "holes" not in tap.state["bookmarks"][STREAM]


def test_a_file_that_cannot_be_unpacked_is_a_warning_of_every_run(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path / "exports")
    tap = ExportTap(tmp_path, exports.path)
    exports.put("1-data-a.export", an_event(10), packed=True)
    (exports.path / "demo" / "2-data-b.export").write_bytes(b"\x1f\x8b nothing that can be unpacked")
    for _ in range(2):
        assert "1 refused bodies since" in tap.run().log


def test_only_earlier_lines_of_a_file_are_dropped_under_the_name_it_has_now(store: LandingStore) -> None:
    def lines(path: str, *numbers: int) -> None:
        store.quarantine.add_rows(
            [new_row(refused(at), path=path, line=at, reason="", received_at=0) for at in numbers]
        )

    lines("old/a", 1, 2)
    lines("b", 3)
    store.quarantine.remove(2)
    refuse(store, refused(4))
    earlier = store.quarantine.rename_lines({"old/a": "a"})
    assert (earlier.last, sorted(earlier.paths)) == (4, ["a", "b"])
    lines("a", 5)
    with store.transaction() as connection:
        store.quarantine.forget_lines(connection, ["a"], earlier.last)
    assert [(entry.path, entry.line) for entry in store.quarantine.list()] == [("b", 3), ("/events", None), ("a", 5)]
    lines("a", 2)
    assert store.quarantine.count() == 3


def test_a_broken_gzip_that_was_discarded_silences_no_other(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path / "exports")
    tap = ExportTap(tmp_path, exports.path)
    for number in range(2):
        packed = an_export(
            *(an_event(at, request=f"fr-{at}") for at in range(100 * number, 100 * number + 50)), packed=True
        )
        (exports.put(f"{number}-data-a.export")).write_bytes(packed[:-12])
        assert "1 refused bodies since" in tap.run().log
        with contextlib.closing(LandingStore(tap.settings["landing_url"])) as store:
            gzips = [entry for entry in store.quarantine.list() if entry.reason.startswith("gzip: ")]
            assert len(gzips) == 1
            for entry in store.quarantine.list():
                store.quarantine.remove(entry.id)


@pytest.mark.parametrize("line", [b"no event", b'{"error": "no event"}', b"\0" * 99], ids=["words", "JSON", "zeros"])
def test_a_discarded_line_silences_no_equal_line_elsewhere(tmp_path: Path, line: bytes) -> None:
    exports = ExportDirectory(tmp_path / "exports")
    tap = ExportTap(tmp_path, exports.path)
    lines: list[dict[str, t.Any] | bytes] = [an_event(10), line]
    exports.put("1-data-a.export", *lines)
    tap.run()
    with contextlib.closing(LandingStore(tap.settings["landing_url"])) as store:
        store.quarantine.remove(1)
        lines += [an_event(11), line]
        exports.put("1-data-a.export", *lines)
        exports.put("2-data-b.export", *lines)
        tap.run()
        found = [(entry.path.rpartition("/")[2], entry.line) for entry in store.quarantine.list()]
    # Zeros are no words: nobody knows what stood there.
    again = [("1-data-a.export", 2)] if b"\0" in line else []
    assert found == [*again, ("1-data-a.export", 4), ("2-data-b.export", 2), ("2-data-b.export", 4)]
