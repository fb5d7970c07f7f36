"""Creates, starts and watches import jobs, one at a time (newstore-api.md, section 2).

Creating a job is not idempotent, and a crash leaves jobs behind. So each job has a name that is
used once: by it a job is found again when the answer was lost (design rules 9 and 11).
"""

from __future__ import annotations

import logging
import time
import typing as t

from target_newstore_stock.errors import ApiError, ImportJobError, TargetError
from target_newstore_stock.import_api import ENDED_STATES, ImportApi
from target_newstore_stock.job_errors import as_table, in_one_line, refuse_all
from target_newstore_stock.progress import long_step

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_newstore_stock.client import NewStoreClient
    from target_newstore_stock.import_api import Job, JobError
    from target_newstore_stock.progress import Step

    OnRefused = Callable[[str, Sequence[JobError]], None]

logger = logging.getLogger("target-newstore-stock.import_jobs")

#: What to do when NewStore could not fetch a file, or an import failed for another reason.
LINK = "Correct staging_link, or let what serves it serve staging_url: NewStore fetches the files by it"
REPORT = "Look at its report in NewStore"
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
#: Each pause between looks at a job is this much longer than the last, up to LONGEST_POLL times `poll_seconds`.
POLL_GROWTH = 1.2
LONGEST_POLL = 6


