"""`dry_run`: writes the files and reports what they would change, without calling NewStore.

It compares with the stock files still in the staging place, that is with what this target told NewStore before,
not with NewStore's own numbers.
"""

from __future__ import annotations

import logging
import time
import typing as t
import uuid

from target_newstore_stock.changes import Change, Changes, compare, refuse_emptying
from target_newstore_stock.earlier_files import EarlierFiles, read_earlier_files
from target_newstore_stock.errors import TargetError
from target_newstore_stock.possible_keys import leave_out_impossible, warn_of_similar
from target_newstore_stock.reports import ImportOutcome, ImportReport, outcome_of
from target_newstore_stock.staged_names import ZIP, OwnNames, StagedName, utc_now
from target_newstore_stock.staging import Staging
from target_newstore_stock.stock_file import checked_size, key_of, make_head
from target_newstore_stock.terminal import Table, print_table

if t.TYPE_CHECKING:
    import collections
    import datetime as dt
    from collections.abc import Callable, Mapping

    from target_newstore_stock.keys import Key
    from target_newstore_stock.records import CutHead
    from target_newstore_stock.settings import Settings
    from target_newstore_stock.stock_file import StockFile

logger = logging.getLogger("target-newstore-stock.dry_run")


class DryRun:
    """Takes the place of StockImport in a dry run.

    Args:
        settings: The target's settings.
        counts: Counters to increase: `imports`, `items`, `bytes`.
        clock: Returns seconds that never go back.
        now: Returns the time of day.
    """

    def __init__(
        self,
        settings: Settings,
        counts: collections.Counter[str],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._counts = counts
        self._clock = clock
        self._now = now
        # Nobody fetches the file, so a presigned link is not needed.
        self._staging = Staging(settings.staging_url, "uri")
        self._own = OwnNames(settings.provider, settings.tenant)
        self._report = ImportReport(settings.report_path)
        self._earlier: EarlierFiles | None = None

    def run(self, cut: CutHead, file: StockFile) -> None:
        """Write a file, and log what it would change.

        Raises:
            TargetError: it would be refused.
        """
        if self._earlier is None:
            self._earlier = read_earlier_files(self._staging, self._own)
            logger.info("dry_run: compared with %d stock files in the staging place", self._earlier.files)
        # Nobody is asked, so an id beyond the contract counts as none of NewStore's.
        left_out = leave_out_impossible(file, lambda _: {})
        self._counts["left_out"] += left_out
        if not file.items:
            return
        warn_of_similar(file)
        name = StagedName(self._now(), cut, uuid.uuid4().hex[:12])
        outcome = ImportOutcome(name, file.items, 0, self._clock(), name.file(self._own.owner, is_dry_run=True) + ZIP)
        outcome.left_out = left_out
        try:
            changes = self._write(outcome, file, self._earlier)
        except TargetError as error:
            self._report.write(outcome.row(outcome_of(error), self._clock() - outcome.begun, error=str(error)))
            raise
        counts = {"changed": changes.changed, "unknown": changes.unknown, "zeroed": changes.zeroed}
        self._report.write(outcome.row("dry_run", self._clock() - outcome.begun, **counts))
        self._counts.update(imports=1, items=outcome.items, bytes=outcome.bytes)
        self._earlier.quantities.update({key_of(item): item.quantity for item in file.read_items()})

    def _write(self, outcome: ImportOutcome, file: StockFile, earlier: EarlierFiles) -> Changes:
        configured = self._settings.store_mapping or {}
        unknown = sorted(file.nodes - configured.keys() - earlier.store_ids.keys())
        if unknown:
            logger.warning("dry_run: NewStore's locations are not read; assumed to be stores: %s", ", ".join(unknown))
        mapping = {node: configured.get(node, earlier.store_ids.get(node, node)) for node in file.nodes}
        head = make_head(mapping, outcome.name.cut.range, self._settings.head_mode)
        outcome.bytes = checked_size(file, head, self._settings.max_file_mb)
        changes = compare(file.read_items(), earlier.quantities)
        _show(outcome, changes)
        if (percent := self._settings.max_zeroed_percent) is not None:
            refuse_emptying(file, percent, lambda keys: _known(keys, earlier.quantities))
        self._staging.write(outcome.file, lambda target: file.write_zip(target, head))
        outcome.bytes = file.written_bytes
        return changes


def _known(keys: list[Key], quantities: Mapping[Key, int]) -> dict[Key, int]:
    return {key: quantities[key] for key in keys if key in quantities}


def _show(outcome: ImportOutcome, changes: Changes) -> None:
    logger.info(
        "dry_run: %s would set %d keys: %d change, %d were never sent or are no longer known, %d fall to zero; "
        "nothing was sent to NewStore",
        outcome.name.label,
        changes.items,
        changes.changed,
        changes.unknown,
        changes.zeroed,
    )
    if changes.largest:
        print_table(Table("Largest changes", _COLUMNS, map(_cells, changes.largest)))
    if changes.zeroed_keys:
        print_table(Table("Would fall to zero", _COLUMNS, map(_cells, changes.zeroed_keys)))


_COLUMNS = ("fulfillment_node_id", "product_id", "before", "after")


def _cells(change: Change) -> tuple[object, ...]:
    return (*change.key, change.before, change.after)
