"""Random schedules for the model: made from a seed, played, and shortened if one finds a wrong number."""

from __future__ import annotations

import random
import typing as t

from tests.faults.model.judge import WrongNumberError
from tests.faults.model.landing import SETTLE
from tests.faults.model.readings import KEYS, PRODUCTS, Ending, Readings

if t.TYPE_CHECKING:
    from tests.faults.model.shop import Parts, Shop

Step = tuple[t.Any, ...]
STEPS = 24
ENDINGS = t.get_args(Ending)
#: Half of the runs end undisturbed.
_ENDINGS = ["whole"] * len(ENDINGS) + list(ENDINGS)
_KINDS = (
    ["sell"] * 7
    + ["pass_time"] * 5
    + ["run"] * 7
    + ["erp_applies", "erp_counts"] * 2
    + ["receive_goods", "lose_goods", "deliver_again"]
    + ["lose_the_state", "restore_a_state", "state and ledger"]
)


def readings_of(seed: int) -> Readings:
    """Return the readings of a seed; consecutive seeds cover all combinations."""
    bits = [bool(seed >> bit & 1) for bit in range(5)]
    scope: t.Literal["tenant", "file"] = "tenant" if bits[0] else "file"
    current, max_items = bits[4] and seed % 3 == 0, (1, 2, 3, 100)[seed % 7 % 4]
    return Readings(scope, bits[1], bits[2], bits[3], current, max_items)


def steps_of(seed: int) -> list[Step]:
    """Return the steps of a seed."""
    chance = random.Random(seed)
    return [_step(chance) for _ in range(STEPS)]


def _step(chance: random.Random) -> Step:
    kind = chance.choice(_KINDS)
    if kind == "state and ledger":
        return (chance.choice(("lose_the_ledger", "back_up_the_ledger", "restore_the_ledger")),)
    return kind, *_arguments(kind, chance)


def _arguments(kind: str, chance: random.Random) -> Step:
    if kind == "sell":
        node = chance.choice(("DC01", "NYC1"))
        products = chance.choices(PRODUCTS[node], k=chance.choice((1, 1, 2)))
        return node, products, chance.choice((0, 1, 2, 3, chance.randint(0, 4 * SETTLE))), chance.randint(1, 3)
    if kind == "run":
        return chance.choice(_ENDINGS), chance.randint(0, 4), chance.randint(0, 3)
    if kind.endswith("goods"):
        return chance.choice(KEYS), chance.randint(1, 4)
    single: dict[str, Step] = {
        "pass_time": (chance.choice((1, 1, 2, SETTLE + 1)),),
        "erp_applies": (chance.choice(KEYS),),
        "erp_counts": (chance.choice(KEYS),),
        "lose_the_state": (),
    }
    return single.get(kind, (chance.randint(0, 30),))


def play(readings: Readings, steps: t.Iterable[Step], parts: Parts) -> Shop:
    """Play a schedule until everything is at rest.

    Raises:
        WrongNumberError: the judge found a wrong number.
    """
    shop = parts.make_shop(readings)
    for name, *arguments in steps:
        getattr(shop, name)(*arguments)
        shop.judge.check()
    shop.come_to_rest()
    return shop


def finding(readings: Readings, steps: t.Iterable[Step], parts: Parts) -> str | None:
    """Return the wrong number the judge finds in a schedule, or None."""
    try:
        play(readings, steps, parts)
    except WrongNumberError as error:
        return str(error)
    return None


def shortened(readings: Readings, steps: list[Step], parts: Parts) -> list[Step]:
    """Return a schedule that still finds a wrong number and of which no step can be left out."""
    index = 0
    while index < len(steps):
        shorter = steps[:index] + steps[index + 1 :]
        if finding(readings, shorter, parts):
            steps, index = shorter, 0
        else:
            index += 1
    return steps


def story(readings: Readings, steps: list[Step], parts: Parts) -> str:
    """Describe a schedule that finds a wrong number, shortened."""
    steps = shortened(readings, steps, parts)
    lines = [f"  {name}{tuple(arguments)!r}" for name, *arguments in steps]
    return "\n".join([str(finding(readings, steps, parts)), f"{readings}", *lines])
