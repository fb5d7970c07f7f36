"""Lists that are Parquet: one file, or the part files of a directory; read whole, or refused.

The end of a file says where its columns are and how many rows they have, so a file that was cut does not pass for a
whole one; where its pages have checksums, a page that was damaged does not either.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import typing as t
from pathlib import Path

import fsspec
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from mapper_newstore_stock.errors import NotWholeError, OnHandError
from mapper_newstore_stock.run.csv_hints import spelled_otherwise
from mapper_newstore_stock.run.line_diff import BLOCK_BYTES
from mapper_newstore_stock.run.list_bytes import shown_url
from mapper_newstore_stock.run.list_errors import why
from mapper_newstore_stock.run.list_parts import Part, is_directory, parts_of
from mapper_newstore_stock.run.parquet_lines import NOTHING, Lines, kind_of, lines_of
from mapper_newstore_stock.run.sql_rows import rows_of
from mapper_newstore_stock.run.web_lists import options

if t.TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from mapper_newstore_stock.run.found_rows import Block
    from mapper_newstore_stock.run.list_writer import ListWriter

BATCH_ROWS = 1 << 14
#: Bytes of a column that are read at once.
COLUMN_BYTES = 1 << 20
_plain_rows = msgspec.json.Decoder(tuple[str | int | None, ...])


class ParquetList:
    """One list.

    Args:
        setting: Which settings say where it is: `on_hand` or `booked`.
        url: Path or fsspec URL; with a `/` at its end, a directory.
    """

    def __init__(self, setting: str, url: str) -> None:
        self._setting, self._url = setting, url
        #: The file that is being read, as errors call it.
        self._reading = shown_url(url)

    def header(self) -> list[str]:
        """Return the names of the columns.

        Raises:
            OnHandError: it cannot be read.
        """
        with self._explained():
            filesystem, parts = self._parts()
            with self._opened(filesystem, parts[0]) as file:
                return list(file.schema_arrow.names)

    def blocks(self, names: Sequence[str], writer: ListWriter | None = None) -> Iterator[Block]:
        """Yield the rows, some in memory at a time; whether the list is whole shows only at its end.

        Args:
            names: The columns to read; "": none, None in its place.
            writer: Takes the rows as lines.

        Raises:
            OnHandError: it cannot be read, or is not whole.
        """
        first = 1
        for lines in self.lines(names):
            if writer:
                writer.take(lines.block)
            if lines.is_plain:
                rows = _plain_rows.decode_lines(lines.block)
            else:
                rows = [row for _, row in rows_of(enumerate(lines.block.splitlines()))]
            if rows:
                yield first, list(zip(*rows, strict=True))
            first += lines.rows

    def lines(self, names: Sequence[str]) -> Generator[Lines]:
        """Yield the rows as lines, some in memory at a time; whether the list is whole shows only at its end.

        Args:
            names: The columns to read; "": none, null in its place.

        Raises:
            OnHandError: it cannot be read, or is not whole.
        """
        wanted = list(dict.fromkeys(filter(None, names)))
        kinds: dict[str, tuple[str, str]] = {}
        with self._explained():
            filesystem, parts = self._parts()
            for part in parts:
                with self._opened(filesystem, part) as file:
                    self._check(file.schema_arrow, wanted, kinds)
                    missing = file.metadata.num_rows
                    for batch in file.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False):
                        nothing = pa.nulls(batch.num_rows)
                        yield lines_of([batch.column(name) if name else nothing for name in names])
                        missing -= batch.num_rows
                    if missing:
                        raise pa.ArrowInvalid(f"it has {-missing:+} rows beside those it should have")
            self._reading = shown_url(self._url)
            if is_directory(self._url) and self._parts()[1] != parts:
                raise NotWholeError(f"{self._reading}: its parts {_OTHERS}")

    def _parts(self) -> tuple[t.Any, list[Part]]:
        """Return the store, and the files of the list in it."""
        filesystem, path = fsspec.core.url_to_fs(self._url, **options(self._url))
        return filesystem, parts_of(filesystem, path) if is_directory(self._url) else [Part(path)]

    @contextlib.contextmanager
    def _opened(self, filesystem: t.Any, part: Part) -> Iterator[pq.ParquetFile]:
        if is_directory(self._url):
            self._reading = part.shown(filesystem)
        with contextlib.ExitStack() as resources:
            if isinstance(filesystem, LocalFileSystem):
                stream: t.IO[bytes] = resources.enter_context(Path(part.path).open("rb"))
            else:
                # All of it at once: stores hand out parts in many calls, or only from its begin on.
                stream = resources.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(resources.enter_context(filesystem.open(part.path, "rb")), stream, BLOCK_BYTES)
                stream.flush()
            before = _state(stream)
            yield resources.enter_context(
                pq.ParquetFile(
                    stream,
                    buffer_size=COLUMN_BYTES,
                    # Otherwise all of a row group's columns are read at once, and that may be all of the file.
                    pre_buffer=False,
                    page_checksum_verification=True,
                    # Far dates are beyond the nanoseconds that old writers keep.
                    coerce_int96_timestamp_unit="us",
                    arrow_extensions_enabled=True,
                )
            )
            if _state(stream) != before:
                raise NotWholeError(f"{self._reading}: its bytes {_OTHERS}")

    def _check(self, schema: pa.Schema, names: Sequence[str], kinds: dict[str, tuple[str, str]]) -> None:
        """Check the columns of a file.

        Args:
            schema: What they are.
            names: Those that are read.
            kinds: What each of them is in the files before this one, and the first such file.

        Raises:
            OnHandError: one is missing, of a type that cannot be read, or of another one than before.
        """
        for name in names:
            if schema.names.count(name) != 1:
                found = "twice" if name in schema.names else "not"
                hint = spelled_otherwise(schema.names, name, self._setting)
                there = _printable(f"({', '.join(schema.names)}){hint}")
                raise OnHandError(f"{self._reading}: column {name} is {found} in the file {there}")
            kind = kind_of(schema.field(name).type)
            if kind is None:
                raise OnHandError(
                    f"{self._reading}: column {name} is of type {schema.field(name).type}, expected text, numbers or "
                    f"times: cast it where the list is written"
                )
            # A part in which a column is empty may not know what it is of.
            before, first = kinds.setdefault(name, (kind.name, self._reading)) if kind.name != NOTHING else ("", "")
            if before not in ("", kind.name):
                raise NotWholeError(
                    f"{self._reading}: column {name} holds {kind.name}, and {before} in {first}: parts of one list are "
                    f"alike. Let the ERP write it again"
                )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OnHandError:
            raise
        except Exception as error:  # each store's client raises its own kinds
            text = f"{self._setting}_url: cannot read {self._reading}"
            # Of a file it cannot read, Arrow says so without a number of the system's.
            if isinstance(error, pa.ArrowException) or (type(error) is OSError and error.errno is None):
                said = _printable(str(error).partition("\n")[0])
                raise NotWholeError(
                    f"{text}: it is no Parquet file, or is cut, damaged or still being written ({said}). Let the ERP "
                    f"write it again"
                ) from error
            raise OnHandError(
                f"{text}: {why(error, self._url)}", f"Correct {self._setting}_url, or let this user read what it names"
            ) from error


_OTHERS = (
    "became others while they were read. Nothing was sent. Let the ERP write each list under a name of its own, or "
    "put it in place when it is written"
)


def _printable(text: str) -> str:
    """Return a text of a file, which may be damaged, as errors show it."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _state(stream: t.IO[bytes]) -> tuple[int, int]:
    """Return what changes when somebody writes to an open file."""
    of = os.fstat(stream.fileno())
    return of.st_size, of.st_mtime_ns
