"""Durable events per second, beside the same server with the same decoding and no storage.

32 connections post as fast as they are answered; then at half of the durable rate the
answers' latency is measured. Load generator and server share the machine.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from tests.benchmarks.measuring import Figure, Measured, in_turns
from tests.shop.postgresql import PostgreSql
from tests.shop.process import Process, command
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.measuring import Report

CONNECTIONS = 32
NO_STORAGE = "no storage"
WANTED_RATIO = 0.8
WANTED_P99_MS = 25.0


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure with `size` events a round, but never more than are needed for a steady figure."""
    events = min(size, 30_000)
    with PostgreSql() as postgresql:
        stores = {
            NO_STORAGE: lambda: "",
            "SQLite": lambda: f"sqlite:///{Path(tempfile.mkdtemp(dir=directory)) / 'landing.db'}",
            "PostgreSQL": postgresql.new_database,
        }
        ways = {name: functools.partial(_post_all, new_url, events, directory) for name, new_url in stores.items()}
        measured = in_turns(ways, rounds)
        required = {(name, NO_STORAGE): WANTED_RATIO for name in stores if name != NO_STORAGE}
        report.add("receiver, durable", events, measured, required)
        for name, new_url in stores.items():
            rate = events / min(run.seconds for run in measured[name]) / 2
            p99 = _latency_at(new_url(), rate, directory)
            what = f"{name}, p99 in ms at {rate:,.0f}/s (wanted: below {WANTED_P99_MS:g})"
            report.figures.append(Figure("receiver, latency", what, events, p99))


def _post_all(new_url: Callable[[], str], events: int, directory: Path) -> Measured:
    with _Server(new_url(), directory) as server:
        begun = time.perf_counter()
        server.load(events, None)
        return Measured(time.perf_counter() - begun, 0.0)


def _latency_at(url: str, per_second: float, directory: Path) -> float:
    with _Server(url, directory) as server:
        latencies = sorted(server.load(int(per_second * 5), per_second))
        return latencies[int(len(latencies) * 0.99)] * 1000


class _Server:
    """The receiver, or for an empty URL the same application without a store."""

    def __init__(self, url: str, directory: Path) -> None:
        here = Path(tempfile.mkdtemp(dir=directory))
        config = here / "config.json"
        config.write_text(json.dumps({"landing_url": url, "receiver_port": 0}), encoding="utf-8")
        serve = [command("newstore-event-receiver"), "--config", str(config)]
        if not url:
            serve = [sys.executable, "-m", "tests.benchmarks.receiver_without_store"]
        self._process = Process(serve, here / "log")
        found = self._process.wait_for(r"listening on http://([\d.]+):(\d+)")
        self._address = found[1], int(found[2])

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.stop()

    def load(self, events: int, per_second: float | None) -> list[float]:
        """Post events; give the seconds each answer took."""
        return asyncio.run(_load(self._address, events, per_second))


async def _load(address: tuple[str, int], events: int, per_second: float | None) -> list[float]:
    numbers, latencies, begun = iter(range(events)), [], time.perf_counter()

    async def post_one_after_the_other() -> None:
        reader, writer = await asyncio.open_connection(*address)
        for number in numbers:
            due = begun if per_second is None else begun + number / per_second
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            sent = time.perf_counter()
            writer.write(_request(number))
            await _read_answer(reader)
            latencies.append(time.perf_counter() - (sent if per_second is None else max(due, begun)))
        writer.close()

    await asyncio.gather(*(post_one_after_the_other() for _ in range(CONNECTIONS)))
    return latencies


def _request(number: int) -> bytes:
    body = json.dumps(an_event(number, f"SKU-{number % 500}", request=f"fr-{number}")).encode()
    return b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    await reader.readexactly(length)
