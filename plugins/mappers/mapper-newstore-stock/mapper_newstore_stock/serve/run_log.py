"""Reads from a log how the last run ended: the line `run_summary` that tap, mapper and target each write."""

from __future__ import annotations

import contextlib
import json
import typing as t

from mapper_newstore_stock.report.import_reports import last_lines

#: As it is, and inside a line that is JSON itself.
BEGINNINGS = (b'{"event": "run_summary"', b'{\\"event\\": \\"run_summary\\"')


class Ended(t.NamedTuple):
    """How a part of a run ended."""

    plugin: str
    outcome: str
    exit_code: int
    reason: str


def last_summaries(path: str) -> list[Ended]:
    """Return the last summary of each plugin, in the order of the log.

    Raises:
        LedgerError: the file cannot be read.
    """
    last: dict[str, Ended] = {}
    for line in last_lines(path, "--log"):
        if row := _summary(line):
            plugin = str(row.get("plugin", "?"))
            last.pop(plugin, None)
            code = row.get("exit_code", 0)
            last[plugin] = Ended(
                plugin, str(row.get("outcome", "")), code if isinstance(code, int) else 1, str(row.get("reason", ""))
            )
    return list(last.values())


def _summary(line: bytes) -> dict[str, t.Any] | None:
    """Return the summary in a line; None: it has none."""
    for beginning in BEGINNINGS:
        place = line.find(beginning)
        if place < 0:
            continue
        text = line[place:].decode(errors="replace")
        with contextlib.suppress(ValueError):
            if beginning is not BEGINNINGS[0]:
                text, _ = json.JSONDecoder().raw_decode(f'"{text}')
            row, _ = json.JSONDecoder().raw_decode(text)
            return t.cast("dict[str, t.Any]", row)
    return None
