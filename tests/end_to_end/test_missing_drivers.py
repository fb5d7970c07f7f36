"""A driver that is not installed: the line names the extra to install, or the package."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t

import pytest

from tests.shop.process import environment
from tests.target.stock_messages import a_cut, a_schema, a_state

if t.TYPE_CHECKING:
    from pathlib import Path

#: Runs a command as if a package were not installed.
WITHOUT = (
    "import sys; sys.modules[sys.argv.pop(1)] = None; import importlib; importlib.import_module(sys.argv[0]).main()"
)
EVENTS = {
    "type": "SCHEMA",
    "stream": "fulfillment_events",
    "schema": {"properties": {}},
    "key_properties": ["event_id"],
}
POSTGRESQL = "postgresql://user:hush@127.0.0.1:1/db"


def run_without(package: str, module: str, directory: Path, settings: dict[str, t.Any], *messages: object) -> str:
    """Run a plugin without a package, and return its last word."""
    config = directory / "config.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    start = WITHOUT.replace("sys.argv[0]", repr(f"{module}.start"))
    done = subprocess.run(
        [sys.executable, "-c", start, package, "--config", str(config)],
        input="".join(json.dumps(message) + "\n" for message in messages),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode in (1, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr
    return next(line for line in reversed(done.stderr.splitlines()) if " ERROR " in line)


@pytest.mark.parametrize(
    ("package", "settings", "said"),
    [
        (
            "psycopg",
            {"landing_url": POSTGRESQL},
            "psycopg is not installed: install tap-newstore-fulfillment[postgres]",
        ),
        (
            "s3fs",
            {"source": "export_files", "export_files_url": "s3://bucket/prefix", "landing_url": "sqlite:///landing.db"},
            "export_files_url: s3fs is not installed: install tap-newstore-fulfillment[s3]",
        ),
    ],
)
def test_the_tap_names_the_extra(package: str, settings: dict[str, t.Any], said: str, tmp_path: Path) -> None:
    assert said in run_without(package, "tap_newstore_fulfillment", tmp_path, settings)


@pytest.mark.parametrize(
    ("package", "settings", "said"),
    [
        ("psycopg", {"ledger_url": POSTGRESQL}, "psycopg is not installed: install mapper-newstore-stock[postgres]"),
        (
            "psycopg",
            {"on_hand_url": POSTGRESQL, "on_hand_table": "t"},
            "psycopg is not installed: install mapper-newstore-stock[postgres]",
        ),
        (
            "pymysql",
            {"on_hand_url": "mysql+pymysql://user:hush@127.0.0.1:1/db", "on_hand_table": "t"},
            "pymysql is not installed: install it beside mapper-newstore-stock (Meltano: in its pip_url)",
        ),
        (
            "s3fs",
            {"on_hand_url": "s3://bucket/on_hand.csv"},
            "s3fs is not installed: install mapper-newstore-stock[s3]",
        ),
        *(
            ("pyarrow", {"on_hand_url": url}, "pyarrow is not installed: install mapper-newstore-stock[parquet]")
            for url in ("stock.parquet", "s3://bucket/stock/")
        ),
    ],
)
def test_the_mapper_names_the_extra(package: str, settings: dict[str, t.Any], said: str, tmp_path: Path) -> None:
    ledger = {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}", "on_hand_url": "nowhere.csv"}
    state = {"type": "STATE", "value": {}}
    last = run_without(package, "mapper_newstore_stock", tmp_path, {**ledger, **settings}, EVENTS, state)
    assert said in last


def test_the_target_names_the_extra(tmp_path: Path) -> None:
    settings = {"tenant": "acme", "client_id": "c", "client_secret": "hush", "staging_url": "gs://bucket/prefix"}
    cut = (a_schema(), *a_cut(1, {"SKU-1": 5}), a_state(1))
    last = run_without("gcsfs", "target_newstore_stock", tmp_path, settings, *cut)
    assert "staging_url: gcsfs is not installed: install target-newstore-stock[gs]" in last
