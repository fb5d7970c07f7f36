"""Finds commands in the documentation and checks them against the commands that exist."""

from __future__ import annotations

import importlib
import logging
import re
import shlex
import typing as t
from unittest import mock

import click
from mapper_newstore_stock.ledger_command import cli as ledger
from mapper_newstore_stock.mapper import MapperNewStoreStock
from newstore_erp_postgresql.__main__ import main as erp
from newstore_sandbox.__main__ import main as sandbox
from tap_newstore_fulfillment.receiver.command import receive
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment
from target_newstore_stock.check_command import cli as imports
from target_newstore_stock.target import TargetNewStoreStock

from tests.documentation.plugins import PROJECT, meltano_project

if t.TYPE_CHECKING:
    from collections.abc import Iterator


def _quietly(ask: t.Callable[[], t.Any]) -> t.Any:
    """Load a command and undo the process-wide logging setup that Meltano and the SDK do on loading."""
    handlers, level = logging.root.handlers[:], logging.root.level
    with mock.patch("meltano.core.logging.setup_logging"):
        command = ask()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    return command


COMMANDS: dict[str, t.Any] = {
    "meltano": _quietly(lambda: importlib.import_module("meltano.cli").cli),
    "newstore-event-receiver": receive,
    "newstore-stock-ledger": ledger,
    "newstore-stock-import": imports,
    "newstore-erp-postgresql": erp,
    "newstore-sandbox": sandbox,
    "tap-newstore-fulfillment": _quietly(lambda: TapNewStoreFulfillment.cli),
    "mapper-newstore-stock": _quietly(lambda: MapperNewStoreStock.cli),
    "target-newstore-stock": _quietly(lambda: TargetNewStoreStock.cli),
}
#: Arguments of `meltano invoke` in the form plugin:command, and the command each runs.
INVOKED = {
    "tap-newstore-fulfillment:receive": receive,
    "tap-newstore-fulfillment:check": receive.commands["check"],
    "mapper-newstore-stock:ledger": ledger,
    "mapper-newstore-stock:check": ledger.commands["check"],
    "target-newstore-stock:check": imports.commands["check"],
    "event-receiver:audit": receive.commands["audit"],
    "newstore-sandbox:serve": sandbox.commands["serve"],
    "erp-postgresql:setup": erp.commands["setup"],
    "erp-postgresql:apply": erp.commands["apply"],
}
CODE = re.compile(r"^```[a-z]*\n(.*?)^```$|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
#: Marks a drawing, an output, or an abridged call.
NO_CALL = re.compile("▶|listening on|…")
_NAMES = "|".join(sorted(COMMANDS, key=len, reverse=True))
CALL = re.compile(rf"(?<![\w/.:=-])(?:{_NAMES})(?: [^|;&)\n]*)?(?=$|[|;&)\n])", re.MULTILINE)


def calls_in(text: str) -> list[str]:
    """Return the calls of known commands in a Markdown page."""
    code = (block or inline for block, inline in CODE.findall(text))
    return [call for part in code for call in calls_in_code(part)]


def calls_in_code(code: str) -> list[str]:
    """Return the calls of known commands in a piece of shell."""
    return [call.strip() for call in CALL.findall(code) if not NO_CALL.search(call)]


def check(call: str) -> None:
    """Check that a call names subcommands and options that exist.

    Raises:
        AssertionError: one of them does not.
    """
    # Redirections are not part of the command.
    words = shlex.split(call.partition(" > ")[0].partition(" >> ")[0].partition(" 2>")[0])
    command, rest = _walk(COMMANDS[words[0]], words[1:], call)
    if words[0] != "meltano":
        return
    if command.name == "invoke":
        plugin, *arguments = rest
        if plugin in INVOKED:
            _walk(INVOKED[plugin], arguments, call)
        else:
            assert plugin in names(), f"{call}: no plugin {plugin}"
    elif command.name == "run":
        for name in rest:
            assert name in names() or "--" in name, f"{call}: no job, plugin or mapping {name}"


def names() -> set[str]:
    """Return all names that `meltano run` and `schedule run` accept here, and the loader the runbook adds."""
    project = meltano_project()
    plugins = [plugin for kind in project["plugins"].values() for plugin in kind]
    known = {entry["name"] for entry in (*plugins, *project["jobs"], *project["schedules"])} | {"target-apprise"}
    return known | {mapping["name"] for plugin in plugins for mapping in plugin.get("mappings", ())}


def make_targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _walk(command: t.Any, words: list[str], call: str) -> tuple[t.Any, list[str]]:
    """Follow subcommands and check options; return the last command and its arguments."""
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        # Options after the plugin's name belong to the plugin.
        if word.startswith("-") and word != "-" and not (command.name == "invoke" and rest):
            option = _option(command, word.partition("=")[0], call)
            if not (option.is_flag or option.count or "=" in word):
                next(waiting)
        elif isinstance(command, click.Group) and not rest:
            found = command.get_command(click.Context(command), word)
            assert found, f"{call}: {command.name} has no command {word}"
            command = found
        else:
            rest.append(word)
    return command, rest


def _option(command: t.Any, name: str, call: str) -> click.Option:
    for parameter in _parameters(command):
        if name in (*parameter.opts, *parameter.secondary_opts):
            return parameter
    raise AssertionError(f"{call}: {command.name} has no option {name}")


def _parameters(command: t.Any) -> Iterator[click.Option]:
    yield click.Option(["--help"], is_flag=True)
    yield from (parameter for parameter in command.params if isinstance(parameter, click.Option))
