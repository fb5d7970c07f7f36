"""What a check has found: one line each, green, yellow or red, that says what, where and what to do."""

from __future__ import annotations

import contextlib
import json
import typing as t

import click
from singer_sdk.exceptions import ConfigValidationError

from tap_newstore_fulfillment.command import BAD_CONFIGURATION, FAILED, PLUGIN, with_its_variable
from tap_newstore_fulfillment.errors import ConfigurationError, FoundError, TapError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GREEN, YELLOW, RED = "green", "yellow", "red"
Read = t.TypeVar("Read")

format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output for people (text) or programs (json).",
)


class Finding(t.NamedTuple):
    """One line of a check.

    Attributes:
        color: `green`, it is as it should be; `yellow`, a run goes on and somebody should look; `red`, a run fails.
        what: What was looked at.
        said: What was found, and where.
        to_do: What to do about it; "": nothing.
        code: What docs/errors.md calls an error; "": it is none.
    """

    color: str
    what: str
    said: str
    to_do: str = ""
    code: str = ""


class Findings:
    """Collects what a check finds; people see each line as it is found.

    Args:
        output_format: `text` or `json`.
    """

    def __init__(self, output_format: str) -> None:
        self._is_json = output_format == "json"
        self._found: list[Finding] = []
        self._is_misconfigured = False

    def green(self, what: str, said: str) -> None:
        """Note that something is as it should be."""
        self._add(Finding(GREEN, what, said))

    def yellow(self, what: str, said: str, to_do: str) -> None:
        """Note what stops no run."""
        self._add(Finding(YELLOW, what, said, to_do))

    def red(self, what: str, said: str, to_do: str, code: str = FoundError.code) -> None:
        """Note what makes a run fail."""
        self._add(Finding(RED, what, said, to_do, code))

    @contextlib.contextmanager
    def looking(self, what: str, to_do: str) -> Iterator[None]:
        """Look at one thing: an error of the block is a red line, and the check goes on.

        Args:
            what: What is looked at.
            to_do: What to do if it fails.
        """
        try:
            yield
        except ConfigurationError as error:
            self._is_misconfigured = True
            self.red(what, str(error), "Correct the setting", error.code)
        except TapError as error:
            self.red(what, str(error), to_do, error.code)
        except Exception as error:  # noqa: BLE001 - a check says what it meets, and goes on; texts may hold secrets
            self.red(what, f"an error nobody foresaw: {type(error).__name__}", to_do, TapError.code)

    def configuration(self, read: Callable[[], Read]) -> Read | None:
        """Return the settings; None: they are missing or wrong, and each one has its line."""
        try:
            settings = read()
        except ConfigValidationError as error:
            self._is_misconfigured = True
            for line in error.errors:
                said, _, variable = with_its_variable(line).partition(": set ")
                to_do = f"Set {variable}" if variable else "Correct the setting"
                self.red("configuration", said, to_do, ConfigurationError.code)
        except ConfigurationError as error:
            self._is_misconfigured = True
            self.red("configuration", str(error), "Correct the setting", error.code)
        else:
            self.green("configuration", "complete")
            return settings
        return None

    def finish(self) -> t.NoReturn:
        """Say the result, and end with the exit code: 0 green or yellow, 1 red, 2 the configuration is wrong."""
        colors = [found.color for found in self._found]
        result = next((color for color in (RED, YELLOW) if color in colors), GREEN)
        if self._is_json:
            rows = [found._asdict() for found in self._found]
            click.echo(json.dumps({"plugin": PLUGIN, "result": result, "findings": rows}, ensure_ascii=False))
        else:
            counts = ", ".join(f"{colors.count(color)} {color}" for color in (RED, YELLOW, GREEN))
            click.echo(f"{PLUGIN}: {click.style(result, fg=result)} ({counts})")
        raise SystemExit(BAD_CONFIGURATION if self._is_misconfigured else FAILED if result == RED else 0)

    def _add(self, finding: Finding) -> None:
        finding = Finding(*(" ".join(part.split()) for part in finding))
        self._found.append(finding)
        if not self._is_json:
            color, what, said, to_do, code = finding
            end = f". {to_do}" if to_do and not said.endswith(".") else f" {to_do}" if to_do else ""
            click.echo(f"{click.style(f'{color:<6}', fg=color)} {what}: {said}{end}{f' [{code}]' if code else ''}")
