"""Whatever the pages name exists: commands with their options, jobs, variables, files, metrics."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
import typing as t

import pytest

from tests.documentation.commands import COMMANDS, calls_in, calls_in_code, check, make_targets
from tests.documentation.plugins import PROJECT, meltano_project
from tests.documentation.test_wheels import PACKAGES

if t.TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "hub/*.md", "tap-*/*.md", "target-*/*.md", "plugins/*/*/*.md")
    for path in PROJECT.glob(pattern)
)
SCHEDULERS = sorted(path for path in (PROJECT / "docs" / "schedulers").iterdir() if path.is_file())


def named(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_command_on_a_page_exists_with_its_options(path: Path) -> None:
    for call in calls_in(read(path)):
        check(call)


@pytest.mark.parametrize("path", SCHEDULERS, ids=named)
def test_a_scheduler_names_the_environment(path: Path) -> None:
    """Without it Meltano would take the sandbox's."""
    assert "--environment=" in read(path)


@pytest.mark.parametrize("path", [path for path in SCHEDULERS if path.suffix != ".py"], ids=named)
def test_every_command_in_a_scheduler_file_exists(path: Path) -> None:
    """Those in Python are run."""
    calls = calls_in_code(read(path).replace('"', "\n"))
    assert calls
    for call in calls:
        check(call)


def test_the_check_finds_wrong_commands() -> None:
    wrong = (
        "meltano run no-such-job",
        "meltano run --no-such-option newstore-stock-sync",
        "newstore-event-receiver backlog --max-noise 3",
        "newstore-stock-ledger explode",
        "meltano invoke tap-newstore-fulfillment:receive backlog --max-noise 3",
    )
    for call in wrong:
        assert calls_in(f"`{call}`") == [call]
        with pytest.raises(AssertionError, match="no "):
            check(call)
    everything = [call.split()[0] for path in PAGES for call in calls_in(read(path))]
    assert set(everything) >= {"meltano", "newstore-event-receiver", "newstore-stock-ledger", "newstore-erp-postgresql"}
    assert set(everything) <= COMMANDS.keys()


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_link_to_a_file_resolves(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", read(path)):
        if "://" not in link:
            assert (path.parent / link).exists(), link


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_make_target_and_variable_exists(path: Path) -> None:
    text = read(path)
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= make_targets()
    variables = {
        setting.get("env", f"{plugin['namespace']}_{setting['name']}".upper())
        for kind in meltano_project()["plugins"].values()
        for plugin in kind
        for setting in plugin.get("settings", ())
    }
    prefixes = r"(?:TAP_NEWSTORE_FULFILLMENT|MAPPER_NEWSTORE_STOCK|TARGET_NEWSTORE_STOCK|NEWSTORE_ERP_POSTGRESQL)"
    for name in re.findall(rf"\b{prefixes}_[A-Z][A-Z_]*[A-Z]", text):
        assert name in variables or "__UK" in name, name


def test_metrics_named_in_the_runbook_are_in_the_taps_readme() -> None:
    known = read(PROJECT / "tap-newstore-fulfillment" / "README.md")
    for metric in re.findall(r"newstore_[a-z_]+", read(PROJECT / "docs" / "runbook.md")):
        assert metric in known, metric


def test_an_alert_becomes_a_record_for_target_apprise(tmp_path: Path) -> None:
    meltano = tmp_path / "meltano"
    meltano.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat > {tmp_path}/messages\n', encoding="utf-8")
    meltano.chmod(0o755)
    subprocess.run(
        [PROJECT / "docs" / "schedulers" / "alert", 'It\'s "late"'],
        input="no event\nfor 60 minutes",
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        text=True,
        check=True,
    )
    schema, record = (json.loads(line) for line in read(tmp_path / "messages").splitlines())
    assert read(tmp_path / "arguments") == "--environment=production invoke target-apprise\n"
    assert (schema["type"], schema["stream"]) == ("SCHEMA", "alerts")
    assert record["record"] == {"title": 'It\'s "late"', "body": "no event\nfor 60 minutes"}


def test_all_packages_have_the_same_version_and_it_is_in_the_changelog() -> None:
    projects = [tomllib.loads(read(PROJECT / package / "pyproject.toml"))["project"] for package in PACKAGES]
    versions = {project["version"] for project in projects}
    assert len(versions) == 1
    assert f"## {versions.pop()}" in read(PROJECT / "CHANGELOG.md")
