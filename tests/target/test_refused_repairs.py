"""Import jobs when NewStore refuses a call that was meant to repair something (rules 9 and 11)."""

from __future__ import annotations

import functools
import logging
import typing as t

import pytest
from target_newstore_stock import import_jobs
from target_newstore_stock.auth import NewStoreAuthenticator
from target_newstore_stock.client import NewStoreClient
from target_newstore_stock.errors import ApiError, StagingError
from target_newstore_stock.import_api import NAME_PREFIX, PATH
from target_newstore_stock.import_jobs import ImportJobs

from tests.shop.newstore import CLIENT_ID, CLIENT_SECRET
from tests.target.test_import_jobs import OURS, Clock, create, states

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.shop.newstore import NewStore

NAME = NAME_PREFIX + "cut 1"
URI = "https://staging.example/a.zip"


class Refused(t.NamedTuple):
    """The next call of a kind (`create`, `list`, `set_fail`) fails; `happens`: it is carried out all the same."""

    kind: str
    error: ApiError
    happens: bool = False


class RefusingClient(NewStoreClient):
    """Makes the next calls of a kind fail, without the client's own tries."""

    def __init__(self, api_url: str, authenticator: NewStoreAuthenticator) -> None:
        super().__init__(api_url, authenticator)
        self.refused: list[Refused] = []

    def get(self, path: str, **params: str) -> t.Any:
        return self._call("list" if params else "look", functools.partial(super().get, path, **params))

    def post(self, path: str, body: dict[str, t.Any]) -> t.Any:
        return self._call(path.rpartition("/")[2], functools.partial(super().post, path, body))

    def post_once(self, path: str, body: dict[str, t.Any]) -> t.Any:
        kind = "create" if path == PATH else "start"
        return self._call(kind, functools.partial(super().post_once, path, body))

    def _call(self, kind: str, call: Callable[[], t.Any]) -> t.Any:
        refused = next((refused for refused in self.refused if refused.kind == kind), None)
        if refused is None:
            return call()
        self.refused.remove(refused)
        if refused.happens:
            call()
        raise refused.error


