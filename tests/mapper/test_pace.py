"""Stock insights are asked for at most 90 times in any second, whoever is waiting."""

from __future__ import annotations

from mapper_newstore_stock.comparison.insights import MOST_A_SECOND, Pace


class Clock:
    """A clock that a sleep moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_no_second_has_more_calls_than_newstore_answers() -> None:
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    came = []
    for number in range(500):
        # A pause is not made up for by a rush.
        clock.now += 5.0 if number == 100 else 0.0
        pace.wait()
        came.append(clock.now)
    assert all(sum(start <= moment < start + 1 for moment in came) <= 90 for start in came)
    assert came[-1] - came[100] < 400 / MOST_A_SECOND
