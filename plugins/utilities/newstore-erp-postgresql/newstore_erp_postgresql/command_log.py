"""What the command says on stderr: for people, or as Meltano reads the level of a line."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
import time
import typing as t

import click

from newstore_erp_postgresql.errors import SettingsError

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from newstore_erp_postgresql.errors import ErpError

NAME = "newstore-erp-postgresql"
#: How what click says of a wrong call ends.
CODE = f" [{SettingsError.code}]"


class CommandError(click.ClickException):
    """The command failed; click shows it at its end."""

    def __init__(self, error: ErpError) -> None:
        super().__init__(f"{error} [{error.code}]")

    def show(self, file: t.IO[t.Any] | None = None) -> None:
        """Write it to stderr."""
        if _meltano_reads_levels():
            say("error", self.format_message())
        else:
            super().show(file)


class BadSettingsError(CommandError):
    """A setting is missing, or cannot be read."""

    exit_code = SettingsError.exit_code


def command_error(error: ErpError) -> CommandError:
    """Return an error as the command ends with it."""
    return BadSettingsError(error) if isinstance(error, SettingsError) else CommandError(error)


class LoggedGroup(click.Group):
    """A command with subcommands: a wrong call ends with a code; where Meltano reads levels, it is an error, too."""

    def __call__(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Run the command and end the process."""
        if not _meltano_reads_levels():
            return super().__call__(*args, **kwargs)
        try:
            self.main(*args, **{**kwargs, "standalone_mode": False})
        except click.ClickException as error:
            said = error.format_message()
            if isinstance(error, click.UsageError):
                calls = f". {error.ctx.command_path} --help shows them" if error.ctx else ""
                said = f"{said.removesuffix(CODE).rstrip('.')}{calls}{CODE}"
            say("error", said)
            raise SystemExit(error.exit_code) from None
        raise SystemExit(0)

    def make_context(self, *args: t.Any, **kwargs: t.Any) -> click.Context:
        """Read the command line up to the subcommand's name."""
        with _with_code():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> t.Any:
        """Read the rest, and run the subcommand."""
        with _with_code():
            return super().invoke(ctx)


@contextlib.contextmanager
def _with_code() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        raise click.UsageError(f"{error.format_message().removesuffix(CODE)}{CODE}", error.ctx) from None


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
