"""How the ERP writes files and numbers: from the settings."""

from __future__ import annotations

import re
import typing as t

from mapper_newstore_stock.errors import ConfigurationError
from mapper_newstore_stock.run.whole_numbers import NumberReader

if t.TYPE_CHECKING:
    from collections.abc import Mapping

UTF_8 = "utf-8"
#: What is made of no lines.
KINDS = {"sql": "a database", "parquet": "Parquet"}


class CsvFormat(t.NamedTuple):
    """How the ERP writes CSV files.

    Attributes:
        delimiter: What stands between values.
        encoding: Python's name of the encoding.
        is_marked_whole: A second file says that the list is whole, so its last line needs no end.
        trailer: Regular expression of the last line of a list, which is no row; "": it has none.
    """

    delimiter: str = ","
    encoding: str = UTF_8
    is_marked_whole: bool = False
    trailer: str = ""

    @classmethod
    def of(cls, delimiter: str, encoding: str) -> t.Self:
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
        return cls(mark, encoding)


def csv_format(config: Mapping[str, t.Any]) -> CsvFormat:
    """Return how CSV files are written.

    Args:
        config: The mapper's settings.

    Raises:
        ConfigurationError: there is no such delimiter or encoding.
    """
    default = CsvFormat()
    delimiter, encoding = config.get("csv_delimiter"), config.get("csv_encoding")
    return CsvFormat.of(delimiter or default.delimiter, encoding or default.encoding)


def on_hand_format(config: Mapping[str, t.Any], kind: str) -> CsvFormat:
    """Return how the on-hand list is written, and how it says that it is whole.

    Args:
        config: The mapper's settings.
        kind: What the list is made of: `csv`, or what has no trailer.

    Raises:
        ConfigurationError: there is no such delimiter, encoding or trailer.
    """
    trailer = config.get("on_hand_trailer") or ""
    if trailer and kind != "csv":
        raise ConfigurationError(
            f"on_hand_trailer: it is the last line of a CSV, and on_hand_url names {KINDS[kind]}. Leave it out there"
        )
    try:
        re.compile(trailer)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigurationError(f"on_hand_trailer: {trailer!r} is no regular expression: {error}") from error
    is_marked_whole = bool(config.get("on_hand_done_marker"))
    return csv_format(config)._replace(is_marked_whole=is_marked_whole, trailer=trailer)


def number_reader(config: Mapping[str, t.Any]) -> NumberReader:
    """Return what reads numbers.

    Raises:
        ConfigurationError: the separators cannot be told apart.
    """
    return NumberReader(config.get("decimal_separator") or "", config.get("thousands_separator") or "")
