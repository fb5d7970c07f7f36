"""Plays many schedules and adds up their accounts: units times minutes, by setting."""

from __future__ import annotations

import collections
import dataclasses
import multiprocessing
import typing as t
from concurrent.futures import ProcessPoolExecutor

from tests.faults.model.judge import Account, WrongNumberError
from tests.faults.model.schedules import play, readings_of, steps_of, story
from tests.faults.model.shop import Parts

if t.TYPE_CHECKING:
    from tests.faults.model.readings import Readings

Accounts = dict[str, Account]


def play_seeds(count: int, processes: int = 1) -> Accounts:
    """Play the seeds below `count`, in `processes` processes.

    Raises:
        WrongNumberError: the judge found a wrong number; describes the shortened schedule.
    """
    shares = [range(first, count, processes) for first in range(processes)]
    if processes == 1:
        return _play(shares[0])
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        return _sum(pool.map(_play, shares))


def table(accounts: Accounts) -> str:
    """Return the accounts as a text table."""
    columns = [field.name for field in dataclasses.fields(Account)]
    title = "units x minutes of the model"
    width = max(map(len, [title, *accounts]))
    lines = [" ".join([f"{title:<{width}}", *(f"{column:>13}" for column in columns)])]
    for name, account in sorted(accounts.items()):
        numbers = dataclasses.asdict(account)
        lines.append(" ".join([f"{name:<{width}}", *(f"{numbers[column]:>13,}" for column in columns)]))
    return "\n".join(lines)


def _play(seeds: range) -> Accounts:
    accounts: Accounts = collections.defaultdict(Account)
    right = Parts()
    for seed in seeds:
        readings, steps = readings_of(seed), steps_of(seed)
        try:
            shop = play(readings, steps, right)
        except WrongNumberError:
            raise WrongNumberError(f"seed {seed}: {story(readings, steps, right)}") from None
        accounts[_setting(readings)].add(shop.judge.account)
    return dict(accounts)


def _sum(shares: t.Iterable[Accounts]) -> Accounts:
    accounts: Accounts = collections.defaultdict(Account)
    for share in shares:
        for name, account in share.items():
            accounts[name].add(account)
    return dict(accounts)


def _setting(readings: Readings) -> str:
    sent = "with emit_unreleased" if readings.emit_unreleased else "without emit_unreleased"
    erp = "current ERP" if readings.current else "lagging ERP"
    return f"{sent}, {erp}, {'events beyond the promise' if readings.beyond_the_promise else 'promise kept'}"
