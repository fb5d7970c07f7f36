"""Settings come from `--config`, then from variables, and from no `.env`: Meltano has read the project's already."""

from __future__ import annotations

import json
import sysconfig
import typing as t

import pytest
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.end_to_end.own_project import OwnProject
from tests.mapper.shop_day import ShopDay, completed
from tests.shop.plugin import run_command

if t.TYPE_CHECKING:
    import subprocess
    from pathlib import Path

TAP = "tap-newstore-fulfillment"
TAPS, MAPPERS, TARGETS = "TAP_NEWSTORE_FULFILLMENT_", "MAPPER_NEWSTORE_STOCK_", "TARGET_NEWSTORE_STOCK_"


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """Let `.env` of this directory stand above the installation; return the variables for that."""
    packages = tmp_path / "venv" / "site-packages"
    packages.parent.mkdir()
    packages.symlink_to(sysconfig.get_path("purelib"))
    return {"PYTHONPATH": str(packages)}


def run(name: str, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_command(name, *arguments, variables=variables)


def sqlite(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    ("plugin", "needed", "wrong"),
    [
        (TAP, {"landing_url": "sqlite:///{}/landing.db"}, "settle_seconds"),
        (
            "mapper-newstore-stock",
            {"ledger_url": "sqlite:///{}/ledger.db", "on_hand_url": "{}/on_hand.csv"},
            "max_cut_items",
        ),
        (
            "target-newstore-stock",
            {"tenant": "x", "client_id": "x", "client_secret": "x", "staging_url": "s3://bucket/stock"},
            "poll_seconds",
        ),
    ],
)
def test_a_plugin_reads_no_env_file(
    plugin: str, needed: dict[str, str], wrong: str, tmp_path: Path, installed: dict[str, str]
) -> None:
    prefix = f"{plugin}_".upper().replace("-", "_")
    (tmp_path / ".env").write_text(f"{prefix}{wrong.upper()}=-1\n", encoding="utf-8")
    variables = {f"{prefix}{name.upper()}": value.format(tmp_path) for name, value in needed.items()}
    done = run(plugin, "--config=ENV", **installed, **variables)
    assert done.returncode == 0, done.stderr
    # The file is where it would have been found: the same text in the environment is refused.
    done = run(plugin, "--config=ENV", **installed, **variables, **{f"{prefix}{wrong.upper()}": "-1"})
    assert done.returncode == 2
    assert "-1 is less than" in done.stderr


@pytest.mark.parametrize("arguments", [("backlog",), ("prune", "--keep-days=30"), ("quarantine", "list")])
def test_the_receivers_commands_take_the_store_the_user_names(
    arguments: tuple[str, ...], tmp_path: Path, installed: dict[str, str]
) -> None:
    stores = {name: tmp_path / f"{name}.db" for name in ("file", "config", "variable")}
    (tmp_path / ".env").write_text(f"{TAPS}LANDING_URL={sqlite(stores['file'])}\n", encoding="utf-8")
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"landing_url": sqlite(stores["config"])}), encoding="utf-8")
    variables = {f"{TAPS}LANDING_URL": sqlite(stores["variable"]), **installed}

    def opened() -> set[str]:
        return {name for name, path in stores.items() if path.exists()}

    LandingStore(sqlite(stores["variable"])).close()
    done = run("newstore-event-receiver", *arguments, **variables)
    assert (done.returncode, opened()) == (0, {"variable"}), done.stderr
    stores["variable"].unlink()
    LandingStore(sqlite(stores["config"])).close()
    done = run("newstore-event-receiver", "--config", config, *arguments, **variables)
    assert (done.returncode, opened()) == (0, {"config"}), done.stderr


def test_a_plugin_takes_variables_for_what_its_configuration_leaves_open(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"settle_seconds": 0}), encoding="utf-8")
    variables = {f"{TAPS}LANDING_URL": sqlite(tmp_path / "landing.db"), f"{TAPS}SETTLE_SECONDS": "soon"}
    done = run(TAP, "--config", config, "--config=ENV", **variables)
    assert done.returncode == 0, done.stderr


def test_of_two_tenants_of_a_project_each_has_its_own_store(tmp_path: Path, installed: dict[str, str]) -> None:
    project = OwnProject.of_the_checkout(tmp_path / "project")
    project.plugins["extractors"].append({"name": f"{TAP}--uk", "inherit_from": TAP})
    project.write()
    us, uk = tmp_path / "us.db", tmp_path / "uk.db"
    lines = (f"{TAPS}LANDING_URL={sqlite(us)}", f"{TAPS.removesuffix('_')}__UK_LANDING_URL={sqlite(uk)}")
    for place in (project.directory, tmp_path):
        (place / ".env").write_text("\n".join(lines), encoding="utf-8")
    for name, own, other in ((f"{TAP}--uk", uk, us), (TAP, us, uk)):
        LandingStore(sqlite(own)).close()
        done = project.meltano("invoke", f"{name}:receive", "backlog", **installed)
        assert done.returncode == 0, done.stderr
        assert own.exists()
        assert not other.exists()
        own.unlink()


def test_the_ledger_is_asked_with_the_projects_settings(tmp_path: Path) -> None:
    day = ShopDay(tmp_path, ledger_url=sqlite(tmp_path / "ledger.db"))
    day.erp.count("DC01", "SKU-1", 10, as_of=10)
    day.run(completed(10), completed(11))
    project = OwnProject.of_the_checkout(tmp_path / "project")
    (project.directory / ".env").write_text(f"{MAPPERS}LEDGER_URL={day.settings['ledger_url']}\n", encoding="utf-8")
    asked = ("explain", "--node", "DC01", "--product", "SKU-1", "--format", "json")
    done = project.meltano("invoke", "mapper-newstore-stock:ledger", *asked)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(
        run("newstore-stock-ledger", "--ledger-url", day.settings["ledger_url"], *asked).stdout
    )
