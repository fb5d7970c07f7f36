"""Lists the ERP writes as CSV files: read whole, or refused.

A file does not say how long it is. What can be seen of damage is refused here: a cut or damaged archive, a last line
without its end, a line with too few or too many values, lines swallowed by a stray quote. A file that was cut right
after a line looks whole; only a done marker, or the rows that are missing, can tell.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import logging
import operator
import re
import typing as t
import zipfile

import fsspec
from fsspec.utils import infer_compression

from mapper_newstore_stock.errors import ConfigurationError, OnHandError
from mapper_newstore_stock.run.csv_hints import hint, not_decoded

if t.TYPE_CHECKING:
    import _csv
    from collections.abc import Callable, Iterator, Sequence

logger = logging.getLogger("mapper-newstore-stock.on-hand")

#: A line or row number, and the values in the order they were asked for.
Found = tuple[int, "Sequence[t.Any]"]
BLOCK_CHARACTERS = 1 << 16
SHOWN_CHARACTERS = 40
NAMED_MEMBERS = 5
LINE_ENDS = ("\n", "\r")
#: What old systems write after the last line.
CTRL_Z = "\x1a"
UTF_8, UTF_8_WITH_BOM, BOM = "utf-8", "utf-8-sig", "\ufeff"
#: What the Finder of a Mac adds to a zip.
NO_MEMBERS = ("__MACOSX/",)


class CsvFormat(t.NamedTuple):
    """How the ERP writes CSV files.

    Attributes:
        delimiter: What stands between values.
        encoding: Python's name of the encoding.
        is_marked_whole: A second file says that the list is whole, so its last line needs no end.
    """

    delimiter: str = ","
    encoding: str = UTF_8
    is_marked_whole: bool = False

    @classmethod
    def of(cls, delimiter: str, encoding: str, *, is_marked_whole: bool = False) -> t.Self:
        """Return the format that settings name.

        Raises:
            ConfigurationError: there is no such delimiter or encoding.
        """
        mark = "\t" if delimiter.lower() in ("\\t", "tab") else delimiter
        if len(mark) != 1 or mark.isalnum() or mark in '" \r\n':
            raise ConfigurationError(f"csv_delimiter: it is {delimiter!r}, expected one character, such as ; or tab")
        try:
            "".encode(encoding)
        except (LookupError, ValueError) as error:
            raise ConfigurationError(f"csv_encoding: {error}") from error
        return cls(mark, encoding, is_marked_whole)


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

    def header(self) -> list[str]:
        """Return the names of the columns.

        Raises:
            OnHandError: the file cannot be read, or is empty.
        """
        with self._opened() as reader:
            return self._header(reader)

    def rows(self, names: Sequence[str], damaged: Callable[[int, Sequence[t.Any], str], None]) -> Iterator[Found]:
        """Yield the rows, some in memory at a time; whether the file is whole shows only at its end.

        Args:
            names: The columns to read; "": none, None in its place.
            damaged: Takes each line that is no row: its number, its values as far as they go, what is wrong with it.

        Raises:
            OnHandError: the file cannot be read, or is not whole.
        """
        with self._opened() as reader:
            header = self._header(reader)
            places = [self._find(header, name) for name in names if name]
            pick = _picker(places, names)
            width, line = len(header), reader.line_num
            for row in reader:
                line += 1
                if len(row) == width and reader.line_num == line:
                    yield line, pick(row)
                    continue
                wrong = None if is_blank(row) else self._wrong(row, width, range(line, reader.line_num))
                line = reader.line_num
                if wrong == "":
                    yield line, pick(row)
                elif wrong:
                    damaged(line, [row[place] if place < len(row) else None for place in places], wrong)
        self._refuse_cut_line(line)

    def _header(self, reader: _csv.Reader) -> list[str]:
        header = next(reader, [])
        if not header:
            raise OnHandError(f"{shown_url(self._url)}: the file is empty. Let the ERP write it again")
        return [header[0].removeprefix(BOM), *header[1:]]

    def _find(self, header: Sequence[str], name: str) -> int:
        if header.count(name) == 1:
            return header.index(name)
        found = "twice" if name in header else "not"
        raise OnHandError(
            f"{shown_url(self._url)}: column {name} is {found} in the header row ({', '.join(header)})"
            f"{hint(header, name, self._setting, self._layout.delimiter)}"
        )

    def _wrong(self, row: list[str], width: int, earlier: range) -> str:
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
        raise OnHandError(
            f"{shown_url(self._url)}, line {line}: the file ends inside this line ({last[-SHOWN_CHARACTERS:]!r}, no "
            f"line end): it was cut, or is still being written. Let the ERP end its last line{marker}"
        )

    @contextlib.contextmanager
    def _opened(self) -> Iterator[_csv.Reader]:
        """Open the file; a reader of its rows."""
        reader = None
        try:
            with contextlib.ExitStack() as resources:
                encoding = UTF_8_WITH_BOM if self._layout.encoding.lower() in (UTF_8, "utf8") else self._layout.encoding
                text = io.TextIOWrapper(self._bytes(resources), encoding, newline="")
                lines = itertools.chain.from_iterable(self._blocks(text))
                reader = csv.reader(lines, delimiter=self._layout.delimiter, strict=True)
                yield reader
        except OnHandError:
            raise
        except UnicodeError as error:
            line = reader.line_num if reader else 0
            raise OnHandError(f"{shown_url(self._url)}, after line {line}: {not_decoded(error)}") from error
        except Exception as error:  # each store and each kind of archive raises its own kinds
            raise OnHandError(self._cannot_read(error, reader.line_num if reader else 0)) from error

    def _blocks(self, text: t.TextIO) -> Iterator[list[str]]:
        while lines := text.readlines(BLOCK_CHARACTERS):
            self._last_line = lines[-1]
            yield lines

    def _bytes(self, resources: contextlib.ExitStack) -> t.Any:
        """Open the file, and the only member of a zip."""
        opened = fsspec.open(self._url, "rb", compression="infer")
        if opened.compression != "zip":
            return resources.enter_context(opened)
        opened.compression = None
        archive = resources.enter_context(zipfile.ZipFile(resources.enter_context(opened)))
        members = [
            member for member in archive.infolist() if not (member.is_dir() or member.filename.startswith(NO_MEMBERS))
        ]
        if len(members) != 1:
            names = ", ".join(member.filename for member in members[:NAMED_MEMBERS])
            held = f"{len(members)} files ({names})" if members else "no file"
            raise OnHandError(
                f"{shown_url(self._url)}: the zip holds {held}, expected one. Let the ERP zip each list alone, or name "
                f"one: zip://FILE::{shown_url(self._url)}"
            )
        return resources.enter_context(archive.open(members[0]))

    def _cannot_read(self, error: Exception, line: int) -> str:
        text = f"{self._setting}_url: cannot read {shown_url(self._url)}"
        what = named(error, self._url)
        if isinstance(error, csv.Error):
            return f"{text}, line {line}: {what}: a quote is missing or one too many"
        if infer_compression(self._url) and (not isinstance(error, OSError) or error.errno is None):
            return f"{text}: {what}: the archive seems to be cut or damaged. Let the ERP write or send it again"
        return f"{text}: {what}"


def _picker(places: Sequence[int], names: Sequence[str]) -> Callable[[list[str]], Sequence[str | None]]:
    """Return what takes the values asked for out of a row."""
    if len(places) == 1:
        return lambda row: (row[places[0]],)
    pick = operator.itemgetter(*places)
    # Only the last name is ever empty.
    return pick if all(names) else lambda row: (*pick(row), None)


def is_blank(values: Sequence[t.Any]) -> bool:
    """Return whether a row says nothing: what Excel and old ERPs leave behind a list."""
    return not any(value is not None and str(value).strip().strip(CTRL_Z) for value in values)


def shown_url(url: str) -> str:
    """Return a URL as errors show it: without passwords, keys and signatures."""
    if "://" not in url:
        return url
    return re.sub(r"(?<=://)[^/@]*@", "", url).partition("?")[0]


def named(error: Exception, url: str) -> str:
    """Return an error's first line without what a URL must not show."""
    text = (str(error) or type(error).__name__).replace(url, shown_url(url)).splitlines()[0]
    return re.sub(r"\?\S*", "", text) if "?" in url and "://" in url else text
