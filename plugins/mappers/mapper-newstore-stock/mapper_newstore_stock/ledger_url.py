"""The ledger a command of `newstore-stock-ledger` asks; its help needs none."""

from __future__ import annotations

import functools
import typing as t

import click

from mapper_newstore_stock.errors import ConfigurationError

if t.TYPE_CHECKING:
    from collections.abc import Callable

P = t.ParamSpec("P")
R = t.TypeVar("R")


def pass_ledger_url(command: Callable[t.Concatenate[str, P], R]) -> Callable[P, R]:
    """Pass the ledger's URL to a command as its first argument, and refuse to begin without one."""

    @click.pass_obj
    def wrapper(ledger_url: str | None, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if not ledger_url:
            raise ConfigurationError("ledger_url: set --ledger-url, --config or MAPPER_NEWSTORE_STOCK_LEDGER_URL")
        return command(ledger_url, *args, **kwargs)

    return functools.update_wrapper(wrapper, command)
