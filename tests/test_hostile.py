"""Hostile records, in numbers that a test run can afford; `python -m opalink.fuzz.hostile` sends a million."""

import random

import pytest

from opalink.fuzz.hostile import BATCH, attack_module, attack_tester
from opalink.fuzz.records import material, records
from opalink.protocol.engine.module import Module
from opalink.protocol.packets import Lane
from opalink.protocol.transport.bench import Bench


@pytest.mark.parametrize("profile", ["four-thirds", "macro-tube"])
def test_a_module_survives_hostile_records(profile: str) -> None:
    survived = attack_module(lambda: Module(profile), 5 * BATCH, seed=5)
    assert survived.records == 5 * BATCH


def test_the_tester_survives_a_hostile_implementation() -> None:
    assert attack_tester(5 * BATCH, seed=5).records == 5 * BATCH


def test_an_endpoint_that_raises_is_found() -> None:
    class Brittle(Module):
        def receive(self, lane: Lane, data: bytes, now: int) -> None:
            if len(data) > 200:
                raise IndexError
            super().receive(lane, data, now)

    with pytest.raises(IndexError):
        attack_module(Brittle, 5 * BATCH)


def test_an_endpoint_that_falls_silent_is_found() -> None:
    class Sulking(Module):
        heard = 0

        def receive(self, lane: Lane, data: bytes, now: int) -> None:
            self.heard += 1
            if self.heard < BATCH:
                super().receive(lane, data, now)

    with pytest.raises(RuntimeError, match="no longer answers"):
        attack_module(Sulking, 5 * BATCH)


def test_a_tester_that_trips_over_what_arrives_is_found() -> None:
    def judge(bench: Bench) -> None:
        if any(len(a.data) > 500 for a in bench.arrivals):
            raise KeyError

    with pytest.raises(KeyError):
        attack_tester(5 * BATCH, judge=judge)


def test_the_same_seed_gives_the_same_records() -> None:
    seeds = material()
    first, second = (records(random.Random(3), seeds, lambda: 0) for _ in range(2))
    assert [next(first) for _ in range(2000)] == [next(second) for _ in range(2000)]
