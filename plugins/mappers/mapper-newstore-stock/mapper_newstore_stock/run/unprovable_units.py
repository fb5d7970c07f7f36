"""Units that nothing can prove: they were taken when no form of proof needed what it knows them by."""

from __future__ import annotations

import logging
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import completed_unit, on_hand
from mapper_newstore_stock.run.bookings import reference_of
from mapper_newstore_stock.run.intake import REFERENCE

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from mapper_newstore_stock.ledger.proof import Proof, Proofs

logger = logging.getLogger("mapper-newstore-stock.planning")


def say_what_nothing_can_prove(connection: sa.Connection, proofs: Proofs, last: Mapping[str, Proof]) -> None:
    """Count the units that are subtracted for want of what they are known by, where the form of proof is another one.

    Only then: to find them, all units are looked at.

    Args:
        connection: The ledger's; bookings of this run have been taken in.
        proofs: How rows prove what they contain.
        last: How those of each source did in the last plan.
    """
    for name, proof in proofs.by_source.items():
        before, known_by = last.get(name), _known_by(proof)
        if known_by is None or (before and (before.form, before.known_by) == (proof.form, proof.known_by)):
            continue
        unit = completed_unit.c
        # Those that lack one of these alone never had it: no replay brings it.
        was_not_kept = sa.and_(*(unit[column].is_(None) for column in REFERENCE))
        of_source = sa.and_(same_key(on_hand.c, unit), on_hand.c.source == name)
        missing = sa.select(sa.func.sum(proof.units_missing(completed_unit)))
        missing = missing.select_from(completed_unit.join(on_hand, of_source)).where(was_not_kept)
        if count := connection.scalar(missing):
            logger.warning(
                "%d units%s were taken when on_hand_as_of needed no %s: nothing proves that the ERP's numbers contain "
                "them, so all are subtracted, and NewStore shows less than there is. Run once with --full-refresh, "
                "while the landing store has their events; else set contained_through to a logical timestamp up to "
                "which every number contains every completion",
                count,
                f" of {name}" if name else "",
                known_by,
            )


def _known_by(proof: Proof) -> str | None:
    """Return the column of a unit without which nothing proves it; None: the form needs none, or every unit has it."""
    if proof.form == "taken_at":
        return "published_at"
    reference = reference_of(proof.known_by) if proof.form == "booked" else "event_id"
    return None if reference == "event_id" else reference
