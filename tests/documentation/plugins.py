"""The plugins as `--about` describes them, and as meltano.yml does."""

from __future__ import annotations

import dataclasses
import functools
import json
import subprocess
import typing as t
from pathlib import Path

import yaml
from mapper_newstore_stock.mapper import MapperNewStoreStock
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
        (own,) = (entry for entry in meltano_project()["plugins"][self.kind] if entry["name"] == self.name)
        return t.cast("dict[str, t.Any]", own)


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
