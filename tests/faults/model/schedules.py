"""Random schedules for the model: made from a seed, played, and shortened if one finds a wrong number."""

from __future__ import annotations

import random
import typing as t

from tests.faults.model.judge import WrongNumberError
from tests.faults.model.readings import FORMS, KEYS, PRODUCTS, SCOPES, SETTLE, Ending, Readings, Step

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.model.readings import Form, Scope
    from tests.faults.model.shop import Parts, Shop

T = t.TypeVar("T")
STEPS = 28
ENDINGS = t.get_args(Ending)
#: Half of the runs end undisturbed.
_ENDINGS = ["whole"] * len(ENDINGS) + list(ENDINGS)
_KINDS = (
    ["sell"] * 7
    + ["pass_time"] * 5
    + ["run"] * 7
    + ["erp_acts"] * 8
    + ["receive_goods", "lose_goods", "deliver_again"]
    + ["lose_the_state", "restore_a_state", "state and ledger"]
)
_DELAYS = (0, 1, 2, 3, None)
#: How often an event completes more of the request before it, and something happens inside a run.
GOES_ON, MEANWHILE = 0.4, 0.3


def readings_of(seed: int, form: Form, scope: Scope) -> Readings:
    """Return the readings of a seed; consecutive seeds cover all combinations of what is left open."""
    bits = [bool(seed >> bit & 1) for bit in range(4)]
    return Readings(
        scope,
        form,
        gap_free=bits[0],
        beyond_the_promise=bits[1],
        emit_unreleased=bits[2],
        books=bits[3],
        lists_less=bits[3] and form.startswith("booked by"),
        # Of what may be taken back nothing is folded.
        folds=seed % 5 < 2 and form != "booked, reversible",
        clock_error=seed % 3 - 1,
        max_items=(1, 2, 3, 100)[seed % 7 % 4],
    )


