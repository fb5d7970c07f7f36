"""The mapper beside the SDK's pass-through mapper on the same messages, and on the ERP's rows with 1 % changed."""

from __future__ import annotations

import functools
import json
import random
import sqlite3
import typing as t

from tap_newstore_fulfillment.streams import FulfillmentEventsStream

from tests.benchmarks.measuring import in_turns, run_process
from tests.benchmarks.pass_through import pass_through
from tests.shop.postgresql import PostgreSql
from tests.shop.process import command

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.measuring import Measured, Report

STREAM = "fulfillment_events"
KEYS = 20_000
NODES = 20
STATE_EVERY = 10_000
#: On-hand rows for each event of the same size.
ROWS_PER_EVENT = 5
#: Larger inputs are measured for our mapper only.
MOST_FOR_THE_SDK = 1_000_000
#: Beyond this many on-hand rows, the first write to a new ledger is measured once only.
MOST_ROWS_AGAIN = 1_000_000
PASS_THROUGH, ON_SQLITE, ON_POSTGRESQL = "meltano-map-transform", "ledger on SQLite", "ledger on PostgreSQL"


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure events through the mapper, then on-hand rows with 1 % changed."""
    with PostgreSql() as server:
        _measure_events(report, size, rounds, directory, server)
        if size <= MOST_FOR_THE_SDK:
            _measure_on_hand(report, size * ROWS_PER_EVENT, rounds, directory, server)


def _measure_events(report: Report, size: int, rounds: int, directory: Path, server: PostgreSql) -> None:
    messages = directory / "events.jsonl"
    _write_events(messages, size)
    on_hand = directory / "on_hand.csv"
    _write_csv(on_hand)
    ledgers = iter(range(1_000_000))

    def through_the_ledger(ledger_url: str) -> Measured:
        config = _config(directory, ledger_url=ledger_url, on_hand_url=str(on_hand))
        return run_process([command("mapper-newstore-stock"), "--config", config], stdin=messages)

    ours = {
        ON_SQLITE: lambda: through_the_ledger(f"sqlite:///{directory / f'events-{next(ledgers)}.db'}"),
        ON_POSTGRESQL: lambda: through_the_ledger(server.new_database()),
    }
    required = {(ON_POSTGRESQL, ON_SQLITE): 0.5}
    if size > MOST_FOR_THE_SDK:
        report.add("ledger: events", size, in_turns(ours, 1), required)
        return
    ways = {PASS_THROUGH: lambda: run_process(pass_through(directory), stdin=messages), **ours}
    report.add("ledger: events", size, in_turns(ways, rounds), {(ON_SQLITE, PASS_THROUGH): 5.0, **required})


def _measure_on_hand(report: Report, size: int, rounds: int, directory: Path, server: PostgreSql) -> None:
    erp, messages = directory / "erp.db", directory / "state.jsonl"
    _write_table(erp, size)
    settings = {"on_hand_url": f"sqlite:///{erp}", "on_hand_table": "stock"}
    ledgers = iter(range(1_000_000))
    new_ledgers = {
        ON_SQLITE: lambda: f"sqlite:///{directory / f'on-hand-{next(ledgers)}.db'}",
        ON_POSTGRESQL: server.new_database,
    }
    urls: dict[str, str] = {}
    states: dict[str, str] = {}

    def run(name: str) -> Measured:
        config = _config(directory, ledger_url=urls[name], **settings)
        said = directory / "stock.jsonl"
        messages.write_text(states.get(name, "") + schema() + state(1))
        measured = run_process([command("mapper-newstore-stock"), "--config", config], stdin=messages, stdout=said)
        states[name] = last_line(said)
        return measured

    def run_anew(name: str) -> Measured:
        urls[name] = new_ledgers[name]()
        states.pop(name, None)
        return run(name)

    first = {name: functools.partial(run_anew, name) for name in new_ledgers}
    required = {(ON_POSTGRESQL, ON_SQLITE): 0.5}
    once_if_large = rounds if size <= MOST_ROWS_AGAIN else 1
    report.add("ledger: first cut of all on-hand rows", size, in_turns(first, once_if_large), required)

    changed: dict[str, list[Measured]] = {name: [] for name in urls}
    for number in range(rounds):
        _change_one_percent(erp, number)
        for name in urls:
            changed[name].append(run(name))
    report.add("ledger: on-hand rows, 1 % changed", size, changed, required)


def _config(directory: Path, **settings: str) -> str:
    path = directory / "mapper.json"
    path.write_text(json.dumps(settings))
    return str(path)


def _write_events(path: Path, size: int) -> None:
    """Write events as the tap does: each order is assigned and completed, with a STATE now and then."""
    chance = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        file.write(schema())
        for at in range(1, size + 1):
            file.write(json.dumps(record(at, chance.randrange(KEYS))) + "\n")
            if at % STATE_EVERY == 0:
                file.write(state(at))
        file.write(state(size))


def record(at: int, key: int) -> dict[str, t.Any]:
    """Return a record of the tap; odd timestamps are completions."""
    name = "fulfillment_request.items_completed" if at % 2 else "fulfillment_request.assigned"
    record = {
        "event_id": f"acme:{name}:fr-{at // 2}:{at}",
        "event_name": name,
        "tenant": "acme",
        "logical_timestamp": at,
        "published_at": "2025-03-04T09:15:02.117Z",
        "received_at": "2025-03-04T09:15:03.220Z",
        "fulfillment_request_id": f"fr-{at // 2}",
        "order_id": f"order-{at // 2}",
        "fulfillment_location_id": f"DC{key % NODES:02d}",
        "associate_id": None,
        "service_level": "STANDARD",
        "released": True,
        "items": [{"id": f"item-{at}", "product_id": f"SKU-{key // NODES:06d}"}],
    }
    return {"type": "RECORD", "stream": STREAM, "record": record, "time_extracted": "2025-03-04T09:20:00.000Z"}


def schema() -> str:
    """Return the tap's SCHEMA, as a line."""
    described = FulfillmentEventsStream.schema
    message = {"type": "SCHEMA", "stream": STREAM, "schema": described, "key_properties": ["event_id"]}
    return json.dumps(message) + "\n"


