"""Plays many schedules and adds up their accounts: units times minutes, by form of proof and scope."""

from __future__ import annotations

import dataclasses
import typing as t

from tests.faults.model.judge import Account, WrongNumberError
from tests.faults.model.proofs import Perfect
from tests.faults.model.schedules import play, readings_of, steps_of, story
from tests.faults.model.shop import Parts

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.model.proofs import Proof
    from tests.faults.model.readings import Form, Scope

#: One schedule of so many is played a second time, with perfect evidence.
COMPARED = 10


class PerfectParts(Parts):
    """A shop whose ledger knows what each number contains."""

    def proof(self, form: Form) -> Proof:
        del form
        return Perfect()


def play_seeds(form: Form, scope: Scope, seeds: Iterable[int]) -> Account:
    """Play the schedules of some seeds.

    Raises:
        WrongNumberError: the judge found a wrong number; describes the shortened schedule.
    """
    account, right, perfect = Account(), Parts(), PerfectParts()
    for seed in seeds:
        readings = readings_of(seed, form, scope)
        steps = steps_of(seed, readings)
        try:
            played = play(readings, steps, right).judge.account
        except WrongNumberError:
            raise WrongNumberError(f"seed {seed}: {story(readings, steps, right)}") from None
        if seed // 16 % COMPARED == 0 and not readings.lists_less:
            played.compared = played.withheld
            # What is folded nobody can look into any more.
            known = dataclasses.replace(readings, folds=False)
            played.bound = play(known, steps, perfect).judge.account.withheld
        account.add(played)
    return account