def readings_of_any_form(seed: int) -> Readings:
    """Return the readings of a seed that decides form and scope too."""
    return readings_of(seed // 12, FORMS[seed % 6], SCOPES[seed // 6 % 2])


class Chance:
    """What a seed decides. `random.choice` and `randint` take three times as long."""

    def __init__(self, seed: int) -> None:
        self.share = random.Random(seed).random

    def below(self, count: int) -> int:
        """Return a whole number from 0."""
        return int(self.share() * count)

    def between(self, least: int, most: int) -> int:
        """Return a whole number, both ends included."""
        return least + int(self.share() * (most - least + 1))

    def of(self, several: t.Sequence[T]) -> T:
        """Return one of several."""
        return several[int(self.share() * len(several))]


def steps_of(seed: int, readings: Readings) -> list[Step]:
    """Return the steps of a seed."""
    chance = Chance(seed)
    acts = acts_of(readings)
    return [_step(chance, acts) for _ in range(STEPS)]


def _step(chance: Chance, acts: tuple[Act, ...]) -> Step:
    kind = chance.of(_KINDS)
    if kind == "state and ledger":
        return (chance.of(("lose_the_ledger", "back_up_the_ledger", "restore_the_ledger")),)
    if kind == "erp_acts":
        return erp_acts(chance, acts)
    if kind == "sell":
        return _sell(chance)
    if kind == "run":
        return _run(chance, acts)
    return kind, *_arguments(kind, chance)


def _sell(chance: Chance) -> Step:
    node = chance.of(("DC01", "NYC1"))
    products = [chance.of(PRODUCTS[node]) for _ in range(chance.of((1, 1, 2)))]
    delay = chance.of(_DELAYS)
    late = chance.between(0, 4 * SETTLE) if delay is None else delay
    return "sell", node, products, late, chance.between(1, 3), chance.share() < GOES_ON


def _run(chance: Chance, acts: tuple[Act, ...]) -> Step:
    run = ("run", chance.of(_ENDINGS), chance.between(0, 4), chance.between(0, 3))
    if chance.share() > MEANWHILE:
        return run
    return *run, _sell(chance) if chance.share() < GOES_ON else erp_acts(chance, acts)


def erp_acts(chance: Chance, acts: tuple[Act, ...]) -> Step:
    """Return something an ERP does."""
    what, arguments = chance.of(acts)
    return "erp_acts", what, *arguments(chance)


def _arguments(kind: str, chance: Chance) -> Step:
    if kind.endswith("goods"):
        return chance.of(KEYS), chance.between(1, 4)
    if kind == "pass_time":
        return (chance.of((1, 1, 2, SETTLE + 1)),)
    return () if kind == "lose_the_state" else (chance.between(0, 30),)


def _key(chance: Chance) -> Step:
    return (chance.of(KEYS),)


def _which(chance: Chance) -> Step:
    return (chance.below(10),)


Act = tuple[str, "Callable[[Chance], Step]"]
_GOODS: Act = ("book_goods", _key)
_BOOK: Act = ("book", lambda chance: (chance.below(10), chance.of((1, 1, 2))))
_BOOK_ALL: Act = ("book_all", _key)
_OUT: Act = ("go_out", lambda chance: (chance.of((SETTLE, 2 * SETTLE, 6 * SETTLE)),))
_TAKE_BACK: Act = ("take_back", _which)
_LIST_LESS: Act = ("list_less", lambda chance: (chance.of((None, chance.below(5))),))
_WRITE: Act = ("write", lambda _: ())
_OLDER: Act = ("hand_out", lambda chance: (chance.below(6),))
_BOOKS = (*[_BOOK] * 5, _BOOK_ALL, _GOODS, _OUT)
#: What an ERP does, by its kind.
_ACTS: dict[str, tuple[Act, ...]] = {
    "follows": (("apply", _key), ("count", _key)),
    "ships": (_GOODS,),
    "lists": (("write", lambda _: (KEYS,)), ("write", lambda chance: (_key(chance),)), _OLDER),
    "books": _BOOKS,
    "lists less": (*_BOOKS, _LIST_LESS),
    "reverses": (*_BOOKS, *[_TAKE_BACK] * 3),
    "says up to where": (*_BOOKS, *[_WRITE] * 4, _OLDER),
}


def acts_of(readings: Readings) -> tuple[Act, ...]:
    """Return what the ERP of a shop does."""
    if readings.form == "column":
        return _ACTS["says up to where" if readings.books else "follows"]
    books = "lists less" if readings.lists_less else "books"
    kinds = {"current": "ships", "taken_at": "lists", "booked, reversible": "reverses"}
    return _ACTS[kinds.get(readings.form, books)]


def play(readings: Readings, steps: t.Iterable[Step], parts: Parts) -> Shop:
    """Play a schedule until everything is at rest.

    Raises:
        WrongNumberError: the judge found a wrong number.
    """
    shop = parts.make_shop(readings)
    for name, *arguments in steps:
        getattr(shop, name)(*arguments)
    shop.come_to_rest()
    return shop


def error_in(readings: Readings, steps: t.Iterable[Step], parts: Parts) -> WrongNumberError | None:
    """Return the wrong number the judge finds in a schedule, or None."""
    try:
        play(readings, steps, parts)
    except WrongNumberError as error:
        return error
    return None


def shortened(readings: Readings, steps: list[Step], parts: Parts) -> list[Step]:
    """Return a schedule that still finds a wrong number and of which no step can be left out."""
    index = 0
    while index < len(steps):
        shorter = steps[:index] + steps[index + 1 :]
        if error_in(readings, shorter, parts):
            steps, index = shorter, 0
        else:
            index += 1
    return steps


def story(readings: Readings, steps: list[Step], parts: Parts) -> str:
    """Describe a schedule that finds a wrong number, shortened."""
    steps = shortened(readings, steps, parts)
    lines = [f"  {name}{tuple(arguments)!r}" for name, *arguments in steps]
    return "\n".join([str(error_in(readings, steps, parts)), f"{readings}", *lines])
