"""Export files as NewStore's S3 sink writes them (newstore-api.md, section 4)."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
import secrets
import threading
import time
import typing as t

import fsspec

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from newstore_sandbox.sinks import Published


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """How untidy the files are.

    Attributes:
        files: Number of files the events are spread over.
        packed: Which files are gzipped.
        duplicates: Probability that an event is written a second time, to any of the files.
        shuffle: Write the events in random order, within and across files.
        temp_lines: Add lines that say `temp`, empty lines, and an empty file.
        late_uploads: How many of the first files are held back.
        seed: Random seed.
    """

    files: int = 1
    packed: t.Literal["none", "some", "all"] = "none"
    duplicates: float = 0.0
    shuffle: bool = False
    temp_lines: bool = False
    late_uploads: int = 0
    seed: int = 0


class ExportWriter:
    """Writes `{prefix}/{tenant}/{epoch_ms}-data-{random}.export`.

    Args:
        url: fsspec URL of the prefix.
        tenant: The directory below the prefix.
        storage: Options of the fsspec file system: keys, region.
    """

    def __init__(self, url: str, tenant: str, **storage: t.Any) -> None:
        self._filesystem, root = fsspec.core.url_to_fs(url, **storage)
        self._directory = f"{root.rstrip('/')}/{tenant}"
        self._lock = threading.Lock()
        self._last_epoch_ms = 0
        self._late: list[tuple[str, bytes]] = []

    def write(self, events: Sequence[Published], options: ExportOptions | None = None) -> list[str]:
        """Write events to files and return their names in order, those held back included."""
        options = options or ExportOptions()
        chance = random.Random(options.seed)  # noqa: S311
        contents = [
            _content(part, options, chance, number) for number, part in enumerate(_spread(events, options, chance))
        ]
        if options.temp_lines:
            contents.append(b"")
        with self._lock:
            named = [(self._next_name(), content) for content in contents]
            self._late += named[: options.late_uploads]
            for name, content in named[options.late_uploads :]:
                self._upload(name, content)
        return [name for name, _ in named]

    def upload_late(self) -> list[str]:
        """Upload the files held back and return their names."""
        with self._lock:
            late, self._late = self._late, []
            for name, content in late:
                self._upload(name, content)
        return [name for name, _ in late]

    def _next_name(self) -> str:
        self._last_epoch_ms = max(time.time_ns() // 1_000_000, self._last_epoch_ms + 1)
        return f"{self._last_epoch_ms}-data-{secrets.token_hex(4)}.export"

    def _upload(self, name: str, content: bytes) -> None:
        self._filesystem.makedirs(self._directory, exist_ok=True)
        self._filesystem.pipe_file(f"{self._directory}/{name}", content)


def _spread(events: Sequence[Published], options: ExportOptions, chance: random.Random) -> list[list[Published]]:
    ordered = list(events)
    if options.shuffle:
        chance.shuffle(ordered)
    size = -(-len(ordered) // options.files) or 1
    parts = [ordered[number * size : (number + 1) * size] for number in range(options.files)]
    for event in events:
        if chance.random() < options.duplicates:
            part = chance.choice(parts)
            part.insert(chance.randint(0, len(part)), event)
    return parts


def _content(events: Sequence[Published], options: ExportOptions, chance: random.Random, number: int) -> bytes:
    lines = [json.dumps(event.body, separators=(",", ":")) for event in events]
    if options.temp_lines:
        for line in ("temp", "", "temp"):
            lines.insert(chance.randint(0, len(lines)), line)
    text = "".join(line + "\n" for line in lines).encode()
    packed = options.packed == "all" or (options.packed == "some" and number % 2 == 0)
    return gzip.compress(text) if packed else text
