"""The ERP's stock, with the mapper's default column names: as a CSV, or live in a database."""

from __future__ import annotations

import contextlib
import csv
import sqlite3
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEADER = ("fulfillment_node_id", "product_id", "quantity", "as_of_logical_timestamp")


class Erp:
    """The ERP's stock on hand.

    Args:
        path: The CSV, rewritten with every change.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[tuple[str, str], tuple[int | str, int | None]] = {}
        self._write()

    @property
    def settings(self) -> dict[str, str]:
        """The mapper's settings that lead here."""
        return {"on_hand_url": str(self.path)}

    def count(self, node: str, product: str, quantity: int | str, as_of: int | None = None) -> None:
        """Set a number; `as_of` is the highest logical timestamp it contains (None: none)."""
        self.count_later(node, product, quantity, as_of)
        self._write()

    def count_later(self, node: str, product: str, quantity: int | str, as_of: int | None = None) -> None:
        """Set a number, to be written with the next change."""
        self._rows[node, product] = (quantity, as_of)

    def remove(self, node: str, product: str) -> None:
        """Take a row out."""
        del self._rows[node, product]
        self._write()

    def replace(self, rows: Mapping[tuple[str, str], tuple[int | str, int | None]]) -> None:
        """Replace all numbers; keys not given are removed."""
        self._rows = dict(rows)
        self._write()

    def _write(self) -> None:
        # Replace it atomically: a run may be reading it.
        new = self.path.with_suffix(".new")
        with new.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            for (node, product), (quantity, as_of) in self._rows.items():
                writer.writerow([node, product, quantity, "" if as_of is None else as_of])
        new.replace(self.path)


class LiveErp(Erp):
    """The same numbers in a table of SQLite: whoever reads them reads what is so now.

    Args:
        path: The database.
    """

    def __init__(self, path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute(f"CREATE TABLE stock ({', '.join(HEADER)})")
        super().__init__(path)

    @property
    def settings(self) -> dict[str, str]:
        return {"on_hand_url": f"sqlite:///{self.path}", "on_hand_table": "stock"}

    def _write(self) -> None:
        rows = [(*key, *row) for key, row in self._rows.items()]
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("DELETE FROM stock")
            connection.executemany("INSERT INTO stock VALUES (?, ?, ?, ?)", rows)
