"""How a list ends: with a trailer, which says that it is whole, and with blank lines, which say nothing.

The trailer is held back before rows are parsed, so that nobody takes it for one: it changes from run to run while rows
stand.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import typing as t

from mapper_newstore_stock.errors import NotWholeError
from mapper_newstore_stock.run.line_diff import LINE_END, CannotCompareError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mapper_newstore_stock.run.layouts import CsvFormat
    from mapper_newstore_stock.run.list_writer import ListWriter

#: What old systems write after the last line.
CTRL_Z = "\x1a"
#: The group of a trailer's expression that is its number of rows; without one of this name, the first.
ROWS = "rows"
SHOWN_CHARACTERS, MOST_DIGITS = 60, 40
#: More bytes than these are no last line with some blank ones behind it.
LONGEST_END = 1 << 20
TO_DO = "Let the ERP write it again, or correct on_hand_trailer"


def is_blank(values: Sequence[t.Any]) -> bool:
    """Return whether a row says nothing: what Excel and old ERPs leave behind a list."""
    return not any(value is not None and str(value).strip().strip(CTRL_Z) for value in values)


class Trailer:
    """The last line of a list, while the list is read once. Blank lines may follow it.

    Args:
        name: What errors call the list.
        layout: How it is written; it has a trailer.
    """

    def __init__(self, name: str, layout: CsvFormat) -> None:
        self._name = name
        self._layout = layout
        self._pattern = re.compile(layout.trailer)
        self._rows = 0
        #: What it is, and how many rows it says there are; None: it does not say, or was not read yet.
        self._line = ""
        self._says: int | None = None
        #: The end of the list as text, and as bytes.
        self._text, self._bytes = "", b""

    def lines(self, blocks: Iterable[list[str]]) -> Iterator[list[str]]:
        """Yield blocks of lines without the trailer, and without what is blank behind it.

        Raises:
            NotWholeError: the last line is no trailer.
        """
        held: list[str] = []
        for block in blocks:
            last = len(block) - 1
            while last >= 0 and self._is_blank(block[last]):
                last -= 1
            if last < 0:
                held += block
                continue
            yield held + block[:last]
            held = block[last:]
        self._text = "".join(held)
        if held and not self._is_blank(held[0]):
            self._read(held[0].rstrip("\r\n"))
        else:
            # Nothing at all is in it, which others say.
            yield held

    def count(self, rows: Iterable[Sequence[str]]) -> None:
        """Count those of some rows that are not blank."""
        for row in rows:
            # Nearly all rows begin with what says something.
            if (row and row[0].strip().strip(CTRL_Z)) or not is_blank(row):
                self._rows += 1

    def handing_on(self, take: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """Return what takes the list's bytes, and hands them on without the trailer."""
        return lambda block: take(self._before_the_end(block))

    def finish(self, writer: ListWriter | None) -> None:
        """Refuse a list that has been read whole, and has not the rows that its trailer says.

        Args:
            writer: Has taken the bytes that were handed on. It keeps nothing if they are not the lines that were read.

        Raises:
            NotWholeError: names both numbers.
        """
        if self._says is not None and self._says != self._rows:
            raise NotWholeError(
                f"{self._name}: rows in it: {self._rows}, and its last line says {self._says} ({self._shown}): it was "
                f"cut, or is still being written. {TO_DO}"
            )
        if writer and self._text.encode(self._layout.encoding) != self._bytes:
            writer.drop()

    def blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield blocks of bytes without the trailer.

        Raises:
            CannotCompareError: the last line is no trailer; `lines` says why.
        """
        for block in blocks:
            if before := self._before_the_end(block):
                yield before
        try:
            end = io.StringIO(self._bytes.decode(self._layout.encoding), newline="").readlines()
            before_it = list(itertools.chain.from_iterable(self.lines([end])))
        except (UnicodeError, NotWholeError) as error:
            raise CannotCompareError("its last line is no trailer") from error
        if before_it or not end:
            raise CannotCompareError("its trailer is no line by itself")

    def refuse_to_compare(self, lines: int, come: Iterable[bytes]) -> None:
        """Refuse to compare a list that has not the rows that its trailer says.

        Args:
            lines: How many lines it has, without header and trailer, each of them a row or blank.
            come: Those that the last list had not. No blank one is kept, so all that are blank are among them.

        Raises:
            CannotCompareError: it has another number of rows; `finish` says which.
        """
        rows = csv.reader((line.decode(self._layout.encoding) for line in come), delimiter=self._layout.delimiter)
        if self._says is not None and self._says != lines - sum(map(is_blank, rows)):
            raise CannotCompareError("its trailer says another number of rows")

    def _before_the_end(self, block: bytes) -> bytes:
        """Return what stands before the last line of what has come so far, which is held back."""
        # Of what was held back, only a line that had not ended is looked at again.
        looked_at = self._bytes.rfind(LINE_END) + 1
        read = self._bytes + block
        begin, end = 0, len(read)
        while end > looked_at:
            line = read.rfind(LINE_END, 0, end - 1) + 1
            if not self._is_blank(read[line:end].decode(self._layout.encoding, errors="replace")):
                begin = line
                break
            end = line
        begin = begin if len(read) - begin <= LONGEST_END else len(read)
        self._bytes = read[begin:]
        return read[:begin]

    def _is_blank(self, line: str) -> bool:
        return is_blank(line.split(self._layout.delimiter))

    def _read(self, line: str) -> None:
        self._line = line
        found = self._pattern.fullmatch(line)
        if found is None:
            raise NotWholeError(
                f"{self._name}: its last line is {self._shown}, expected a trailer as on_hand_trailer says "
                f"({' '.join(self._layout.trailer.split())}): it was cut, or is still being written. {TO_DO}"
            )
        if not self._pattern.groups:
            return
        text = (found[ROWS if ROWS in self._pattern.groupindex else 1] or "").strip()
        if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
            raise NotWholeError(
                f"{self._name}: its last line ({self._shown}) says {text[:SHOWN_CHARACTERS]!r} where on_hand_trailer "
                f"has its number of rows, expected digits. Correct on_hand_trailer, or let the ERP write it again"
            )
        self._says = int(text)

    @property
    def _shown(self) -> str:
        return repr(self._line[:SHOWN_CHARACTERS])
