"""`newstore-stock-ledger diff --bulk` of a whole shop: how long it takes, and in how much memory, on both databases.

One key of 100,000 differs, by an open order. The export comes in an order of its own. Figures are keys per CPU second
of the command.
"""

from __future__ import annotations

import contextlib
import http.server
import sqlite3
import threading
import typing as t

from mapper_newstore_stock.ledger.database import open_ledger_engine
from mapper_newstore_stock.ledger.opening import open_schema

from tests.benchmarks.measuring import Measured, run_process
from tests.shop.postgresql import PostgreSql
from tests.shop.process import command

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.benchmarks.measuring import Report

NODES = 50
DIFFERS = 100_000
#: CPU seconds for 5 million keys, and the most memory.
MOST_SECONDS, MOST_MB, OF_KEYS = 60.0, 250.0, 5_000_000
ALLOWED = "allowed"
BULK = "/v0/d/availabilities/bulk"


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure a shop of `size` keys."""
    export = directory / "export.json"
    _write_export(export, size)
    measured: dict[str, list[Measured]] = {}
    with PostgreSql() as server, _serving(export) as url:
        on_disk = f"sqlite:///{directory / 'ledger.db'}"
        ledgers = {"ledger on SQLite": on_disk, "ledger on PostgreSQL": server.new_database()}
        for name, ledger in ledgers.items():
            _fill(ledger, size)
            names = (("api-url", url), ("auth-url", f"{url}/token"), ("client-id", "c"), ("client-secret", "s"))
            options = [f"--{option}={value}" for option, value in names]
            call = [command("newstore-stock-ledger"), "--ledger-url", ledger, "diff", "--bulk", "--format=json"]
            measured[name] = [run_process([*call, *options]).cpu for _ in range(rounds)]
    allowed = {ALLOWED: [Measured(MOST_SECONDS * size / OF_KEYS, MOST_MB)]}
    report.add("whole shop", size, {**measured, **allowed}, {(name, ALLOWED): 1 for name in measured})
    report.add_memory("whole shop", size, {**measured, **allowed}, {(name, ALLOWED): 1 for name in measured})


def _key(number: int) -> tuple[str, str]:
    return f"DC{number % NODES:02d}", f"SKU-{number // NODES:06d}"


def _write_export(path: Path, size: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for count in range(size):
            # 7919 is prime, so every number occurs once.
            number = count * 7919 % size
            node, product = _key(number)
            atp = 10 - (number % DIFFERS == 0)
            start = "," if count else "["
            file.write(f'{start}{{"product_id":"{product}","fulfillment_node_id":"{node}","atp":{atp}}}')
        file.write("]")


def _fill(url: str, size: int) -> None:
    """Fill a ledger as the mapper does, in key order."""
    engine = open_ledger_engine(url)
    with engine.connect() as connection:
        open_schema(connection)
    insert = (
        "INSERT INTO on_hand (fulfillment_node_id, product_id, quantity, changed_run, sent_quantity, sent_cut)"
        " SELECT 'DC' || {pad2}, 'SKU-' || {pad6}, 10, 1, 10, 1 FROM {numbers}"
    )
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO run (run_id, host, process, started_at) VALUES ('r', 'h', 1, '2026-01-01T00:00:00+00:00')"
        )
        connection.exec_driver_sql("INSERT INTO cut (cut, run, size) VALUES (1, 1, 1)")
        if engine.dialect.name == "postgresql":
            parts = {"pad2": f"lpad(mod(n, {NODES})::text, 2, '0')", "pad6": f"lpad((n / {NODES})::text, 6, '0')"}
            connection.exec_driver_sql(
                insert.format(**parts, numbers=f"generate_series(0, {size - 1}) AS n ORDER BY 1, 2")
            )
            connection.exec_driver_sql("ANALYZE on_hand")
    engine.dispose()
    if engine.dialect.name == "sqlite":
        _fill_sqlite(str(engine.url.database), size)


def _fill_sqlite(path: str, size: int) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        rows = ((*_key(node + NODES * number),) for node in range(NODES) for number in range(-(-size // NODES)))
        connection.executemany(
            "INSERT INTO on_hand (fulfillment_node_id, product_id, quantity, changed_run, sent_quantity, sent_cut)"
            " VALUES (?, ?, 10, 1, 10, 1)",
            rows,
        )


@contextlib.contextmanager
def _serving(export: Path) -> Iterator[str]:
    """Serve a NewStore that knows nothing but the export."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v0/availabilities":
                items = body[body.index(b"[") : body.rindex(b"]") + 1].replace(b"}", b', "atp": 9}')
                self._answer(b'{"items": ' + items + b"}")
            else:
                self._answer(b'{"access_token": "t", "availability_export_id": "1"}')

        def do_GET(self) -> None:
            if self.path.startswith("/v0/stock/insights"):
                self._answer(b'{"allocations": [{}]}')
            elif self.path == f"{BULK}/1":
                self._answer(f'{{"link": "http://{self.headers["Host"]}/export"}}'.encode())
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(export.stat().st_size))
                self.end_headers()
                with export.open("rb") as file:
                    while piece := file.read(1 << 20):
                        self.wfile.write(piece)

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Stay quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
