"""What Linux has alone is taken away: what macOS has in its stead is used, and nothing fails."""

from __future__ import annotations

import fcntl
import json
import resource
import typing as t

import pytest
from tap_newstore_fulfillment import fast_path
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing import clock
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.receiver.open_connections import MOST_CONNECTIONS, OTHER_FILES, most_connections

from tests.shop.process import wait_until
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTLE_MS = 300


@pytest.fixture
def without_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Take away Linux's identity of a boot; return where the command of macOS is looked for."""
    sysctl = tmp_path / "sysctl"
    monkeypatch.setattr(clock, "BOOT_ID", tmp_path / "nowhere")
    monkeypatch.setattr(clock, "BOOT_ID_ON_MACOS", (str(sysctl), *clock.BOOT_ID_ON_MACOS[1:]))
    forget()
    yield sysctl
    forget()


def forget() -> None:
    clock.host_start.cache_clear()
    clock._start.cache_clear()


def test_a_boot_of_macos_has_an_identity_of_its_own(without_linux: Path) -> None:
    without_linux.write_text('#!/bin/sh\n[ "$*" = "-n kern.bootsessionuuid" ] && echo 8D2C-1\n', encoding="ascii")
    without_linux.chmod(0o700)
    assert clock.host_start() == "8D2C-1"
    assert clock._start() == "8D2C-1"


@pytest.mark.parametrize("answer", ["exit 1", "true", None])
def test_where_nothing_tells_a_boot_each_process_is_one(answer: str | None, without_linux: Path) -> None:
    if answer:
        without_linux.write_text(f"#!/bin/sh\n{answer}\n", encoding="ascii")
        without_linux.chmod(0o700)
    assert clock.host_start() is None
    assert clock._start().startswith("process ")


@pytest.mark.usefixtures("without_linux")
def test_an_event_settles_all_the_same(database_url: str) -> None:
    store = LandingStore(database_url)
    try:
        store.add([check_event(json.dumps(an_event(10)).encode())])
        assert not store.clock.settled(SETTLE_MS).position

        def is_settled() -> bool:
            settled = store.clock.settled(SETTLE_MS)
            return settled.position >= 1 or (settled.received_at > 0 and settled.within >= 1)

        wait_until(is_settled, "an event that has settled")
    finally:
        store.close()


def test_a_pipe_that_cannot_be_widened_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fcntl, "F_SETPIPE_SZ", raising=False)
    fast_path.widen_pipe()


@pytest.mark.parametrize("error", [ValueError, OSError])
def test_a_limit_that_cannot_be_raised_bounds_the_connections(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_of: object) -> t.NoReturn:
        raise error

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert most_connections() == 256 - OTHER_FILES


def test_where_the_limit_has_no_end_connections_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert most_connections() == MOST_CONNECTIONS