def state(through: int) -> str:
    """Return a STATE of the tap, as a line."""
    bookmark = {"replication_key": "logical_timestamp", "replication_key_value": through}
    value = {"bookmarks": {STREAM: {**bookmark, "position": through, "store_id": "store"}}}
    return json.dumps({"type": "STATE", "value": value}) + "\n"


def _write_csv(path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("fulfillment_node_id,product_id,quantity,as_of_logical_timestamp\n")
        file.writelines(f"DC{key % NODES:02d},SKU-{key // NODES:06d},100000,\n" for key in range(KEYS))


def _write_table(path: Path, size: int) -> None:
    """Write the ERP's table in an order that does not help the ledger."""
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE stock (fulfillment_node_id TEXT, product_id TEXT, quantity INTEGER,"
            " as_of_logical_timestamp INTEGER)"
        )
        # 7919 is prime, so every number occurs once.
        keys = (number * 7919 % size for number in range(size))
        rows = ((f"DC{key % NODES:02d}", f"SKU-{key // NODES:06d}", 10, None) for key in keys)
        connection.executemany("INSERT INTO stock VALUES (?, ?, ?, ?)", rows)
    connection.close()


def _change_one_percent(path: Path, number: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE stock SET quantity = quantity + 1 WHERE rowid % 100 = ?", (number,))
    connection.close()


def last_line(path: Path) -> str:
    """Return the last line of a file."""
    with path.open(encoding="utf-8") as file:
        line = ""
        for line in file:  # noqa: B007 - only the last one counts
            pass
    return line
