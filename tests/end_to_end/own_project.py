"""A Meltano project as a user has it: our definitions, from meltano.yml or from hub/, in a directory of its own."""

from __future__ import annotations

import copy
import subprocess
import typing as t

import yaml

from tests.documentation.plugins import meltano_project
from tests.shop.process import command, environment

if t.TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RUN_SECONDS = 120
ENVIRONMENT = "production"


class OwnProject:
    """A project in a directory, whose plugins run with the commands of this environment: nothing is installed.

    Args:
        directory: Where the project is written; made here.
        plugins: The plugins of its meltano.yml, by kind.
    """

    def __init__(self, directory: Path, plugins: dict[str, list[dict[str, t.Any]]]) -> None:
        self.directory = directory
        directory.mkdir()
        self.plugins = {kind: [_runnable(plugin) for plugin in ours] for kind, ours in plugins.items()}
        self.write()

    @classmethod
    def of_the_checkout(cls, directory: Path) -> OwnProject:
        """Return a project with the plugins of our meltano.yml that are our own."""
        kinds = meltano_project()["plugins"].items()
        return cls(directory, {kind: [one for one in ours if _is_ours(one)] for kind, ours in kinds})

    def write(self) -> None:
        """Write meltano.yml anew."""
        project = {
            "send_anonymous_usage_stats": False,
            "default_environment": ENVIRONMENT,
            "environments": [{"name": ENVIRONMENT}],
            "plugins": self.plugins,
            "jobs": meltano_project()["jobs"],
        }
        (self.directory / "meltano.yml").write_text(yaml.safe_dump(project, sort_keys=False), encoding="utf-8")

    def meltano(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Meltano in the project; stdout holds what the command prints, stderr the log."""
        return self._meltano(arguments, variables, subprocess.PIPE)

    def meltano_without_output(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Meltano in the project with a stdout that is no pipe, as a terminal is none; stderr holds the log."""
        return self._meltano(arguments, variables, subprocess.DEVNULL)

    def _meltano(
        self, arguments: Sequence[str], variables: dict[str, str], stdout: int
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command("meltano"), *arguments],
            cwd=self.directory,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )


def _is_ours(plugin: dict[str, t.Any]) -> bool:
    return "newstore" in plugin["namespace"] or "erp" in plugin["namespace"]


def _runnable(definition: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the definition without what Meltano would install, and with the commands of this environment."""
    plugin = copy.deepcopy(definition)
    plugin.pop("pip_url", None)
    for part in (plugin, *plugin.get("commands", {}).values()):
        if "executable" in part:
            part["executable"] = command(part["executable"])
    return plugin
