"""Imports a stock file: maps its nodes, stages it, runs a job for it, and reads the result back."""

from __future__ import annotations

import datetime as dt
import logging
import time
import typing as t
import uuid

from target_newstore_stock.atp import AtpReader
from target_newstore_stock.auth import NewStoreAuthenticator
from target_newstore_stock.changes import refuse_emptying
from target_newstore_stock.client import NewStoreClient
from target_newstore_stock.errors import ApiError, SecondRunError, TargetError, VerificationError
from target_newstore_stock.future_inventory import FutureInventory
from target_newstore_stock.import_api import NAME_PREFIX, OPEN_STATES
from target_newstore_stock.import_jobs import ImportJobs
from target_newstore_stock.locations import LocationCheck
from target_newstore_stock.other_runs import OtherRuns
from target_newstore_stock.possible_keys import leave_out_impossible, warn_of_similar
from target_newstore_stock.progress import long_step
from target_newstore_stock.refused_items import find_refused
from target_newstore_stock.reports import ImportOutcome, ImportReport, outcome_of
from target_newstore_stock.staged_names import ZIP, OwnNames, StagedName, utc_now
from target_newstore_stock.staging import Staging
from target_newstore_stock.stock_file import BYTES_PER_MB, checked_size, make_head
from target_newstore_stock.terminal import print_table
from target_newstore_stock.verification import Verification

if t.TYPE_CHECKING:
    import collections
    from collections.abc import Callable, Sequence

    from target_newstore_stock.import_api import JobError
    from target_newstore_stock.other_runs import CutsOf
    from target_newstore_stock.records import CutHead
    from target_newstore_stock.settings import Settings
    from target_newstore_stock.stock_file import StockFile
    from target_newstore_stock.verification import Expected

logger = logging.getLogger("target-newstore-stock.stock_import")

#: As good as for ever: the calendar goes back no further than 2,000 years.
LONGEST_KEPT_DAYS = 365_000


