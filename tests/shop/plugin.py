"""A plugin run once as a process, with a configuration file and messages as users would give them."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import typing as t

from tests.shop.process import command, environment

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

RUN_SECONDS = 120

Message = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Finished:
    """How a plugin's run ended.

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
        """The Singer messages, or a target's states."""
        return [json.loads(line) for line in self.output.splitlines()]

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
        directory: For its configuration file.
        settings: The configuration; None gives no `--config`.
        arguments: More arguments.
        messages: Its stdin.
        variables: Added to the environment.
    """
    if settings is not None:
        config = directory / f"{name}.json"
        config.write_text(json.dumps(settings), encoding="utf-8")
        arguments = ("--config", str(config), *arguments)
    lines = messages if isinstance(messages, str) else "".join(json.dumps(message) + "\n" for message in messages)
    process = subprocess.run(
        [command(name), *arguments],
        input=lines,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        env=environment(**variables),
        check=False,
    )
    return Finished(process.returncode, process.stdout, process.stderr)
