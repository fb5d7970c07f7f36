"""`newstore-stock-ledger diff`: which numbers differ at NewStore, why, and sending them again."""

from __future__ import annotations

import itertools
import logging
import typing as t

import click

from mapper_newstore_stock.comparison import repair
from mapper_newstore_stock.comparison.bulk_export import ask_for_export, beside, read_export
from mapper_newstore_stock.comparison.causes import MENDABLE
from mapper_newstore_stock.comparison.findings import Comparison
from mapper_newstore_stock.comparison.insights import NewStoreNumbers
from mapper_newstore_stock.comparison.lines import read_lines
from mapper_newstore_stock.comparison.options import Understanding, understanding_options
from mapper_newstore_stock.comparison.rows import COLUMNS, FOR_PEOPLE, agreeing_row, row_of
from mapper_newstore_stock.errors import ConfigurationError, FoundError, NotKnownError
from mapper_newstore_stock.formats import format_option
from mapper_newstore_stock.ledger.queries import Table
from mapper_newstore_stock.ledger.reading import reading
from mapper_newstore_stock.ledger_url import pass_ledger_url
from mapper_newstore_stock.newstore_options import (
    NAMES,
    newstore_options,
    sign_in,
    tenant_option,
    with_addresses,
)

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import sqlalchemy as sa

    from mapper_newstore_stock.comparison.causes import Finding, Line, Ways
    from mapper_newstore_stock.formats import Write

logger = logging.getLogger("newstore-stock-ledger")


class _Asked(t.NamedTuple):
    """What is compared, and how."""

    keys: tuple[tuple[str, str], ...]
    is_bulk: bool
    everything: bool
    ways: Ways
    visible_since: dt.datetime


@click.command()
@newstore_options
@tenant_option
@understanding_options
@click.option("--all", "everything", is_flag=True, help="Show also keys on which all agree.")
@click.option("--key", "keys", multiple=True, metavar="NODE/PRODUCT", help="Compare only this key; repeatable.")
@click.option("--bulk", "is_bulk", is_flag=True, help="Read ATP from one availability export of the whole shop.")
@click.option("--repair", "mends", is_flag=True, help="Say which keys the next run should send again.")
@click.option("--yes", is_flag=True, help="With --repair: note in the ledger that it does.")
@format_option
@pass_ledger_url
def diff(ledger_url: str, /, *, tenant: str | None, mends: bool, yes: bool, write: Write, **options: t.Any) -> None:
    """Compare the ERP's rows, the numbers last sent and NewStore's ATP, with a cause for each key that differs.

    Exit code 1: a number is wrong at NewStore (cause `unexplained` or `refused`), or NewStore
    promises more than was sent. `--repair --yes` ends with 0 when all of those go out again.
    """
    if yes and not mends:
        raise ConfigurationError("--yes: only with --repair")
    newstore = {name: options.pop(name) for name in NAMES}
    asked = _asked(**options)
    session, api_url = sign_in(with_addresses(tenant, newstore))
    with reading(ledger_url) as connection:
        numbers = NewStoreNumbers(session, api_url)
        comparison = Comparison(connection, numbers, asked.ways, asked.visible_since)
        lines = _lines(connection, asked)
        pairs = beside(lines, read_export(ask_for_export(session, api_url))) if asked.is_bulk else comparison.ask(lines)
        found: list[Finding] = []
        if asked.everything:
            write(Table(COLUMNS, _all_rows(comparison, pairs, asked, found), "", FOR_PEOPLE))
        else:
            found = list(comparison.findings(pairs, are_old=asked.is_bulk))
            write(Table(COLUMNS, map(row_of, found), _sum_up(comparison), FOR_PEOPLE))
    wrong = [finding for finding in found if finding.is_wrong]
    _judge(_mend(ledger_url, found, wrong, yes=yes) if mends else wrong)


def _asked(*, keys: tuple[str, ...], is_bulk: bool, everything: bool, **understanding: t.Any) -> _Asked:
    how = Understanding.taken_from(understanding)
    return _Asked(tuple(_key(text) for text in keys), is_bulk, everything, *how)


def _key(text: str) -> tuple[str, str]:
    node, slash, product = text.partition("/")
    if not (node and slash and product):
        raise ConfigurationError(f"--key {text}: expected NODE/PRODUCT")
    return node, product


def _lines(connection: sa.Connection, asked: _Asked) -> Iterator[Line]:
    """Yield the lines to compare.

    Raises:
        LedgerError: the ledger has never sent a key that was named.
    """
    lines = read_lines(connection, asked.keys)
    if not asked.keys:
        return lines
    found = list(lines)
    if missing := set(asked.keys) - {line.key for line in found}:
        raise NotKnownError(
            f"the ledger has never sent {', '.join(sorted('/'.join(key) for key in missing))}", "Check how it is spelt"
        )
    return iter(found)


def _all_rows(
    comparison: Comparison, pairs: Iterator[tuple[Line, int | None]], asked: _Asked, found: list[Finding]
) -> Iterator[tuple[t.Any, ...]]:
    """Yield a row for every key, in key order, and keep the findings."""
    while some := list(itertools.islice(pairs, 1_000)):
        of_key = {finding.line.key: finding for finding in comparison.findings(iter(some), are_old=asked.is_bulk)}
        found += of_key.values()
        for line, atp in some:
            finding = of_key.get(line.key)
            yield row_of(finding) if finding else agreeing_row(line, atp)


def _sum_up(comparison: Comparison) -> str:
    causes = ", ".join(f"{count} {cause}" for cause, count in comparison.differing.most_common())
    return f"{comparison.differing.total()} of {comparison.keys} keys differ{': ' if causes else ''}{causes}"


def _mend(ledger_url: str, found: list[Finding], wrong: list[Finding], *, yes: bool) -> list[Finding]:
    """Say, or note, which keys go out again; return what stays wrong."""
    mendable = [finding for finding in found if finding.cause in MENDABLE]
    new = [finding.line for finding in mendable if not finding.line.is_noted]
    waiting = len(mendable) - len(new)
    if not yes:
        click.echo(f"{len(new)} keys would go out again with the next run; --yes notes it in the ledger", err=True)
        return wrong
    noted = repair.note(ledger_url, new) if new else 0
    click.echo(f"{noted + waiting} keys go out again with the next run, whatever their numbers are then", err=True)
    if noted < len(new):
        logger.warning("%d keys were sent by a run in the meantime: compare again", len(new) - noted)
    return [finding for finding in wrong if finding.cause not in MENDABLE] if noted == len(new) else wrong


def _judge(wrong: list[Finding]) -> None:
    """End with an error that counts what is wrong.

    Raises:
        LedgerError: something is.
    """
    if not wrong:
        return
    above = [finding for finding in wrong if finding.above]
    counts = [f"{len(wrong)} numbers are wrong at NewStore"]
    if above:
        counts.append(
            f"NewStore promises more than was sent for {len(above)} keys, "
            f"{sum(finding.above for finding in above)} units in all"
        )
    raise FoundError(f"{'; '.join(counts)}. --repair has the next run send again what that can mend")
