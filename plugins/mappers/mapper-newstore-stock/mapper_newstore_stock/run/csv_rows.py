"""The rows of a CSV's lines: many at once where each line is one row, as nearly all are."""

from __future__ import annotations

import csv
import itertools
import typing as t

if t.TYPE_CHECKING:
    import _csv
    from collections.abc import Callable, Iterable, Iterator, Sequence

BLOCK_LINES = 2_000
#: A blank line looks like a row of one value.
LEAST_SPLIT = 2


class Columns(t.NamedTuple):
    """The columns that are read.

    Attributes:
        width: How many there are in all.
        places: Where those are that are asked for; None: nowhere.
    """

    width: int
    places: Sequence[int | None]

    def of(self, table: Sequence[Sequence[str]]) -> list[Sequence[t.Any]]:
        """Return these columns of a table that has all of them."""
        nothing = [None] * len(table[0])
        return [nothing if place is None else table[place] for place in self.places]

    def cells(self, row: Sequence[str]) -> list[str | None]:
        """Return what a row says that may be shorter."""
        return [row[place] if place is not None and place < len(row) else None for place in self.places]


class CsvRows:
    """Reads rows from lines.

    Args:
        lines: With their ends.
        delimiter: Between values.
    """

    def __init__(self, lines: Iterable[str], delimiter: str) -> None:
        self._lines = iter(lines)
        self._delimiter = delimiter
        #: How many lines came before those that are being read one by one.
        self._before = 0
        self._reader: _csv.Reader | None = None

    @property
    def line(self) -> int:
        """How many lines have been read."""
        return self._before + (self._reader.line_num if self._reader else 0)

    def header(self) -> list[str]:
        """Return the first row; empty: there is none.

        Raises:
            csv.Error: it is none.
        """
        reader = self._one_by_one(self._lines)
        row = next(reader, [])
        self._go_on_after(reader.line_num)
        return row

    def blocks(
        self, width: int, is_row: Callable[[Sequence[str], range], bool]
    ) -> Iterator[tuple[int, Sequence[Sequence[str]]]]:
        """Yield rows that follow each other, by column, with the number of the first one's last line.

        Args:
            width: How many values a row has.
            is_row: Decides whether one with more or fewer, or of several lines, is one. It gets the row and the numbers
                of its lines, without the last.

        Raises:
            csv.Error: a quote is missing or one too many.
        """
        while block := list(itertools.islice(self._lines, BLOCK_LINES)):
            if table := self._split(block, width) or self._parsed(block, width):
                yield self._before + 1, table
                self._go_on_after(self._before + len(block))
                continue
            reader, line = self._one_by_one(itertools.chain(block, self._lines)), self._before
            for row in reader:
                begun, line = line + 1, self.line
                if (line == begun and len(row) == width) or is_row(row, range(begun, line)):
                    yield line, [[value] for value in row]
                # The last one may go on beyond the block.
                if reader.line_num >= len(block):
                    break
            self._go_on_after(line)

    def _split(self, block: Sequence[str], width: int) -> list[list[str]] | None:
        """Return a block by column if each line ends, and is a row without a quote; `csv` takes twice as long."""
        text = "".join(block).replace("\r\n", "\n")
        if '"' in text or "\r" in text or width < LEAST_SPLIT or max(map(len, block)) > csv.field_size_limit():
            return None
        # Each line's end becomes a value of its own: if one stands in each place where a row ends, no row is of another
        # width.
        values = text.replace("\n", f"{self._delimiter}\n{self._delimiter}").split(self._delimiter)
        if len(values) != len(block) * (width + 1) + 1 or set(values[width :: width + 1]) != {"\n"}:
            return None
        del values[-1]
        return [values[place :: width + 1] for place in range(width)]

    def _parsed(self, block: Sequence[str], width: int) -> list[tuple[str, ...]] | None:
        """Return a block by column if each line is a row."""
        try:
            rows = list(csv.reader(block, delimiter=self._delimiter, strict=True))
        except csv.Error:
            return None
        return list(zip(*rows, strict=True)) if len(rows) == len(block) and set(map(len, rows)) == {width} else None

    def _one_by_one(self, lines: Iterator[str]) -> _csv.Reader:
        self._reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        return self._reader

    def _go_on_after(self, line: int) -> None:
        self._before, self._reader = line, None
