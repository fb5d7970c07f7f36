"""The ERP's lists as a check sees them: read whole by the eyes of a run, into tables that go with the connection."""

from __future__ import annotations

import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.errors import StaleListError
from mapper_newstore_stock.ledger.database import empty, load, undone_if_it_fails
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import is_present, on_hand
from mapper_newstore_stock.ledger.temporary_tables import foreign_row, gone_row, read_row, unusable_row
from mapper_newstore_stock.run.absent_rows import refuse_short_list, refuse_vanished, what_vanishes
from mapper_newstore_stock.run.booking_lists import load_bookings
from mapper_newstore_stock.run.changed_rows import ChangedRows, LastReading
from mapper_newstore_stock.run.erp_rows import load_unusable, refuse_duplicates, rows_by_key
from mapper_newstore_stock.run.erp_tables import ErpTables
from mapper_newstore_stock.run.given_rows import gifts, no_longer_named
from mapper_newstore_stock.run.globs import at_nodes
from mapper_newstore_stock.run.held_keys import most_held
from mapper_newstore_stock.run.row_problems import NAMED_ROWS, joined

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mapper_newstore_stock.findings import Findings
    from mapper_newstore_stock.run.absent_rows import ListRules
    from mapper_newstore_stock.run.on_hand import UnusableRow
    from mapper_newstore_stock.run.sources import Source, Sources

TO_DO = "Correct the list or the settings that lead to it (on_hand_*, booked_*), or start the ERP's database"
TOO_OLD = "See why the ERP has written no newer one, or raise max_on_hand_age_minutes"


class Counted(t.NamedTuple):
    """How many rows of a list cannot be used, and how many keys it and the last one have."""

    unusable: int = 0
    keys: int = 0


def look_at_list(findings: Findings, connection: sa.Connection, sources: Sources, source: Source) -> Counted:
    """Note whether a run could read a source, and what of it is new."""
    of = f" of {source.name}" if source.name else ""
    empty(connection, read_row, gone_row, unusable_row, foreign_row)
    with findings.looking(f"on-hand list{of}", TO_DO), undone_if_it_fails(connection):
        unusable: list[UnusableRow] = []
        try:
            count = _read(findings, connection, sources, source, unusable)
        except StaleListError as error:
            findings.red(f"on-hand list{of}", str(error), TOO_OLD, error.code)
            return Counted()
        with rows_by_key(connection, count):
            nodes = nodes_read(connection).union(row.fulfillment_node_id for row in unusable)
            unusable = [row for row in unusable if sources.owner(row.fulfillment_node_id) == source.name]
            _say_rows(findings, connection, source, unusable)
            _say_foreign(findings, sources, source, nodes)
            refuse_duplicates(connection, None, source.inputs.on_hand.place.name)
            rules = _rules(connection, sources, source)
            refuse_short_list(connection, rules, count + load_unusable(connection, unusable), None)
            refuse_vanished(connection, rules, has_all=True)
            _say_next(findings, connection, source, rules)
            return Counted(len(unusable), count + _missing(connection, rules))
    return Counted()


def look_at_bad_rows(findings: Findings, counted: Sequence[Counted], config: Mapping[str, t.Any]) -> None:
    """Note whether a run stops because of the rows that cannot be used."""
    unusable = sum(each.unusable for each in counted)
    most = most_held(config.get("max_held_percent"), sum(each.keys for each in counted))
    if unusable and (config["held_keys"] != "hold" or unusable > most):
        said = f"{unusable} on-hand rows cannot be used: a run stops (held_keys, max_held_percent)"
        findings.red("bad rows", said, "Correct them in the on-hand source")


def nodes_read(connection: sa.Connection) -> set[str]:
    """Return the fulfillment nodes of the list that was read last."""
    return set(connection.scalars(sa.select(read_row.c.fulfillment_node_id).distinct()))