class StockImport:
    """Imports stock files strictly one after another (design rule 9).

    Args:
        settings: The target's settings.
        counts: Counters to increase: `imports`, `items`, `bytes`, `left_out`, `refused`.
        sleep: Waits this many seconds.
        clock: Returns seconds that never go back.
        now: Returns the time of day.
        cuts_of: Where the cuts come from; None: nobody says.
    """

    def __init__(
        self,
        settings: Settings,
        counts: collections.Counter[str],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], dt.datetime] = utc_now,
        *,
        cuts_of: CutsOf | None = None,
    ) -> None:
        self._settings = settings
        self._counts = counts
        self._sleep = sleep
        self._clock = clock
        self._now = now
        self._client = NewStoreClient(settings.api_base_url, _authenticator(settings), sleep=sleep)
        self._jobs = ImportJobs(
            self._client,
            provider=settings.provider,
            poll_seconds=settings.poll_seconds,
            timeout_seconds=settings.import_timeout_seconds,
            sleep=sleep,
            clock=clock,
        )
        self._atp = AtpReader(self._client)
        self._staging = Staging(settings.staging_url, settings.staging_link)
        self._own = OwnNames(settings.provider, settings.tenant)
        self._report = ImportReport(settings.report_path)
        self._locations = LocationCheck(
            self._client,
            self._atp,
            settings.store_mapping or {},
            creates_stores=settings.create_stores,
            leaves_out=settings.unknown_locations == "leave_out",
        )
        self._verification = self._verification_with(sleep, clock)
        self._other_runs = OtherRuns(self._own, self._staging, cuts_of)
        self._last_start: float | None = None

    def _verification_with(self, sleep: Callable[[float], None], clock: Callable[[], float]) -> Verification:
        settings = self._settings
        return Verification(
            self._atp,
            FutureInventory(self._client, self._locations.is_dc, settings.future_inventory_nodes, sleep),
            sample=int(settings.verify_sample),
            timeout_seconds=settings.verify_timeout_seconds,
            poll_seconds=settings.poll_seconds,
            sleep=sleep,
            clock=clock,
        )

    def run(self, cut: CutHead, file: StockFile) -> None:
        """Import a file. When this returns, NewStore has it.

        Raises:
            TargetError: NewStore does not have it, or contradicts it.
        """
        name = StagedName(self._now(), cut, uuid.uuid4().hex[:12])
        outcome = ImportOutcome(name, file.items, 0, self._clock(), name.file(self._own.owner) + ZIP)
        try:
            self._other_runs.claim(name)
            self._leave_out_unknown(outcome, file)
            if not file.items:
                self._report.write(outcome.row("left_out", self._clock() - outcome.begun))
                logger.warning("Nothing of %s is left to import", name.label)
                return
            verdict = self._import(outcome, file)
        except TargetError as error:
            self._report.write(outcome.row(outcome_of(error), self._clock() - outcome.begun, error=str(error)))
            raise
        seconds = self._clock() - outcome.begun
        self._report.write(outcome.row("finished", seconds, verification=verdict))
        self._counts.update(imports=1, items=outcome.items, bytes=outcome.bytes)
        logger.info(
            "Imported %s: %d items, %d bytes, job %s, %.1f s",
            name.label,
            outcome.items,
            outcome.bytes,
            outcome.import_id,
            seconds,
        )

    def _leave_out_unknown(self, outcome: ImportOutcome, file: StockFile) -> None:
        outcome.left_out = leave_out_impossible(file, self._atp)
        if file.items:
            outcome.left_out += self._locations.leave_out_unknown(file)
        outcome.items = file.items
        self._counts["left_out"] += outcome.left_out

    def _import(self, outcome: ImportOutcome, file: StockFile) -> str | None:
        """Import a file, and return the verdict of the read-back, if there was one."""
        is_first = self._last_start is None
        head = self._head(outcome.name.cut, file)
        warn_of_similar(file)
        outcome.bytes = checked_size(file, head, self._settings.max_file_mb)
        if is_first:
            self._clear_the_way()
        self._other_runs.refuse()
        if (percent := self._settings.max_zeroed_percent) is not None:
            refuse_emptying(file, percent, self._atp)
        expected = [] if self._settings.verify == "off" else self._verification.before(file)
        size = f"{outcome.items} items, {outcome.bytes / BYTES_PER_MB:.1f} MB of JSON"
        with long_step(f"Uploading {outcome.file} ({size})"):
            link = self._staging.write(outcome.file, lambda target: file.write_zip(target, head))
        outcome.bytes = file.written_bytes
        self._other_runs.add_own(outcome.file)
        self._keep_distance()
        if self._jobs.may_run_twice:
            # Nobody watches the second job, and it may have come only now.
            self._clear_the_way()
        self._give_way(outcome)
        self._last_start = self._clock()
        self._run_job(outcome, link, file)
        if is_first:
            self._clean()
        return self._verified(outcome, expected) if expected else None

    def _give_way(self, outcome: ImportOutcome) -> None:
        """Look for another run once our own file is staged, so that of two runs at least one sees the other."""
        try:
            self._other_runs.refuse()
        except SecondRunError:
            self._staging.remove([outcome.file])
            raise

    def _run_job(self, outcome: ImportOutcome, link: str, file: StockFile) -> None:
        stem = outcome.file.removesuffix(ZIP)

        def remember(import_id: str) -> None:
            outcome.import_id = import_id
            self._staging.remember(stem, import_id)
            # The last look before the job is started: from here on a newer run finds it and waits for it.
            self._other_runs.refuse()

        def judge(said: str, errors: Sequence[JobError]) -> None:
            refused = find_refused(errors, file, self._atp)
            outcome.refused = refused.items
            self._counts["refused"] += refused.items
            refused.judge(said)

        revision = time.time_ns() // 1_000_000
        outcome.import_id = self._jobs.run(NAME_PREFIX + outcome.name.job, link, revision, remember, judge)
        self._staging.forget(stem)

    def _clear_the_way(self) -> None:
        notes = self._staging.remembered(self._own)
        self._jobs.clear_the_way(notes.values())
        self._staging.remove(notes)

    def _head(self, cut: CutHead, file: StockFile) -> dict[str, t.Any]:
        return make_head(self._locations.store_ids(file.nodes), cut.range, self._settings.head_mode)

    def _keep_distance(self) -> None:
        """Keep `import_interval_seconds` between two imports of a run."""
        if self._last_start is None:
            return
        wait = self._last_start + self._settings.import_interval_seconds - self._clock()
        if wait > 0:
            logger.info("Waiting %.0f s before the next import (import_interval_seconds)", wait)
            self._sleep(wait)

    def _verified(self, outcome: ImportOutcome, expected: list[Expected]) -> str:
        with long_step(f"Reading back {outcome.name.label}"):
            verdict = self._verification.after(expected)
        if verdict.is_good:
            logger.info("Verified %s: %s", outcome.name.label, verdict)
            return str(verdict)
        message = f"verify: after the import {outcome.import_id} ({outcome.name.label}): {verdict}"
        if self._settings.verify == "fail":
            raise VerificationError(message, verdict.table)
        print_table(verdict.table)
        logger.error("%s. The import stands (verify is warn)", message)
        return str(verdict)

    def _clean(self) -> None:
        """Remove our files older than `staging_keep_days`, except those an open job still needs."""
        days = self._settings.staging_keep_days
        if not days:
            return
        try:
            jobs = [job for state in OPEN_STATES for job in self._jobs.api.jobs(state)]
        except ApiError as error:
            logger.warning("%s; a later run will clean the staging place", error)
            return
        links = [link for job in jobs for link in (job.source_uri, job.transformed_uri) if link]
        oldest = self._now() - dt.timedelta(days=min(days, LONGEST_KEPT_DAYS))
        removed = self._staging.clean(self._own, oldest, links)
        if removed:
            logger.info("Removed %d files older than %g days from the staging place", len(removed), days)


def _authenticator(settings: Settings) -> NewStoreAuthenticator:
    return NewStoreAuthenticator(
        client_id=settings.client_id, client_secret=settings.client_secret, auth_endpoint=settings.token_url
    )
