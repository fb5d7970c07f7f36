"""On-hand rows that need a closer look: what they say after all, or what is wrong with them."""

from __future__ import annotations

import typing as t

from mapper_newstore_stock.run.identities import identity, unfit

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mapper_newstore_stock.run.on_hand import OnHandRow, OnHandSource


class NoKeyError(ValueError):
    """A row does not say which key it is of."""


class FutureError(ValueError):
    """A row says that it was taken in the future: a clock is wrong, so no row can be believed."""


def examined(source: OnHandSource, names: Sequence[str], values: Sequence[t.Any]) -> OnHandRow:
    """Return what a row says.

    Args:
        source: Where it is.
        names: The columns that are read, by the source's own names.
        values: What the row has there.

    Raises:
        NoKeyError, FutureError, ValueError: it cannot be used; says column, value and what to do.
    """
    node, product = _key(names, values)
    for name, text in zip(names, (node, product), strict=False):
        if reason := unfit(text):
            raise ValueError(f"{name} {reason}")
    amount = _number(source.numbers.read_units, names[2], values[2])
    if amount is None:
        raise ValueError(f"{names[2]} is empty; write 0 for none")
    if source.form == "column":
        return node, product, amount, _number(source.numbers.read, names[3], values[3])
    if source.says_when:
        return node, product, amount, _moment(source, names[3], values[3])
    return node, product, amount, None


def _key(names: Sequence[str], values: Sequence[t.Any]) -> list[str]:
    key = []
    for name, value in zip(names[:2], values[:2], strict=True):
        try:
            key.append(identity(value))
        except ValueError as error:
            raise NoKeyError(f"{name} {error}") from error
        if key[-1] == "":
            raise NoKeyError(f"{name} is empty")
    return key


def _number(read: Callable[[object], int | None], name: str, value: object) -> int | None:
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def _moment(source: OnHandSource, name: str, value: object) -> int:
    try:
        moment = source.moments.read(value)
    except ValueError as error:
        raise ValueError(f"{name} is {value!r}: {error}") from error
    if moment > source.latest:
        raise FutureError(
            f"{name} is {value}, in the future. Correct the ERP's clock, or set taken_at_timezone to the zone its "
            f"times are written in"
        )
    return moment
