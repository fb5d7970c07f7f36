"""Settings come from `--config`, then from variables, and from no `.env`: Meltano has read the project's already."""

from __future__ import annotations

import json
import shlex
import subprocess
import sysconfig
import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.ledger.store import Ledger
from tap_newstore_fulfillment.environment import with_variables
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.settings import SETTINGS

from tests.end_to_end.own_project import OwnProject
from tests.mapper.shop_day import ShopDay, completed
from tests.shop.plugin import run_command, run_plugin
from tests.shop.process import command

if t.TYPE_CHECKING:
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


def run(name: str, *arguments: str | Path, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return run_command(name, *arguments, stdin=stdin, variables=variables)


def sqlite(path: Path) -> str:
    return f"sqlite:///{path}"


def variables_of(plugin: str, settings: dict[str, str], directory: Path) -> dict[str, str]:
    """Return the variables that set a plugin's settings; `{}` in them is the directory."""
    return {variable(plugin, name): value.format(directory) for name, value in settings.items()}


def variable(plugin: str, setting: str) -> str:
    return f"{plugin}_{setting}".upper().replace("-", "_")


#: What each plugin has to be told.
NEEDED = {
    TAP: {"landing_url": "sqlite:///{}/landing.db"},
    "mapper-newstore-stock": {"ledger_url": "sqlite:///{}/ledger.db", "on_hand_url": "{}/on_hand.csv"},
    "target-newstore-stock": {
        "tenant": "x",
        "client_id": "x",
        "client_secret": "x",
        "staging_url": "s3://bucket/stock",
    },
}


@pytest.mark.parametrize(
    ("plugin", "wrong"),
    [(TAP, "settle_seconds"), ("mapper-newstore-stock", "max_cut_items"), ("target-newstore-stock", "verify_sample")],
)
def test_a_plugin_reads_no_env_file(plugin: str, wrong: str, tmp_path: Path, installed: dict[str, str]) -> None:
    (tmp_path / ".env").write_text(f"{variable(plugin, wrong)}=-1\n", encoding="utf-8")
    variables = variables_of(plugin, NEEDED[plugin], tmp_path)
    done = run(plugin, "--config=ENV", **installed, **variables)
    assert done.returncode == 0, done.stderr
    # The file is where it would have been found: the same text in the environment is refused.
    done = run(plugin, "--config=ENV", **installed, **variables, **{variable(plugin, wrong): "-1"})
    assert done.returncode == 2
    assert "-1 is less than" in done.stderr


@pytest.mark.parametrize(
    ("plugin", "setting", "text"),
    [
        (TAP, "audit_on_loss", "ture"),
        (TAP, "audit_on_loss", "y"),
        (TAP, "audit_on_loss", ""),
        ("mapper-newstore-stock", "claim_ignored", "nope"),
        ("mapper-newstore-stock", "ignored_nodes", ""),
        ("target-newstore-stock", "dry_run", "ture"),
    ],
)
def test_a_variable_that_is_neither_true_nor_false_is_refused(
    plugin: str, setting: str, text: str, tmp_path: Path
) -> None:
    variables = {**variables_of(plugin, NEEDED[plugin], tmp_path), variable(plugin, setting): text}
    done = run(plugin, "--config=ENV", **variables)
    assert done.returncode == 2, done.stderr
    assert f"{variable(plugin, setting)} " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("plugin", "setting"),
    [
        (TAP, "landing_url"),
        (TAP, "export_files_url"),
        ("mapper-newstore-stock", "ledger_url"),
        ("mapper-newstore-stock", "on_hand_url"),
        ("target-newstore-stock", "staging_url"),
    ],
)
def test_an_empty_url_does_not_mean_the_working_directory(plugin: str, setting: str, tmp_path: Path) -> None:
    config = {name: value.format(tmp_path) for name, value in NEEDED[plugin].items()} | {setting: ""}
    source = {"source": "export_files"} if setting == "export_files_url" else {}
    done = run_plugin(plugin, tmp_path, {**config, **source})
    assert done.code == 2, done.log
    assert setting in done.log
    assert "Traceback" not in done.log


