"""Runs a plugin once as a process, with a configuration file and messages, as a user would."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import tempfile
import threading
import typing as t

from tests.shop.process import command
from tests.shop.warm_start import starter

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

RUN_SECONDS = 120

Message = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Finished:
    """The result of a plugin's run.

    Attributes:
        code: Exit code; negative when a signal ended it.
        output: What it wrote to stdout.
        log: What it wrote to stderr.
    """

    code: int
    output: str
    log: str

    @property
    def messages(self) -> list[Message]:
        """The Singer messages, or the states of a target."""
        # Not splitlines: JSON may hold U+2028 and other ends of lines.
        return [json.loads(line) for line in self.output.split("\n") if line]

    @property
    def records(self) -> list[Message]:
        return [message["record"] for message in self.messages if message["type"] == "RECORD"]

    @property
    def states(self) -> list[Message]:
        """The values of a tap's or mapper's STATE messages."""
        return [message["value"] for message in self.messages if message["type"] == "STATE"]


def run_plugin(
    name: str,
    directory: Path,
    settings: Mapping[str, t.Any] | None,
    *arguments: str,
    messages: Iterable[Message] | str = "",
    **variables: str,
) -> Finished:
    """Run a plugin to its end.

    Args:
        name: The command.
        directory: Where its configuration file is written.
        settings: The configuration; None runs it without `--config`.
        arguments: More arguments.
        messages: Its stdin.
        variables: Extra environment variables.
    """
    if settings is not None:
        config = directory / f"{name}.json"
        config.write_text(json.dumps(settings), encoding="utf-8")
        arguments = ("--config", str(config), *arguments)
    lines = messages if isinstance(messages, str) else "".join(json.dumps(message) + "\n" for message in messages)
    process = run_command(name, *arguments, stdin=lines, variables=variables)
    return Finished(process.returncode, process.stdout, process.stderr)


def run_command(
    name: str,
    *arguments: str | Path,
    stdin: str = "",
    variables: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = RUN_SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run a command of the project's to its end.

    Args:
        name: The command.
        arguments: Its arguments.
        stdin: Its input.
        variables: Extra environment variables.
        cwd: Where it runs; None: where this process is.
        seconds: How long it may take.
    """
    words = [command(name), *map(str, arguments)]
    with tempfile.TemporaryFile() as log:
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as source:
            process = starter(words, variables).start(words, source, log, variables=variables, cwd=cwd)
        feeding = threading.Thread(target=_feed, args=(writing, stdin.encode()))
        in_time = threading.Timer(seconds, process.kill)
        feeding.start()
        in_time.start()
        output, _ = process.communicate(timeout=seconds)
        in_time.cancel()
        feeding.join()
        log.seek(0)
        assert process.returncode is not None
        return subprocess.CompletedProcess(words, process.returncode, output, log.read().decode())


def _feed(writing: int, lines: bytes) -> None:
    """Write a process's input; one that does not read it to its end has its reasons."""
    with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
        pipe.write(lines)
