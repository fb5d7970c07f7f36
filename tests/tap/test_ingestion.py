"""Errors of the object store while export files are read: no file counts as read that was not."""

from __future__ import annotations

import contextlib
import io
import typing as t
import uuid

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from tap_newstore_fulfillment.errors import TapError
from tap_newstore_fulfillment.export_files import ingestion
from tap_newstore_fulfillment.export_files.ingestion import Ingestion, received_at
from tap_newstore_fulfillment.export_files.listing import Listing
from tap_newstore_fulfillment.export_files.prefix import ExportFile, ExportPrefix
from tap_newstore_fulfillment.export_files.read_files import ReadFiles
from tap_newstore_fulfillment.export_files.reject_file import RejectFile
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.tap.events import an_event
from tests.tap.export_files import an_export

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_700_000_000_000
MINUTE = 60_000


class Reader:
    """Reads a prefix of its own, in memory, into a landing store."""

    def __init__(self, directory: Path) -> None:
        self.filesystem = fsspec.filesystem("memory")
        self.root = f"/{uuid.uuid4().hex}"
        self.rejects = directory / "rejects.jsonl"
        self.store = LandingStore(f"sqlite:///{directory / 'landing.db'}")

    def put(self, name: str, content: bytes) -> None:
        self.filesystem.pipe_file(f"{self.root}/demo/{name}", content)

    def read(self) -> None:
        prefix = ExportPrefix(f"memory:/{self.root}")
        read_files = ReadFiles(self.store, prefix.address)
        Ingestion(prefix, self.store, read_files, RejectFile(self.rejects)).run(NOW)

    def unread(self) -> list[str]:
        prefix = ExportPrefix(f"memory:/{self.root}")
        with contextlib.closing(Listing(prefix.files())) as listing:
            ReadFiles(self.store, prefix.address).compare(listing)
            return [file.name for file in listing.unread()]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.store.close()


def opening(monkeypatch: pytest.MonkeyPatch, opened: t.Callable[[str], t.Any]) -> None:
    """Make the file system open files with this function."""
    monkeypatch.setattr(MemoryFileSystem, "open", lambda _self, path, *_rest, **_options: opened(path))


def test_an_unreadable_file_ends_the_pass_and_stays_unread(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    reader.put("1-data-a.export", an_export(an_event(10)))
    with monkeypatch.context() as broken:

        def refuse(path: str) -> t.NoReturn:
            raise PermissionError(f"{path}: Access Denied")

        opening(broken, refuse)
        with pytest.raises(TapError, match=r"export_files_url: cannot read demo/1-data-a.export of .*Access Denied"):
            reader.read()
    assert reader.unread() == ["demo/1-data-a.export"]
    reader.read()
    assert reader.unread() == []


@pytest.mark.parametrize("packed", [False, True])
def test_a_broken_connection_is_not_a_broken_file(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    content = an_export(*(an_event(at, request=f"fr-{at * 7919}") for at in range(5_000)), packed=packed)
    reader.put("1-data-a.export", content)

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > len(content) // 4:
                raise OSError("connection reset")
            return super().read(min(size or -1, 4096))

    with monkeypatch.context() as broken:
        opening(broken, lambda _path: Breaking(content))
        with pytest.raises(TapError, match=r"cannot read demo/1-data-a.export of .*connection reset"):
            reader.read()
    assert reader.unread() == ["demo/1-data-a.export"]
    assert not reader.rejects.exists()


def test_a_file_deleted_since_it_was_listed_is_left_out(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    reader.put("1-data-a.export", an_export(an_event(10)))
    with monkeypatch.context() as broken:

        def gone(path: str) -> t.NoReturn:
            raise FileNotFoundError(path)

        opening(broken, gone)
        reader.read()
    assert reader.unread() == ["demo/1-data-a.export"]


class Breaking(io.BytesIO):
    """A file of which only the first bytes can be read.

    Args:
        content: Of the file.
        size: How many bytes.
        then: Called behind them; it raises.
    """

    def __init__(self, content: bytes, size: int, then: t.Callable[[], t.NoReturn]) -> None:
        super().__init__(content)
        self._size, self._then = size, then

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._size:
            self._then()
        return super().read(min(size or 0, self._size - self.tell()))


def refused(at: int) -> dict[str, t.Any]:
    return an_event(at, request=f"fr-{at}", items=5)


@pytest.mark.parametrize("error", [FileNotFoundError, ConnectionError])
def test_the_holes_of_a_changed_file_stay_until_it_has_been_read_to_its_end(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    # What was refused is in the store before the file breaks.
    monkeypatch.setattr(ingestion, "LARGEST_GROUP", 1)
    reader.put("1-data-a.export", an_export(refused(11), an_event(12), refused(13)))
    reader.read()
    content = an_export(refused(11), an_event(12), an_event(13, request="fr-other"), refused(14), refused(15))
    reader.put("1-data-a.export", content)
    meanwhile: list[list[list[int]]] = []

    def then() -> t.NoReturn:
        meanwhile.append(reader.store.quarantine.holes().pairs)
        raise error

    with monkeypatch.context() as broken, contextlib.suppress(TapError):
        opening(broken, lambda _: Breaking(content, content.index(b"fr-15"), then))
        reader.read()
    assert meanwhile == [[[11, 11], [13, 13]]]
    assert any(first <= 13 <= last for first, last in reader.store.quarantine.holes().pairs)
    reader.read()
    assert reader.store.quarantine.holes().pairs == [[11, 11], [14, 15]]
    assert reader.store.quarantine.count() == 3


def test_lines_of_a_file_that_was_never_read_to_its_end_are_dropped_with_the_next_reading(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion, "LARGEST_GROUP", 1)
    content = an_export(refused(11), an_event(12), refused(13))
    reader.put("1-data-a.export", content)

    def then() -> t.NoReturn:
        raise ConnectionError

    with monkeypatch.context() as broken:
        opening(broken, lambda _: Breaking(content, content.index(b"fr-13"), then))
        with pytest.raises(TapError):
            reader.read()
    assert reader.store.quarantine.holes().pairs == [[11, 11]]
    reader.put("1-data-a.export", an_export(an_event(10), an_event(12)))
    reader.read()
    assert reader.store.quarantine.count() == 0


def a_file(minutes_ago: int | None) -> ExportFile:
    return ExportFile("x", "v", None if minutes_ago is None else NOW - minutes_ago * MINUTE)


@pytest.mark.parametrize(
    ("file", "newest", "age"),
    [
        (0, 0, 0),
        (4, 0, 0),
        (30, 0, 25),
        (30, 20, 5),
        (30, -600, 25),
        (None, 0, 0),
        (30, None, 0),
        (60 * 24 * 365, 0, 60 * 24),
    ],
)
def test_an_event_is_as_old_as_its_file_is_older_than_the_newest_file(
    file: int | None, newest: int | None, age: int
) -> None:
    """All in minutes. A store's clock that is ahead ages no event by more than our own clock does."""
    assert received_at(a_file(file), a_file(newest).modified_at, NOW) == NOW - age * MINUTE
