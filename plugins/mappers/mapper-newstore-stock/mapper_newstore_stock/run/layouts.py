"""How the ERP writes files and numbers: from the settings."""

from __future__ import annotations

import typing as t

from mapper_newstore_stock.run.csv_lists import CsvFormat
from mapper_newstore_stock.run.whole_numbers import NumberReader

if t.TYPE_CHECKING:
    from collections.abc import Mapping


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
