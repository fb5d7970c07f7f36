"""Nothing is configured: one run names everything that is missing, and how to set it."""

from __future__ import annotations

import re
import subprocess
import typing as t

import pytest

from tests.end_to_end.own_project import OwnProject
from tests.shop.plugin import run_command
from tests.shop.process import command, environment

if t.TYPE_CHECKING:
    from pathlib import Path

MISSING = {
    "tap-newstore-fulfillment": {"landing_url"},
    "mapper-newstore-stock": {"ledger_url", "on_hand_url"},
    "target-newstore-stock": {"tenant", "client_id", "client_secret", "staging_url"},
}


def variable(plugin: str, setting: str) -> str:
    return f"{plugin}_{setting}".upper().replace("-", "_")


def test_one_run_names_every_missing_setting_of_every_part(tmp_path: Path) -> None:
    run = OwnProject.of_the_checkout(tmp_path / "project").meltano("run", "newstore-stock-sync")
    assert run.returncode == 1
    lines = re.findall(r"Configuration: '(\w+)' is a required property: set (\w+)", run.stdout + run.stderr)
    assert set(lines) == {
        (setting, variable(plugin, setting)) for plugin, settings in MISSING.items() for setting in settings
    }


@pytest.mark.parametrize("plugin", ["mapper-newstore-stock", "target-newstore-stock"])
def test_a_part_with_wrong_settings_ends_when_its_input_does(plugin: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with subprocess.Popen(
        [command(plugin), "--config", str(tmp_path / "config.json")],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as part:
        assert part.stdin
        assert part.stderr
        while "is a required property" not in part.stderr.readline():
            pass
        # More than a pipe holds, so all but a pipe's length has been taken, and nothing has been made of it.
        part.stdin.write("{}\n" * 100_000)
        assert part.poll() is None
        part.stdin.close()
        assert part.wait(60) == 2
        assert "Traceback" not in part.stderr.read()


def test_the_erp_utility_names_all_that_is_missing() -> None:
    done = run_command("newstore-erp-postgresql", "apply")
    assert done.returncode == 2
    for name in ("DATABASE_URL", "LEDGER_URL"):
        assert f"NEWSTORE_ERP_POSTGRESQL_{name}" in done.stderr


@pytest.mark.parametrize("tenant", ["", "acme"])
def test_a_comparison_with_newstore_names_all_that_is_missing(tenant: str) -> None:
    done = run_command("newstore-stock-ledger", "--ledger-url=sqlite:///nowhere.db", "diff", f"--tenant={tenant}")
    assert done.returncode == 2
    said = set(re.findall(r"TARGET_NEWSTORE_STOCK_(\w+)", done.stderr))
    assert said == {"CLIENT_ID", "CLIENT_SECRET", *(() if tenant else ("TENANT",))}
