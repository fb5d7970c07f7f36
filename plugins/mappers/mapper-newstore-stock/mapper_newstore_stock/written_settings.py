"""The settings that say how the ERP writes files and numbers."""

from __future__ import annotations

import typing as t

from singer_sdk import typing as th

from mapper_newstore_stock.run.layouts import CsvFormat

WRITTEN: tuple[th.Property[t.Any], ...] = (
    th.Property(
        "on_hand_trailer",
        th.StringType,
        title="Trailer",
        description="Regular expression of the last line of an on-hand CSV, which is no row, such as "
        r"`TRAILER,(\d+),,`: a list without it is not whole, nor is one with another number of rows than its group "
        "`rows`, or its first group, says",
    ),
    th.Property(
        "csv_delimiter",
        th.StringType,
        default=CsvFormat().delimiter,
        title="Delimiter of CSV files",
        description="What stands between values in CSV files, such as `;` or `tab`",
    ),
    th.Property(
        "csv_encoding",
        th.StringType,
        default=CsvFormat().encoding,
        title="Encoding of CSV files",
        description="Python's name of the encoding of CSV files, such as `cp1252` or `utf-16`",
    ),
    th.Property(
        "decimal_separator",
        th.StringType,
        title="Decimal separator",
        description="What stands before decimals in numbers written as text, `.` or `,`. Unless it or "
        "`thousands_separator` is set, `12.0` is 12, and `1.000` and `1,000` are refused",
    ),
    th.Property(
        "thousands_separator",
        th.StringType,
        title="Thousands separator",
        description="What stands between thousands in numbers written as text: `.`, `,`, `'`, `_` or a space",
    ),
)
