"""What a sweep over many tenants costs that have nothing to do, in CPU seconds, beside what it may."""

from __future__ import annotations

import resource
import typing as t

from tests.benchmarks.measuring import Measured
from tests.shop.newstore import NewStore
from tests.shop.tenants import Tenants

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.measuring import Report

#: A tenant may cost so many CPU seconds: Meltano itself takes more than a third of them.
MOST_SECONDS = 3
#: More tenants take minutes to set up and show nothing new.
MOST_TENANTS = 50
ALLOWED, NOTHING_TO_DO = f"{MOST_SECONDS} CPU seconds for each", "CPU seconds, nothing to do"


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure sweeps of `size` tenants; the figures are tenants per CPU second."""
    count = min(size, MOST_TENANTS)
    with NewStore(directory, import_seconds=0) as newstore:
        tenants = Tenants(directory / "tenants", newstore)
        for number in range(count):
            tenants.add(f"tenant-{number:02d}").close()
        # Not measured: the first runs have the initial stock to send.
        _sweep(tenants)
        spent = [Measured(_sweep(tenants), 0) for _ in range(rounds)]
    allowed = [Measured(MOST_SECONDS * count, 0)]
    report.add("sweep", count, {ALLOWED: allowed, NOTHING_TO_DO: spent}, {(NOTHING_TO_DO, ALLOWED): 1})


def _sweep(tenants: Tenants) -> float:
    """Return the CPU seconds of one sweep, of all its processes."""
    before = _spent()
    sweep = tenants.sweep(SIDE_BY_SIDE="2")
    said, _ = sweep.communicate()
    if sweep.returncode:
        raise SystemExit(f"the sweep ended with {sweep.returncode}: {said}")
    return _spent() - before


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
