"""Exit codes and error texts of the commands: 0 done, 1 failed, 2 bad configuration."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import re
import typing as t

import click
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.singerlib.exceptions import SingerError

from mapper_newstore_stock.command_log import meltano_reads_levels
from mapper_newstore_stock.errors import ConfigurationError, MapperError

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable

P = t.ParamSpec("P")
R = t.TypeVar("R")

FAILED = 1
BAD_CONFIGURATION = 2

PLUGIN = "mapper-newstore-stock"
#: What to do about a configuration file that cannot be read.
CORRECT_FILE = "Correct the path, or write the file as JSON"
#: How the SDK says that a setting is missing.
MISSING = re.compile(r"'(\w+)' is a required property")


def report_errors(
    command: click.Command, logger: logging.Logger, before_refusing: Callable[[], None] = lambda: None
) -> click.Command:
    """Make a command and its subcommands end with one clear line instead of a traceback.

    Option callbacks are wrapped too: `--discover` and `--test` do their whole work in one.

    Args:
        command: The command.
        logger: Gets the lines.
        before_refusing: Called when what is wrong with the settings has been logged, before the command ends.
    """
    command.make_context = _usage_with_code(command.make_context)  # type: ignore[method-assign]
    command.invoke = _usage_with_code(command.invoke)  # type: ignore[method-assign]
    if command.callback:
        command.callback = _reporting(command.callback, logger, before_refusing=before_refusing)
    for option in command.params:
        if option.callback:
            is_config = option.name == "config"
            # A command of ours that takes one file reads it itself.
            callback = _reading_objects(option.callback) if is_config and option.multiple else option.callback
            option.callback = _reporting(callback, logger, (OSError, ValueError) if is_config else ())
    for subcommand in getattr(command, "commands", {}).values():
        report_errors(subcommand, logger)
    return command


def _usage_with_code(step: Callable[P, R]) -> Callable[P, R]:
    """Let what click says of a wrong command line end with a code, as all errors do; its help stays as it is."""

    @functools.wraps(step)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return step(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            said = error.format_message().removesuffix(f" [{ConfigurationError.code}]")
            raise click.UsageError(f"{said} [{ConfigurationError.code}]", error.ctx) from None

    return wrapper


def _reading_objects(callback: Callable[..., t.Any]) -> Callable[..., t.Any]:
    """Refuse a configuration file that holds no JSON object; the SDK takes an empty list for one."""

    @functools.wraps(callback)
    def wrapper(context: click.Context, option: click.Parameter, files: tuple[str, ...] | None) -> t.Any:
        for file in files or ():
            # A pipe can be read only once. A file that is not there is reported by the callback, and ENV is none.
            if pathlib.Path(file).is_file():
                read_object(file)
        return callback(context, option, files)

    return wrapper


def read_object(file: str) -> dict[str, t.Any]:
    """Return the settings a configuration file holds; it is read once, so that it may be a pipe.

    Raises:
        OSError: it cannot be opened.
        ConfigurationError: it holds no JSON object.
    """
    try:
        content = json.loads(pathlib.Path(file).read_bytes())
    except (ValueError, RecursionError) as error:
        reason = error if isinstance(error, ValueError) else "nested too deeply"
        raise ConfigurationError(f"--config {file}: not JSON: {reason}", to_do=CORRECT_FILE) from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"--config {file}: expected a JSON object, with one entry a setting")
    return content


def run_command(command: click.Command, logger: logging.Logger) -> None:
    """Run a command and end the process; where Meltano reads levels, a wrong call is an error, too.

    Args:
        command: The command.
        logger: Gets the line.
    """
    if not meltano_reads_levels():
        command()
    try:
        code = command.main(standalone_mode=False)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        calls = f". {context.command_path} --help shows them" if context else ""
        logger.error(
            "%s%s [%s]",
            error.format_message().removesuffix(f" [{ConfigurationError.code}]").rstrip("."),
            calls,
            ConfigurationError.code,
        )
        code = error.exit_code
    except click.Abort:
        code = FAILED
    raise SystemExit(code if isinstance(code, int) else 0)


def with_its_variable(error: str) -> str:
    """Return what is wrong with a setting; if it is missing, also which variable sets it, or how it is read."""
    missing = MISSING.fullmatch(error)
    variable = f"{PLUGIN}_{missing[1]}".upper().replace("-", "_") if missing else ""
    if not missing:
        return error
    return f"{error}: set {variable}{' and give --config=ENV' if variable in os.environ else ''}"


def _reporting(
    callback: Callable[..., t.Any],
    logger: logging.Logger,
    unreadable: tuple[type[Exception], ...] = (),
    before_refusing: Callable[[], None] = lambda: None,
) -> Callable[..., t.Any]:
    @functools.wraps(callback)
    def wrapper(*args: t.Any, **kwargs: t.Any) -> t.Any:
        try:
            return callback(*args, **kwargs)
        except ConfigValidationError as error:
            for line in error.errors:
                logger.error("Configuration: %s [%s]", with_its_variable(line), ConfigurationError.code)
            before_refusing()
            raise SystemExit(BAD_CONFIGURATION) from None
        except MapperError as error:
            logger.error("%s [%s]", error.with_to_do(), error.code)
            raise SystemExit(error.exit_code) from None
        except unreadable as error:
            logger.error(
                "--config cannot be read: %s. %s [%s]",
                str(error).removesuffix("."),
                CORRECT_FILE,
                ConfigurationError.code,
            )
            raise SystemExit(BAD_CONFIGURATION) from None
        except (SingerSDKError, SingerError) as error:
            logger.error("%s [%s]", " ".join(str(error).split()) or type(error).__name__, MapperError.code)
            raise SystemExit(FAILED) from None

    return wrapper
