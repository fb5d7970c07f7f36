"""The ERP of a story where the mapper can read it: a CSV, or a database."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import sqlite3
import typing as t

from tests.faults.stories.steps import SOURCES
from tests.shop.erp import Erp, LiveErp

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.stories.schedules import Options
    from tests.faults.stories.steps import Key
    from tests.faults.stories.truth import ErpRow

    Rows = dict[Key, ErpRow]

#: What a booking is known by, and the columns that say so.
KNOWN_BY = {
    "event": {"event_id": "event_id", "product_id": "product_id", "units": "units"},
    "request": {"fulfillment_request_id": "request", "product_id": "product_id", "units": "units"},
    "order": {"order_id": "shop_order", "product_id": "product_id", "units": "units", "fulfillment_node_id": "node"},
}


class ErpOnDisk:
    """A table of quantities and as-ofs.

    Attributes:
        settings: The mapper's settings that lead here.
    """

    def __init__(self, erp: Erp, form: str) -> None:
        self._erp = erp
        self.settings: dict[str, t.Any] = {**erp.settings, "on_hand_as_of": form}

    def write(self, rows: Rows, failing: frozenset[str]) -> None:
        """Replace the table; it can always be read."""
        del failing
        listed = {key: row for key, row in rows.items() if row.is_listed}
        self._erp.replace({key: (row.quantity, row.as_of) for key, row in listed.items()})


class BookingsOnDisk(ErpOnDisk):
    """Live numbers beside a table of what they contain."""

    def __init__(self, path: Path, known_by: str, *, is_reversible: bool) -> None:
        super().__init__(LiveErp(path), "booked")
        self._path = path
        self.settings |= {
            "booked_table": "booked",
            "booked_columns": KNOWN_BY[known_by],
            "booked_reversible": is_reversible,
        }
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE booked (event_id, request, shop_order, node, product_id, units)")

    def write(self, rows: Rows, failing: frozenset[str]) -> None:
        super().write(rows, failing)
        listed = [
            (booking.event_id, booking.request, booking.order, *key, booking.units)
            for key, row in rows.items()
            for booking in row.bookings
        ]
        with contextlib.closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute("DELETE FROM booked")
            connection.executemany("INSERT INTO booked VALUES (?, ?, ?, ?, ?, ?)", listed)


class ListsOnDisk(ErpOnDisk):
    """A CSV whose rows say when they were taken."""

    def __init__(self, path: Path, skew_seconds: int) -> None:
        super().__init__(Erp(path), "taken_at")
        self._path = path
        self.settings |= {"on_hand_columns": {"taken_at": "counted_at"}, "clock_skew_seconds": skew_seconds}

    def write(self, rows: Rows, failing: frozenset[str]) -> None:
        del failing
        new = self._path.with_suffix(".new")
        with new.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("fulfillment_node_id", "product_id", "quantity", "counted_at"))
            for key, row in rows.items():
                if not row.is_listed:
                    continue
                taken_at = dt.datetime.fromtimestamp(row.taken_at or 0, tz=dt.UTC)
                writer.writerow((*key, row.quantity, taken_at.isoformat()))
        new.replace(self._path)


class SourcesOnDisk:
    """Two sources with nodes of their own; one of them may not be readable.

    Attributes:
        settings: The mapper's settings that lead to both.
    """

    def __init__(self, sources: dict[str, ErpOnDisk], *, rows_stand: bool) -> None:
        self._sources = sources
        self._minutes = 1440 if rows_stand else 0
        self.settings: dict[str, t.Any] = {}
        self.write({}, frozenset())

    def write(self, rows: Rows, failing: frozenset[str]) -> None:
        """Replace the tables, and say where they are."""
        for name, source in self._sources.items():
            source.write({key: row for key, row in rows.items() if key[0] in SOURCES[name]}, failing)
        self.settings["on_hand_sources"] = [self._entry(name, name in failing) for name in self._sources]

    def _entry(self, name: str, is_failing: bool) -> dict[str, t.Any]:
        settings = self._sources[name].settings
        if is_failing:
            settings = settings | {"on_hand_url": "sqlite:////nowhere/erp.db", "on_hand_table": "stock"}
        elif not settings["on_hand_url"].endswith(".csv"):
            settings = settings | {"max_on_hand_age_minutes": self._minutes}
        age = {"max_on_hand_age_minutes": self._minutes} if is_failing else {}
        return {"name": name, "nodes": list(SOURCES[name]), **settings, **age}


def erp_on_disk(options: Options, directory: Path, skew_seconds: int) -> ErpOnDisk | SourcesOnDisk:
    """Return the ERP of a shop, below a directory."""
    if options.has_sources:
        parts = {name: directory / name for name in SOURCES}
        for part in parts.values():
            part.mkdir()
        sources = {name: _one_source(options, part, skew_seconds) for name, part in parts.items()}
        erp: ErpOnDisk | SourcesOnDisk = SourcesOnDisk(sources, rows_stand=options.rows_stand)
    else:
        erp = _one_source(options, directory, skew_seconds)
    if options.vanished:
        erp.settings |= {"vanished_rows": options.vanished, "max_vanished_percent": 100}
    return erp


def _one_source(options: Options, directory: Path, skew_seconds: int) -> ErpOnDisk:
    if options.erp == "books":
        return BookingsOnDisk(directory / "erp.db", options.booked_by, is_reversible=options.erp_reverses)
    if options.erp == "lists":
        return ListsOnDisk(directory / "on_hand.csv", skew_seconds)
    if options.erp == "current":
        return ErpOnDisk(LiveErp(directory / "erp.db"), "current")
    return ErpOnDisk(Erp(directory / "on_hand.csv"), "column")
