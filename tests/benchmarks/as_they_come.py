"""Events as they really come: kept by eight writers at once, every one a completion, through whole processes.

Beside the SDK's defaults: a plain stream, meltano-map-transform, and a target that drops everything.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import json
import os
import queue
import random
import sys
import typing as t

from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.benchmarks.chain import write_on_hand
from tests.benchmarks.measuring import in_turns, run_process
from tests.benchmarks.pass_through import pass_through
from tests.benchmarks.tap import event
from tests.benchmarks.target import write_messages
from tests.shop.process import command

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.benchmarks.measuring import Measured, Report

WRITERS, MOST_AT_ONCE = 8, 50
TAP, MAPPER, TARGET = "tap-newstore-fulfillment", "mapper-newstore-stock", "target-newstore-stock, dry run"
PLAIN, PASS_THROUGH, DROPPING = "SDK default stream", "meltano-map-transform", "SDK target, sink drops all"
#: The ratios wanted; larger inputs are measured for our parts only.
WANTED = {(TAP, PLAIN): 5.0, (MAPPER, PASS_THROUGH): 5.0, (TARGET, DROPPING): 8.0}
MOST_FOR_THE_SDK = 1_000_000


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure each part with `size` events, or as many stock records."""
    landing, on_hand = f"sqlite:///{directory / 'landing.db'}", directory / "on_hand.csv"
    fill_at_once(landing, size)
    write_on_hand(on_hand)
    events, stock = directory / "events.jsonl", write_messages(directory / "stock.jsonl", size)
    tap = [command("tap-newstore-fulfillment"), *_config(directory, "tap", landing_url=landing, settle_seconds=0)]
    run_process(tap, stdout=events)
    ledgers = itertools.count()

    def through_the_ledger() -> Measured:
        ledger = f"sqlite:///{directory / f'ledger-{next(ledgers)}.db'}"
        config = _config(directory, "mapper", ledger_url=ledger, on_hand_url=str(on_hand))
        return run_process([command("mapper-newstore-stock"), *config], stdin=events)

    def dry_run() -> Measured:
        staging = directory / f"staging-{next(ledgers)}"
        staging.mkdir()
        named = {"tenant": "acme", "client_id": "stock", "client_secret": "secret", "staging_url": str(staging)}
        config = _config(directory, "target", dry_run=True, max_file_mb=2000, **named)
        return run_process([command("target-newstore-stock"), *config], stdin=stock)

    ours = {TAP: lambda: run_process(tap), MAPPER: through_the_ledger, TARGET: dry_run}
    if size > MOST_FOR_THE_SDK:
        report.add("as they come", size, in_turns(ours, rounds), {})
        return
    plain = [sys.executable, "-m", "tests.benchmarks.tap_compared", "sdk", "-", str(size)]
    theirs = {
        PLAIN: lambda: run_process(plain),
        PASS_THROUGH: lambda: run_process(pass_through(directory), stdin=events),
        DROPPING: lambda: run_process([sys.executable, "-m", "tests.benchmarks.dropping_target"], stdin=stock),
    }
    report.add("as they come", size, in_turns({**ours, **theirs}, rounds), WANTED)


def fill_at_once(url: str, size: int) -> None:
    """Store completions: each writer takes the next few of them, and they arrive as it happens."""
    LandingStore(url).close()
    pieces = queue.SimpleQueue[range]()
    for piece in _pieces(size):
        pieces.put(piece)
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda _writer: _store(url, pieces), range(WRITERS)))
    # Flush: what is left unwritten would slow the first reader.
    os.sync()


def _pieces(size: int) -> Iterator[range]:
    chance, first = random.Random(0), 0
    while first < size:
        end = min(first + chance.randint(1, MOST_AT_ONCE), size)
        yield range(first, end)
        first = end


def _store(url: str, pieces: queue.SimpleQueue[range]) -> None:
    store = LandingStore(url)
    with contextlib.suppress(queue.Empty):
        while True:
            events = [check_event(json.dumps(event(number)).encode()) for number in pieces.get_nowait()]
            store.add(events, received_at=0)
    store.close()


def _config(directory: Path, name: str, **settings: object) -> tuple[str, str]:
    path = directory / f"{name}.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return "--config", str(path)
