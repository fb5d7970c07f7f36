"""Keys whose ATP at NewStore is not the number last sent, with the causes `diff` names."""

from __future__ import annotations

import dataclasses
import typing as t

from mapper_newstore_stock.comparison.findings import Comparison
from mapper_newstore_stock.comparison.insights import NewStoreNumbers
from mapper_newstore_stock.comparison.lines import read_lines
from mapper_newstore_stock.comparison.rows import why
from mapper_newstore_stock.report.markup import Markup, element, table

if t.TYPE_CHECKING:
    import requests
    import sqlalchemy as sa

    from mapper_newstore_stock.comparison.causes import Finding, Line
    from mapper_newstore_stock.comparison.options import Understanding

SHOWN_DIFFERENCES = 200
MEANING = (
    "A positive difference is what NewStore holds back: open orders, reservations, safety stock. A negative one is "
    "promised beyond the number sent: look first at those that no future inventory explains."
)


@dataclasses.dataclass(frozen=True)
class Differences:
    """What of NewStore's numbers differs.

    Attributes:
        keys: How many were compared.
        differing: How many have another ATP than the number last sent.
        above: Of how many NewStore promises more than was sent, without future inventory.
        shown: The first of those that differ, what is wrong before the rest.
    """

    keys: int
    differing: int
    above: int
    shown: list[Finding]


def read_differences(
    connection: sa.Connection, session: requests.Session, api_url: str, how: Understanding
) -> Differences:
    """Compare all keys that were sent.

    All keys with an ATP above the number are looked into, and as many others as are shown.

    Raises:
        LedgerError: NewStore does not answer.
    """
    comparison = Comparison(connection, NewStoreNumbers(session, api_url), how.ways, how.visible_since)
    keys = 0
    differing: list[tuple[Line, int | None]] = []
    for line, atp in comparison.ask(line for line in read_lines(connection) if line.sent is not None):
        keys += 1
        if atp != line.sent:
            differing.append((line, atp))
    differing.sort(key=_order)
    above = sum(1 for line, atp in differing if _held_back(line, atp) < 0)
    found = list(comparison.findings(iter(differing[: max(above, SHOWN_DIFFERENCES)])))
    found.sort(key=lambda finding: not finding.is_wrong)
    return Differences(keys, len(differing), sum(finding.above > 0 for finding in found), found[:SHOWN_DIFFERENCES])


def _held_back(line: Line, atp: int | None) -> int:
    return 0 if atp is None or line.sent is None else line.sent - atp


def _order(pair: tuple[Line, int | None]) -> tuple[bool, int, tuple[str, str]]:
    """Put keys promised beyond the number sent first, and those NewStore does not know last."""
    line, atp = pair
    return atp is None, _held_back(line, atp), line.key


def differences_section(differences: Differences) -> list[Markup]:
    """Return the section's parts."""
    says = f"{differences.differing} of {differences.keys} keys differ from the number last sent"
    above = f"; of {differences.above or 'none'} more is promised than was sent. "
    rows = [
        ("/".join(each.line.key), each.line.sent, each.atp, _difference(each), _meaning(each))
        for each in differences.shown
    ]
    columns = ("key", "sent", "ATP", "difference", "meaning")
    left_out = differences.differing - len(rows)
    return [
        _note(f"{says}{above if differences.differing else '. '}{MEANING}"),
        table("Keys that differ", columns, rows) if rows else Markup(""),
        _note(f"{left_out} more keys are not shown.") if left_out > 0 else Markup(""),
    ]


def _difference(finding: Finding) -> int | None:
    return None if finding.atp is None else _held_back(finding.line, finding.atp)


def _meaning(finding: Finding) -> str:
    words = "promised too high: " if finding.above else "wrong: " if finding.is_wrong else ""
    return f"{'unknown to NewStore: ' if finding.atp is None else words}{why(finding)}"


def _note(text: str) -> Markup:
    return element("p", text, class_="note")
