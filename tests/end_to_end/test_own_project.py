"""A user's first ten minutes: the commands of docs/own-project.md, copied into an empty folder."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import textwrap
import time
import typing as t

import pytest
import yaml

from tests.documentation.plugins import EVENT_RECEIVER, PLUGINS, PROJECT, UTILITIES, Plugin, Utility
from tests.documentation.written import HUB, OWN_PROJECT, first_block
from tests.end_to_end.own_project import OwnProject

if t.TYPE_CHECKING:
    from pathlib import Path

MOST_SECONDS = 600


def free_ports(count: int) -> list[int]:
    """Return ports nobody listens on."""
    with contextlib.ExitStack() as opened:
        listeners = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def test_the_pages_commands_lead_from_an_empty_folder_to_a_finished_import(tmp_path: Path) -> None:
    folder, home = tmp_path / "folder", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    receiver, sandbox = free_ports(2)
    commands = "\n".join(first_block(OWN_PROJECT).splitlines()[1:-1])
    assert {"8765", "8766"} <= set(re.findall(r"127\.0\.0\.1:(\d+)", commands))
    begun = time.monotonic()
    ports = {"8765": str(receiver), "8766": str(sandbox)}
    done = a_shell(commands.replace("8765", ports["8765"]).replace("8766", ports["8766"]), folder, home, ports)
    print(f"from an empty folder to the first import: {(time.monotonic() - begun) / 60:.1f} minutes")
    assert done.returncode == 0, done.stdout
    (imported,) = json.loads(done.stdout.splitlines()[-1])["imports"]
    assert imported["state"] == "finished"
    assert imported["items"] == [{"fulfillment_node_id": "DC01", "product_id": "SKU-1", "quantity": 9}]
    # The last command stops what the block has started.
    for port in (receiver, sandbox):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))

    # What the other pages say works here too, once the environment and the jobs are added.
    page = OWN_PROJECT.read_text(encoding="utf-8")
    added = textwrap.dedent(page.partition("5. Add the environment")[2].partition("```\n")[2].partition("   ```")[0])
    named = ("invoke mapper-newstore-stock:ledger age --max-minutes 60", "job list")
    commands = "\n".join([added, *(f"meltano --environment=production {call}" for call in named)])
    done = a_shell(f". ../.venv/bin/activate\nset -e\n{commands}", folder / "shop", home, ports)
    assert done.returncode == 0, done.stdout
    assert "newstore-event-audit: ['event-receiver:audit']" in done.stdout


def a_shell(commands: str, folder: Path, home: Path, ports: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run commands in a shell that has little of this environment; stdout has stderr too."""
    kept = {name: value for name, value in os.environ.items() if "proxy" in name.lower() or "CERT" in name}
    return subprocess.run(
        ["/bin/sh", "-c", commands],
        cwd=folder,
        env={
            **kept,
            "HOME": str(home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "NEWSTORE_REPO": str(PROJECT),
            "TAP_NEWSTORE_FULFILLMENT_RECEIVER_PORT": ports["8765"],
            "NEWSTORE_SANDBOX_PORT": ports["8766"],
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("plugin", [*PLUGINS, EVENT_RECEIVER, *UTILITIES], ids=lambda plugin: plugin.name)
def test_meltano_adds_a_definition_whole(plugin: Plugin | Utility, tmp_path: Path) -> None:
    path = HUB / plugin.kind / f"{plugin.name}.yml"
    kind = path.read_text(encoding="utf-8").partition("--plugin-type ")[2].split()[0]
    project = OwnProject(tmp_path / "project", {})
    added = project.meltano("add", "--no-install", "--plugin-type", kind, "--from-ref", str(path), plugin.name)
    assert added.returncode == 0, added.stderr
    written = yaml.safe_load((tmp_path / "project" / "meltano.yml").read_text(encoding="utf-8"))
    (own,) = written["plugins"][plugin.kind]
    defined = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name in (
        "pip_url",
        "executable",
        "capabilities",
        "log_parser",
        "select",
        "mappings",
        "settings_group_validation",
    ):
        assert own.get(name) == defined.get(name), name
    assert [entry["name"] for entry in own["settings"]] == [entry["name"] for entry in defined["settings"]]
    assert (own.get("commands") or {}).keys() == (defined.get("commands") or {}).keys()