@pytest.fixture
def client(newstore: NewStore) -> RefusingClient:
    authenticator = NewStoreAuthenticator(
        client_id=CLIENT_ID, client_secret=CLIENT_SECRET, auth_endpoint=newstore.token_url
    )
    return RefusingClient(newstore.url, authenticator)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(client: RefusingClient, clock: Clock) -> ImportJobs:
    return ImportJobs(client, provider=OURS, poll_seconds=0.1, timeout_seconds=600, sleep=clock.sleep, clock=clock)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log of import_jobs, whatever other tests have set."""
    logger = logging.Logger("import_jobs")  # noqa: LOG001 - a logger that no other setting reaches
    logger.addHandler(caplog.handler)
    monkeypatch.setattr(import_jobs, "logger", logger)
    return caplog


def cannot_be_noted(_import_id: str) -> None:
    raise StagingError("the disk is full")


def no(status: int = 400) -> ApiError:
    return ApiError(f"NewStore answered {status}", status)


@pytest.mark.fault("F9")
def test_a_job_that_cannot_be_noted_is_failed(jobs: ImportJobs, newstore: NewStore) -> None:
    with pytest.raises(StagingError, match="the disk is full"):
        jobs.run(NAME, URI, 1, cannot_be_noted)
    assert list(states(newstore).values()) == ["failed"]


@pytest.mark.fault("F9")
def test_a_job_that_cannot_be_noted_and_not_be_failed_is_left_to_the_next_run(
    jobs: ImportJobs, client: RefusingClient, newstore: NewStore, log: pytest.LogCaptureFixture
) -> None:
    client.refused = [Refused("set_fail", no())]
    with pytest.raises(StagingError, match="the disk is full"):
        jobs.run(NAME, URI, 1, cannot_be_noted)
    ((import_id, state),) = states(newstore).items()
    assert state == "received"
    assert f"the next run takes care of the import {import_id}" in log.text
    jobs.clear_the_way()
    assert states(newstore) == {import_id: "failed"}


@pytest.mark.fault("F10")
def test_a_job_that_a_lost_create_left_is_failed_when_the_second_create_is_refused(
    jobs: ImportJobs, client: RefusingClient, newstore: NewStore
) -> None:
    client.refused = [Refused("create", no(502), happens=True), Refused("list", no(503)), Refused("create", no(400))]
    with pytest.raises(ApiError, match="NewStore answered 400"):
        jobs.run(NAME, URI, 1)
    assert client.refused == []
    assert list(states(newstore).values()) == ["failed"]


@pytest.mark.fault("F10")
@pytest.mark.parametrize("refused", [Refused("set_fail", no()), Refused("list", no())])
def test_a_leftover_that_cannot_be_failed_does_not_hide_the_error_and_is_left_to_the_next_run(
    jobs: ImportJobs,
    client: RefusingClient,
    newstore: NewStore,
    log: pytest.LogCaptureFixture,
    refused: Refused,
) -> None:
    lost = [Refused("create", no(502), happens=True), Refused("list", no(503)), Refused("create", no(409))]
    client.refused = [*lost, refused]
    with pytest.raises(ApiError, match="NewStore answered 409"):
        jobs.run(NAME, URI, 1)
    assert client.refused == []
    assert list(states(newstore).values()) == ["received"]
    assert "the next run" in log.text
    jobs.clear_the_way()
    assert list(states(newstore).values()) == ["failed"]


@pytest.mark.fault("F10")
def test_the_job_a_lost_create_left_is_failed_when_the_job_that_was_used_ends(
    jobs: ImportJobs, client: RefusingClient, newstore: NewStore
) -> None:
    client.refused = [Refused("create", no(502), happens=True), Refused("list", no(503))]
    used: list[str] = []

    def note(import_id: str) -> None:
        used.append(import_id)
        cannot_be_noted(import_id)

    with pytest.raises(StagingError):
        jobs.run(NAME, URI, 1, note)
    (left,) = states(newstore).keys() - set(used)
    assert states(newstore)[left] == "failed"


@pytest.mark.fault("F10")
def test_a_lost_job_is_not_looked_for_again_when_newstore_refuses_the_look_for_good(
    jobs: ImportJobs, client: RefusingClient, clock: Clock
) -> None:
    client.refused = [Refused("create", no(502)), Refused("list", no(400)), Refused("create", no(418))]
    with pytest.raises(ApiError, match="NewStore answered 400"):
        jobs.run(NAME, URI, 1)
    assert [refused.kind for refused in client.refused] == ["create"]
    assert clock.now == 0


@pytest.mark.fault("F10")
def test_a_passing_fault_while_a_lost_job_is_looked_for_leads_to_a_second_create(
    jobs: ImportJobs, client: RefusingClient, clock: Clock, log: pytest.LogCaptureFixture
) -> None:
    client.refused = [Refused("create", no(502)), Refused("list", no(503)), Refused("create", no(400))]
    with pytest.raises(ApiError, match="NewStore answered 400"):
        jobs.run(NAME, URI, 1)
    assert client.refused == []
    assert clock.now == 1
    assert "NewStore answered 503" in log.text


@pytest.mark.fault("F9")
def test_a_leftover_that_newstore_does_not_let_us_fail_stops_the_run(
    jobs: ImportJobs, client: RefusingClient, newstore: NewStore
) -> None:
    left = create(newstore, OURS, NAME, URI)
    client.refused = [Refused("set_fail", no(403))]
    with pytest.raises(ApiError, match="NewStore answered 403"):
        jobs.clear_the_way()
    assert states(newstore) == {left: "received"}


@pytest.mark.fault("F9")
def test_a_leftover_that_has_moved_on_need_not_be_failed(
    jobs: ImportJobs, client: RefusingClient, newstore: NewStore, log: pytest.LogCaptureFixture
) -> None:
    left = create(newstore, OURS, NAME, URI)
    client.refused = [Refused("set_fail", no(409), happens=True)]
    jobs.clear_the_way()
    assert states(newstore) == {left: "failed"}
    assert "the import has moved on" in log.text
