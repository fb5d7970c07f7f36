"""Durable events per second, beside the same server with the same decoding but no storage.

32 connections post as fast as they are answered. Then the latency is measured at half of the
durable rate, and what it costs if one event of ten is not ours. Load generator and server share the machine.
"""

from __future__ import annotations

import functools
import gc
import json
import statistics
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from tests.benchmarks.http_load import post
from tests.benchmarks.measuring import Figure, Measured, in_turns
from tests.shop.postgresql import PostgreSql
from tests.shop.process import Process, command
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.measuring import Report

CONNECTIONS = 32
NO_STORAGE = "no storage"
WANTED_RATIO = 0.8
WANTED_P99_MS = 25.0
WARM_UP_SECONDS = 1
LATENCY_SECONDS = 5
DUPLICATE = "a duplicate"
#: What every tenth event may be; by number.
TENTHS: dict[str, Callable[[int], dict[str, t.Any]]] = {
    DUPLICATE: lambda _: an_event(0, request="fr-0"),
    "of another entity": lambda number: an_event(number, name="order.created", request=f"fr-{number}"),
    "of another tenant": lambda number: an_event(number, request=f"fr-{number}") | {"tenant": "other"},
}


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure with `size` events a round, but no more than a steady figure needs."""
    events = min(size, 30_000)
    with PostgreSql() as postgresql:
        postgresql.make_write_ahead_log()
        stores = {
            NO_STORAGE: lambda: "",
            "SQLite": lambda: f"sqlite:///{Path(tempfile.mkdtemp(dir=directory)) / 'landing.db'}",
            "PostgreSQL": postgresql.new_database,
        }
        posts = [_request(an_event(number, f"SKU-{number % 500}", request=f"fr-{number}")) for number in range(events)]
        ways = {name: functools.partial(_post_all, new_url, posts, directory) for name, new_url in stores.items()}
        measured = in_turns(ways, rounds)
        required = {(name, NO_STORAGE): WANTED_RATIO for name in stores if name != NO_STORAGE}
        report.add("receiver, durable", events, measured, required)
        for name, new_url in stores.items():
            rate = events / min(run.seconds for run in measured[name]) / 2
            p99 = statistics.median(_latency_at(new_url(), rate, directory) for _ in range(max(rounds, 3)))
            what = f"{name}, p99 in ms at {rate:,.0f}/s (wanted: below {WANTED_P99_MS:g})"
            report.figures.append(Figure("receiver, latency", what, events, p99))
        del stores[NO_STORAGE]
        for name, new_url in stores.items():
            tenths = _tenths(name, new_url, posts, directory)
            duplicates = f"{name}, every tenth {DUPLICATE}"
            wanted = {(way, duplicates): 1.0 for way in tenths if way != duplicates}
            report.add("receiver, not ours", events, in_turns(tenths, rounds), wanted)


def _tenths(
    store: str, new_url: Callable[[], str], posts: Sequence[bytes], directory: Path
) -> dict[str, Callable[[], Measured]]:
    """Return what measures the receiver with every tenth event replaced, by what replaces it."""
    ways: dict[str, Callable[[], Measured]] = {}
    for kind, tenth in TENTHS.items():
        mixed = [post if number % 10 else _request(tenth(number)) for number, post in enumerate(posts)]
        ways[f"{store}, every tenth {kind}"] = functools.partial(_post_all, new_url, mixed, directory)
    return ways


def _post_all(new_url: Callable[[], str], posts: Sequence[bytes], directory: Path) -> Measured:
    with _Server(new_url(), directory) as server:
        begun = time.perf_counter()
        server.load(posts, None)
        return Measured(time.perf_counter() - begun, 0.0)


def _latency_at(url: str, per_second: float, directory: Path) -> float:
    """Return the 99th percentile of the answers' latency in milliseconds, once the server is warm."""
    numbers = range(int(per_second * (WARM_UP_SECONDS + LATENCY_SECONDS)))
    requests = [_request(an_event(number, f"SKU-{number % 500}", request=f"fr-{number}")) for number in numbers]
    first = int(per_second * WARM_UP_SECONDS)
    with _Server(url, directory) as server:
        server.load(requests[:first], per_second)
        latencies = sorted(server.load(requests[first:], per_second))
        return latencies[int(len(latencies) * 0.99)] * 1000


class _Server:
    """The receiver, or, for an empty URL, the same application without a store."""

    def __init__(self, url: str, directory: Path) -> None:
        here = Path(tempfile.mkdtemp(dir=directory))
        config = here / "config.json"
        config.write_text(json.dumps({"landing_url": url, "receiver_port": 0, "receiver_open": True}), encoding="utf-8")
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

    def load(self, requests: Sequence[bytes], per_second: float | None) -> list[float]:
        """Post events and return the seconds each answer took."""
        # A pause of the load generator must not count as latency of the server.
        gc.collect()
        gc.disable()
        try:
            return post(self._address, requests, connections=CONNECTIONS, per_second=per_second)
        finally:
            gc.enable()


def _request(event: dict[str, t.Any]) -> bytes:
    body = json.dumps(event).encode()
    return b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
