"""Which tests come near a mistake, and which requests are refused all the same: what the self-check leaves out.

Plan: places · the record · the product of two machines.
"""

from pathlib import Path

import pytest
from msgspec import structs

from opalink.conformance.campaign import begin
from opalink.conformance.purposes import Plan, Purpose
from opalink.conformance.runner import Options
from opalink.conformance.selection import select
from opalink.conformance.selfcheck.composition import pairs, refused
from opalink.conformance.selfcheck.equivalence import equivalent
from opalink.conformance.selfcheck.mutants import Mutant, features, mutants
from opalink.conformance.selfcheck.reach import Reach, kept, knowledge, places, survey
from opalink.conformance.tester.matrix import STATES
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Role

MUTANTS = mutants()
USUAL = catalogue().profile["four-thirds"]
CHOSEN = select(
    Role.MODULE, Plan.CI, "MOD/MGT/STATE_GET/ or MOD/PWR/PWR_BUDGET/BI or MOD/ATT/BEACON/TI or MOD/ATT/ALIVE"
)
TRIED = (  # by a test of these
    "check.dropped.STATE_GET.request.extensions.tlvs",
    "check.misnamed.PWR_BUDGET.request.cause.member",
    "check.sent.BEACON.event.laser_class.member",
    "legal.drop.LINK_LOST.STATE_GET",
    "timer.half.tKeepAlive",
    "row.drop.ATTACH.BEACON.tLaserRestartInterval",
)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Reach:
    return survey(USUAL.name, CHOSEN, "d", tmp_path_factory.mktemp("reach"))


# ── Places ───────────────────────────────────────────────────────────────────────────────────────────


def _verdicts(uri: str, purposes: list[Purpose]) -> dict[str, object]:
    with begin(uri, Options(plan=Plan.CI)) as certification:
        return {p.id: certification.runner.step(p).verdict for p in purposes}


@pytest.mark.parametrize("id_", TRIED)
def test_a_test_that_does_not_come_near_a_mistake_ends_as_with_the_reference(record: Reach, id_: str) -> None:
    mutant = MUTANTS[id_]
    where = places(mutant, USUAL)
    assert where is not None
    near = {p.id for p in record.near(where, CHOSEN)}
    with_it, without = (_verdicts(uri, list(CHOSEN)) for uri in (mutant.uri(USUAL), f"sim:{USUAL.name}"))
    differ = {p for p in with_it if with_it[p] != without[p]}
    assert differ, "it shows in some test"
    assert differ <= near
    assert len(near) < len(CHOSEN) or id_.startswith("row.")


def test_every_mutant_of_a_machine_differs_somewhere_unless_it_is_equivalent() -> None:
    some = [m for m in MUTANTS.values() if m.machine is not None][::40]
    assert len(some) > 40
    nowhere = [m for m in some if not places(m, USUAL)]
    assert all(equivalent(m, USUAL) for m in nowhere), [m.id for m in nowhere]


# ── The record ───────────────────────────────────────────────────────────────────────────────────────


def test_a_record_is_of_one_suite_and_whole(record: Reach, tmp_path: Path) -> None:
    made = survey(USUAL.name, CHOSEN[:2], "d", tmp_path)
    assert kept(USUAL.name, "d", tmp_path) == made
    assert kept(USUAL.name, "another suite", tmp_path) is None
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-3])
    assert kept(USUAL.name, "d", tmp_path) is None
    assert record.tests[CHOSEN[0].id]


def test_two_profiles_do_not_say_the_same_of_themselves(record: Reach) -> None:
    with begin("sim:four-thirds", Options()) as same, begin("sim:standalone", Options()) as other:
        assert knowledge(same) == record.knowledge
        assert knowledge(other) != record.knowledge


# ── The product of two machines ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", ["four-thirds", "standalone"])
def test_the_walk_comes_wherever_a_bench_does(profile: str) -> None:
    has = features(profile)
    machines = [m for m in catalogue().machines if m.role is Role.MODULE and m.name in STATES["READY"]]
    for machine in machines:
        found = {(at, state) for at, state, _ in pairs(profile, machine.name)}
        there = {s.name for m in [machine.within(has)] for r in m.rows for s in m.states if s.name in r.states}
        for at in STATES.values():
            if (
                machine.name != "ATTACH"
                and at[machine.name] in there
                and (machine.name, at[machine.name]) != ("LINK", "")
            ):
                assert (at["ATTACH"], at[machine.name]) in found, (machine.name, at)


def _add(state: str, packet: str) -> Mutant:
    return MUTANTS[f"legal.add.{state}.{packet}"]


def test_what_another_machine_refuses_without_a_session_is_refused_all_the_same() -> None:
    assert all(refused(_add("HELLO", packet), USUAL) for packet in ("CAPTURE_QUEUE", "FLUSH", "STREAM_CONTROL"))


def test_what_may_come_while_a_stream_is_set_up_is_not_proved() -> None:
    assert not refused(_add("DETACHING", "STREAM_CONTROL"), USUAL)
    assert not refused(_add("LINK_LOST", "BERT_RUN"), USUAL)
    other = structs.replace(_add("HELLO", "FLUSH"), id="legal.drop.HELLO.FLUSH")
    assert not refused(other, USUAL)
