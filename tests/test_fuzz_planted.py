"""Planted faults: each is seen by its shortest case, none without it, and a campaign finds them.

The hunt for all twelve over TCP is `python -m opalink.fuzz.planted hunt`.

Plan: the shortest cases · campaigns.
"""

import pytest
from msgspec import structs

from opalink.fuzz import planted
from opalink.fuzz.case import Case, parse
from opalink.fuzz.faults import FAULTS, Fault
from opalink.fuzz.guide import Fuzzer, Limits
from opalink.fuzz.player import Player
from opalink.fuzz.steps import Again, Raw, Send
from opalink.fuzz.triage import class_of, minimised
from opalink.protocol.ir.load import catalogue

CLEAN = "py:opalink.protocol.engine.module:Module"


def _uri(fault: type[Fault]) -> str:
    return f"py:opalink.fuzz.planted:only_{fault.__name__}"


# ── The shortest cases ───────────────────────────────────────────────────────────────────────────────


def test_there_are_twelve_of_one_to_six_messages() -> None:
    assert len(FAULTS) == 12
    assert {fault.case().messages for fault in FAULTS} == {1, 2, 3, 4, 5, 6}
    assert all(fault.id_of() in catalogue().requirement for fault in FAULTS)
    assert all((fault.__doc__ or "").endswith(".") for fault in FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_its_shortest_case_shows_it_and_no_shorter_one_does(fault: type[Fault]) -> None:
    case = fault.case()
    with Player(_uri(fault)) as player:
        assert fault.id_of() in {f.requirement for f in player.play(case).findings}
        for i, step in enumerate(case.steps):
            if isinstance(step, Send | Again | Raw):
                fewer = structs.replace(case, steps=case.steps[:i] + case.steps[i + 1 :])
                assert fault.id_of() not in {f.requirement for f in player.play(fewer).findings}


def test_no_case_of_a_fault_shows_anything_without_it() -> None:
    with Player(CLEAN) as player:
        for fault in FAULTS:
            played = player.play(fault.case())
            assert played.findings == ()
            assert played.stuck == ""


# ── Campaigns ────────────────────────────────────────────────────────────────────────────────────────


def test_a_short_campaign_finds_most_of_them_with_short_cases() -> None:
    with Player("py:opalink.fuzz.planted:Planted") as player:
        caught = planted.caught(Fuzzer(player, 2).run(Limits(executions=1500)))
    found = [c for c in caught if c.found]
    assert len(found) >= 6
    assert all(c.messages <= c.least + 4 for c in found)


def test_the_clean_module_shows_nothing() -> None:
    with Player(CLEAN) as player:
        campaign = Fuzzer(player, 3).run(Limits(executions=500))
    assert campaign.found == {}
    assert campaign.unstable == []
    assert campaign.executions == 500


def test_a_long_case_becomes_a_short_one() -> None:
    fault = planted.Leaks
    with Player(_uri(fault)) as player:
        noise = [
            s for f in FAULTS if f not in (fault, planted.ManyProperties) for s in f.case().steps if isinstance(s, Send)
        ]
        steps = (*fault.case().steps[:2], *noise[:9], *fault.case().steps[2:])
        whole = Case(steps, seed=9)
        finding = next(f for f in player.play(whole).findings if f.requirement == fault.id_of())
        small = minimised(player.play, whole, class_of(finding))
    assert small.messages == 3
    assert small.seed == 1


def test_every_repetition_of_another_version_is_answered_anew() -> None:
    """The version is checked before repetitions, so what answers it is stored for none."""
    words = "reach BEACON\nsend RETRAIN_REQ request major=0\nagain 1\ndelay 1000000\nagain 1\n"
    with Player(CLEAN) as player:
        assert player.play(parse(f"opalink-case 1\n{words}")).findings == ()


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        (1, "reach BEACON\nsend PROP_SET request txn=65535\nsend PROP_SET request major=15 txn=65535"),
        (1, "reach BEACON\nsend HELLO request instance=15 txn=53420\nsend HELLO request txn=53420"),
        (1627541217, "reach DETACHING\nsend HELLO request\nreach BEACON\nsend FAULT_EVENT event txn=65535"),
        (1810567513, "reach DETACHING\nsend PWR_SINK_CAPS request\nsend BEACON event txn=65535"),
    ],
    ids=["another version", "another position", "a number that comes next", "a number that is asked under"],
)
def test_a_transaction_number_that_is_used_twice_shows_nothing_of_a_clean_module(seed: int, words: str) -> None:
    """A number is taken once it was asked under, whoever asked: what comes under it again may be a repetition."""
    with Player("sim:lens-adapter") as player:
        assert player.play(parse(f"opalink-case 1\nseed {seed}\n{words}\n")).findings == ()


@pytest.mark.parametrize(
    "words",
    [
        'reach TRANSITION\nsend PWR_READY event {"voltage":0}',
        'reach TRANSITION\nsend PWR_READY event {"limit":65535,"voltage":1}',
        'reach PAUSED\nsend PWR_SOURCE_CAPS event\nsend CAPTURE_QUEUE request {"frames":65535}',
    ],
)
def test_what_campaigns_have_found_in_the_module_is_mended(words: str) -> None:
    with Player(CLEAN) as player:
        played = player.play(parse(f"opalink-case 1\n{words}\n"))
    assert played.findings == ()
    assert played.stuck == ""
