"""What a comparison shows of a key: stable columns for programs, a sentence for people."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from mapper_newstore_stock.comparison.causes import Finding, Line

COLUMNS = (
    "fulfillment_node_id",
    "product_id",
    "on_hand",
    "sent",
    "atp",
    "demand",
    "cause",
    "above",
    "rest",
    "allocations",
    "reservations",
    "late",
    "unproven",
    "ahead",
    "noted",
    "why",
)
#: In a table: the sentence says the rest.
FOR_PEOPLE = (*COLUMNS[:8], "why")

_AGREES = "agrees"


def row_of(finding: Finding) -> tuple[t.Any, ...]:
    """Return the row of a finding."""
    line, known, insights = finding.line, finding.known, finding.insights
    return (
        *line[:4],
        finding.atp,
        _demand(line, finding.atp),
        finding.cause,
        finding.above,
        finding.rest,
        None if insights is None else insights.allocations,
        None if insights is None else insights.reservations,
        known.late,
        known.unproven,
        known.ahead,
        line.is_noted,
        why(finding),
    )


def agreeing_row(line: Line, atp: int | None) -> tuple[t.Any, ...]:
    """Return the row of a key on which all agree."""
    return (*line[:4], atp, _demand(line, atp), _AGREES, 0, 0, None, None, 0, 0, 0, line.is_noted, "")


def why(finding: Finding) -> str:
    """Return in a sentence why a number is what it is, and what becomes of it."""
    parts = [_CAUSES[finding.cause].format(rest=abs(finding.rest), number=_number(finding), known=finding.known)]
    insights, known = finding.insights, finding.known
    if insights and insights.allocations:
        parts.append(f"{insights.allocations} allocated")
    if insights and insights.reservations:
        parts.append(f"{insights.reservations} reserved")
    parts += [
        f"{units} {word}"
        for units, word in ((known.late, "late"), (known.unproven, "unproven"), (known.ahead, "ahead of the mark"))
        if units
    ]
    if finding.line.is_noted:
        parts.append("goes out again with the next run")
    return "; ".join(parts)


_CAUSES: dict[str, str] = {
    "unexplained": "NewStore holds {number}, which no cut has sent",
    "refused": "NewStore holds {number}, the number of an earlier cut, though the last one was imported",
    "not_visible": "the last import is not visible yet, or not confirmed; the next run repeats what is not confirmed",
    "not_known": "NewStore does not know the key",
    "future": "{rest} units of future inventory",
    "safety_stock": "{rest} units of safety stock",
    "held": "held, nothing is sent: {known.reason}",
    "stale": "the last row stands: {known.reason}",
    "vanished": "sent as 0: {known.reason}",
    "ignored": "its node or product is not managed here (ignored_nodes, ignored_products): no run sends it",
    "late": "the ERP's row cannot contain units that came late",
    "unproven": "the ERP's row is not proven to contain all completed units",
    "ahead": "NewStore still subtracts completed units that no range covers yet",
    "reservations": "NewStore holds units back for customers",
    "allocations": "NewStore subtracts units of orders",
}


def _number(finding: Finding) -> int:
    return finding.rest + (finding.line.sent or 0)


def _demand(line: Line, atp: int | None) -> int | None:
    return None if line.sent is None or atp is None else line.sent - atp
