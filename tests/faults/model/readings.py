"""The settings of the model's shop, and the ways a run of its pipeline may end."""

from __future__ import annotations

import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from newstore_sandbox.stock import Scope

    from tests.faults.model.erp import Key

KEYS: tuple[Key, ...] = (("DC01", "A"), ("DC01", "B"), ("NYC1", "A"), ("NYC1", "C"))
PRODUCTS = {"DC01": ("A", "B"), "NYC1": ("A", "C")}
OPENING = 30

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
        scope: Whether a range covers every key, or only those in the file.
        gap_free: Whether logical timestamps have no gaps.
        beyond_the_promise: Whether events may arrive after more than 15 minutes.
        emit_unreleased: The tap's setting.
        current: The mapper's `on_hand_as_of`.
        max_items: The mapper's `max_cut_items`.
    """

    scope: Scope = "tenant"
    gap_free: bool = True
    beyond_the_promise: bool = False
    emit_unreleased: bool = False
    current: bool = False
    max_items: int = 100
