"""Import jobs against a NewStore that misbehaves: what is waited for, adopted, failed or repeated (rules 9 and 11)."""

from __future__ import annotations

import re
import threading
import typing as t
from unittest import mock

import pytest
from target_newstore_stock import progress
from target_newstore_stock.auth import NewStoreAuthenticator
from target_newstore_stock.client import NewStoreClient
from target_newstore_stock.errors import ApiError, ImportJobError
from target_newstore_stock.import_api import NAME_PREFIX, Job, JobError
from target_newstore_stock.import_jobs import ImportJobs
from target_newstore_stock.records import StockRecord
from target_newstore_stock.stock_file import StockFile, encode_item, make_head

from tests.shop.newstore import CLIENT_ID, CLIENT_SECRET
from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.shop.newstore import NewStore

OURS = "ours"


class Clock:
    """A clock that moves only while somebody sleeps; each sleep runs the next of `on_sleep`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.on_sleep: list[Callable[[], object]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.on_sleep:
            self.on_sleep.pop(0)()

    def __call__(self) -> float:
        return self.now


class LossyClient(NewStoreClient):
    """Loses the answers to the first calls that must not be repeated."""

    def __init__(self, api_url: str, authenticator: NewStoreAuthenticator, lost: list[ApiError]) -> None:
        super().__init__(api_url, authenticator)
        self.lost = lost
        self.reaches_newstore = True

    def post_once(self, path: str, body: dict[str, t.Any]) -> t.Any:
        if not self.lost:
            return super().post_once(path, body)
        if self.reaches_newstore:
            super().post_once(path, body)
        raise self.lost.pop(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(newstore: NewStore) -> LossyClient:
    authenticator = NewStoreAuthenticator(
        client_id=CLIENT_ID, client_secret=CLIENT_SECRET, auth_endpoint=newstore.token_url
    )
    return LossyClient(newstore.url, authenticator, [])


@pytest.fixture
def jobs(client: LossyClient, clock: Clock) -> ImportJobs:
    return ImportJobs(client, provider=OURS, poll_seconds=0.1, timeout_seconds=600, sleep=clock.sleep, clock=clock)


@pytest.fixture
def real_jobs(client: LossyClient) -> ImportJobs:
    return ImportJobs(client, provider=OURS, poll_seconds=0.02, timeout_seconds=20)


@pytest.fixture
def uri(newstore: NewStore) -> str:
    file = StockFile()
    record = StockRecord("DC01", "A", 7)
    file.add(record, encode_item(record))
    with (newstore.staging / "a.zip").open("wb") as target:
        file.write_zip(target, make_head({"DC01": ""}, None, None))
    file.close()
    return f"{newstore.url}/staging/a.zip"


def create(newstore: NewStore, provider: str, name: str, uri: str, *, start: bool = False) -> str:
    """Create a job as an earlier run or another client would."""
    body = {
        "provider": provider,
        "name": name,
        "source_uri": uri,
        "revision": 1,
        "entities": ["availabilities"],
        "full": False,
    }
    import_id = str(newstore.call("POST", "/v0/d/import", body=body).json()["id"])
    if start:
        newstore.call("POST", f"/v0/d/import/{import_id}/start", body={"transformed_uri": uri})
    return import_id


def states(newstore: NewStore) -> dict[str, str]:
    return {job["import_id"]: job["state"] for job in newstore.imports()}


def test_a_job_is_created_started_and_watched_to_its_end(real_jobs: ImportJobs, newstore: NewStore, uri: str) -> None:
    import_id = real_jobs.run(NAME_PREFIX + "cut 1", uri, revision=123)
    (job,) = newstore.imports()
    assert (job["import_id"], job["state"], job["revision"]) == (import_id, "finished", 123)


@pytest.mark.fault("F9")
def test_a_job_an_earlier_run_created_and_never_started_is_failed(
    jobs: ImportJobs, newstore: NewStore, uri: str
) -> None:
    left = create(newstore, OURS, NAME_PREFIX + "cut 1", uri)
    jobs.clear_the_way()
    assert states(newstore) == {left: "failed"}


@pytest.mark.fault("F9", "F11")
def test_a_job_that_stays_received_although_it_was_failed_is_waited_for_and_not_called_without_end(
    jobs: ImportJobs, clock: Clock, newstore: NewStore, uri: str
) -> None:
    without_effect = {"method": "POST", "path": "/v0/d/import/*/set_fail", "status": 200, "body": {}, "times": 50}
    newstore.set_faults(calls=[without_effect])
    left = create(newstore, OURS, NAME_PREFIX + "cut 1", uri)
    clock.on_sleep = [lambda: None, lambda: clock.sleep(601)]
    with pytest.raises(ImportJobError, match=rf"an earlier import of ours is still received after 600 s: {left}"):
        jobs.clear_the_way()
    clock.on_sleep = [
        lambda: None,
        lambda: newstore.call("POST", f"/v0/d/import/{left}/start", body={"transformed_uri": uri}),
    ]
    clock.on_sleep += [lambda: None] * 50
    jobs.clear_the_way()
    assert states(newstore) == {left: "finished"}


@pytest.mark.adapter_mistake("restarted all waiting jobs, including other people's")
@pytest.mark.parametrize(("provider", "name"), [("theirs", NAME_PREFIX + "cut 1"), (OURS, "a nightly stock import")])
def test_nobody_elses_job_is_touched(jobs: ImportJobs, newstore: NewStore, uri: str, provider: str, name: str) -> None:
    theirs = create(newstore, provider, name, uri)
    jobs.clear_the_way()
    assert states(newstore) == {theirs: "received"}


@pytest.mark.adapter_mistake("restarted all waiting jobs, including other people's")
def test_nor_one_that_a_note_of_a_provider_of_nearly_the_same_name_leads_to(
    jobs: ImportJobs, newstore: NewStore, uri: str
) -> None:
    theirs = create(newstore, "o urs", NAME_PREFIX + "cut 1", uri)
    jobs.clear_the_way([theirs])
    assert states(newstore) == {theirs: "received"}


@pytest.mark.fault("F12")
def test_an_earlier_job_that_is_still_waiting_is_waited_for(
    jobs: ImportJobs, clock: Clock, newstore: NewStore, uri: str
) -> None:
    newstore.set_faults(hold_jobs=True)
    earlier = create(newstore, OURS, NAME_PREFIX + "cut 1", uri, start=True)
    clock.on_sleep = [lambda: None, lambda: newstore.set_faults(hold_jobs=False)]
    clock.on_sleep += [lambda: None] * 5
    jobs.clear_the_way()
    assert clock.now >= 0.2
    assert states(newstore) == {earlier: "finished"}


@pytest.mark.fault("F11", "F12")
def test_an_earlier_job_that_never_ends_stops_the_run(
    jobs: ImportJobs, clock: Clock, newstore: NewStore, uri: str
) -> None:
    newstore.set_faults(hold_jobs=True)
    earlier = create(newstore, OURS, NAME_PREFIX + "cut 1", uri, start=True)
    clock.on_sleep = [lambda: clock.sleep(601)]
    with pytest.raises(ImportJobError, match=rf"an earlier import of ours is still waiting .* {earlier}"):
        jobs.clear_the_way()


@pytest.mark.fault("F10")
@pytest.mark.parametrize("status", [None, 502, 429])
def test_a_create_whose_answer_was_lost_is_adopted_and_not_repeated(
    real_jobs: ImportJobs, client: LossyClient, newstore: NewStore, uri: str, status: int | None
) -> None:
    client.lost = [ApiError("lost", status)]
    real_jobs.run(NAME_PREFIX + "cut 1", uri, revision=1)
    assert list(states(newstore).values()) == ["finished"]


def test_a_create_that_did_not_arrive_is_repeated(
    jobs: ImportJobs, client: LossyClient, clock: Clock, newstore: NewStore, uri: str
) -> None:
    client.lost, client.reaches_newstore = [ApiError("lost")], False
    newstore.set_faults(fail_next_import="ends here")
    with pytest.raises(ImportJobError, match="ends here"):
        jobs.run(NAME_PREFIX + "cut 1", uri, revision=1)
    assert len(states(newstore)) == 1
    assert clock.now >= 1


def test_a_create_that_newstore_refuses_is_not_repeated(jobs: ImportJobs, client: LossyClient, uri: str) -> None:
    client.lost, client.reaches_newstore = [ApiError("no", 400), ApiError("must not be reached", 400)], False
    with pytest.raises(ApiError, match="no"):
        jobs.run(NAME_PREFIX + "cut 1", uri, revision=1)
    assert len(client.lost) == 1


@pytest.mark.fault("F10")
def test_twenty_open_jobs_of_others_are_waited_for(
    jobs: ImportJobs, clock: Clock, newstore: NewStore, uri: str
) -> None:
    theirs = [create(newstore, "theirs", f"import {number}", uri) for number in range(20)]

    def free_a_slot() -> None:
        newstore.call("POST", f"/v0/d/import/{theirs[0]}/set_fail", body={"reason": "theirs to say"})
        newstore.set_faults(fail_next_import="ends here")

    clock.on_sleep = [free_a_slot]
    with pytest.raises(ImportJobError, match="ends here"):
        jobs.run(NAME_PREFIX + "cut 1", uri, revision=1)
    assert clock.now >= 1
    assert [states(newstore)[theirs[number]] for number in range(1, 20)] == ["received"] * 19


@pytest.mark.fault("F10")
def test_a_429_that_created_the_job_all_the_same_is_adopted(
    real_jobs: ImportJobs, newstore: NewStore, uri: str
) -> None:
    for number in range(20):
        create(newstore, "theirs", f"import {number}", uri)
    newstore.set_faults(create_429_leaves_job=True)
    import_id = real_jobs.run(NAME_PREFIX + "cut 1", uri, revision=1)
    assert states(newstore)[import_id] == "finished"
    assert len(states(newstore)) == 21


def test_a_start_whose_answer_was_lost_is_not_repeated(client: LossyClient, newstore: NewStore, uri: str) -> None:
    jobs = ImportJobs(client, provider=OURS, poll_seconds=0.02, timeout_seconds=20)
    import_id = create(newstore, OURS, NAME_PREFIX + "cut 1", uri)
    client.lost = [ApiError("lost")]
    jobs._start(import_id, uri, deadline=jobs._clock() + 20)
    assert states(newstore)[import_id] in ("waiting", "running", "finished")


@pytest.mark.fault("F11")
def test_an_unknown_state_means_still_open(jobs: ImportJobs, clock: Clock, newstore: NewStore, uri: str) -> None:
    newstore.set_faults(hold_jobs=True, state_word="transforming")
    clock.on_sleep = [lambda: None, lambda: clock.sleep(601)]
    with pytest.raises(ImportJobError, match=r"is still transforming after 600 s"):
        jobs.run(NAME_PREFIX + "cut 1", uri, revision=1)


def test_a_state_cannot_write_lines_of_its_own(jobs: ImportJobs, clock: Clock, newstore: NewStore, uri: str) -> None:
    newstore.set_faults(hold_jobs=True, state_word="finished\nINFO all is well\x1b[31m")
    clock.on_sleep = [lambda: None, lambda: clock.sleep(601)]
    with pytest.raises(ImportJobError) as caught:
        jobs.run(NAME_PREFIX + "cut 1", uri, revision=1)
    assert r"is still 'finished\nINFO all is well\x1b[31m' after 600 s" in str(caught.value)


def test_names_and_reasons_are_one_line_each() -> None:
    job = Job("1", "failed", name="a\nb\u202ec", reason="x\ty\x1b")
    assert (job.name, job.reason, JobError(reason="p\r\nq").reason) == ("a b?c", "x y?", "p q")


def test_the_log_says_in_which_state_an_import_is_and_for_how_long(
    jobs: ImportJobs, clock: Clock, newstore: NewStore, uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    def wait_for_the_line() -> None:
        if "progress" not in [thread.name for thread in threading.enumerate()]:
            # On a busy machine the job may not even have been started.
            clock.on_sleep.insert(0, wait_for_the_line)
            return
        said = r"The import \S+ \(target-newstore-stock cut 1\) has been transforming for \d+ s"
        wait_until(lambda: re.search(said, caplog.text), "line of progress")

    caplog.set_level("INFO")
    newstore.set_faults(hold_jobs=True, state_word="transforming")
    clock.on_sleep = [wait_for_the_line, lambda: clock.sleep(601)]
    with mock.patch.object(progress, "SECONDS", 0.05), pytest.raises(ImportJobError, match="is still transforming"):
        jobs.run(NAME_PREFIX + "cut 1", uri, revision=1)
