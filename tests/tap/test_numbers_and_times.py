"""Numbers and times no store, clock or calendar has: the command line names the option, and nothing is done."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.settings import SETTINGS

from tests.shop.plugin import run_plugin
from tests.tap.test_looking_after_the_store import keep

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.plugin import Finished

NOWHERE = "http://127.0.0.1:9"
SETTINGS_OF_NOBODY = {
    "tenant": "demo",
    "client_id": "c",
    "client_secret": "hush-hush",
    "receiver_api_key": "a-key",
    "api_url": NOWHERE,
    "auth_url": NOWHERE,
}
CALLBACK = ("--callback-url", f"{NOWHERE}/events")
DIGITS = 20 * "9"
#: The settings that are whole numbers, but for ports.
WHOLE = [
    name
    for name, schema in SETTINGS["properties"].items()
    if "integer" in schema["type"] and not name.endswith("_port")
]


def call(directory: Path, *arguments: str) -> Finished:
    url = f"sqlite:///{directory / 'landing.db'}"
    LandingStore(url).close()
    settings = {**SETTINGS_OF_NOBODY, "landing_url": url}
    done = run_plugin("newstore-event-receiver", directory, settings, *arguments)
    assert "Traceback" not in done.log
    return done


@pytest.mark.parametrize(
    ("option", "arguments"),
    [
        ("ID", ("quarantine", "show", DIGITS)),
        ("ID", ("quarantine", "show", "--", f"-{DIGITS}")),
        ("ID", ("quarantine", "retry", DIGITS)),
        ("ID", ("quarantine", "accept", "1", DIGITS)),
        ("ID", ("quarantine", "discard", DIGITS)),
        ("--limit", ("quarantine", "list", "--limit", DIGITS)),
        ("--keep-days", ("prune", "--keep-days", 17 * "9")),
        ("--keep-days", ("prune", "--keep-days", 400 * "9")),
        ("--max-silence-minutes", ("backlog", "--max-silence-minutes", DIGITS)),
        ("--max-wait-minutes", ("backlog", "--max-wait-minutes", DIGITS)),
        ("--wait-minutes", ("replay", "--from", "2026-01-01T00:00Z", *CALLBACK, "--wait-minutes", 400 * "9")),
        ("--from", ("replay", "--from", "9999-12-31T23:59:59-14:00", *CALLBACK)),
        ("--from", ("replay", "--from", "0001-01-01T00:00:00+14:00", *CALLBACK)),
        ("--to", ("replay", "--from", "2026-01-01T00:00Z", "--to", "9999-12-31T23:59:59-00:01", *CALLBACK)),
        *(
            (option, ("audit", *CALLBACK, option, number))
            for option in ("--hours", "--wait-minutes", "--quiet-seconds")
            for number in ("nan", "inf", "-inf", "1e999")
        ),
    ],
)
def test_a_number_or_time_that_cannot_be_ends_with_2_and_names_its_option(
    tmp_path: Path, option: str, arguments: tuple[str, ...]
) -> None:
    done = call(tmp_path, *arguments)
    assert done.code == 2, done.log
    assert f"Invalid value for '{option}" in done.log or f"Invalid value for '[{option}" in done.log
    assert len(done.log) < 1500


@pytest.mark.parametrize(
    "arguments",
    [
        ("prune", "--keep-days", 9 * "9"),
        ("quarantine", "list", "--limit", 18 * "9"),
        ("backlog", "--max-wait-minutes", 9 * "9"),
    ],
)
def test_large_numbers_are_taken(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = call(tmp_path, *arguments)
    assert done.code == 0, done.log


@pytest.mark.parametrize("setting", WHOLE)
@pytest.mark.parametrize("number", [int(DIGITS), -int(DIGITS)])
def test_a_setting_no_store_can_hold_ends_with_2_and_names_what_it_may_be(
    tmp_path: Path, setting: str, number: int
) -> None:
    settings = {"landing_url": f"sqlite:///{tmp_path / 'landing.db'}", setting: number}
    done = run_plugin("tap-newstore-fulfillment", tmp_path, settings)
    assert (done.code, done.output) == (2, ""), done.log
    assert f"{number} is {'greater' if number > 0 else 'less'} than the m" in done.log
    assert f"config['{setting}']" in done.log


@pytest.mark.parametrize("setting", WHOLE)
@pytest.mark.parametrize("bound", ["minimum", "maximum"])
def test_the_bounds_of_a_setting_work(tmp_path: Path, setting: str, bound: str) -> None:
    url = f"sqlite:///{tmp_path / 'landing.db'}"
    with contextlib.closing(LandingStore(url)) as store:
        keep(store, 10, 12)
    settings = {"landing_url": url, "settle_seconds": 0} | {setting: SETTINGS["properties"][setting][bound]}
    done = run_plugin("tap-newstore-fulfillment", tmp_path, settings)
    assert done.code == 0, done.log
