"""What each page shows, from a connection that only reads."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import FileError, ServerError
from mapper_newstore_stock.ledger.age import ages
from mapper_newstore_stock.ledger.hidden import hidden_units
from mapper_newstore_stock.ledger.history import COLUMNS, Ended, history
from mapper_newstore_stock.ledger.lock import holder
from mapper_newstore_stock.ledger.search import search_keys
from mapper_newstore_stock.ledger.tables import held_key, run
from mapper_newstore_stock.report import charts
from mapper_newstore_stock.report.attention import needing_attention
from mapper_newstore_stock.report.figures import key_history, read_cuts
from mapper_newstore_stock.report.hidden_units import hidden_section
from mapper_newstore_stock.report.import_reports import FINISHED, read_imports
from mapper_newstore_stock.report.markup import Markup, element, table
from mapper_newstore_stock.serve.layout import document, figures, key_link, note, section
from mapper_newstore_stock.serve.run_log import last_summaries
from mapper_newstore_stock.serve.stream_health import stream_health

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.report.attention import Attention
    from mapper_newstore_stock.report.figures import ShownCut
    from mapper_newstore_stock.report.import_reports import ImportReport

SHOWN_FOUND, SHOWN_STEPS, SHOWN_ATTENTION, SHOWN_FIRST = 200, 300, 500, 10
LEGEND = (
    "Line: the number sent, with a dot for each import. Triangles: completed units. Squares: changes of the ERP's row. "
    "Logical timestamps order events; they are not times."
)
EVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True)
class Given:
    """Where to look beside the ledger; None: nobody said."""

    report_path: str | None = None
    log: str | None = None
    receiver_url: str | None = None


def overview(connection: sa.Connection, given: Given) -> str:
    """Return the first page: what blocks, what is new, what needs somebody."""
    cuts, unread = _cuts(connection, given)
    last = connection.execute(sa.select(run).order_by(run.c.run.desc()).limit(1)).first()
    shown = figures(
        {
            "Last run began (UTC)": charts.moment(last.started_at) if last else "none yet",
            "Events taken up to": last.taken_through if last and last.taken_through is not None else "none yet",
            "Imports not known to have ended": sum(not cut.is_imported for cut in cuts),
            **{name.capitalize(): count for name, count in _counted(connection)},
        }
    )
    attention = needing_attention(connection, SHOWN_FIRST)
    return document(
        "Overview",
        "/",
        section("What blocks", _blocks(connection, given)),
        section("Figures", shown),
        section("Imports", unread, *_drawn(cuts)),
        section("Needs attention", _attention_table(attention)),
    )


def keys(connection: sa.Connection, asked: str) -> str:
    """Return the keys that begin with what was asked."""
    asked = asked.replace("\0", "").strip()
    if not asked:
        hint = note("Type the beginning of a product or of a location, or both as DC01/SKU-1. All keys are searched.")
        return document("Keys", "/keys", hint)
    found = search_keys(connection, asked, SHOWN_FOUND)
    if not found:
        nothing = "No key begins so. Capitals count; try fewer letters, or the location alone."
        return document("Keys", "/keys", note(nothing), asked=asked)
    rows = [(key_link(key.node, key.product), key.sent, key.on_hand, key.sent_cut) for key in found]
    more = f"The first {SHOWN_FOUND}; type more to see others." if len(found) == SHOWN_FOUND else f"{len(found)} keys."
    return document(
        "Keys", "/keys", note(more), table(f"Keys like {asked}", ("key", "sent", "ERP", "import"), rows), asked=asked
    )


def key(connection: sa.Connection, given: Given, node: str, product: str) -> str:
    """Return one key: its chart, and all that happened to it on one time line.

    Raises:
        LedgerError: the ledger does not know it.
    """
    node, product = node.replace("\0", ""), product.replace("\0", "")
    cuts, unread = _cuts(connection, given)
    ended = {cut.cut: _ended(cut.report) for cut in cuts if cut.report}
    steps = list(history(connection, node, product, EVER, newest=SHOWN_STEPS, ended=ended).rows)
    past = key_history(connection, (node, product))
    last = past.sent[-1] if past.sent else None
    shown = figures(
        {
            "Number sent": last.quantity if last else "nothing yet",
            "ERP's number then": last.on_hand if last else "none",
            "By import": last.cut if last else "none",
            "At mark": last.mark if last and last.mark is not None else "none",
        }
    )
    places = [
        COLUMNS.index(name) for name in ("at", "who", "step", "quantity", "units", "on_hand", "cut", "why", "event_id")
    ]
    newest = list(reversed(steps))[:SHOWN_STEPS]
    rows = [tuple(charts.moment(step[place]) if not place else step[place] for place in places) for step in newest]
    columns = ("seen (UTC)", "who", "step", "number", "units", "ERP", "import", "why", "event")
    left_out = len(steps) - len(newest)
    return document(
        f"{node}/{product}",
        "",
        shown,
        section("Over logical time", note(LEGEND), charts.key_over_time(past, None)),
        section(
            "Time line",
            note(f"{left_out} older steps are not shown; newstore-stock-ledger explain --since shows all.")
            if left_out
            else None,
            unread,
            table("What happened, newest first", columns, rows),
        ),
    )


def imports(connection: sa.Connection, given: Given) -> str:
    """Return the last imports and what became of them."""
    cuts, unread = _cuts(connection, given)
    asked_for = note("When each finished, and why one failed: serve with --report-path FILE.")
    hint = unread if given.report_path else asked_for
    columns = ("import", "run of (UTC)", "range", "keys", "state (UTC)", "seconds", "left out", "refused", "error")
    rows = [_import_row(cut) for cut in reversed(cuts)]
    parts = [table("Imports, newest first", columns, rows)] if cuts else []
    return document("Imports", "/imports", hint, *_drawn(cuts), *parts)


def attention(connection: sa.Connection) -> str:
    """Return the keys somebody should look at, with their age."""
    found = needing_attention(connection, SHOWN_ATTENTION)
    meaning = (
        "Held: nothing is sent, and no import answers for its completions. Stale: the last row stands. Vanished: 0 was "
        "sent. Late: the ERP's row may not contain the units yet."
    )
    return document("Attention", "/attention", note(meaning), _attention_table(found))


def health(connection: sa.Connection, given: Given) -> str:
    """Return how runs and the stream of events are."""
    return document(
        "Health",
        "/health",
        section("Last run", _blocks(connection, given)),
        section("Stream of events", *_stream(given)),
        section("Units hidden from sale", *hidden_section(hidden_units(connection))),
    )


def _cuts(connection: sa.Connection, given: Given) -> tuple[list[ShownCut], Markup | None]:
    """Return the last cuts, and why the target's report cannot be read; None: it was, or nobody named it."""
    try:
        return read_cuts(connection, read_imports(given.report_path) if given.report_path else []), None
    except FileError as error:
        says = f"{error}. The target writes it with the first import, where its setting report_path names it."
        return read_cuts(connection), note(says)


