"""Replays and audits whose calls fail meanwhile: what passes is waited out, and nothing stays that nobody knows of."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import typing as t

import pytest
from click.testing import CliRunner
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.receiver import audit_command, replay_command
from tap_newstore_fulfillment.receiver.event_stream import EventStream
from tap_newstore_fulfillment.receiver.newstore_api import NewStoreApi

from tests.tap.registration import Operator

if t.TYPE_CHECKING:
    import types
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.sandbox.webhook import Webhook
    from tests.shop.newstore import NewStore

BASE = "/api/v1/org/integrations/eventstream"
PERIOD = ("replay", "--id", "again", "--from", "2020-01-01T00:00:00Z")
DELETE_IT = "newstore-event-receiver delete --id again"


def fault(method: str, path: str = "/again", **what: object) -> dict[str, object]:
    return {"method": method, "path": BASE + path, **what}


def left(newstore: NewStore) -> list[str]:
    return [row["id"] for row in newstore.call("GET", BASE).json()["integrations"]]


def test_a_replay_that_a_refused_call_ends_deletes_its_integration(
    newstore: NewStore, operator: Operator, webhook: Webhook
) -> None:
    newstore.set_faults(calls=[fault("GET", status=403, times=2)])
    done = operator.call(*PERIOD, "--callback-url", webhook.url)
    assert (done.code, left(newstore)) == (1, [])
    assert "again: deleted before it was done" in done.log


def test_a_replay_whose_integration_cannot_be_deleted_says_which_stays_and_how_to_delete_it(
    newstore: NewStore, operator: Operator, webhook: Webhook
) -> None:
    newstore.set_faults(calls=[fault("GET", status=403, times=2), fault("DELETE", status=403, times=2)])
    done = operator.call(*PERIOD, "--callback-url", webhook.url)
    assert (done.code, left(newstore)) == (1, ["again"])
    assert f"stays at NewStore, among the 25 it allows. Delete it: {DELETE_IT}" in done.log


def test_a_replay_whose_last_deletion_is_refused_once_deletes_its_integration(
    newstore: NewStore, operator: Operator, webhook: Webhook
) -> None:
    newstore.set_faults(calls=[fault("DELETE", status=403, times=2)])
    done = operator.call(*PERIOD, "--callback-url", webhook.url)
    assert (done.code, left(newstore)) == (1, [])


def test_a_replay_that_may_have_been_created_says_so_and_deletes_nothing(
    newstore: NewStore, operator: Operator, webhook: Webhook
) -> None:
    newstore.set_faults(calls=[fault("POST", "", status=500, happens=True)])
    done = operator.call(*PERIOD, "--callback-url", webhook.url)
    assert (done.code, left(newstore)) == (1, ["again"])
    assert f"again may have been created all the same. If it is there, delete it: {DELETE_IT}" in done.log


@pytest.mark.parametrize("wrong", [{}, {"client_secret": "wrong"}])
def test_a_replay_that_was_refused_leaves_another_one_of_its_id_alone(
    tmp_path: Path, newstore: NewStore, webhook: Webhook, wrong: dict[str, str]
) -> None:
    Operator(tmp_path, newstore).succeed("register", "--id", "again", "--callback-url", webhook.url)
    done = Operator(tmp_path, newstore, **wrong).call(*PERIOD, "--callback-url", webhook.url)
    assert (done.code, left(newstore), "may have been" in done.log) == (1, ["again"], False)


@pytest.mark.parametrize("status", [401, 403])
def test_a_replay_whose_token_is_revoked_goes_on(
    newstore: NewStore, operator: Operator, webhook: Webhook, status: int
) -> None:
    newstore.set_faults(calls=[fault("GET", status=status), fault("DELETE", status=status)])
    output = operator.succeed(*PERIOD, "--callback-url", webhook.url)
    assert output.endswith("again: done and deleted\n")


def test_a_replay_somebody_interrupts_says_that_it_stays(
    newstore: NewStore, operator: Operator, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    newstore.set_faults(calls=[fault("GET", status=429)])
    here = InProcess(replay_command, tmp_path, operator.settings, monkeypatch)
    here.interrupted = True
    code, said = here.run(replay_command.replay, *PERIOD[1:], "--callback-url", webhook.url)
    assert (code, left(newstore), DELETE_IT in said) == (1, ["again"], True), said


class InProcess:
    """Runs a command that waits no second at NewStore's pauses, and notes how long it would have."""

    def __init__(
        self, module: types.ModuleType, tmp_path: Path, settings: Mapping[str, t.Any], patch: pytest.MonkeyPatch
    ) -> None:
        self.waits: list[float] = []
        self.interrupted = False
        self._config = tmp_path / "config.json"
        self._config.write_text(json.dumps(settings), encoding="utf-8")
        patch.setattr(module, "event_stream", lambda given: EventStream(NewStoreApi(given, self._sleep)))

    def run(self, command: t.Any, *arguments: str) -> tuple[int, str]:
        with captured_log() as log:
            done = CliRunner().invoke(command, [*arguments, "--config", str(self._config)])
        return done.exit_code, f"{done.output} {done.exception} {log.getvalue()}"

    def _sleep(self, seconds: float) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.waits.append(seconds)


