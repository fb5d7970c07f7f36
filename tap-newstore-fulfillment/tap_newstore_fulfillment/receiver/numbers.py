"""Numbers of a command line that a clock can wait for and a store can hold."""

from __future__ import annotations

import math
import typing as t

import click

from tap_newstore_fulfillment.settings import INT64, MOST

#: An id of what a store has, or how many of it.
IN_A_STORE = click.IntRange(1, INT64[-1])


def whole(least: int) -> click.IntRange:
    """Return the kind of an option that takes a whole number of days, hours or minutes."""
    return click.IntRange(least, MOST)


class Finite(click.FloatRange):
    """A number of a range, and one: click takes `nan`, which is in no range, and `inf`, which no clock reaches."""

    def convert(self, value: t.Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a number that can be waited for.", param, ctx)
        return number