def _ended(report: ImportReport) -> Ended:
    parts = [f"{report.refused} refused" if report.refused else "", report.error or ""]
    return Ended(report.at, report.outcome == FINISHED, ", ".join(filter(None, parts)))


def _counted(connection: sa.Connection) -> list[tuple[str, int]]:
    query = sa.select(held_key.c.kind, sa.func.count()).group_by(held_key.c.kind).order_by(held_key.c.kind)
    return [(row[0], row[1]) for row in connection.execute(query)]


def _drawn(cuts: Sequence[ShownCut]) -> list[Markup]:
    if not cuts:
        return [note("Nothing has been sent yet. The first run of newstore-stock-sync sends the initial stock.")]
    return [
        note("A bar is the range an import answers for. Filled: NewStore is known to have it. Hollow: not known yet."),
        charts.imports_over_time(cuts),
    ]


def _import_row(cut: ShownCut) -> tuple[object, ...]:
    said = cut.report
    covered = "none" if cut.start is None else f"{cut.start}-{cut.end}"
    rest = (said.seconds, said.left_out, said.refused, said.error) if said else (None, None, None, None)
    return (cut.cut, charts.moment(cut.started_at), covered, cut.size, charts.import_state(cut), *rest)


def _attention_table(found: Sequence[Attention]) -> Markup:
    if not found:
        return note("No key is held, stale, vanished or late.")
    now = dt.datetime.now(tz=dt.UTC)
    rows = [
        (key_link(each.node, each.product), each.kind, _age(each.since, now), charts.moment(each.since), each.reason)
        for each in found
    ]
    return table("Keys, the gravest first", ("key", "kind", "age", "since (UTC)", "reason"), rows)


def _blocks(connection: sa.Connection, given: Given) -> Markup:
    """Return what keeps runs from doing their work, as far as ledger, lock and log say."""
    holds = holder(connection)
    lines = [f"A run holds the ledger: {holds}." if holds else "No run holds the ledger."]
    ended = []
    try:
        ended = last_summaries(given.log) if given.log else []
    except FileError as error:
        lines.append(f"{error}. Let the schedule write the runs' log there.")
    lines += [f"{part.plugin} ended with {part.exit_code} ({part.outcome}): {part.reason}" for part in ended]
    if not given.log:
        lines.append("Why the last run ended as it did: serve with --log FILE, the log of the runs.")
    lines += [
        f"{what[0].upper()}{what[1:]}: {minutes:g} minutes ago."
        for _, minutes, what in ages(connection, dt.datetime.now(tz=dt.UTC)).rows
    ]
    is_alarm = any(part.exit_code for part in ended)
    said = "The last run failed." if is_alarm else "Nothing is known to block." if ended else None
    head = element("p", element("b", said)) if said else None
    return element(
        "div", head, *(element("p", line) for line in lines), class_="status alarm" if is_alarm else "status"
    )


def _stream(given: Given) -> list[Markup]:
    if given.receiver_url is None:
        return [note("The receiver was not asked: serve with --receiver-url URL.")]
    try:
        return [figures(stream_health(given.receiver_url, dt.datetime.now(tz=dt.UTC)))]
    except ServerError as error:
        return [note(str(error))]


def _age(since: str, now: dt.datetime) -> str:
    minutes = int((now - dt.datetime.fromisoformat(since)).total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60
    return f"{days} d" if days > 1 else f"{hours} h" if hours > 1 else f"{minutes} min"
