"""The plugins as `--about` describes them, and as meltano.yml does."""

from __future__ import annotations

import dataclasses
import functools
import json
import subprocess
import tomllib
import typing as t
from pathlib import Path

import click
import yaml
from mapper_newstore_stock.mapper import MapperNewStoreStock
from newstore_erp_postgresql.__main__ import main as erp_command
from newstore_sandbox.__main__ import main as sandbox_command
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment
from target_newstore_stock.target import TargetNewStoreStock

from tests.shop.process import command, environment

PROJECT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Plugin:
    """One of our Singer plugins.

    Attributes:
        kind: Meltano's name for the kind, in the plural.
        name: Name of the plugin, its package and its command.
        directory: Directory of the package.
        singer_class: The SDK class, which knows the settings the SDK adds.
    """

    kind: str
    name: str
    directory: Path
    singer_class: t.Any

    def about(self) -> dict[str, t.Any]:
        """Return what `--about --format=json` prints."""
        return _about(self.name)

    def settings(self) -> dict[str, dict[str, t.Any]]:
        """Return the schema of each setting, without the SDK's own."""
        added: dict[str, t.Any] = {"properties": {}}
        self.singer_class.append_builtin_config(added)
        known = self.about()["settings"]["properties"]
        return {name: schema for name, schema in known.items() if name not in added["properties"]}

    def conditions(self) -> dict[str, str]:
        """Return when each required setting is required: "required", "required unless …"."""
        schema = self.about()["settings"]
        found = dict.fromkeys(schema.get("required", ()), "required")
        for branch, word in (("then", "if"), ("else", "unless")):
            for name in schema.get(branch, {}).get("required", ()):
                ((setting, value),) = schema["if"]["properties"].items()
                found[name] = f"required {word} `{setting}` is `{value['const']}`"
        return found

    def required_groups(self) -> list[list[str]]:
        """Return the alternative sets of settings of which one is needed."""
        return _groups(self.about()["settings"])

    def selected(self) -> list[str]:
        """Return what a tap's user gets who selects nothing; empty: no tap.

        Meltano's own default is everything, whatever the catalog says.
        """
        streams = getattr(self.singer_class, "stream_classes", ())
        return [f"{stream.name}.*" for stream in streams if stream.selected_by_default]

    def in_meltano(self) -> dict[str, t.Any]:
        """Return the plugin's definition in meltano.yml."""
        return _defined(self.kind, self.name)


PLUGINS = (
    Plugin("extractors", "tap-newstore-fulfillment", PROJECT / "tap-newstore-fulfillment", TapNewStoreFulfillment),
    Plugin(
        "mappers",
        "mapper-newstore-stock",
        PROJECT / "plugins" / "mappers" / "mapper-newstore-stock",
        MapperNewStoreStock,
    ),
    Plugin("loaders", "target-newstore-stock", PROJECT / "target-newstore-stock", TargetNewStoreStock),
)


def _groups(schema: t.Mapping[str, t.Any]) -> list[list[str]]:
    """Return the sets of properties with which an object fulfils the schema's `required`, the usual one first."""
    always = schema.get("required", [])
    if "if" not in schema:
        return [always]
    usual = _groups(schema.get("else", {}))
    special = ([*schema["if"]["required"], *group] for group in _groups(schema.get("then", {})))
    return [[*always, *group] for group in (*usual, *special)]


@dataclasses.dataclass(frozen=True)
class Utility:
    """One of our utilities, whose settings are the options of its commands.

    Attributes:
        name: Name of the plugin.
        directory: Directory of the package.
        command: The command.
        needed: Settings without which it does nothing.
    """

    name: str
    directory: Path
    command: click.Group
    needed: tuple[str, ...] = ()
    kind: t.ClassVar[str] = "utilities"

    def about(self) -> dict[str, t.Any]:
        """Return what the package says of itself."""
        return {"description": package(self.directory)["description"]}

    def settings(self) -> dict[str, dict[str, t.Any]]:
        """Return the schema of each setting, as a plugin's `--about` would."""
        options = [option for one in self.command.commands.values() for option in one.params]
        return {str(option.name): _schema(option) for option in options if isinstance(option, click.Option)}

    def required_groups(self) -> list[list[str]]:
        """Return the one set of settings that is needed."""
        return [list(self.needed)] if self.needed else []

    def selected(self) -> list[str]:
        """Return nothing: a utility has no streams."""
        return []

    def in_meltano(self) -> dict[str, t.Any]:
        """Return the utility's definition in meltano.yml."""
        return _defined(self.kind, self.name)


class EventReceiver(Plugin):
    """The tap's receiver as a utility, for jobs: `meltano run` takes no command of an extractor."""

    def about(self) -> dict[str, t.Any]:
        """Return what the tap's `--about --format=json` prints."""
        return _about(PLUGINS[0].name)

    def selected(self) -> list[str]:
        """Return nothing: a utility has no streams."""
        return []


EVENT_RECEIVER = EventReceiver("utilities", "event-receiver", PLUGINS[0].directory, TapNewStoreFulfillment)

UTILITIES = (
    Utility("newstore-sandbox", PROJECT / "plugins" / "utilities" / "newstore-sandbox", sandbox_command),
    Utility(
        "erp-postgresql",
        PROJECT / "plugins" / "utilities" / "newstore-erp-postgresql",
        erp_command,
        ("database_url", "ledger_url"),
    ),
)


@functools.cache
def package(directory: Path) -> dict[str, t.Any]:
    """Return what a package's pyproject.toml says of the project."""
    text = (directory / "pyproject.toml").read_text(encoding="utf-8")
    return t.cast("dict[str, t.Any]", tomllib.loads(text)["project"])


def _defined(kind: str, name: str) -> dict[str, t.Any]:
    (own,) = (entry for entry in meltano_project()["plugins"][kind] if entry["name"] == name)
    return t.cast("dict[str, t.Any]", own)


def _schema(option: click.Option) -> dict[str, t.Any]:
    """Return an option as a setting's schema."""
    name, words = str(option.name), str(option.name).replace("_", " ")
    kinds = {click.INT: "integer", click.FLOAT: "string", click.BOOL: "boolean"}
    return {
        "title": (words[0].upper() + words[1:]).replace(" url", " URL").replace(" id", " ID"),
        "description": str(option.help).rstrip("."),
        "type": [kinds.get(option.type, "string")],
        "default": option.to_info_dict()["default"] or None,
        **({"enum": list(option.type.choices)} if isinstance(option.type, click.Choice) else {}),
        **({"secret": True} if name in {"webhook_key", "client_secret", "database_url", "ledger_url"} else {}),
        **({"env": option.envvar} if option.envvar else {}),
    }


@functools.cache
def meltano_project() -> dict[str, t.Any]:
    """Return meltano.yml."""
    return t.cast("dict[str, t.Any]", yaml.safe_load((PROJECT / "meltano.yml").read_text(encoding="utf-8")))


@functools.cache
def _about(name: str) -> dict[str, t.Any]:
    done = subprocess.run(
        [command(name), "--about", "--format=json"], capture_output=True, env=environment(), timeout=60, check=True
    )
    return t.cast("dict[str, t.Any]", json.loads(done.stdout))
