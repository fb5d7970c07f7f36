"""A prefix of very many export files: the run that finds them all new, and the next, which finds none.

They are empty and in a directory, so that what is measured is the listing and the notes of what was read.
"""

from __future__ import annotations

import json
import typing as t

from tests.benchmarks.measuring import run_process
from tests.shop.process import command

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.measuring import Report

MOST_FILES = 1_000_000
MOST_MB = 200
#: As NewStore's S3 sink names them, one every five minutes.
FIRST, APART = 1_700_000_000_000, 300_000


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure a prefix of `size` files, unless that are more than MOST_FILES."""
    if size > MOST_FILES:
        return
    exports = directory / "exports" / "demo"
    exports.mkdir(parents=True)
    for number in range(size):
        (exports / f"{FIRST + number * APART}-data-{number:x}.export").touch()
    url = f"sqlite:///{directory / 'landing.db'}"
    settings = {"source": "export_files", "export_files_url": str(exports.parent), "landing_url": url}
    config = directory / "config.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    tap = [command("tap-newstore-fulfillment"), "--config", str(config)]
    first, later = f"first run (wanted: ≤ {MOST_MB} MB)", f"next run (wanted: ≤ {MOST_MB} MB)"
    measured = {first: [run_process(tap)], later: [run_process(tap) for _ in range(rounds)]}
    report.add("export files", size, measured, {})
