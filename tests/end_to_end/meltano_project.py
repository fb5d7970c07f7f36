"""A Meltano project of its own, so that its runs get in no other's way."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import typing as t

import yaml

from tests.documentation.plugins import PLUGINS
from tests.shop.pipeline import MAPPER, TAP, TARGET
from tests.shop.process import command, environment

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.pipeline import Pipeline

Settings = dict[str, t.Any]
RUN_SECONDS = 120
#: Known to Meltano only if the project names them.
ADDED = ({"name": "stream_maps", "kind": "object"},)


class Project:
    """Runs a shop's plugins, each with the settings our meltano.yml knows.

    Args:
        directory: Where the project is written.
        shop: The settings of its plugins.
    """

    def __init__(self, directory: Path, shop: Pipeline) -> None:
        self._directory = directory
        self._shop = shop
        directory.mkdir()

    def run(
        self, *, tap: Settings | None = None, before: dict[str, Settings] | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run tap, mapper and target.

        Args:
            tap: Settings of the tap, besides the shop's.
            before: Mappers that come before ours, with their settings.
            variables: Extra environment variables.
        """
        settings = self._shop.settings
        mappers = {**(before or {}), MAPPER: settings[MAPPER]}
        can = ["catalog", "discover", "state"]
        mappings = {name: [{"name": _mapping(name), "config": config}] for name, config in mappers.items()}
        plugins = {
            "extractors": [_plugin(TAP, capabilities=can, config=settings[TAP] | (tap or {}))],
            "mappers": [_plugin(name, mappings=named) for name, named in mappings.items()],
            "loaders": [_plugin(TARGET, config=settings[TARGET] | {"poll_seconds": 1})],
        }
        project = {"send_anonymous_usage_stats": False, "environments": [{"name": "test"}], "plugins": plugins}
        (self._directory / "meltano.yml").write_text(yaml.safe_dump(project), encoding="utf-8")
        return subprocess.run(
            [command("meltano"), "--environment=test", "run", TAP, *map(_mapping, mappers), TARGET],
            cwd=self._directory,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )

    def state(self) -> str:
        """Return the state as Meltano keeps it."""
        with contextlib.closing(sqlite3.connect(self._directory / ".meltano" / "meltano.db")) as connection:
            (row,) = connection.execute("SELECT partial_state, completed_state FROM state").fetchall()
        return json.dumps(row)


def _plugin(name: str, **more: object) -> Settings:
    known = [setting for plugin in PLUGINS if plugin.name == name for setting in plugin.in_meltano()["settings"]]
    described = {"name": name, "namespace": name.replace("-", "_"), "executable": command(name)}
    return {**described, "settings": [*known, *ADDED], **more}


def _mapping(mapper: str) -> str:
    return f"{mapper}-mapping"
