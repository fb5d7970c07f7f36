"""Builders of export files as NewStore's S3 sink writes them (wire contract, section 4)."""

from __future__ import annotations

import gzip
import json
import os
import typing as t

from tests.shop.plugin import Finished, run_plugin

if t.TYPE_CHECKING:
    from pathlib import Path

Content = t.Iterable["dict[str, t.Any] | bytes"]


def an_export(*lines: dict[str, t.Any] | bytes, packed: bool = False) -> bytes:
    """Return a file's content: events, or raw lines as they are."""
    text = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    return gzip.compress(text) if packed else text


class ExportDirectory:
    """A prefix that is a directory.

    Args:
        path: The directory; created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def put(self, name: str, *lines: dict[str, t.Any] | bytes, packed: bool = False, written_at: int = 0) -> Path:
        """Write a whole file; `written_at` sets its time, in epoch seconds."""
        file = self.path / "demo" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(an_export(*lines, packed=packed))
        if written_at:
            os.utime(file, (written_at, written_at))
        return file


class ExportTap:
    """The tap on a prefix of export files; it keeps the last STATE, as Meltano does.

    Args:
        directory: Where its configuration, state and landing store are.
        url: The prefix.
        variables: Added to the environment.
        settings: More settings; events are released at once unless `settle_seconds` is among them.
    """

    def __init__(self, directory: Path, url: object, variables: dict[str, str] | None = None, **settings: t.Any):
        self.directory = directory
        self.rejects = directory / "export_rejects.jsonl"
        self.settings = {
            "source": "export_files",
            "export_files_url": str(url),
            "landing_url": f"sqlite:///{directory / 'landing.db'}",
            "settle_seconds": 0,
            **settings,
        }
        self.state: dict[str, t.Any] = {}
        self._variables = variables or {}

    def run(self) -> Finished:
        """Run once; fail the test unless it succeeds."""
        done = self.try_to_run()
        assert done.code == 0, done.log
        self.state = done.states[-1] if done.states else self.state
        return done

    def try_to_run(self) -> Finished:
        """Run once, without keeping the state."""
        state = self.directory / "state.json"
        state.write_text(json.dumps(self.state), encoding="utf-8")
        return run_plugin(
            "tap-newstore-fulfillment", self.directory, self.settings, "--state", str(state), **self._variables
        )

    def rejected(self) -> list[dict[str, t.Any]]:
        """Return the entries of the reject file."""
        if not self.rejects.exists():
            return []
        return [json.loads(line) for line in self.rejects.read_text(encoding="utf-8").splitlines()]


def timestamps(done: Finished) -> list[int]:
    return [record["logical_timestamp"] for record in done.records]
