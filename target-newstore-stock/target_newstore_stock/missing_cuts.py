"""Compares what a STATE says NewStore has with the cuts that came (design rule 14).

`cut_size` tells when records of a cut are missing, but nothing when all are: a stream map, a selection or a component
between the mapper and this target has taken the cut away, and passes on the STATE behind it. Emitted, the mapper would
take the cut for imported and never send it again.
"""

from __future__ import annotations

import typing as t

from target_newstore_stock.errors import RecordError

if t.TYPE_CHECKING:
    from collections.abc import Mapping

#: Where the mapper's STATE names the cut it is behind (design rule 7).
STOCK, CUT = "stock", "cut"


def refuse_missing_cut(state: Mapping[str, t.Any], last: str | None) -> None:
    """Refuse a STATE of a mapper that sends cuts in this run, if the cut it names has not come.

    Args:
        state: The STATE.
        last: The `cut_id` of the last cut that came in this run; None: none has.

    Raises:
        RecordError: it names another cut than that one, or one before it.
    """
    number = _number(state)
    if number is None or (last is not None and last.isdecimal() and number <= int(last)):
        return
    raise RecordError(
        f"a STATE says that NewStore has cut {number}, which never came here (the last one that came: "
        f"{last or 'none'}): something between the mapper and NewStore takes whole cuts away. The STATE is not "
        f"emitted, so the next run sends the cut again",
        to_do="Look for stream maps, filters and other mappers behind the mapper, and take them out",
    )


def _number(state: Mapping[str, t.Any]) -> int | None:
    """Return the cut a STATE names; None: it names none."""
    inner: t.Any = state
    for name in ("bookmarks", STOCK, CUT):
        if not isinstance(inner, dict):
            return None
        inner = inner.get(name)
    return inner if isinstance(inner, int) else None