@pytest.mark.parametrize(
    ("text", "means"),
    [
        *dict.fromkeys(("true", "1", "YES", "on"), True).items(),
        *dict.fromkeys(("False", "0", "no", "OFF"), False).items(),
    ],
)
def test_a_variable_may_say_true_and_false_as_meltano_and_the_sdk_read_them(
    text: str, *, means: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{TAPS}AUDIT_ON_LOSS", text)
    read = with_variables(TAP, SETTINGS, {"parse_env_config": True})
    assert read["config"] == {"audit_on_loss": means}


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


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        *((plugin, plugin) for plugin in NEEDED),
        ("newstore-event-receiver backlog", TAP),
        ("newstore-stock-ledger held", "mapper-newstore-stock"),
    ],
)
def test_a_configuration_may_be_a_pipe(words: str, needed: str, tmp_path: Path) -> None:
    LandingStore(sqlite(tmp_path / "landing.db")).close()
    Ledger(sa.create_engine(sqlite(tmp_path / "ledger.db"))).close()
    name, *rest = words.split()
    before, after = ([], rest) if name == "newstore-stock-ledger" else (rest, [])
    call = shlex.join([command(name), *before, "--config"])
    config = json.dumps({name: value.format(tmp_path) for name, value in NEEDED[needed].items()})

    def piped(text: str) -> subprocess.CompletedProcess[str]:
        script = f"{call} <(printf %s {shlex.quote(text)}) {shlex.join(after)}"
        return subprocess.run(
            ["bash", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    done = piped(config)
    assert done.returncode == 0, done.stderr
    refused = piped("[]")
    assert refused.returncode == 2, refused.stderr
    assert "Traceback" not in refused.stderr
    if needed == TAP:
        assert run(name, *before, "--config=/dev/stdin", *after, stdin=config).returncode == 0


@pytest.mark.parametrize(
    ("plugin", "null"),
    [
        (TAP, "settle_seconds"),
        (TAP, "hole_wait_minutes"),
        (TAP, "audit_on_loss"),
        (TAP, "source"),
        (TAP, "stream_maps"),
        ("mapper-newstore-stock", "clock_skew_seconds"),
        ("mapper-newstore-stock", "full_read_hours"),
        ("target-newstore-stock", "verify_sample"),
        ("target-newstore-stock", "verify"),
        ("target-newstore-stock", "stream_maps"),
    ],
)
def test_null_leaves_a_setting_to_its_default(plugin: str, null: str, tmp_path: Path) -> None:
    config = {name: value.format(tmp_path) for name, value in NEEDED[plugin].items()}
    done = run_plugin(plugin, tmp_path, {**config, null: None})
    assert done.code == 0, done.log


@pytest.mark.parametrize("plugin", NEEDED)
def test_null_is_a_missing_setting_where_one_is_required(plugin: str, tmp_path: Path) -> None:
    needed = NEEDED[plugin]
    done = run_plugin(plugin, tmp_path, dict.fromkeys(needed))
    assert done.code == 2, done.log
    for setting in needed:
        assert f"'{setting}' is a required property" in done.log
    assert "Traceback" not in done.log


@pytest.mark.parametrize("asked", ["check", "backlog"])
def test_null_leaves_a_setting_of_the_receivers_commands_to_variables(asked: str, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"landing_url": None, "receiver_host": None, "receiver_port": None}), encoding="utf-8")
    done = run("newstore-event-receiver", asked, f"--config={config}")
    assert done.returncode == 2
    assert "'landing_url' is a required property" in done.stdout + done.stderr
    url = sqlite(tmp_path / "landing.db")
    LandingStore(url).close()
    done = run("newstore-event-receiver", asked, f"--config={config}", **{f"{TAPS}LANDING_URL": url})
    assert done.returncode == (0 if asked == "backlog" else 1), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("plugin", NEEDED)
def test_a_variable_that_is_set_and_not_read_is_said_to_need_config_env(plugin: str, tmp_path: Path) -> None:
    variables = variables_of(plugin, NEEDED[plugin], tmp_path)
    done = run(plugin, **variables)
    assert done.returncode == 2, done.stderr
    for name in variables:
        assert f"set {name} and give --config=ENV" in done.stderr
    config = tmp_path / "empty.json"
    config.write_text("{}", encoding="utf-8")
    assert "--config=ENV" not in run(plugin, "--config", config).stderr


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
