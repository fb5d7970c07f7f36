"""The whole chain as processes joined by pipes, beside the SDK's defaults, and under `meltano run`.

The SDK's chain is a plain stream, meltano-map-transform, and a target whose sink drops everything.
Ours ends with the finished zip; under Meltano, with NewStore's import.
"""

from __future__ import annotations

import contextlib
import json
import sys
import typing as t

from tests.benchmarks.measuring import in_turns, run_chain, run_process
from tests.benchmarks.pass_through import pass_through
from tests.benchmarks.tap import fill
from tests.end_to_end.demo import JOB
from tests.end_to_end.meltano_job import PROJECT, in_sandbox
from tests.shop.newstore import NewStore
from tests.shop.process import command

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.benchmarks.measuring import Measured, Report

PARTS = ("tap", "mapper", "target")
OURS, SDK, MELTANO = "tap | mapper | target", "the same of SDK defaults", "meltano run newstore-stock-sync"
REQUIRED_RATIO = 10.0
#: The SDK's chain takes two minutes for this many; larger inputs are compared with its rate at this size.
MOST_FOR_THE_SDK = 1_000_000
NODE, PRODUCTS = "DC01", 5_000


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure the chain on `size` waiting events."""
    landing, on_hand = f"sqlite:///{directory / 'landing.db'}", directory / "on_hand.csv"
    fill(landing, size)
    write_on_hand(on_hand)
    ledgers = (f"sqlite:///{directory / f'ledger-{number}.db'}" for number in range(1_000_000))
    peaks: dict[str, list[Measured]] = {name: [] for name in PARTS}

    def ours() -> Measured:
        chain = run_processes(directory, landing, on_hand, next(ledgers))
        for name, measured in zip(PARTS, chain, strict=True):
            peaks[name].append(measured)
        return chain[-1]

    few = min(size, MOST_FOR_THE_SDK)
    plain = [sys.executable, "-m", "tests.benchmarks.tap_compared", "sdk", "-", str(few)]
    dropping = [sys.executable, "-m", "tests.benchmarks.dropping_target"]
    theirs = in_turns({SDK: lambda: run_chain(plain, pass_through(directory), dropping)[-1]}, 1)
    with under_meltano(directory, landing, on_hand) as run:
        measured = in_turns({OURS: ours, MELTANO: lambda: run(next(ledgers))}, rounds)
    report.add("chain", few, theirs, {})
    report.add("chain", size, measured, {}, beside={(OURS, SDK): (few / theirs[SDK][0].seconds, REQUIRED_RATIO)})
    report.add("chain, each process", size, peaks, {})


def run_processes(
    directory: Path, landing: str, on_hand: Path, ledger: str, state: Path | None = None
) -> list[Measured]:
    """Run tap, mapper and a target that ends with the zip.

    Args:
        directory: For configuration and zip.
        landing: URL of the landing store.
        on_hand: The ERP's list.
        ledger: URL of the ledger.
        state: The state of the run before, and then this run's, as an orchestrator passes it on; None: no state.
    """
    tap = _config(directory, "tap", landing_url=landing, settle_seconds=0)
    mapper = _config(directory, "mapper", ledger_url=ledger, on_hand_url=str(on_hand))
    before = ["--state", str(state)] if state and state.exists() else []
    states = directory / "states.jsonl"
    measured = run_chain(
        [command("tap-newstore-fulfillment"), "--config", tap, *before],
        [command("mapper-newstore-stock"), "--config", mapper],
        [sys.executable, "-m", "tests.benchmarks.zipping_target", str(directory / "stock.zip")],
        stdout=states,
    )
    if state and (lines := states.read_text(encoding="utf-8").splitlines()):
        state.write_text(lines[-1], encoding="utf-8")
    return measured


@contextlib.contextmanager
def under_meltano(directory: Path, landing: str, on_hand: Path) -> t.Iterator[Callable[[str], Measured]]:
    """Yield a function that runs the job with a ledger against a NewStore; each ledger has its own state."""
    with NewStore(directory, import_seconds=0) as newstore:
        newstore.add_location(NODE)
        settings = {
            **in_sandbox(directory, newstore),
            "TAP_NEWSTORE_FULFILLMENT_LANDING_URL": landing,
            "MAPPER_NEWSTORE_STOCK_ON_HAND_URL": str(on_hand),
            "TARGET_NEWSTORE_STOCK_POLL_SECONDS": "1",
        }

        def run(ledger: str) -> Measured:
            own = {"MELTANO_DATABASE_URI": ledger.replace("ledger-", "meltano-")}
            own["MAPPER_NEWSTORE_STOCK_LEDGER_URL"] = ledger
            return run_process([command("meltano"), "--cwd", str(PROJECT), "run", JOB], variables=settings | own)

        yield run


def write_on_hand(path: Path) -> None:
    """Write the ERP's numbers for the products sold."""
    with path.open("w", encoding="utf-8") as file:
        file.write("fulfillment_node_id,product_id,quantity,as_of_logical_timestamp\n")
        file.writelines(f"{NODE},SKU-{number:05},1000000,\n" for number in range(PRODUCTS))


def _config(directory: Path, name: str, **settings: object) -> str:
    path = directory / f"{name}.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return str(path)
