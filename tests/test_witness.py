"""Witnesses: who breaks one rule is charged with that rule and with no other; every MUST has one that breaks it.

Plan: what is charged · every MUST · what the factories make.
"""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opalink.conformance.campaign import certify
from opalink.conformance.runner import Options
from opalink.conformance.selfcheck.measure import testable as musts
from opalink.conformance.selfcheck.mutants import mutants
from opalink.conformance.verdicts import Verdict
from opalink.conformance.zoo import roster as zoo
from opalink.conformance.zoo import (
    witnesses_descriptor,
    witnesses_frame,
    witnesses_lens,
    witnesses_motion,
    witnesses_repair,
)
from opalink.conformance.zoo.witness import Hearing, Saying, answering, hearing, saying
from opalink.protocol import codec
from opalink.protocol import packets as p
from opalink.protocol import strategies as made
from opalink.protocol.codec import Status
from opalink.protocol.engine.endpoint import Departure
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import Lane, PacketType

# ── What is charged ──────────────────────────────────────────────────────────────────────────────────

MODULES: Final = (witnesses_descriptor, witnesses_frame, witnesses_lens, witnesses_motion, witnesses_repair)
NAMES: Final = [kind.__name__ for module in MODULES for kind in module.ALL]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_charged_with_the_rule_that_it_breaks_and_with_no_other(name: str) -> None:
    member, known = zoo.members()[name], catalogue().by_key
    results = certify(member.uri, Options(member.plan, selection=member.selection)).results
    failed = [r for r in results if r.verdict is Verdict.FAIL]
    charged = {id_ for r in failed for id_ in r.charged or r.requirements}
    assert charged == {known[c].id if c in known else c for c in member.causes}


# ── Every MUST ───────────────────────────────────────────────────────────────────────────────────────

AREAS: Final = ("CAP", "DSC", "FRM", "LEN", "PROP", "SEC", "TIM", "TLV")


def test_every_must_of_these_chapters_has_a_witness_or_a_mutant_of_its_own() -> None:
    known = catalogue().by_key
    broken = {known[c].id if c in known else c for m in zoo.members().values() for c in m.causes}
    broken |= {id_ for m in mutants().values() for id_ in m.requirements}
    asked = [id_ for id_ in musts() if id_.split("-")[1] in AREAS]
    assert len(asked) > 300
    assert [id_ for id_ in asked if id_ not in broken] == []


# ── What the factories make ──────────────────────────────────────────────────────────────────────────


def _told(kind: type[Saying], data: bytes) -> list[bytes]:
    return [d.data for d in kind().says(Departure(0, Lane.LASER, data))]


SAME: Final = saying("Same", "Says what it should.", "R-LEN-018", "", p.LensState, lambda body: body)
MUTE: Final = saying("Mute", "Says nothing.", "R-LEN-018", "", p.LensState, lambda _: None)
DEAF: Final = hearing("Deaf", "Hears nothing.", "R-TIM-021", "", p.OisTarget, lambda _: None)


@given(made.packets(catalogue()))
def test_other_packets_and_unchanged_ones_stay_as_they_are(data: bytes) -> None:
    assert _told(SAME, data) == [data]
    lens = isinstance(codec.decode(data).body, p.LensState)
    assert _told(MUTE, data) == ([] if lens else [data])
    target = isinstance(codec.decode(data).body, p.OisTarget)
    assert DEAF().hears(data, Lane.LASER) == (None if target else data)


@given(st.binary(max_size=40))
def test_what_is_no_packet_is_handed_on(data: bytes) -> None:
    kind: type[Hearing] = DEAF
    assert kind().hears(data, Lane.SIDEBAND) == data


def test_a_status_is_put_in_the_place_of_another_and_of_no_third() -> None:
    kind = answering("Vague", "", "R-LEN-026", "", PacketType.OPTIC_SET, Status.BUSY, Status.MOTOR_BLOCKED)
    for given_, wanted in ((Status.MOTOR_BLOCKED, Status.BUSY), (Status.RANGE_LIMIT, Status.RANGE_LIMIT)):
        asked = codec.request(p.OpticSet(kind=p.OpticKind.APERTURE), 7)
        answer = codec.encode(codec.response(asked, p.Refusal(), given_))
        (departure,) = kind().says(Departure(0, Lane.LASER, answer))
        assert codec.decode(departure.data).status is wanted