class ImportJobs:
    """Runs import jobs, each to its end.

    Attributes:
        may_run_twice: The answer to a create was lost, so a second job of it may be running, started by somebody else.

    Args:
        client: Calls NewStore.
        provider: Label on the jobs; together with the name it marks a job as ours.
        poll_seconds: Pause between the first two looks at a job; later ones grow.
        timeout_seconds: How long to wait for a job, and for earlier ones.
        sleep: Waits this many seconds.
        clock: Returns seconds that never go back.
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
        self.api = ImportApi(client, provider)
        self._poll_seconds = poll_seconds
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._clock = clock
        self.may_run_twice = False

    def clear_the_way(self, remembered: Iterable[str] = ()) -> None:
        """Wait until none of our earlier jobs is open: an old file must not overwrite a newer one.

        A job that was created but never started is failed, which frees its slot.

        Args:
            remembered: Ids of jobs that an earlier run did not see end. NewStore's lists may not show
                one in a state unknown to us.

        Raises:
            ImportJobError: one is still open after the time-out.
        """
        deadline = self._clock() + self._timeout_seconds
        remembered, failed = list(remembered), set[str]()
        while earlier := self._earlier(remembered):
            never_started = [job for job in earlier if job.state == "received" and job.import_id not in failed]
            for job in never_started:
                logger.warning("Failing the import %s (%s): it was never started", job.import_id, job.name)
                self._set_fail(job.import_id)
                failed.add(job.import_id)
            # One that is shown as received all the same may be started by somebody else at any time.
            waiting = [job for job in earlier if job not in never_started]
            if waiting and self._clock() > deadline:
                raise ImportJobError(
                    f"an earlier import of ours is still {waiting[0].state} after {self._timeout_seconds:g} s: "
                    f"{waiting[0].import_id} ({waiting[0].name}){self._left(waiting[0])}. Nothing was imported; "
                    f"run again when it has ended"
                )
            if waiting:
                logger.info("Waiting for an earlier import: %s is %s", waiting[0].import_id, waiting[0].state)
                self._sleep(self._poll_seconds)

    def run(
        self,
        name: str,
        uri: str,
        revision: int,
        on_created: Callable[[str], None] = lambda _: None,
        on_refused: OnRefused = refuse_all,
    ) -> str:
        """Create and start a job, and return its id when NewStore has finished it.

        Args:
            name: Begins with NAME_PREFIX, and was never used before.
            uri: Where NewStore fetches the stock file.
            revision: Epoch milliseconds.
            on_created: Called with the id before the job is started.
            on_refused: Called with a text and the errors when the job finished, but NewStore refused items.

        Raises:
            ImportJobError: it failed, or did not end in time.
            ApiError: NewStore refused a call.
        """
        deadline = self._clock() + self._timeout_seconds
        import_id, is_certain = self._create(name, uri, revision, deadline)
        try:
            self._announce(import_id, on_created)
            self._start(import_id, uri, deadline)
            logger.info("Started the import %s (%s)", import_id, name)
            self._wait(import_id, name, deadline)
            if errors := self.api.errors(import_id):
                on_refused(f"the import {import_id} ({name}) finished, but NewStore refused items", errors)
        finally:
            if not is_certain:
                self._drop_received(name)
        return import_id

    def _create(self, name: str, uri: str, revision: int, deadline: float) -> tuple[str, bool]:
        """Create a job; return its id, and whether it is certainly the only job of its name."""
        wait = FIRST_WAIT_SECONDS
        is_certain = True
        while True:
            try:
                return self.api.create(name, uri, revision), is_certain
            except ApiError as error:
                is_certain = is_certain and not error.passes
                self.may_run_twice = self.may_run_twice or not is_certain
                if not error.passes or self._clock() > deadline:
                    if not is_certain:
                        self._drop_received(name)
                    raise
                # Even a 429 may have created the job.
                if found := self._find_received(name):
                    logger.warning("%s; the job was created anyway: %s", error, found)
                    return found, is_certain
                pause = error.retry_after or wait
                logger.warning("%s; trying again in %.0f s", error, pause)
            self._sleep(pause)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    def _announce(self, import_id: str, on_created: Callable[[str], None]) -> None:
        try:
            on_created(import_id)
        except TargetError:
            self._set_fail_if_possible(import_id, "it could not be noted")
            raise

    def _start(self, import_id: str, uri: str, deadline: float) -> None:
        """Start a job. If the answer is lost, start again only if the job has not started."""
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                self.api.start(import_id, uri)
            except ApiError as error:
                if not error.passes or self._clock() > deadline:
                    if self._has_started(import_id):
                        return
                    self._set_fail_if_possible(import_id, "it could not be started")
                    raise
                logger.warning("%s; checking whether it started anyway", error)
                self._sleep(error.retry_after or wait)
            else:
                return
            if self._has_started(import_id):
                return
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    def _wait(self, import_id: str, name: str, deadline: float) -> None:
        """Watch a job to its end, through faults of NewStore, until the time-out."""
        with long_step(f"The import {import_id} ({name}) has been started") as step:
            self._watch(import_id, name, deadline, step)

    def _watch(self, import_id: str, name: str, deadline: float, step: Step) -> None:
        pause = self._poll_seconds
        while True:
            job = self._look(import_id)
            step.say(f"The import {import_id} ({name}) has been {job.state if job else 'out of sight'}")
            if job and job.state == "finished":
                return
            if job and job.state == "failed":
                errors = self.api.errors(import_id)
                reason = job.reason or "no reason given"
                said = f" ({in_one_line(errors)})" if errors else ""
                raise ImportJobError(
                    f"the import {import_id} ({name}) failed: {reason}{said}. "
                    f"Nothing is acknowledged; the next run sends it again",
                    as_table(f"The import {import_id} failed: {reason}", errors),
                    LINK if "transformed_uri" in reason else REPORT,
                )
            if self._clock() > deadline:
                raise ImportJobError(
                    f"the import {import_id} ({name}) is still {job.state if job else 'out of sight'} after "
                    f"{self._timeout_seconds:g} s{self._left(job)}. Nothing is acknowledged; the next run sends it "
                    f"again"
                )
            self._sleep(pause)
            pause = min(pause * POLL_GROWTH, LONGEST_POLL * self._poll_seconds)

    def _left(self, job: Job | None) -> str:
        """Give up on a job that takes too long, and return what becomes of it. One still waiting is failed."""
        if job and job.state == "waiting":
            self._set_fail_if_possible(job.import_id, "it waited longer than import_timeout_seconds")
            after = self._look(job.import_id)
            if after and after.state == "failed":
                return "; it had not begun and was failed"
        return "; the next run waits for it"

    def _look(self, import_id: str) -> Job | None:
        """Look at a job; return None on a passing fault."""
        try:
            return self.api.job(import_id)
        except ApiError as error:
            if not error.passes:
                raise
            logger.warning("%s; the import %s goes on, looking again", error, import_id)
            return None

    def _has_started(self, import_id: str) -> bool:
        job = self._look(import_id)
        return job is not None and job.state != "received"

    def _earlier(self, remembered: list[str]) -> list[Job]:
        listed = {job.import_id: job for job in self.api.own_open_jobs()}
        for import_id in remembered:
            job = None if import_id in listed else self.api.find(import_id)
            if job and job.state not in ENDED_STATES:
                listed[import_id] = job
        return list(listed.values())

    def _find_received(self, name: str) -> str | None:
        try:
            return next(iter(self.api.received(name)), None)
        except ApiError as error:
            if not error.passes:
                raise
            logger.warning("%s", error)
            return None

    def _drop_received(self, name: str) -> None:
        """Fail the jobs that creates with a lost answer have left beside the job that ran."""
        try:
            for import_id in self.api.received(name):
                self._set_fail_if_possible(import_id, "another job of this name was used")
        except ApiError as error:
            logger.warning("%s; the next run fails what was left behind", error)

    def _set_fail_if_possible(self, import_id: str, reason: str) -> None:
        try:
            self.api.set_fail(import_id, reason)
        except ApiError as error:
            logger.warning("%s; the next run takes care of the import %s", error, import_id)

    def _set_fail(self, import_id: str) -> None:
        """Fail a leftover. If it has moved on meanwhile, the next list shows it."""
        try:
            self.api.set_fail(import_id, "left behind by an earlier run of target-newstore-stock")
        except ApiError as error:
            if self.api.job(import_id).state == "received":
                raise
            logger.warning("%s; the import has moved on", error)
