"""Lists the ERP writes as CSV files: read whole, or refused.

A file does not say how long it is. What can be seen of damage is refused here: a cut or damaged archive, a last line
without its end, a line with too few or too many values, lines swallowed by a stray quote. A file that was cut right
after a line looks whole; only a trailer, a done marker, or the rows that are missing, can tell.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import logging
import re
import typing as t

from fsspec.utils import infer_compression

from mapper_newstore_stock.errors import NotWholeError, OnHandError
from mapper_newstore_stock.run.csv_hints import hint, line_ends_before, not_decoded
from mapper_newstore_stock.run.csv_rows import BLOCK_LINES, Columns, CsvRows
from mapper_newstore_stock.run.layouts import UTF_8, CsvFormat
from mapper_newstore_stock.run.line_diff import BLOCK_BYTES, CannotCompareError
from mapper_newstore_stock.run.list_bytes import HandedOn, open_bytes, shown_url
from mapper_newstore_stock.run.list_ends import Trailer, is_blank
from mapper_newstore_stock.run.list_errors import is_damaged, why

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mapper_newstore_stock.run.found_rows import Block, Found
    from mapper_newstore_stock.run.list_writer import ListWriter

logger = logging.getLogger("mapper-newstore-stock.on-hand")

SHOWN_CHARACTERS = 40
LINE_ENDS = ("\n", "\r")
UTF_8_WITH_BOM, BOM = "utf-8-sig", "\ufeff"
#: Encodings in which every byte 10 ends a line.
_ENCODINGS = re.compile(r"utf-?8|(us-)?ascii|latin-?1|iso-?8859-?\d+|(cp|windows-?)125\d", re.IGNORECASE)
NOT_ALONE = "lines of it cannot be read without those around them"


class CsvFile:
    """One CSV with a header row.

    Args:
        setting: Which settings say where it is: `on_hand` or `booked`.
        url: Path or fsspec URL.
        layout: How it is written.
    """

    def __init__(self, setting: str, url: str, layout: CsvFormat) -> None:
        self._setting = setting
        self._url = url
        self._layout = layout
        self._last_line = ""
        #: Its last line, if that is no row.
        self.trailer = Trailer(shown_url(url), layout) if layout.trailer else None
        #: How many lines have been decoded.
        self._lines = 0

    def header(self) -> list[str]:
        """Return the names of the columns.

        Raises:
            OnHandError: the file cannot be read, or is empty.
        """
        with self._opened() as rows:
            return self._header(rows.header())

    def blocks(
        self,
        names: Sequence[str],
        damaged: Callable[[int, Sequence[t.Any], str], None],
        writer: ListWriter | None = None,
    ) -> Iterator[Block]:
        """Yield the rows, some in memory at a time; whether the file is whole shows only at its end.

        Args:
            names: The columns to read; "": none, None in its place.
            damaged: Takes each line that is no row: its number, its values as far as they go, what is wrong with it.
            writer: Takes the file's bytes as they are read, and the lines that are no row by themselves.

        Raises:
            OnHandError: the file cannot be read, or is not whole.
        """
        with self._opened(writer) as found:
            columns = self._columns(self._header(found.header()), names)
            if writer and found.line > 1:
                writer.drop()

            def is_row(row: Sequence[str], earlier: range) -> bool:
                if writer:
                    writer.leave_out_or_drop(earlier.start, earlier.stop)
                wrong = None if is_blank(row) else self._wrong(row, columns.width, earlier)
                if wrong and self.trailer:
                    self.trailer.count([row])
                if wrong:
                    damaged(earlier.stop, columns.cells(row), wrong)
                return wrong == ""

            for first, table in found.blocks(columns.width, is_row):
                if self.trailer:
                    self.trailer.count(zip(*table, strict=True))
                yield first, columns.of(table)
            line = found.line
        if self.trailer:
            self.trailer.finish(writer)
        else:
            self._refuse_cut_line(line)

    @contextlib.contextmanager
    def raw(self) -> Iterator[t.BinaryIO | None]:
        """Open the file for its bytes; None when a line of bytes need not be a line of text.

        Raises:
            CannotCompareError: it cannot be read; `rows` says why.
        """
        try:
            with contextlib.ExitStack() as resources:
                yield open_bytes(self._url, resources) if _ENCODINGS.fullmatch(self._layout.encoding) else None
        except CannotCompareError:
            raise
        except Exception as error:  # each store and each kind of archive raises its own kinds
            raise CannotCompareError("it cannot be read") from error

    def rows_of_lines(self, header: bytes, lines: Iterable[tuple[int, bytes]], names: Sequence[str]) -> Iterator[Found]:
        """Yield the rows of some lines of the file, each of them by itself.

        Args:
            header: The header row.
            lines: Each with its number.
            names: The columns to read; "": none, None in its place.

        Raises:
            CannotCompareError: one cannot be read without those around it, or is no row.
        """
        numbers: list[int] = []

        def texts() -> Iterator[str]:
            yield header.decode(self._encoding)
            for number, line in lines:
                numbers.append(number)
                yield line.decode(self._layout.encoding)

        reader = csv.reader(texts(), delimiter=self._layout.delimiter, strict=True)
        try:
            columns = self._columns(self._header(next(reader, [])), names)
            for count, row in enumerate(reader, start=1):
                if count != len(numbers) or not (len(row) == columns.width or is_blank(row)):
                    raise CannotCompareError(NOT_ALONE)
                # A blank line of any width is a blank row, which is left out of what is kept.
                yield numbers[-1], columns.cells(row if len(row) == columns.width else [""] * columns.width)
        except (UnicodeError, csv.Error, OnHandError) as error:
            raise CannotCompareError(NOT_ALONE) from error

    def _header(self, header: list[str]) -> list[str]:
        if not header:
            raise NotWholeError(f"{shown_url(self._url)}: the file is empty. Let the ERP write it again")
        return [header[0].removeprefix(BOM), *header[1:]]

    def _columns(self, header: Sequence[str], names: Sequence[str]) -> Columns:
        return Columns(len(header), [self._find(header, name) if name else None for name in names])

    def _find(self, header: Sequence[str], name: str) -> int:
        if header.count(name) == 1:
            return header.index(name)
        found = "twice" if name in header else "not"
        advice = hint(header, name, self._setting, self._layout.delimiter)
        raise OnHandError(
            f"{shown_url(self._url)}: column {name} is {found} in the header row ({', '.join(header)}){advice}",
            "" if advice else f"Name the list's own columns in {self._setting}_columns, or let the ERP write this one",
        )

    def _wrong(self, row: Sequence[str], width: int, earlier: range) -> str:
        """Return what is wrong with an unusual row, "" when nothing is.

        Args:
            row: Its values.
            width: How many there should be.
            earlier: The lines it began on, without the last.
        """
        if len(row) != width:
            return f"{len(row)} values under {width} column names"
        # A quote that swallows whole lines takes all their delimiters with it; a text over several lines has few.
        texts = [value for value in row if any(end in value for end in LINE_ENDS)]
        if sum(value.count(self._layout.delimiter) for value in texts) >= len(earlier) * (width - 1):
            return f"a value begun on line {earlier.start} goes on to this line: a quote is missing or one too many"
        return ""

    def _refuse_cut_line(self, line: int) -> None:
        """Refuse a file that ends inside a line: its last number may be cut, and rows may be missing."""
        last = self._last_line
        if last.endswith(LINE_ENDS) or is_blank([last]):
            return
        if self._layout.is_marked_whole:
            logger.warning(
                "%s, line %d: the last line has no line end; taken, because a done marker says that the list is whole",
                shown_url(self._url),
                line,
            )
            return
        marker = ", or write a done marker (on_hand_done_marker)" if self._setting == "on_hand" else ""
        raise NotWholeError(
            f"{shown_url(self._url)}, line {line}: the file ends inside this line ({last[-SHOWN_CHARACTERS:]!r}, no "
            f"line end): it was cut, or is still being written. Let the ERP end its last line{marker}"
        )

    @contextlib.contextmanager
    def _opened(self, writer: ListWriter | None = None) -> Iterator[CsvRows]:
        """Open the file for its rows, without a trailer."""
        rows, self._lines = None, 0
        try:
            with contextlib.ExitStack() as resources:
                stream = open_bytes(self._url, resources)
                if writer:
                    take = self.trailer.handing_on(writer.take) if self.trailer else writer.take
                    stream = io.BufferedReader(HandedOn(stream, take), BLOCK_BYTES)
                text = io.TextIOWrapper(stream, self._encoding, newline="")
                blocks = self._blocks(text)
                lines = itertools.chain.from_iterable(self.trailer.lines(blocks) if self.trailer else blocks)
                rows = CsvRows(lines, self._layout.delimiter)
                yield rows
        except OnHandError:
            raise
        except UnicodeError as error:
            line = self._lines + line_ends_before(error) + 1
            raise OnHandError(f"{shown_url(self._url)}, line {line}: {not_decoded(error)}") from error
        except Exception as error:  # each store and each kind of archive raises its own kinds
            raise self._cannot_read(error, rows.line if rows else 0) from error

    @property
    def _encoding(self) -> str:
        """The encoding of a text that begins where the file does."""
        is_utf_8 = self._layout.encoding.lower() in (UTF_8, "utf8")
        return UTF_8_WITH_BOM if is_utf_8 else self._layout.encoding

    def _blocks(self, text: t.TextIO) -> Iterator[list[str]]:
        while True:
            lines: list[str] = []
            try:
                # What was decoded before an error stays in the list, and is counted.
                lines.extend(itertools.islice(text, BLOCK_LINES))
            finally:
                self._lines += len(lines)
            if not lines:
                return
            self._last_line = lines[-1]
            yield lines

    def _cannot_read(self, error: Exception, line: int) -> OnHandError:
        text = f"{self._setting}_url: cannot read {shown_url(self._url)}"
        what = why(error, self._url)
        if isinstance(error, csv.Error):
            return NotWholeError(f"{text}, line {line}: {what}: a quote is missing or one too many")
        if infer_compression(self._url) and is_damaged(error):
            what += ": the archive seems to be cut or damaged. Let the ERP write or send it again"
            return NotWholeError(f"{text}: {what}")
        return OnHandError(f"{text}: {what}", f"Correct {self._setting}_url, or let this user read what it names")
