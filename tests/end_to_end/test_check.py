"""`meltano invoke …:check` of each part, and bad days: what a run would fail by is named before it."""

from __future__ import annotations

import typing as t

import pytest

from tests.end_to_end.own_project import OwnProject
from tests.shop.pipeline import MAPPER, PARTS, TAP, TARGET, Pipeline

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Shop(t.NamedTuple):
    """A shop, and a project that runs its plugins by variables."""

    pipeline: Pipeline
    project: OwnProject

    def check(self, plugin: str, **changes: str) -> tuple[int, str]:
        """Return the exit code of a plugin's check under Meltano, and what it printed."""
        variables = {
            f"{name}_{setting}".upper().replace("-", "_"): str(value)
            for name in PARTS
            for setting, value in self.pipeline.settings[name].items()
        }
        # Whole numbers, which is what Meltano takes from variables.
        variables |= {"TARGET_NEWSTORE_STOCK_POLL_SECONDS": "1", "TARGET_NEWSTORE_STOCK_IMPORT_TIMEOUT_SECONDS": "60"}
        port = self.pipeline.receiver.url.rpartition(":")[2]
        variables["TAP_NEWSTORE_FULFILLMENT_RECEIVER_PORT"] = port
        done = self.project.meltano("invoke", f"{plugin}:check", **variables | changes)
        assert "Traceback" not in done.stderr + done.stdout
        return done.returncode, done.stdout


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop with one sale."""
    with Pipeline(tmp_path) as pipeline:
        pipeline.newstore.add_location("DC01")
        pipeline.stock("DC01", "SKU-1", 10)
        pipeline.newstore.sell("DC01", "SKU-1")
        pipeline.newstore.wait_for_delivery()
        yield Shop(pipeline, OwnProject.of_the_checkout(tmp_path / "project"))


@pytest.mark.parametrize("plugin", PARTS)
def test_meltano_runs_the_check_of_each_part(plugin: str, shop: Shop) -> None:
    code, said = shop.check(plugin)
    assert code == 0, said
    assert f"{plugin}: green (0 red, 0 yellow" in said


def test_a_check_changes_nothing_and_a_run_goes_on_as_without_it(shop: Shop) -> None:
    for plugin in PARTS:
        shop.check(plugin)
    assert shop.pipeline.newstore.imports() == []
    assert list(shop.pipeline.newstore.staging.iterdir()) == []
    assert not (shop.project.directory.parent / "ledger.db").exists()
    assert shop.pipeline.run().codes == (0, 0, 0)
    assert shop.pipeline.newstore.on_hand("DC01", "SKU-1") == 9


@pytest.mark.parametrize(
    ("plugin", "changed", "said"),
    [
        (TAP, {"TAP_NEWSTORE_FULFILLMENT_LANDING_URL": "sqlite:////nowhere/landing.db"}, "no directory /nowhere"),
        (TAP, {"TAP_NEWSTORE_FULFILLMENT_RECEIVER_PORT": "1"}, "nothing answers at http://127.0.0.1:1/healthz"),
        (MAPPER, {"MAPPER_NEWSTORE_STOCK_ON_HAND_URL": "/nowhere/on_hand.csv"}, "/nowhere/on_hand.csv"),
        (TARGET, {"TARGET_NEWSTORE_STOCK_CLIENT_SECRET": "wrong"}, "client_secret"),
        (TARGET, {"TARGET_NEWSTORE_STOCK_STAGING_URL": "/proc/nowhere"}, "staging_url: cannot write"),
    ],
)
def test_what_a_run_would_fail_by_is_red(plugin: str, changed: dict[str, str], said: str, shop: Shop) -> None:
    code, found = shop.check(plugin, **changed)
    assert code == 1
    assert any(line.startswith("red ") and said in line for line in found.splitlines()), found
