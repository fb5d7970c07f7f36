"""What is wrong with a command line ends with a code, and help needs no settings."""

from __future__ import annotations

import json
import subprocess
import typing as t

import pytest

from tests.shop.plugin import run_command
from tests.shop.process import command, environment

if t.TYPE_CHECKING:
    from pathlib import Path

COMMANDS = {
    "newstore-event-receiver": ("NSS-101", "backlog"),
    "newstore-stock-ledger": ("NSS-201", "diff"),
    "newstore-stock-import": ("NSS-301", "check"),
    "newstore-erp-postgresql": ("NSS-401", "apply"),
}


@pytest.mark.parametrize(("name", "code", "subcommand"), [(name, *rest) for name, rest in COMMANDS.items()])
def test_what_click_refuses_ends_with_a_code(name: str, code: str, subcommand: str) -> None:
    for arguments in (("--nothing",), ("nothing",), (subcommand, "--nothing")):
        done = run_command(name, *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert done.stderr.endswith(f" [{code}]\n"), done.stderr
        assert done.stderr.count(code) == 1


@pytest.mark.parametrize(("name", "subcommand"), [(name, rest[1]) for name, rest in COMMANDS.items()])
def test_help_needs_no_settings(name: str, subcommand: str) -> None:
    for arguments in (("--help",), (subcommand, "--help")):
        done = run_command(name, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("Usage: ")


def test_a_command_without_its_settings_ends_with_its_code_where_meltano_reads_levels(tmp_path: Path) -> None:
    variables = environment(MELTANO_UTILIZE__LOG_PARSER="singer-sdk")
    words = [command("newstore-erp-postgresql"), "apply"]
    with (tmp_path / "output").open("w") as output:
        done = subprocess.run(words, stdout=output, stderr=subprocess.PIPE, env=variables, check=False)
    line = json.loads(done.stderr)
    assert (done.returncode, line["level"]) == (2, "error")
    assert line["message"].endswith("NEWSTORE_ERP_POSTGRESQL_LEDGER_URL [NSS-401]")


def test_a_command_without_its_settings_ends_with_a_code() -> None:
    done = run_command("newstore-erp-postgresql", "apply")
    assert (done.returncode, done.stderr.endswith(" [NSS-401]\n")) == (2, True), done.stderr
