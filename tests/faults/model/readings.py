"""The settings of the model's shop, and the ways a run of its pipeline may end."""

from __future__ import annotations

import dataclasses
import typing as t

Key = tuple[str, str]
#: What happens: a method of the shop, and its arguments.
Step = tuple[t.Any, ...]

KEYS: tuple[Key, ...] = (("DC01", "A"), ("DC01", "B"), ("NYC1", "A"), ("NYC1", "C"))
PRODUCTS = {"DC01": ("A", "B"), "NYC1": ("A", "C")}
OPENING = 30

#: NewStore delivers within 15 minutes. One tick of the model's clock is 5 minutes.
SETTLE = 3
TICK_MINUTES = 5
#: `clock_skew_seconds`, in ticks.
SKEW = 1

#: How the ERP's number proves what it contains. `booked` by event, or by request and units, of which only the number
#: counts; `reversible`: the same, and the ERP takes bookings back.
Form = t.Literal["column", "current", "taken_at", "booked by event", "booked by request", "booked, reversible"]
FORMS: tuple[Form, ...] = t.get_args(Form)

#: Which completions an import's range makes NewStore stop subtracting: all, or only those of keys in its file.
Scope = t.Literal["tenant", "file"]
SCOPES: tuple[Scope, ...] = t.get_args(Scope)

#: Where a run may end; a number with it says at which record or cut.
Ending = t.Literal[
    "whole",
    "tap dies",
    "mapper dies before it takes",
    "mapper dies when it has taken",
    "mapper dies when it has planned",
    "mapper dies inside a cut",
    "target dies before the import",
    "target dies after the start",
    "target dies before the state",
    "job fails",
    "earlier job hangs",
]


@dataclasses.dataclass(frozen=True)
class Readings:
    """One interpretation of what is unknown about NewStore, and the setup of the shop.

    Attributes:
        scope: What a range covers.
        form: How the ERP's numbers prove what they contain; it decides which kind of ERP there is.
        gap_free: Whether logical timestamps have no gaps.
        beyond_the_promise: Whether events may arrive after more than 15 minutes.
        emit_unreleased: The tap's setting.
        books: Whether an ERP that says `column` books in any order; otherwise the tap's events feed it.
        lists_less: Whether the list of bookings is cut short now and then.
        folds: Whether the ledger folds old units away.
        clock_error: By how many ticks the ERP's clock is ahead, within the skew.
        max_items: The mapper's `max_cut_items`.
    """

    scope: Scope = "tenant"
    form: Form = "column"
    gap_free: bool = True
    beyond_the_promise: bool = False
    emit_unreleased: bool = False
    books: bool = False
    lists_less: bool = False
    folds: bool = False
    clock_error: int = 0
    max_items: int = 100
