"""Items NewStore refused in a job it has finished: which keys they are, and what they put at risk (design rule 13).

The range of the job counts, but these numbers did not arrive. A key NewStore does not know cannot be sold, so nothing
is at risk; for any other key NewStore goes on with an old number.
"""

from __future__ import annotations

import dataclasses
import logging
import typing as t

from target_newstore_stock.errors import RefusedItemsError
from target_newstore_stock.job_errors import as_table, in_one_line
from target_newstore_stock.stock_file import key_of
from target_newstore_stock.terminal import SHOWN_ROWS, Table

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_newstore_stock.import_api import JobError
    from target_newstore_stock.keys import Key
    from target_newstore_stock.stock_file import StockFile

    ReadAtp = Callable[[Iterable[Key]], Mapping[Key, int]]

logger = logging.getLogger("target-newstore-stock.refused_items")

TITLE = "Items NewStore refused"
IN_ONE_LINE = 3
#: Between node and product where an error names both; what NewStore writes there is not documented.
SEPARATORS = ("/", ":", "|", "_", "-", ",", ";", " ", "#", "=")


@dataclasses.dataclass(frozen=True)
class AtRisk:
    """A refused key that NewStore knows: what it was to hold, and the ATP it shows."""

    key: Key
    quantity: int
    atp: int

    @property
    def units(self) -> int:
        """How many units NewStore promises beyond the number it refused."""
        return max(self.atp - self.quantity, 0)

    def __str__(self) -> str:
        return f"{'/'.join(self.key)}: was to hold {self.quantity}, shows {self.atp}, {self.units} units at risk"


@dataclasses.dataclass(frozen=True)
class RefusedItems:
    """What NewStore refused.

    Attributes:
        at_risk: Keys it knows.
        unknown: Keys it does not know; harmless.
        unnamed: Errors that name no key of the file: nobody can tell what they put at risk.
    """

    at_risk: list[AtRisk]
    unknown: list[Key]
    unnamed: list[JobError]

    @property
    def items(self) -> int:
        """How many items were refused."""
        return len(self.at_risk) + len(self.unknown) + len(self.unnamed)

    def judge(self, said: str) -> None:
        """Log what is harmless.

        Args:
            said: What happened, for the log or the error.

        Raises:
            ImportJobError: NewStore may sell by an old number; names the keys.
        """
        if self.at_risk or self.unnamed:
            raise RefusedItemsError(f"{said}: {self}. The next run sends them again", self._table)
        logger.warning("%s: %s, so nothing of them can be sold. Run once with --full-refresh when it does", said, self)

    def __str__(self) -> str:
        parts = [_some([str(key) for key in self.at_risk])] if self.at_risk else []
        if self.at_risk:
            parts.append(f"{sum(key.units for key in self.at_risk)} units at risk in all")
        if self.unnamed:
            parts.append(in_one_line(self.unnamed))
        if self.unknown:
            parts.append(f"NewStore does not know {_some(['/'.join(key) for key in self.unknown])}")
        return "; ".join(parts)

    @property
    def _table(self) -> Table | None:
        """The keys at risk as a table, or else the errors."""
        if not self.at_risk:
            return as_table(TITLE, self.unnamed)
        rows = [(*row.key, row.quantity, row.atp, row.units) for row in self.at_risk[:SHOWN_ROWS]]
        return Table(TITLE, ("fulfillment_node_id", "product_id", "to hold", "ATP", "units at risk"), rows)


def find_refused(errors: Sequence[JobError], file: StockFile, read_atp: ReadAtp) -> RefusedItems:
    """Return which items of a file NewStore refused.

    Args:
        errors: The errors of the finished job.
        file: The file it imported.
        read_atp: Returns the ATP of each key NewStore knows.
    """
    texts = {str(error.entity_id or ""): error for error in errors}
    refused: dict[Key, int] = {}
    named = set()
    for item in file.read_items():
        names = texts.keys() & _names(key_of(item))
        if names:
            named |= names
            refused[key_of(item)] = item.quantity
    atp = read_atp(refused) if refused else {}
    return RefusedItems(
        at_risk=[AtRisk(key, quantity, atp[key]) for key, quantity in refused.items() if key in atp],
        unknown=[key for key in refused if key not in atp],
        unnamed=[error for error in errors if str(error.entity_id or "") not in named],
    )


def _names(key: Key) -> set[str]:
    """Return how an error may name a key: by its product alone, or with its node before or behind it."""
    node, product = key
    pairs = (f"{first}{separator}{second}" for separator in SEPARATORS for first, second in (key, (product, node)))
    return {product, *pairs}


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - IN_ONE_LINE} more" if len(texts) > IN_ONE_LINE else ""
    return "; ".join(texts[:IN_ONE_LINE]) + more
