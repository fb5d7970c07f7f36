"""How the ERP writes files and numbers: from the settings."""

from __future__ import annotations

import typing as t

from mapper_newstore_stock.errors import ConfigurationError
from mapper_newstore_stock.run.whole_numbers import NumberReader

if t.TYPE_CHECKING:
    from collections.abc import Mapping

UTF_8 = "utf-8"


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


def csv_format(config: Mapping[str, t.Any], *, is_marked_whole: bool = False) -> CsvFormat:
    """Return how CSV files are written.

    Args:
        config: The mapper's settings.
        is_marked_whole: A second file says that the list is whole.

    Raises:
        ConfigurationError: there is no such delimiter or encoding.
    """
    default = CsvFormat()
    delimiter, encoding = config.get("csv_delimiter"), config.get("csv_encoding")
    return CsvFormat.of(delimiter or default.delimiter, encoding or default.encoding, is_marked_whole=is_marked_whole)


def number_reader(config: Mapping[str, t.Any]) -> NumberReader:
    """Return what reads numbers.

    Raises:
        ConfigurationError: the separators cannot be told apart.
    """
    return NumberReader(config.get("decimal_separator") or "", config.get("thousands_separator") or "")
