"""A prefix may have a million files, that come and go while it is listed and read."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import tracemalloc
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_newstore_fulfillment.export_files import ingestion
from tap_newstore_fulfillment.export_files.ingestion import Ingestion
from tap_newstore_fulfillment.export_files.listing import Listing
from tap_newstore_fulfillment.export_files.prefix import ExportFile, ExportPrefix
from tap_newstore_fulfillment.export_files.read_files import ReadFiles
from tap_newstore_fulfillment.export_files.reject_file import RejectFile
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.tap.events import an_event
from tests.tap.export_files import an_export
from tests.tap.paged_store import WRITTEN, PagedStore, keys

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = int(WRITTEN.timestamp() * 1000)
#: Far more than a page, and less than the listing would take: a file takes 400 bytes and more.
MOST_BYTES, FILES = 3_000_000, 30_000
NAMES = st.sampled_from([f"demo/{number}.export" for number in range(12)])


class Reader:
    """Reads the bucket into a landing store.

    Attributes:
        seconds: What its clock shows.
    """

    def __init__(self, directory: Path, url: str) -> None:
        self.store = LandingStore(url)
        self.rejects = directory / "rejects.jsonl"
        self.seconds = 0.0

    def read(self, first: str = "") -> None:
        prefix = ExportPrefix("paged://bucket/events", first)
        read_files = ReadFiles(self.store, prefix.address)
        Ingestion(prefix, self.store, read_files, RejectFile(self.rejects), lambda: self.seconds).run(NOW)

    def timestamps(self) -> list[int]:
        """Return the logical timestamps in the store, in the order they arrived."""
        return [int(row[0]) for row in self._rows("SELECT logical_timestamp FROM fulfillment_event ORDER BY position")]

    def received_at(self, at: int) -> int:
        return int(self._rows(f"SELECT received_at FROM fulfillment_event WHERE logical_timestamp = {at}")[0][0])

    def noted(self) -> list[str]:
        """Return the files noted as read."""
        return [str(row[0]) for row in self._rows("SELECT name FROM export_file ORDER BY name")]

    def _rows(self, query: str) -> t.Sequence[t.Any]:
        with self.store.transaction() as connection:
            return connection.exec_driver_sql(query).all()


@pytest.fixture
def bucket() -> type[PagedStore]:
    return PagedStore.begin()


@pytest.fixture
def reader(tmp_path: Path, database_url: str) -> Iterator[Reader]:
    reader = Reader(tmp_path, database_url)
    yield reader
    reader.store.close()


def test_a_listing_is_never_whole_in_memory(bucket: type[PagedStore]) -> None:
    bucket.objects.update(dict.fromkeys(keys(FILES), b""))
    prefix = ExportPrefix("paged://bucket/events")
    tracemalloc.start()
    try:
        with contextlib.closing(Listing(prefix.files())) as listing:
            assert listing.count == sum(1 for _ in listing.unread()) == FILES
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES
    assert len(bucket.asked) == FILES / 1000


def test_files_without_events_are_noted_a_group_at_a_time(
    bucket: type[PagedStore], reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[int] = []

    def note(_self: object, files: t.Sequence[object], _forget: object) -> None:
        noted.append(len(files))

    monkeypatch.setattr(ingestion, "LARGEST_GROUP", 10)
    monkeypatch.setattr(ReadFiles, "add", note)
    bucket.objects.update(dict.fromkeys(keys(95), b"temp\n"))
    reader.read()
    assert (max(noted), sum(noted)) == (10, 95)


@given(listed=st.dictionaries(NAMES, st.sampled_from("ab")), read=st.dictionaries(NAMES, st.sampled_from("ab")))
def test_a_listing_and_what_was_read_are_compared_in_any_parts(listed: dict[str, str], read: dict[str, str]) -> None:
    files = [ExportFile(name, version, None) for name, version in listed.items()]
    with contextlib.closing(Listing(files)) as listing:
        gone = [name for part in (list(read.items())[:5], list(read.items())[5:]) for name in listing.take_out(part)]
        unread = list(listing.unread())
    assert set(gone) == read.keys() - listed.keys()
    assert [(file.name, file.version) for file in unread] == sorted(listed.items() - read.items())
    assert {file.name for file in unread if file.has_changed} == {file.name for file in unread} & read.keys()


def test_files_are_read_in_the_order_of_their_names(bucket: type[PagedStore], reader: Reader) -> None:
    for at, key in enumerate(reversed(list(keys(7)))):
        bucket.objects[key] = an_export(an_event(at))
    bucket.keys_in_a_page = 2
    reader.read()
    assert reader.timestamps() == [6, 5, 4, 3, 2, 1, 0]


def test_a_file_that_comes_while_the_prefix_is_listed_is_read_by_the_next_run_at_the_latest(
    bucket: type[PagedStore], reader: Reader
) -> None:
    first, second, third, fourth = keys(4)
    bucket.objects |= {second: an_export(an_event(2)), third: an_export(an_event(3))}
    bucket.keys_in_a_page = 1
    # One sorts before the page that was listed, as a late upload does, the other behind it.
    come = {first: an_export(an_event(1)), fourth: an_export(an_event(4))}
    bucket.between_pages = staticmethod(lambda: bucket.objects.update(come))
    reader.read()
    assert reader.timestamps() == [2, 3, 4]
    reader.read()
    assert reader.timestamps() == [2, 3, 4, 1]
    assert len(reader.noted()) == 4


def test_the_time_a_listing_takes_makes_no_event_older(bucket: type[PagedStore], reader: Reader) -> None:
    """A file may have come meanwhile that the listing missed, with timestamps below those of the newest file it saw."""
    old, new = keys(2)
    bucket.objects |= {old: an_export(an_event(1)), new: an_export(an_event(2))}
    bucket.written |= {old: WRITTEN - dt.timedelta(minutes=60)}
    bucket.keys_in_a_page = 1

    def wait() -> None:
        reader.seconds += 600

    bucket.between_pages = staticmethod(wait)
    reader.read()
    minute = 60_000
    assert reader.received_at(1) == NOW - (60 - 5 - 10) * minute
    assert reader.received_at(2) == NOW


def test_files_a_lifecycle_rule_removes_leave_everything_as_it_is(bucket: type[PagedStore], reader: Reader) -> None:
    old, new = keys(2)
    bad = json.dumps(an_event(2, items="lost")).encode()
    bucket.objects |= {old: an_export(an_event(1), bad), new: an_export(an_event(3))}
    reader.read()
    del bucket.objects[old]
    reader.read()
    assert reader.timestamps() == [1, 3]
    assert reader.store.quarantine.holes().pairs == [[2, 2]]
    assert reader.noted() == [new.removeprefix("events/")]


def test_files_removed_between_listing_and_reading_stop_nothing_and_are_counted(
    bucket: type[PagedStore], reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    files = list(keys(15))
    bucket.objects.update({key: an_export(an_event(at)) for at, key in enumerate(files)})
    bucket.keys_in_a_page = 14

    def remove() -> None:
        for key in files[:12]:
            bucket.objects.pop(key, None)

    bucket.between_pages = staticmethod(remove)
    with caplog.at_level("INFO"):
        reader.read()
    assert reader.timestamps() == [12, 13, 14]
    assert ", 3 read, 3 new events" in caplog.text
    assert "12 files are gone since they were listed, and what they held is not known: demo/17" in caplog.text
    assert len(reader.noted()) == 3


def test_what_sorts_before_the_start_is_passed_over_without_being_listed(
    bucket: type[PagedStore], reader: Reader
) -> None:
    files = list(keys(500))
    bucket.objects.update({key: an_export(an_event(at)) for at, key in enumerate(files)})
    bucket.objects["events/zeta/1600000000000-data-a.export"] = an_export(an_event(900))
    bucket.objects["events/zeta/backfill.export"] = an_export(an_event(901))
    bucket.keys_in_a_page = 10
    start = files[490].rpartition("/")[2].partition("-")[0]
    reader.read(start)
    assert reader.timestamps() == [*range(490, 500), 901]
    # One page each to see that old files are listed, and one behind them; none of the 480 in between.
    assert len(bucket.asked) <= 4


def test_an_earlier_start_reads_the_older_files_too(bucket: type[PagedStore], reader: Reader) -> None:
    old, new = keys(2)
    bucket.objects |= {old: an_export(an_event(1)), new: an_export(an_event(2))}
    reader.read(new.rpartition("/")[2].partition("-")[0])
    assert reader.timestamps() == [2]
    reader.read()
    assert reader.timestamps() == [2, 1]
