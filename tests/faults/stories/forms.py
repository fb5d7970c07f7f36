"""The forms of proof, each with the ERPs of stories that have it."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from tests.faults.stories.schedules import Options

#: By form: fields of `Options` that the seed does not decide; seeds take turns.
FORMS: dict[str, tuple[dict[str, t.Any], ...]] = {
    "column": ({"erp": "follows"}, {"erp": "ships"}),
    "current": ({"erp": "current"},),
    "taken_at": ({"erp": "lists"},),
    "booked by event": ({"erp": "books", "booked_by": "event", "erp_reverses": False},),
    "booked by request": ({"erp": "books", "booked_by": "request", "erp_reverses": False},),
    "booked by order": ({"erp": "books", "booked_by": "order", "erp_reverses": False},),
    "booked, reversible": tuple(
        {"erp": "books", "booked_by": known_by, "erp_reverses": True} for known_by in ("event", "request", "order")
    ),
}
SCOPES = ("tenant", "file")


def seeds_of(form: str, seeds: range) -> range:
    """Return the seeds of a form: each has its own."""
    return seeds[list(FORMS).index(form) :: len(FORMS)]


def options_of(form: str, seed: int) -> dict[str, t.Any]:
    """Return what the seed does not decide of a shop with a form of proof."""
    turn, ways = seed // (2 * len(FORMS)), FORMS[form]
    return {"range_scope": SCOPES[turn % len(SCOPES)], **ways[(turn + seed) % len(ways)]}


def form_of(options: Options) -> str:
    """Return the form of proof of a shop."""
    return next(form for form, ways in FORMS.items() if any(_has(options, way) for way in ways))


def _has(options: Options, way: dict[str, t.Any]) -> bool:
    return all(getattr(options, name) == value for name, value in way.items())
