"""What the command says on stderr: for people, or as Meltano reads the level of a line."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
import typing as t

import click

NAME = "newstore-erp-postgresql"


class CommandError(click.ClickException):
    """The command failed; click shows it at its end."""

    def show(self, file: t.IO[t.Any] | None = None) -> None:
        """Write it to stderr."""
        if _meltano_reads_levels():
            say("error", self.format_message())
        else:
            super().show(file)


class LoggedGroup(click.Group):
    """A command with subcommands; where Meltano reads levels, a wrong call is an error, too."""

    def __call__(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Run the command and end the process."""
        if not _meltano_reads_levels():
            return super().__call__(*args, **kwargs)
        try:
            self.main(*args, **{**kwargs, "standalone_mode": False})
        except click.ClickException as error:
            context = getattr(error, "ctx", None)
            calls = f". {context.command_path} --help shows them" if context else ""
            say("error", f"{error.format_message().rstrip('.')}{calls}")
            raise SystemExit(error.exit_code) from None
        raise SystemExit(0)


class BadSettingsError(CommandError):
    """A setting is missing."""

    exit_code = 2


def say(level: str, message: str) -> None:
    """Write a line to stderr; where Meltano reads that, with its level."""
    line = {
        "level": level,
        "message": message,
        "logger_name": NAME,
        "ts": time.time(),
        "pid": os.getpid(),
        "thread_name": threading.current_thread().name,
        "app_name": NAME,
    }
    click.echo(json.dumps(line) if _meltano_reads_levels() else message, err=True)


def _meltano_reads_levels() -> bool:
    """Return whether Meltano reads the level of a line.

    The extra `log_parser` asks for it, and holds for `meltano invoke` alone: `meltano run` has not read it yet when it
    asks for it. `run` takes stdout by a pipe, `invoke` leaves it where it is.
    """
    asked = os.environ.get("MELTANO_UTILIZE__LOG_PARSER") == "singer-sdk"
    return asked and not stat.S_ISFIFO(os.fstat(1).st_mode)
