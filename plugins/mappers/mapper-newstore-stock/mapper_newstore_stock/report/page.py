"""The report as one HTML page that needs no network; for phones, keyboards and screen readers, dark or light."""

from __future__ import annotations

import dataclasses
import importlib.resources
import typing as t

from mapper_newstore_stock.report import charts
from mapper_newstore_stock.report.differences import differences_section
from mapper_newstore_stock.report.events import LAG_CLASSES
from mapper_newstore_stock.report.hidden_units import hidden_section
from mapper_newstore_stock.report.markup import Markup, element, joined, table

if t.TYPE_CHECKING:
    from mapper_newstore_stock.report.differences import Differences
    from mapper_newstore_stock.report.events import Events
    from mapper_newstore_stock.report.figures import KeyHistory, LedgerFigures

#: Nothing may be fetched, run or sent, whatever the data contains.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
SECTIONS = {
    "imports": "Imports",
    "keys": "Keys over logical time",
    "held": "Keys without a number of their own",
    "hidden": "Units hidden from sale",
    "differences": "Keys that differ from NewStore",
    "lag": "Lag of events",
    "exceptions": "Late and quarantined events",
}
KEY_LEGEND = (
    "Solid line: the number sent, with a dot for each import. Dashed line: available to promise, from the tap's "
    "events. Events are below: a filled triangle pointing down is completed, a hollow one pointing up assigned, a "
    "cross failed. A square is a change of the ERP's row."
)


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything the page shows.

    Attributes:
        written_at: When the report was written, for people.
        ledger: What the ledger says.
        events: What the tap's messages say (None: not given).
        differences: What of NewStore's numbers differs (None: NewStore was not asked).
        quarantined: Bodies the receiver has answered 400 since it started (None: it was not asked).
    """

    written_at: str
    ledger: LedgerFigures
    events: Events | None = None
    differences: Differences | None = None
    quarantined: int | None = None


def page(report: Report) -> str:
    """Return the page."""
    style = importlib.resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    parts = [part(report) for part in (_imports, _keys, _held, _hidden, _differences, _lag, _exceptions)]
    sections = [
        element("section", element("h2", title, id=f"{name}-title"), *part, id=name, aria_labelledby=f"{name}-title")
        for (name, title), part in zip(SECTIONS.items(), parts, strict=True)
    ]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("title", "NewStore stock sync"),
        element("style", Markup(style)),
    )
    body = element("body", _skip_link(), _header(report), element("main", *sections, id="main"))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _skip_link() -> Markup:
    return element("a", "Skip to the figures", href="#main", class_="skip")


def _header(report: Report) -> Markup:
    ledger = report.ledger
    unconfirmed = sum(not cut.is_imported for cut in ledger.cuts)
    figures = {
        "Written": report.written_at,
        "Last run": f"{charts.moment(ledger.last_run_at)} UTC" if ledger.last_run_at else "none yet",
        "Events taken up to": ledger.taken_through if ledger.taken_through is not None else "none yet",
        "Imports": ledger.all_cuts,
        "Not confirmed yet": unconfirmed,
        "Late events": ledger.all_late,
        "Held, stale, vanished": ledger.all_held,
    }
    shown = element(
        "dl", *(element("div", element("dt", name), element("dd", value)) for name, value in figures.items())
    )
    links = element("ul", *(element("li", element("a", title, href=f"#{name}")) for name, title in SECTIONS.items()))
    return element("header", element("h1", "NewStore stock sync"), shown, element("nav", links, aria_label="Sections"))


def _imports(report: Report) -> list[Markup]:
    cuts = report.ledger.cuts
    if not cuts:
        return [_note("Nothing has been sent yet.")]
    rows = [
        (
            cut.cut,
            charts.moment(cut.started_at),
            "none" if cut.start is None else f"{cut.start}-{cut.end}",
            cut.mark,
            cut.size,
            charts.import_state(cut),
        )
        for cut in reversed(cuts)
    ]
    left_out = report.ledger.all_cuts - len(cuts)
    columns = ("import", "run of (UTC)", "range", "mark", "keys", "state (UTC)")
    return [
        _note(
            "A bar is the range of logical timestamps an import answers for; a diamond is an import without one. "
            "Filled: NewStore is known to have it. Hollow and dashed: not known yet; the next run reads it in the "
            "state, and the target's report_path (--report-path) tells it at once, with the time it finished."
        ),
        charts.imports_over_time(cuts),
        _note(f"{left_out} older imports are not shown.") if left_out else Markup(""),
        _folded("As a table", table("Imports, newest first", columns, rows)),
    ]


def _keys(report: Report) -> list[Markup]:
    if not report.ledger.histories:
        return [_note("No key has been sent yet.")]
    source = "" if report.events else " Without the tap's events (--events) there is no dashed line."
    return [_note(KEY_LEGEND + source), *(_key(report, history) for history in report.ledger.histories)]


def _key(report: Report, history: KeyHistory) -> Markup:
    name = "/".join(history.key)
    rows = [(each.cut, each.mark, each.on_hand, each.as_of, each.quantity) for each in reversed(history.sent)]
    columns = ("import", "mark", "ERP's number", "as of", "number sent")
    moves = report.events.moves[history.key] if report.events else None
    parts = (
        charts.key_over_time(history, moves),
        _folded("As a table", table(f"Numbers sent for {name}", columns, rows)),
    )
    why = _note(f"Shown because {history.why}.") if history.why else None
    return joined((element("h3", name), why, *parts))


def _held(report: Report) -> list[Markup]:
    held = report.ledger.held
    if not held:
        return [_note("Every key with completions has a row in the ERP's list that can be used.")]
    rows = [(f"{key.node}/{key.product}", key.kind, charts.moment(key.since), key.reason) for key in held]
    left_out = report.ledger.all_held - len(held)
    return [
        _note(
            "Held: nothing is sent, and no import answers for its completions. Stale: the last row stands. Vanished: 0 "
            "was sent."
        ),
        table("Keys, the longest first", ("key", "kind", "since (UTC)", "reason"), rows),
        _note(f"{left_out} more keys are not shown.") if left_out else Markup(""),
    ]


def _hidden(report: Report) -> list[Markup]:
    return hidden_section(report.ledger.hidden)


def _differences(report: Report) -> list[Markup]:
    if report.differences is None:
        return [_note("NewStore was not asked (--api-url).")]
    return differences_section(report.differences)


def _lag(report: Report) -> list[Markup]:
    if report.events is None:
        return [_note("The tap's events were not given (--events).")]
    lags = sorted(report.events.lags)
    if not lags:
        return [_note(f"None of {report.events.count} events says when it was published.")]
    typical, slow, longest = lags[len(lags) // 2], lags[int(len(lags) * 0.95)], lags[-1]
    names = [f"up to {_seconds(end)}" for end in LAG_CLASSES[:-1]] + ["longer"]
    says = (
        f"From publishing to the receiver, {len(lags)} events: half within {_seconds(typical)}, 95 % within "
        f"{_seconds(slow)}, all within {_seconds(longest)}. NewStore promises 15 min."
    )
    return [_note(says), charts.classes("Events by lag", names, report.events.lag_classes())]


def _exceptions(report: Report) -> list[Markup]:
    late = report.ledger.late
    rows = [
        (e.logical_timestamp, f"{e.node}/{e.product}", e.units, charts.moment(e.run_started_at), e.event_id)
        for e in reversed(late)
    ]
    says = (
        f"{report.ledger.all_late} completions came after later ones had been taken; the run named here made each good."
    )
    columns = ("logical timestamp", "key", "units", "taken by the run of (UTC)", "event")
    bodies = (
        "The receiver was not asked for quarantined bodies (--receiver-url)."
        if report.quarantined is None
        else f"{report.quarantined} bodies have been quarantined since the receiver started. "
        "newstore-event-receiver quarantine list shows them."
    )
    return [
        _note(says),
        table("Late completions, newest first", columns, rows) if rows else Markup(""),
        _note(bodies),
    ]


def _folded(title: str, part: Markup) -> Markup:
    return element("details", element("summary", title), part)


def _note(text: str) -> Markup:
    return element("p", text, class_="note")


def _seconds(value: float) -> str:
    if value < 120:
        return f"{value:.3g} s"
    return f"{value / 60:.3g} min"
