"""Where NewStore's S3 sink writes its export files: any prefix fsspec can read."""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import io
import itertools
import logging
import re
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tap_newstore_fulfillment.drivers import missing_driver
from tap_newstore_fulfillment.errors import ConfigurationError, ExportFilesError, TapError
from tap_newstore_fulfillment.export_files.pages import is_s3, listed
from tap_newstore_fulfillment.export_files.web_files import cause, options
from tap_newstore_fulfillment.masking import masked, no_place, reason

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

logger = logging.getLogger("tap-newstore-fulfillment.export")

#: What to do when nothing can be read.
PLACE = "Correct export_files_url, or let this user list and read what is below it"
EXPORT_FILE = re.compile(r"\.export(\.gz)?\Z")
#: How much one request to the store returns; some clients default to 50 MiB, twice.
BLOCK_BYTES = 4 * 2**20
#: Files open at a time: the one being read, and the next ones, one block each.
OPEN_AHEAD = 8
#: The names that object stores give to the time of the last write.
MODIFIED = ("LastModified", "last_modified", "mtime", "updated", "modified")
#: The names that object stores give to the checksum of the content.
CHECKSUMS = ("ETag", "etag", "md5Hash")


class ExportFile(t.NamedTuple):
    """One file as the store lists it.

    Attributes:
        name: Path below the prefix.
        version: Changes whenever the content does.
        modified_at: Epoch milliseconds by the store's clock; None if the store does not say.
        size: Bytes; None if the store does not say.
        has_changed: It was read in an earlier version.
    """

    name: str
    version: str
    modified_at: int | None
    size: int | None = None
    has_changed: bool = False


class ExportPrefix:
    """The export files below one URL.

    Attributes:
        address: The URL; identifies the prefix. A few kinds of store leave credentials in it.
        shown: The same for texts, without them.

    Args:
        url: fsspec URL of a directory or prefix; `{tenant}/` is below it or part of it.
        first: Files whose names, without their directory, sort before it do not count. NewStore's names begin
            with the epoch milliseconds, in 13 digits.

    Raises:
        ConfigurationError: unknown kind of store, or its package is not installed.
    """

    def __init__(self, url: str, first: str = "") -> None:
        try:
            self._filesystem, root = fsspec.core.url_to_fs(url, **options(url))
        except ImportError as error:
            raise ConfigurationError(f"export_files_url: {missing_driver(error)}") from error
        except ValueError as error:
            raise ConfigurationError(f"export_files_url: {no_place(error)}") from error
        except Exception as error:  # an archive is opened at once, by each store's client
            raise ExportFilesError(
                f"export_files_url: cannot open {masked(url)}: {reason(cause(error))}",
                "Correct export_files_url, or see why it cannot be reached from here",
            ) from error
        self._root = root.rstrip("/")
        self._first = first
        self.address = str(self._filesystem.unstrip_protocol(self._root))
        # A directory here has no secret in its name, and `@ ? #` may be part of it.
        self.shown = self.address if isinstance(self._filesystem, LocalFileSystem) else masked(self.address)

    def files(self) -> Iterator[ExportFile]:
        """Yield all export files, in any order.

        Raises:
            TapError: the store did not return the whole listing.
        """
        self._filesystem.invalidate_cache()
        with _explained(f"cannot list {self.shown}"):
            try:
                for info in listed(self._filesystem, self._root, self._first):
                    if self._counts(info["name"]):
                        yield _export_file(info, info["name"].removeprefix(self._root).lstrip("/"))
            except FileNotFoundError as error:
                if not self._is_only_empty():
                    raise ExportFilesError(
                        f"export_files_url: there is no directory or bucket {self.shown}", PLACE
                    ) from error
                logger.warning("export_files_url: nothing is stored below %s", self.shown)

    def open(self, files: Iterable[ExportFile]) -> Iterator[tuple[ExportFile, io.RawIOBase | None]]:
        """Yield the files open for reading, each until the next; None for a file deleted since it was listed.

        The next files are opened while one is read: most are small, and each costs a round trip.

        Raises:
            TapError: the store does not return a file.
        """
        coming = iter(files)
        opened: collections.deque[tuple[ExportFile, Future[t.IO[bytes]]]] = collections.deque()
        with ThreadPoolExecutor(OPEN_AHEAD) as pool:
            try:
                while True:
                    ahead = itertools.islice(coming, OPEN_AHEAD - len(opened))
                    opened.extend((file, pool.submit(self._open, file)) for file in ahead)
                    if not opened:
                        return
                    yield from self._one(*opened.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    def _one(self, file: ExportFile, opening: Future[t.IO[bytes]]) -> Iterator[tuple[ExportFile, io.RawIOBase | None]]:
        what = f"cannot read {file.name} of {self.shown}"
        try:
            with _explained(what):
                opened = opening.result()
        except FileNotFoundError:
            yield file, None
            return
        with opened:
            yield file, _Explained(opened, what)

    def _open(self, file: ExportFile) -> t.IO[bytes]:
        # S3 would be asked once more for the size. If the file changes now, the next listing shows it.
        size = {"size": file.size} if is_s3(self._filesystem) else {}
        path = f"{self._root}/{file.name}"
        opened: t.IO[bytes] = self._filesystem.open(path, "rb", block_size=BLOCK_BYTES, **size)
        opened.read(1)  # Fetches the first block, so that it is in memory.
        opened.seek(0)
        return opened

    def _is_only_empty(self) -> bool:
        """Return whether NewStore may not have written anything yet: object stores have no empty prefixes."""
        if isinstance(self._filesystem, LocalFileSystem) or self._filesystem.exists(self._root):
            return False
        return bool(self._filesystem.exists(self._root.split("/")[0]))

    def _counts(self, path: str) -> bool:
        """Return whether a file is an export file, and not too old."""
        name = path.rpartition("/")[2]
        if not EXPORT_FILE.search(name) or name < self._first:
            return False
        if path.isascii() or path.encode(errors="replace").decode() == path:
            return True
        logger.warning("%a is not read: its name is no text", path)
        return False


def _export_file(info: Mapping[str, t.Any], name: str) -> ExportFile:
    modified_at = next((_epoch_ms(info[key]) for key in MODIFIED if info.get(key)), None)
    checksum = next((info[key] for key in CHECKSUMS if info.get(key)), "")
    size = info.get("size")
    return ExportFile(name, f"{size}:{modified_at}:{checksum}".replace('"', ""), modified_at, size)


def _epoch_ms(time: dt.datetime | str | float) -> int:
    if isinstance(time, str):
        time = dt.datetime.fromisoformat(time)
    return int((time.timestamp() if isinstance(time, dt.datetime) else time) * 1000)


class _Explained(io.RawIOBase):
    """A file of a store that tells errors of the store from errors in the content."""

    def __init__(self, file: t.IO[bytes], what: str) -> None:
        self._file = file
        self._what = what

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        with _explained(self._what):
            part = self._file.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except TapError:
        raise
    except Exception as error:  # each store's client raises errors of its own
        found = cause(error)
        if isinstance(found, FileNotFoundError):
            raise
        raise ExportFilesError(f"export_files_url: {what}: {reason(found)}", PLACE) from error
