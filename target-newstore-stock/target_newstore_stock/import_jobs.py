"""Import jobs: created, started and watched, one at a time (newstore-api.md, section 2).

Creating is not idempotent, and a crash leaves jobs behind, so every job carries a name
that is used once; by it a job whose answer was lost is found again (design rules 9 and 11).
"""

from __future__ import annotations

import logging
import time
import typing as t

import msgspec

from target_newstore_stock.errors import ApiError, ImportJobError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_newstore_stock.client import NewStoreClient

logger = logging.getLogger("target-newstore-stock.import_jobs")

PATH = "/v0/d/import"
#: Begins the name of every job of ours.
NAME_PREFIX = "target-newstore-stock "
#: A job only moves forward, so asking for the states in this order misses none.
OPEN_STATES = ("received", "waiting", "running")
SHOWN_ERRORS = 20
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0


class Job(msgspec.Struct):
    """The fields of a job object this package uses."""

    import_id: str
    state: str
    provider: str | None = None
    name: str | None = None
    reason: str | None = None


class _Jobs(msgspec.Struct):
    items: list[Job]


class _Created(msgspec.Struct):
    id: str


class ImportJobs:
    """Runs import jobs, each to its end.

    Args:
        client: Calls NewStore.
        provider: Label on the jobs; with the name it says which jobs are ours.
        poll_seconds: Pause between two looks at a job.
        timeout_seconds: How long a job, or an earlier one, is waited for.
        sleep: Waits the given seconds.
        clock: Gives seconds that never go back.
    """

    def __init__(
        self,
        client: NewStoreClient,
        *,
        provider: str,
        poll_seconds: float,
        timeout_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._provider = provider
        self._poll_seconds = poll_seconds
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._clock = clock

    def clear_the_way(self) -> None:
        """Wait until no earlier job of ours is open: an old file must not land on a newer one.

        A job that was created but never started is failed, which frees its slot.

        Raises:
            ImportJobError: one is still open after the time-out.
        """
        deadline = self._clock() + self._timeout_seconds
        while earlier := list(self._own_open_jobs()):
            for job in earlier:
                if job.state == "received":
                    logger.warning("Failing the import %s (%s): it was never started", job.import_id, job.name)
                    self._set_fail(job.import_id)
            waiting = [job for job in earlier if job.state != "received"]
            if waiting and self._clock() > deadline:
                raise ImportJobError(
                    f"an earlier import of ours is still {waiting[0].state} after {self._timeout_seconds} s: "
                    f"{waiting[0].import_id} ({waiting[0].name}). Nothing was imported; run again when it has ended"
                )
            if waiting:
                logger.info("Waiting for an earlier import: %s is %s", waiting[0].import_id, waiting[0].state)
                self._sleep(self._poll_seconds)

    def run(self, name: str, uri: str, revision: int) -> str:
        """Create and start a job, and return its id when NewStore has finished it.

        Args:
            name: Begins with NAME_PREFIX; never used before.
            uri: Where NewStore fetches the stock file.
            revision: Epoch milliseconds.

        Raises:
            ImportJobError: it failed, or did not end in time.
            ApiError: NewStore refused a call.
        """
        deadline = self._clock() + self._timeout_seconds
        import_id = self._create(name, uri, revision, deadline)
        self._start(import_id, uri)
        logger.info("Started the import %s (%s)", import_id, name)
        self._wait(import_id, name, deadline)
        if errors := self._errors(import_id):
            raise ImportJobError(f"the import {import_id} ({name}) finished, but NewStore refused items: {errors}")
        return import_id

    def _create(self, name: str, uri: str, revision: int, deadline: float) -> str:
        body = {
            "provider": self._provider,
            "name": name,
            "source_uri": uri,
            "revision": revision,
            "entities": ["availabilities"],
            "full": False,
        }
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                return msgspec.convert(self._client.post_once(PATH, body), _Created).id
            except msgspec.ValidationError as error:
                raise ApiError(f"POST {PATH}: the answer has no id: {error}") from error
            except ApiError as error:
                if not (error.may_have_happened or error.status == 429) or self._clock() > deadline:
                    raise
                # Even a 429 may have created the job.
                if found := self._find_received(name):
                    logger.warning("%s; the job was created all the same: %s", error, found)
                    return found
                pause = error.retry_after or wait
                logger.warning("%s; trying again in %.0f s", error, pause)
            self._sleep(pause)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    def _start(self, import_id: str, uri: str) -> None:
        """Start a job; a start whose answer was lost is not repeated on a job that runs."""
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                self._client.post_once(f"{PATH}/{import_id}/start", {"transformed_uri": uri})
            except ApiError as error:
                if not (error.may_have_happened or error.status == 429) or wait > LONGEST_WAIT_SECONDS:
                    raise
                logger.warning("%s; looking whether it started all the same", error)
                self._sleep(error.retry_after or wait)
            else:
                return
            if self._job(import_id).state != "received":
                return
            wait *= 2

    def _wait(self, import_id: str, name: str, deadline: float) -> None:
        while True:
            job = self._job(import_id)
            if job.state == "finished":
                return
            if job.state == "failed":
                raise ImportJobError(
                    f"the import {import_id} ({name}) failed: {job.reason or 'no reason given'}"
                    f"{_appended(self._errors(import_id))}. Nothing is acknowledged; the next run sends it again"
                )
            if self._clock() > deadline:
                raise ImportJobError(
                    f"the import {import_id} ({name}) is still {job.state} after {self._timeout_seconds} s. "
                    f"Nothing is acknowledged; the next run waits for it and sends it again"
                )
            self._sleep(self._poll_seconds)

    def _own_open_jobs(self) -> Iterator[Job]:
        for state in OPEN_STATES:
            for job in self._jobs(state):
                if job.provider == self._provider and (job.name or "").startswith(NAME_PREFIX):
                    yield job

    def _find_received(self, name: str) -> str | None:
        ids = [job.import_id for job in self._jobs("received") if (job.provider, job.name) == (self._provider, name)]
        return ids[0] if ids else None

    def _set_fail(self, import_id: str) -> None:
        """Fail a leftover; that it has moved on meanwhile shows in the next look at the list."""
        try:
            reason = "left behind by an earlier run of target-newstore-stock"
            self._client.post(f"{PATH}/{import_id}/set_fail", {"reason": reason})
        except ApiError as error:
            if self._job(import_id).state == "received":
                raise
            logger.warning("%s; the import has moved on", error)

    def _job(self, import_id: str) -> Job:
        return _read(self._client.get(f"{PATH}/{import_id}"), Job)

    def _jobs(self, state: str) -> list[Job]:
        return _read(self._client.get(PATH, **{"filter[state]": state}), _Jobs).items

    def _errors(self, import_id: str) -> str:
        """Give what `/errors` says, one after the other."""
        answer = self._client.get(f"{PATH}/{import_id}/errors")
        if isinstance(answer, dict):
            answer = answer.get("items") or answer.get("errors")
        texts = [_error_text(row) for row in answer or []]
        more = f" and {len(texts) - SHOWN_ERRORS} more" if len(texts) > SHOWN_ERRORS else ""
        return "; ".join(texts[:SHOWN_ERRORS]) + more


Answer = t.TypeVar("Answer")


def _read(answer: t.Any, shape: type[Answer]) -> Answer:
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError as error:
        raise ApiError(f"{PATH}: not an answer of the import API: {error}") from error


def _error_text(row: t.Any) -> str:
    if not isinstance(row, dict):
        return str(row)
    what = " ".join(str(row[name]) for name in ("entity_type", "entity_id") if row.get(name))
    return f"{what}: {row.get('reason')}" if what else str(row.get("reason"))


def _appended(errors: str) -> str:
    return f" ({errors})" if errors else ""
