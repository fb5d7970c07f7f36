"""What NewStore says is wrong with a job's items: the first in one line, more in a table."""

from __future__ import annotations

import typing as t

from target_newstore_stock.errors import RefusedItemsError
from target_newstore_stock.staging_link import without_signatures
from target_newstore_stock.terminal import SHOWN_ROWS, Table

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from target_newstore_stock.import_api import JobError

IN_ONE_LINE = 3


def in_one_line(errors: Sequence[JobError]) -> str:
    """Return the first errors as one line."""
    texts = [_text(error) for error in errors[:IN_ONE_LINE]]
    more = f" and {len(errors) - IN_ONE_LINE} more" if len(errors) > IN_ONE_LINE else ""
    return "; ".join(texts) + more


def as_table(title: str, errors: Sequence[JobError]) -> Table | None:
    """Return the errors as a table, with a last row that counts those it leaves out; None if there are none."""
    if not errors:
        return None
    rows = [(error.entity_type, _shown(error.entity_id), error.reason) for error in errors[:SHOWN_ROWS]]
    if rest := len(errors) - len(rows):
        rows.append(("", "", f"and {rest} more"))
    return Table(title, ("entity_type", "entity_id", "reason"), rows)


def refuse_all(said: str, errors: Sequence[JobError]) -> None:
    """Raise ImportJobError: nobody looks which items were refused."""
    raise RefusedItemsError(f"{said}: {in_one_line(errors)}", as_table("Items NewStore refused", errors))


def _shown(entity_id: t.Any) -> t.Any:
    return without_signatures(entity_id) if isinstance(entity_id, str) else entity_id


def _text(error: JobError) -> str:
    what = " ".join(str(part) for part in (error.entity_type, _shown(error.entity_id)) if part)
    return f"{what}: {error.reason}" if what else str(error.reason)
