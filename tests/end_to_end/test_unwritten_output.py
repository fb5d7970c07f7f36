"""Tap and mapper whose messages stdout does not take: one line with a code and exit code 1, never a traceback."""

from __future__ import annotations

import json
import subprocess
import typing as t

import pytest
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.shop.process import command, environment
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from pathlib import Path

RUN_SECONDS = 60
ON_HAND = "fulfillment_node_id,product_id,quantity\nDC01,A,30\n"


def run_in_shell(plugin: str, settings: dict[str, object], directory: Path, redirected: str) -> tuple[int, str, str]:
    """Run a plugin with a shell's redirections and a stdout that is buffered; return exit code, output and log."""
    config = directory / f"{plugin}.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    words = f"exec {command(plugin)} --config {config} {redirected}"
    variables = {**environment(), "PYTHONUNBUFFERED": ""}
    done = subprocess.run(words, shell=True, capture_output=True, timeout=RUN_SECONDS, env=variables, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def run_tap(directory: Path, redirected: str, **settings: object) -> tuple[int, str, str]:
    url = f"sqlite:///{directory / 'landing.db'}"
    store = LandingStore(url)
    store.add([check_event(json.dumps(an_event(at)).encode()) for at in range(1, 50)], 1)
    store.close()
    return run_in_shell("tap-newstore-fulfillment", {"landing_url": url, **settings}, directory, redirected)


def run_mapper(directory: Path, redirected: str) -> tuple[int, str, str]:
    lines, erp = directory / "lines", directory / "erp.csv"
    lines.write_text(run_tap(directory, "")[1], encoding="utf-8")
    erp.write_text(ON_HAND, encoding="utf-8")
    settings: dict[str, object] = {
        "on_hand_url": str(erp),
        "on_hand_as_of": "taken_at",
        "ledger_url": f"sqlite:///{directory / 'ledger.db'}",
    }
    return run_in_shell("mapper-newstore-stock", settings, directory, f"< {lines} {redirected}")


def run_tap_with_a_map(directory: Path, redirected: str) -> tuple[int, str, str]:
    """Let the SDK write each record."""
    maps = {"fulfillment_events": {"note": "'x'"}}
    return run_tap(directory, redirected, stream_maps=maps)


@pytest.mark.parametrize(
    ("run", "code"), [(run_tap, "NSS-131"), (run_tap_with_a_map, "NSS-131"), (run_mapper, "NSS-244")]
)
@pytest.mark.parametrize(
    ("redirected", "why"), [(">/dev/full", "No space left on device"), (">&-", "it is closed")], ids=["full", "closed"]
)
def test_it_is_one_line(
    run: t.Callable[[Path, str], tuple[int, str, str]], code: str, redirected: str, why: str, tmp_path: Path
) -> None:
    assert run(tmp_path, "")[0] == 0
    exit_code, output, log = run(tmp_path, redirected)
    assert (exit_code, output) == (1, "")
    assert log.rstrip().endswith(f"stdout cannot be written: {why}. See what takes this plugin's output [{code}]")
    assert "Traceback" not in log
    assert f'"outcome": "failed", "reason": "stdout cannot be written: {why}", "code": "{code}"' in log
