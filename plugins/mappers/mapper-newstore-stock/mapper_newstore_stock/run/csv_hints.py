"""What a CSV that does not fit its settings looks like, and which setting fits it."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Sequence

DELIMITERS = {",": ",", ";": ";", "\t": "tab", "|": "|"}
#: A byte order mark of UTF-8 read as a Western encoding.
MISREAD_BOM = "ï»¿"
#: How files begin that are no CSV: what they are, and what to do.
NO_TEXT = {
    b"PAR1": "it is a Parquet file: let its name end in .parquet",
    b"PK\x03\x04": "it is a zip archive or a workbook of Excel: end an archive's name in .zip, save a workbook as CSV",
    b"\xd0\xcf\x11\xe0": "it is an Excel workbook: save it as CSV",
    b"\x1f\x8b": "it is packed with gzip: let its name end in .gz",
    b"BZh": "it is packed with bzip2: let its name end in .bz2",
    b"\xfd7zXZ": "it is packed with xz: let its name end in .xz",
}
LINE_END = re.compile(r"\r\n?|\n")
UTF_16_BOMS = (b"\xff\xfe", b"\xfe\xff")
UTF_16 = "it looks like UTF-16: set csv_encoding to utf-16"


def hint(header: Sequence[str], name: str, setting: str, delimiter: str) -> str:
    """Return what to do about a column that is not in a header row, to follow the error; "" when nobody knows.

    Args:
        header: The names that are there.
        name: The one that is not.
        setting: Which settings say where the file is: `on_hand` or `booked`.
        delimiter: What the header row was split at.
    """
    text = delimiter.join(header)
    if said := _no_text(text[:8].encode("cp1252", "ignore")) or _no_text(text[:8].encode("latin-1", "ignore")):
        return f": {said}"
    if "\0" in text:
        return f": {UTF_16}"
    if text.startswith(MISREAD_BOM):
        return ": it looks like UTF-8: leave csv_encoding at its default"
    for mark, called in DELIMITERS.items():
        if mark != delimiter and name.casefold() in [part.strip('" ').casefold() for part in text.split(mark)]:
            return f": it looks split by {called!r}: set csv_delimiter to {called!r}"
    return spelled_otherwise(header, name, setting)


def spelled_otherwise(names: Sequence[str], name: str, setting: str) -> str:
    """Return which column of a file seems to be meant by a name that is not there; "" when none does."""
    alike = [other for other in names if other.strip().casefold() == name.strip().casefold()]
    if alike and name not in names:
        return f": it has {alike[0]!r}, and names must be the same letter by letter: name it in {setting}_columns"
    return ""


def line_ends_before(error: UnicodeError) -> int:
    """Return how many lines end in the block of bytes that cannot be decoded, before the place where it cannot."""
    if not isinstance(error, UnicodeDecodeError):
        return 0
    return len(LINE_END.findall(error.object[: error.start].decode(error.encoding, errors="replace")))


def not_decoded(error: UnicodeError) -> str:
    """Return what a decoding error means, and what to do."""
    if not isinstance(error, UnicodeDecodeError):
        return f"it cannot be decoded ({error}): set csv_encoding to what the ERP writes"
    if error.object[:2] in UTF_16_BOMS:
        return UTF_16
    if said := _no_text(error.object):
        return said
    if error.reason in ("unexpected end of data", "truncated data"):
        return "the file ends inside a character: it was cut, or is still being written. Let the ERP write it again"
    wrong = error.object[error.start : error.start + 1].hex()
    return f"byte 0x{wrong} is not {error.encoding}: set csv_encoding to what the ERP writes, such as cp1252 or utf-16"


def _no_text(content: bytes) -> str:
    """Return what a file is by its first bytes, and what to do; "" for a text."""
    return next((said for begins, said in NO_TEXT.items() if content.startswith(begins)), "")
