"""The lists of the last run, kept as files: what has changed since is found by comparing bytes.

Such a file is a cache. The ledger says what must be in it, in the same transaction as the rows that were read from it;
a file that is missing, damaged, older, or another ledger's is not what the ledger says, and the list is read anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import typing as t
from pathlib import Path

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import is_postgresql
from mapper_newstore_stock.ledger.tables import source as source_table
from mapper_newstore_stock.run.line_diff import BLOCK_BYTES, CannotCompareError, difference
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mapper_newstore_stock.run.erp_tables import Lines
    from mapper_newstore_stock.run.line_diff import Difference
    from mapper_newstore_stock.run.list_writer import ListWriter

logger = logging.getLogger("mapper-newstore-stock.on-hand")

DIGEST_BYTES = 16
#: More lines than these are read as fast as they are found.
MOST_LINES = 500_000


class KeptList(msgspec.Struct, frozen=True, array_like=True):
    """What the ledger says of a kept list, as JSON.

    Attributes:
        fingerprint: Tells whether the same settings read it.
        digest: Of its bytes.
        rows: How many of its lines are rows of keys managed here.
        latest: Epoch milliseconds; none of its rows says that it was taken later. 0: they do not say when.
    """

    fingerprint: str
    digest: str
    rows: int
    latest: int = 0


class KeptBookings(msgspec.Struct, frozen=True, array_like=True):
    """What the ledger says of a kept list of bookings, as JSON.

    Attributes:
        list: The list.
        run: The run whose units were compared with it.
        unknown: How many of its bookings, added up, were of no completion the ledger knew.
    """

    list: KeptList
    run: int
    unknown: int


class KeptLists(msgspec.Struct, frozen=True):
    """What the ledger says of the kept lists of a source, as JSON."""

    on_hand: KeptList | None = None
    bookings: KeptBookings | None = None


class KeptPlace(Value, frozen=True):
    """Where a list is kept between runs.

    Attributes:
        file: The file; None: nowhere.
        last: What the ledger says is in it; None: nothing is.
        fingerprint: Tells whether the same settings read it.
    """

    file: Path | None = None
    last: KeptList | None = None
    fingerprint: str = ""

    @property
    def can_be_compared(self) -> bool:
        """Whether there is a list the same settings have read."""
        return bool(self.file and self.last and self.last.fingerprint == self.fingerprint)


class ListFolder:
    """Where the lists of one ledger are kept.

    Args:
        path: A directory, and the begin of the files' names.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of(cls, connection: sa.Connection, cache_dir: str | None, ledger_id: str) -> t.Self | None:
        """Return the folder of a ledger: `cache_dir`, or where its file is; None: it has none."""
        if cache_dir:
            return cls(Path(cache_dir) / f"newstore-stock-{ledger_id}")
        file = None if is_postgresql(connection) else connection.engine.url.database
        return cls(Path(file)) if file and file != ":memory:" else None

    def file(self, source: str, what: str = "list") -> Path:
        """Return the file for a list of a source."""
        name = hashlib.sha256(source.encode()).hexdigest()[:8]
        return self._path.with_name(f"{self._path.name}.{what}-{name}")


def kept_lists(connection: sa.Connection, source: str) -> KeptLists:
    """Return what the ledger says of the lists of a source; early ledgers kept one, and said so without its name."""
    row = source_table.c
    text = connection.scalar(sa.select(row.list).where(row.name == source))
    said = None if text is None else msgspec.json.decode(text, type=KeptLists | tuple[str, str, int])
    return KeptLists(on_hand=KeptList(*said)) if isinstance(said, tuple) else said or KeptLists()


def difference_from_last(place: KeptPlace, lines: Lines, writer: ListWriter) -> Difference:
    """Compare a list with the last one, and keep it.

    Raises:
        CannotCompareError: the last one is not what the ledger says, or the lists differ too much.
    """
    last, file, digest = place.last, place.file, new_digest()
    if last is None or file is None:
        raise CannotCompareError("the last one was not kept")
    with _opened(file) as kept:
        header = _header(kept) if lines.header else b""
        digest.update(header)
        if lines.header != header:
            raise CannotCompareError("its columns are others than before")
        writer.take(header)
        before, now = handed_on(_blocks_of_last(kept), digest.update), handed_on(lines.blocks, writer.take)
        found = difference(before, now, MOST_LINES)
    if digest.hexdigest() != last.digest:
        raise CannotCompareError(f"{file} is not what this ledger kept there")
    writer.found = last.digest
    if writer.has_lone_returns:
        raise CannotCompareError("a carriage return stands alone in it")
    logger.debug("%d lines have come since the last list, and %d are gone", len(found.come), len(found.gone))
    return found


@contextlib.contextmanager
def _reading_last() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotCompareError(f"the last one cannot be read ({error})") from error


def _opened(file: Path) -> t.BinaryIO:
    with _reading_last():
        return file.open("rb")


def _header(kept: t.BinaryIO) -> bytes:
    with _reading_last():
        return kept.readline()


def _blocks_of_last(kept: t.BinaryIO) -> Iterator[bytes]:
    with _reading_last():
        yield from blocks(kept)


def blocks(stream: t.BinaryIO) -> Iterator[bytes]:
    """Yield what is left of a stream in blocks."""
    while block := stream.read(BLOCK_BYTES):
        yield block


def handed_on(read: Iterator[bytes], take: Callable[[bytes], None]) -> Iterator[bytes]:
    """Yield blocks, each handed on."""
    for block in read:
        take(block)
        yield block


def new_digest() -> hashlib.blake2b:
    """Return what tells whether bytes are the same."""
    return hashlib.blake2b(digest_size=DIGEST_BYTES)
