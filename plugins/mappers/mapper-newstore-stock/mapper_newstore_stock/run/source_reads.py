"""What a run knows of its sources once they are read, and what of it the ledger keeps."""

from __future__ import annotations

import logging
import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.errors import OnHandError, StaleListError
from mapper_newstore_stock.ledger.database import has_any, insert
from mapper_newstore_stock.ledger.proof import Proof, Proofs, lower
from mapper_newstore_stock.ledger.tables import is_absent, on_hand
from mapper_newstore_stock.ledger.tables import source as source_table
from mapper_newstore_stock.run.changed_rows import Kept
from mapper_newstore_stock.run.kept_lists import KeptLists

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from mapper_newstore_stock.ledger.store import Ledger
    from mapper_newstore_stock.run.erp_tables import ErpTables
    from mapper_newstore_stock.run.sources import Source, Sources
    from mapper_newstore_stock.state import Cursor

logger = logging.getLogger("mapper-newstore-stock.on-hand")


class SourceRead(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a source in this run.

    Attributes:
        proof: How its rows prove what they contain.
        is_live: It was read; otherwise its last rows stand.
        taken_at: When its numbers were taken, as far as known, else when they were read; epoch milliseconds.
        kept: How far its changes have been read (`on_hand_updated_column`).
        full_read_at: When all its rows were read, epoch milliseconds.
        kept_lists: What the lists that are kept for the next run must be.
        error: Why it could not be read; None: it was.
        is_too_old: Its rows may not be used any more.
    """

    proof: Proof
    is_live: bool = True
    taken_at: int | None = None
    kept: Kept | None = None
    full_read_at: int | None = None
    kept_lists: KeptLists = KeptLists()
    error: OnHandError | None = None
    is_too_old: bool = False

    @property
    def cursor(self) -> Cursor | None:
        """Where the next reading of its changes begins."""
        return self.kept.cursor if self.kept else None


def let_rows_stand(
    connection: sa.Connection, source: Source, last: Proof | None, now_ms: int, error: OnHandError
) -> SourceRead:
    """Let the last rows of a source stand, with what they proved.

    Args:
        connection: The ledger's.
        source: Whose rows they are.
        last: How they proved what they contained.
        now_ms: The time, epoch milliseconds.
        error: Why it could not be read.

    Raises:
        OnHandError: there are none.
    """
    row, through = source_table.c, source.inputs.contained_through
    if last is not None:
        # If it was raised, it speaks of numbers that nobody has read yet.
        through = lower(last.contained_through, through)
    query = sa.select(row.read_run, row.taken_at).where(row.name == source.name, row.read_run.is_not(None))
    kept = connection.execute(query).first()
    if kept is None or last is None:
        if source.name:
            logger.warning("%s has never been read, its keys are held: %s", source.name, error)
            proof = Proof(contained_through=through)
            return SourceRead(proof=proof, is_live=False, error=error, is_too_old=True)
        raise error
    too_old = source.is_too_old(kept.taken_at, now_ms)
    minutes = (now_ms - kept.taken_at) // 60_000
    logger.warning(
        "%s %s: %s. Its rows of %d minutes ago %s (max_on_hand_age_minutes)",
        source.name or "The on-hand source",
        "is too old" if isinstance(error, StaleListError) else "cannot be read",
        error,
        minutes,
        "may not be used any more, and its keys are held" if too_old else "stand",
    )
    known_run = kept.read_run if last.form == "current" else None
    proof = msgspec.structs.replace(last, contained_through=through, known_run=known_run)
    return SourceRead(proof=proof, is_live=False, taken_at=kept.taken_at, error=error, is_too_old=too_old)


def proof_of_list(connection: sa.Connection, source: Source, erp: ErpTables, last: Proof | None) -> Proof:
    """Return how the rows of a source prove what they contain, those included that its list lacks.

    Args:
        connection: The ledger's; the list has not been taken in yet.
        source: Whose rows they are.
        erp: Reads tables.
        last: How they proved it before.

    Raises:
        OnHandError, ConfigurationError: they do not.
    """
    absent = sa.select(on_hand.c.absence).where(is_absent, on_hand.c.source == source.name)
    has_absent = last is not None and last.speaks_apart_of_absent and has_any(connection, absent)
    return source.inputs.proof(erp).follows(last, has_absent=has_absent)


def remember_sources(
    ledger: Ledger, sources: Sources, found: Mapping[str, SourceRead], *, keeps_bookings: bool
) -> None:
    """Note what the numbers were computed from, and what the kept lists must be; the caller commits."""
    statement = insert(ledger.connection, source_table)
    for source in sources:
        read = found[source.name]
        values: dict[str, t.Any] = {"name": source.name, "proof": msgspec.json.encode(read.proof).decode()}
        lists = read.kept_lists if keeps_bookings else KeptLists(read.kept_lists.on_hand)
        if read.is_live:
            values |= {"read_run": ledger.run, "taken_at": read.taken_at, "full_read_at": read.full_read_at}
            for column, kept in (("cursor", read.kept), ("list", lists)):
                values[column] = None if kept is None else msgspec.json.encode(kept).decode()
        elif not read.taken_at:
            continue
        row = statement.values(values)
        ledger.connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))


def proofs_of(connection: sa.Connection, found: Mapping[str, SourceRead]) -> Proofs:
    """Return how the rows of all sources prove what they contain."""
    absent = sa.select(on_hand.c.absence).where(is_absent)
    has_absent = has_any(connection, absent)
    return Proofs({name: read.proof for name, read in found.items()}, has_absent=has_absent)
