"""Why a key's number at NewStore is not the ERP's: one cause for each key, from what is known of it.

ATP = on hand - allocations - reservations - safety stock + future ATP (newstore-api.md, section 5). So ATP with what
stock insights list added again is the number NewStore holds; what is left between it and the number sent, the `rest`,
must have a cause, or the number is wrong.
"""

from __future__ import annotations

import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable

#: What a comparison can say of a key, the gravest first.
Cause = t.Literal[
    "unexplained",
    "refused",
    "not_visible",
    "not_known",
    "future",
    "safety_stock",
    "held",
    "stale",
    "vanished",
    "ignored",
    "late",
    "unproven",
    "ahead",
    "reservations",
    "allocations",
]
CAUSES: tuple[Cause, ...] = t.get_args(Cause)
#: These numbers are wrong at NewStore, and nothing will mend them by itself.
WRONG: frozenset[Cause] = frozenset({"unexplained", "refused"})
#: Sending these again may mend them.
MENDABLE: frozenset[Cause] = WRONG | {"not_known"}
#: What a list of stock insights has at most; then there may be more.
MOST_INSIGHTS = 1_000


class Line(t.NamedTuple):
    """A key as the ledger has it.

    Attributes:
        on_hand: The ERP's row as last read; None: there never was one.
        sent: The number last sent; None: none was.
        cut: The cut that carried it; None: none, or it goes out again with the next run.
    """

    fulfillment_node_id: str
    product_id: str
    on_hand: int | None
    sent: int | None
    cut: int | None

    @property
    def key(self) -> tuple[str, str]:
        """The fulfillment node and the product."""
        return self[:2]

    @property
    def is_noted(self) -> bool:
        """A repair has noted that the next run sends it again."""
        return self.cut is None and self.sent is not None


class Insights(t.NamedTuple):
    """How many units NewStore lists as promised."""

    allocations: int = 0
    reservations: int = 0
    future_allocations: int = 0


@dataclasses.dataclass(frozen=True)
class Known:
    """What the ledger knows of a key beside its line.

    Attributes:
        late: Units that came late and are not proven to be in the ERP's row.
        unproven: Other units that are not proven to be in it.
        ahead: Units completed beyond the mark, or at timestamps no range has covered: NewStore still subtracts them.
        state: `held`, `stale` or `vanished`; "": none of them.
        reason: Why it is.
    """

    late: int = 0
    unproven: int = 0
    ahead: int = 0
    state: str = ""
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Past:
    """What is known of a key's last import and of the numbers before it.

    Attributes:
        earlier: Numbers sent by earlier cuts.
        covered: Units whose completions the last cut's range covers.
        is_repeat: The last cut carried the number of the one before: what NewStore had in between may be any number.
        shows: Other keys of the cut show their new numbers; None: nothing proves it or contradicts it.
        is_recent: The import is not confirmed, or so young that it need not be visible.
    """

    earlier: frozenset[int] = frozenset()
    covered: int = 0
    is_repeat: bool = False
    shows: bool | None = None
    is_recent: bool = False

    def holds(self, number: int) -> bool:
        """Return whether NewStore's number is an earlier one, or what it shows before an import is visible."""
        return self.is_repeat or not self.earlier or not self.earlier.isdisjoint({number, number + self.covered})


@dataclasses.dataclass(frozen=True)
class Ways:
    """How this tenant counts.

    Attributes:
        is_atp: Numbers are sent as `mode: atp`: NewStore adds the units of open orders itself.
        safety_stock: Units NewStore may hold back of any key.
        future_nodes: Fulfillment nodes where future inventory is loaded.
        is_ignored: Returns whether a key is not managed here: no run sends it.
    """

    is_atp: bool = False
    safety_stock: int = 0
    future_nodes: frozenset[str] = frozenset()
    is_ignored: Callable[[tuple[str, str]], bool] = lambda _: False


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a comparison says of a key.

    Attributes:
        above: Units NewStore promises beyond the number sent, without future inventory; 0 of an ignored key.
        rest: What nothing but the cause explains: the number NewStore holds less the number sent.
        insights: What NewStore lists; None: it was not asked, because ATP is the number sent.
    """

    line: Line
    atp: int | None
    cause: Cause
    above: int
    rest: int
    insights: Insights | None
    known: Known

    @property
    def is_wrong(self) -> bool:
        """NewStore's number is wrong, or promises more than is there."""
        return self.cause in WRONG or self.above > 0


def rest_of(line: Line, atp: int | None, insights: Insights, ways: Ways) -> int:
    """Return what NewStore holds beyond the number sent (below 0: it holds less) once its lists are added."""
    if atp is None or line.sent is None:
        return 0
    promised = insights.allocations + insights.reservations
    above = atp - line.sent
    if ways.is_atp:
        # How many orders were open when it was imported is not known: any number of them may be subtracted since.
        return above if above > 0 else min(0, above + promised)
    rest = above + promised
    is_cut_off = max(insights.allocations, insights.reservations) >= MOST_INSIGHTS
    return 0 if rest < 0 and is_cut_off else rest


def judge(line: Line, atp: int | None, insights: Insights | None, *, known: Known, past: Past, ways: Ways) -> Finding:
    """Return why a key's number is what it is.

    Args:
        line: The key as the ledger has it.
        atp: What NewStore promises; None: it does not know the key.
        insights: What it lists; None: not asked.
        known: What the ledger knows of the key.
        past: Its last import, and the numbers before.
        ways: How this tenant counts.
    """
    rest = rest_of(line, atp, insights or Insights(), ways)
    cause: Cause
    if ways.is_ignored(line.key):
        cause = "ignored"
    elif atp is None:
        cause = _of_absent(known, past)
    elif rest:
        cause = _of_rest(line, rest, insights or Insights(), known=known, past=past, ways=ways)
    else:
        cause = _of_right_number(line, insights or Insights(), known)
    above = 0 if cause in ("future", "ignored") else max(rest, 0)
    return Finding(line, atp, cause, above, rest, insights, known)


def _of_absent(known: Known, past: Past) -> Cause:
    if known.state == "held":
        return "held"
    return "not_visible" if past.is_recent and not past.shows else "not_known"


def _of_rest(line: Line, rest: int, insights: Insights, *, known: Known, past: Past, ways: Ways) -> Cause:
    """Return the cause of a number that is not the one sent."""
    if rest > 0 and (insights.future_allocations or line.fulfillment_node_id in ways.future_nodes):
        return "future"
    # Whether the lists have completed units that no range covers is not known (newstore-api.md, section 5).
    if known.ahead and -known.ahead - ways.safety_stock <= rest < 0:
        return "ahead"
    number = rest + (line.sent or 0)
    if past.is_recent and not past.shows and (past.holds(number) or past.holds(number + known.ahead)):
        return "not_visible"
    if not past.earlier.isdisjoint({number, number + known.ahead}):
        return "refused"
    return "safety_stock" if -ways.safety_stock <= rest < 0 else "unexplained"


def _of_right_number(line: Line, insights: Insights, known: Known) -> Cause:
    """Return why a number that is as it was sent is not the ERP's, or else what NewStore subtracts from it."""
    if known.state:
        return t.cast("Cause", known.state)
    units: dict[Cause, int] = {"late": known.late, "unproven": known.unproven, "ahead": known.ahead}
    if line.sent != line.on_hand:
        for cause, count in units.items():
            if count:
                return cause
    if known.ahead and insights.allocations:
        return "ahead"
    return "reservations" if insights.reservations > insights.allocations else "allocations"
