"""A list of bookings beside the ERP's rows (form `booked`), and the same run without (form `column`)."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import typing as t

from tests.benchmarks.ledger import NODES, last_line, record, schema, state
from tests.benchmarks.measuring import run_process
from tests.shop.postgresql import PostgreSql
from tests.shop.process import command

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.benchmarks.measuring import Measured, Report

#: On-hand rows for each completion, and so for each booking.
ROWS_PER_BOOKING = 5
#: One booking of so many, and one row, is new in the second run.
NEW = 100
#: How much longer a run with bookings may take, and how much more memory.
MOST_TIME, MOST_MEMORY = 1.5, 1.2
ON_SQLITE, ON_POSTGRESQL = "ledger on SQLite", "ledger on PostgreSQL"
WITHOUT = "column"
FORMS: dict[str, dict[str, t.Any]] = {
    WITHOUT: {"on_hand_as_of": "column"},
    "booked by event": {
        "on_hand_as_of": "booked",
        "booked_table": "booked",
        "booked_columns": {"event_id": "event_id"},
    },
    "booked by request": {
        "on_hand_as_of": "booked",
        "booked_table": "booked",
        "booked_columns": {name: name for name in ("fulfillment_request_id", "product_id", "units")},
    },
}


@dataclasses.dataclass
class Shop:
    """A mapper with a ledger of its own, run after run.

    Attributes:
        state: The STATE of the last run, as a line.
    """

    directory: Path
    settings: dict[str, t.Any]
    state: str = ""

    def run(self, messages: Path) -> Measured:
        """Run the mapper on what the tap sends."""
        config, came, said = (self.directory / name for name in ("mapper.json", "came.jsonl", "said.jsonl"))
        config.write_text(json.dumps(self.settings), encoding="utf-8")
        with came.open("w", encoding="utf-8") as file, messages.open(encoding="utf-8") as source:
            file.write(self.state)
            file.writelines(source)
        run = run_process([command("mapper-newstore-stock"), "--config", str(config)], stdin=came, stdout=said)
        self.state = last_line(said)
        return run


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure `size` on-hand rows with a fifth as many bookings: a new ledger's run, and one with 1 % new."""
    events, nothing = directory / "events.jsonl", directory / "nothing.jsonl"
    count = size // ROWS_PER_BOOKING
    _write_events(events, size, count)
    nothing.write_text(schema() + state(2 * count), encoding="utf-8")
    first, second = _no_runs(), _no_runs()
    with PostgreSql() as server:
        for number in range(rounds):
            erp = directory / f"erp-{number}.db"
            _write_erp(erp, size, count)
            shops = {
                f"{form}, {place}": Shop(directory, _settings(directory, erp, form, ledger(number, form)))
                for form in FORMS
                for place, ledger in _ledgers(directory, server).items()
            }
            for name, shop in shops.items():
                first[name].append(shop.run(events))
            _change(erp)
            for name, shop in shops.items():
                second[name].append(shop.run(nothing))
            erp.unlink()
    for part, measured in (("first run", first), ("1 % new", second)):
        pairs = {(name, f"{WITHOUT}, {place}"): 1 / MOST_TIME for place, name in _with_bookings()}
        report.add(f"bookings: {part}", size, measured, pairs)
        report.add_memory(f"bookings: {part}", size, measured, dict.fromkeys(pairs, MOST_MEMORY))


def _no_runs() -> dict[str, list[Measured]]:
    return {f"{form}, {place}": [] for form in FORMS for place in (ON_SQLITE, ON_POSTGRESQL)}


def _with_bookings() -> list[tuple[str, str]]:
    return [(place, f"{form}, {place}") for form in FORMS if form != WITHOUT for place in (ON_SQLITE, ON_POSTGRESQL)]


def _ledgers(directory: Path, server: PostgreSql) -> dict[str, Callable[[int, str], str]]:
    return {
        ON_SQLITE: lambda number, form: f"sqlite:///{directory / f'{form}-{number}.db'}",
        ON_POSTGRESQL: lambda _number, _form: server.new_database(),
    }


def _settings(directory: Path, erp: Path, form: str, ledger_url: str) -> dict[str, t.Any]:
    del directory
    place = {"on_hand_url": f"sqlite:///{erp}", "on_hand_table": "stock"}
    return {"ledger_url": ledger_url, **place, **FORMS[form]}


def _write_events(path: Path, size: int, count: int) -> None:
    """Write completions of keys all over the table; odd timestamps are completions."""
    with path.open("w", encoding="utf-8") as file:
        file.write(schema())
        file.writelines(json.dumps(record(2 * number + 1, _key(number, size))) + "\n" for number in range(count))
        file.write(state(2 * count))


def _key(number: int, size: int) -> int:
    # 7919 is prime, so every number occurs once.
    return number * 7919 % size


def _write_erp(path: Path, size: int, count: int) -> None:
    """Write a table of numbers that contain all completions, and a list of all but the newest, in another order."""
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE stock (fulfillment_node_id TEXT, product_id TEXT, quantity INTEGER,"
            " as_of_logical_timestamp INTEGER)"
        )
        rows = ((*_names(_key(number, size)), 10, 2 * count) for number in range(size))
        connection.executemany("INSERT INTO stock VALUES (?, ?, ?, ?)", rows)
        columns = "(event_id TEXT, fulfillment_request_id TEXT, product_id TEXT, units INTEGER, is_new INTEGER)"
        connection.execute(f"CREATE TABLE bookings {columns}")
        booked = ((*_booking(number * 7907 % count, size), number % NEW == 0) for number in range(count))
        connection.executemany("INSERT INTO bookings VALUES (?, ?, ?, 1, ?)", booked)
        connection.execute("CREATE VIEW booked AS SELECT * FROM bookings WHERE is_new = 0")
    connection.close()


def _booking(number: int, size: int) -> tuple[str, str, str]:
    completion = record(2 * number + 1, _key(number, size))["record"]
    return completion["event_id"], completion["fulfillment_request_id"], completion["items"][0]["product_id"]


def _names(key: int) -> tuple[str, str]:
    return f"DC{key % NODES:02d}", f"SKU-{key // NODES:06d}"


def _change(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE stock SET quantity = quantity + 1 WHERE rowid % {NEW} = 0")
        connection.execute("UPDATE bookings SET is_new = 0")
    connection.close()