@contextlib.contextmanager
def captured_log() -> Iterator[io.StringIO]:
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger("newstore-event-receiver").addHandler(handler)
    try:
        yield log
    finally:
        logging.getLogger("newstore-event-receiver").removeHandler(handler)


BLOCKED: dict[str, t.Any] = {"status": 403, "body": "blocked"}


def test_a_replay_waits_out_an_ip_limit(
    tmp_path: Path, newstore: NewStore, operator: Operator, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    newstore.set_faults(calls=[fault(method, path, **BLOCKED) for method, path in (("POST", ""), ("GET", "/again"))])
    here = InProcess(replay_command, tmp_path, operator.settings, monkeypatch)
    done = here.run(replay_command.replay, *PERIOD[1:], "--callback-url", webhook.url)
    assert (done[0], here.waits, left(newstore)) == (0, [300.0, 300.0], []), done


def test_a_replay_nobody_waits_for_does_not_wait_out_an_ip_limit(
    tmp_path: Path, newstore: NewStore, operator: Operator, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    newstore.set_faults(calls=[fault("POST", "", **BLOCKED)])
    here = InProcess(replay_command, tmp_path, operator.settings, monkeypatch)
    code, said = here.run(replay_command.replay, *PERIOD[1:], "--callback-url", webhook.url, "--wait-minutes=0")
    assert (code, here.waits, "wait 5 minutes" in said) == (1, [], True)


def test_an_audit_waits_out_an_ip_limit_but_not_to_delete_what_failed(
    tmp_path: Path, newstore: NewStore, operator: Operator, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**operator.settings, "landing_url": f"sqlite:///{tmp_path / 'landing.db'}"}
    LandingStore(settings["landing_url"]).close()
    operator.succeed("register", "--callback-url", webhook.url)
    limits = [("GET", "/newstore-stock-sync"), ("GET", ""), ("POST", ""), ("GET", "/stock-audit-*")]
    newstore.set_faults(
        calls=[
            *(fault(method, path, **BLOCKED) for method, path in limits),
            fault("GET", "/stock-audit-*", status=403, times=2),
            fault("DELETE", "/stock-audit-*", **BLOCKED),
        ]
    )
    monkeypatch.setattr(audit_command, "_end_cleanly", lambda: None)
    here = InProcess(audit_command, tmp_path, settings, monkeypatch)
    code, said = here.run(audit_command.audit, "--quiet-seconds=0")
    assert (code, here.waits) == (1, 4 * [300.0]), said
    assert "answered 403" in said