def _read(
    findings: Findings, connection: sa.Connection, sources: Sources, source: Source, unusable: list[UnusableRow]
) -> int:
    """Read the rows of a source into `read_row`, and the bookings before them; return how many rows can be used."""
    inputs, now_ms = source.inputs, int(sources.now() * 1000)
    of = f" of {source.name}" if source.name else ""
    with ErpTables() as erp:
        changed = ChangedRows.begin(inputs.on_hand, erp, LastReading(), None) if inputs.on_hand.updated_column else None
        proof = inputs.proof(erp)
        if proof.form == "taken_at":
            findings.green(f"clocks{of}", "no further apart than clock_skew_seconds, as far as they can be asked")
        source.refuse_old_list(now_ms)
        if inputs.bookings:
            booked = load_bookings(connection, inputs.bookings, erp)
            findings.green(f"bookings{of}", f"{booked} rows can be read from {inputs.bookings.place.name}")
        return load(connection, read_row, inputs.on_hand.rows(erp, changed, unusable.append))


def _say_rows(findings: Findings, connection: sa.Connection, source: Source, unusable: list[UnusableRow]) -> None:
    of = f" of {source.name}" if source.name else ""
    place, nodes = source.inputs.on_hand.place, nodes_read(connection)
    count = connection.scalar(sa.select(sa.func.count()).select_from(read_row))
    said = f"{count} rows of {len(nodes)} fulfillment nodes in {place.name}"
    if unusable:
        named = joined((row.reason for row in unusable[:NAMED_ROWS]), [place.name], last=place.name)
        more = f"; and {len(unusable) - NAMED_ROWS} more" if len(unusable) > NAMED_ROWS else ""
        findings.yellow(
            f"on-hand list{of}",
            f"{said}; {len(unusable)} more cannot be used: {named}{more}",
            "Correct them: a run goes on without them, their last rows stand, and what never had one is held",
        )
    else:
        findings.green(f"on-hand list{of}", said)


def _say_foreign(findings: Findings, sources: Sources, source: Source, nodes: Iterable[str]) -> None:
    if foreign := sorted(node for node in nodes if sources.owner(node) != source.name):
        findings.yellow(
            f"on-hand list of {source.name}",
            f"it has rows of fulfillment nodes that it does not own (nodes): {', '.join(foreign[:NAMED_ROWS])}",
            "Name them in its nodes, or leave them out: a run leaves them out",
        )


def _rules(connection: sa.Connection, sources: Sources, source: Source) -> ListRules:
    """Return a source's rules, with what a run would do before: give rows to those who own their nodes now."""
    given = gifts(connection, sources, no_longer_named(connection, sources))
    givers = [gift.giver for gift in given if gift.taker is source]
    away = [glob for gift in given if gift.giver == source.name for glob in gift.taker.nodes or ()]
    return msgspec.structs.replace(source.rules, givers=givers, given_away=away)


def _say_next(findings: Findings, connection: sa.Connection, source: Source, rules: ListRules) -> None:
    what = f"next run of {source.name}" if source.name else "next run"
    new = f"{_new(connection, source, rules)} rows are new or changed since the last run"
    if vanished := what_vanishes(connection, rules):
        to_do = "Correct the list if they are still on hand, or set vanished_rows to what their absence means"
        findings.yellow(what, f"{new}; {vanished}", to_do)
    else:
        findings.green(what, f"{new}, 0 are gone; events say what else is sent")


def _new(connection: sa.Connection, source: Source, rules: ListRules) -> int:
    """Return how many rows the last run did not read as they are."""
    read, kept = read_row.c, on_hand.c
    says = kept.taken_at if source.inputs.on_hand.says_when else kept.as_of_logical_timestamp
    is_same = sa.and_(kept.quantity == read.quantity, says.is_not_distinct_from(read.as_of))
    as_it_was = sa.exists().where(same_key(kept, read), rules.here(), is_present, is_same)
    is_new = sa.and_(~as_it_was, *at_nodes(read, rules.nodes))
    return connection.scalar(sa.select(sa.func.count()).select_from(read_row).where(is_new)) or 0


def _missing(connection: sa.Connection, rules: ListRules) -> int:
    """Return how many rows the last run read and the list no longer has in a form that can be used."""
    missing = sa.and_(rules.here(), is_present, ~sa.exists().where(same_key(read_row.c, on_hand.c)))
    return connection.scalar(sa.select(sa.func.count()).select_from(on_hand).where(missing)) or 0
