"""The benchmark's own honesty: who is compared finds the same, and what is written down says what was asked."""

from typing import Any

import msgspec
import pytest

from bench.__main__ import RESULTS, Row, agree
from bench.peers import NAMES, Peer, load
from bench.samples import BLOCK, LEADER, Plain, samples
from bench.timing import interleaved, ratio


@pytest.mark.parametrize("kind", [LEADER, BLOCK])
@pytest.mark.parametrize("name", NAMES)
def test_every_peer_finds_the_values_of_the_samples_and_writes_their_bytes(name: str, kind: str) -> None:
    agree(load(name), kind)


def test_a_peer_that_loses_a_value_is_not_measured() -> None:
    ours = load("ours")

    def values(packet: Any) -> Plain:
        found = ours.values(packet)
        return found | {"body": found["body"] | {"frame": 0}}

    with pytest.raises(ValueError, match="forgetful finds other values in a FRAME_LEADER"):
        agree(Peer("forgetful", ours.decode, values), LEADER)


def test_a_peer_that_writes_other_bytes_is_not_measured() -> None:
    ours = load("ours")
    with pytest.raises(ValueError, match="careless writes other bytes for a FRAME_BLOCK"):
        agree(Peer("careless", ours.decode, ours.values, lambda packet: ours.encode(packet, crc=False)), BLOCK)


def test_samples_are_the_same_on_every_run() -> None:
    assert samples(LEADER, 8) == samples(LEADER, 8)
    assert samples(LEADER, 8) != samples(LEADER, 8, seed=2)


def test_a_ratio_is_the_median_over_the_rounds() -> None:
    assert ratio([10.0, 20.0, 90.0], [5.0, 10.0, 10.0]) == 2.0


def test_every_candidate_has_a_sample_a_round() -> None:
    calls = []
    taken = interleaved({"a": (lambda: calls.append("a"), 2), "b": (lambda: None, 1)}, rounds=3, seconds=1e-6)
    assert {name: len(x) for name, x in taken.items()} == {"a": 3, "b": 3}
    assert calls
    assert all(t > 0 for x in taken.values() for t in x)


def test_the_results_say_for_each_row_whether_its_goal_is_met() -> None:
    rows = msgspec.json.decode(RESULTS.read_bytes(), type=list[Row], strict=True)
    assert {r.group for r in rows} == {"codec", "c99", "dissector", "start", "engine", "suite", "report"}
    assert all(r.met == (r.ratio >= r.goal) for r in rows)
    peers = {load(name).name.split()[0] for name in NAMES if name != "ours"}
    assert peers <= {r.peer_name.split()[0] for r in rows}
