"""Where a table of the ERP is: in a SQL database, a CSV or Parquet."""

from __future__ import annotations

import contextlib
import hashlib
import json
import typing as t

import fsspec
import sqlalchemy as sa

from mapper_newstore_stock.address import address
from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.ledger.database import short
from mapper_newstore_stock.run.csv_lists import CsvFile
from mapper_newstore_stock.run.layouts import CsvFormat
from mapper_newstore_stock.run.list_bytes import shown_url
from mapper_newstore_stock.run.list_parts import is_parquet

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper_newstore_stock.run.parquet_lists import ParquetList

SHOWN_CHARACTERS = 60
#: Databases that show one moment to all statements of a transaction, and how a transaction asks for that.
SNAPSHOTS = {"postgresql": "REPEATABLE READ", "mysql": "REPEATABLE READ", "mariadb": "REPEATABLE READ", "sqlite": None}


class Place(t.NamedTuple):
    """Where a table of the ERP is.

    Attributes:
        setting: Which settings say so: `on_hand` or `booked`.
        url: SQLAlchemy URL, or path or fsspec URL of a CSV with a header row or of a Parquet file or directory.
        table: Table to read from a SQL source (`schema.table` works).
        query: Query to read from a SQL source instead of a table.
        layout: How a CSV is written.
    """

    setting: str
    url: str
    table: str | None = None
    query: str | None = None
    layout: CsvFormat = CsvFormat()

    @property
    def is_sql(self) -> bool:
        """Whether it is a SQL database rather than a file."""
        return is_sql(self.url)

    @property
    def is_csv(self) -> bool:
        """Whether it is made of lines of text; other rows have values of their own types."""
        return self.kind == "csv"

    @property
    def kind(self) -> t.Literal["sql", "csv", "parquet"]:
        """What it is made of."""
        return "sql" if self.is_sql else "parquet" if is_parquet(self.url) else "csv"

    @property
    def name(self) -> str:
        """What errors call it."""
        return (self.table or f"{self.setting}_query") if self.is_sql else shown_url(self.url)

    @property
    def fingerprint(self) -> str:
        """Tell it from others, whoever reads it with whatever password."""
        said = json.dumps([shown_url(self.url), self.table, self.query])
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    @property
    def csv(self) -> CsvFile:
        """The CSV that it is."""
        return CsvFile(self.setting, self.url, self.layout)

    @property
    def parquet(self) -> ParquetList:
        """The Parquet that it is.

        Raises:
            OnHandError: what reads it is not installed.
        """
        with self.explained():
            from mapper_newstore_stock.run.parquet_lists import ParquetList  # noqa: PLC0415 - most need no Arrow

        return ParquetList(self.setting, self.url)

    def row(self, position: int, *key: object) -> str:
        """Say which row of it is meant."""
        if not self.is_csv:
            return f"{self.name}, row {position} ({', '.join(map(_named, key))})"
        return f"{self.name}, {'/'.join(map(_named, key))} in line {position}"

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Make one line of what goes wrong in a block.

        Raises:
            OnHandError: a driver failed, or is not installed.
        """
        try:
            yield
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise OnHandError(
                f"{self.setting}_url: cannot read {self.name}: {short(error)}",
                f"Correct the settings {self.setting}_*, or start the ERP's database",
            ) from error


def is_sql(url: str) -> bool:
    """Return whether a URL names a SQL database rather than a file."""
    scheme = url.partition("://")[0].partition("+")[0]
    return "://" in url and scheme not in fsspec.available_protocols()


def has_snapshots(url: str) -> bool:
    """Return whether a URL names a database that shows one moment to all statements of a transaction."""
    return is_sql(url) and address(url).get_backend_name() in SNAPSHOTS


def _named(value: object) -> str:
    return repr(str(value)[:SHOWN_CHARACTERS])[1:-1]
