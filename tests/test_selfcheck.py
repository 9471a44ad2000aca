"""The suite measured: mutants are data, equivalence is proved, and what a run leaves can be gone on with.

Plan: the registry · what a mutant does · equivalence · trials · what it comes to · beyond any bench · the last result ·
the command.
"""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from opalink.__main__ import cli
from opalink.conformance.purposes import Plan
from opalink.conformance.sealed import sources
from opalink.conformance.selection import select
from opalink.conformance.selfcheck import measure as selfcheck
from opalink.conformance.selfcheck import run
from opalink.conformance.selfcheck.equivalence import BEYOND, beyond, difference, equivalent
from opalink.conformance.selfcheck.measure import Depth, Fate, Outcome, Part, StuckError
from opalink.conformance.selfcheck.mutants import Mutant, mutants
from opalink.conformance.selfcheck.mutants_packets import hear, say
from opalink.conformance.selfcheck.run import Terms, Trial
from opalink.conformance.tester.matrix import UNREACHED
from opalink.conformance.zoo import roster as zoo
from opalink.protocol.codec import Packet, Status, decode, encode
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import CountersGet, StateGet
from opalink.protocol.transport import IutUri
from opalink.spec.form import Role

MUTANTS = mutants()
USUAL = catalogue().profile["four-thirds"]
PROVED = "order.swap.ATTACH.DETACHING.EJECT_request.phase_prepare.after_phase_commit.DETACHING"  # equivalent
MACHINES = [m for m in catalogue().machines if m.role is Role.MODULE]

# ── The registry ─────────────────────────────────────────────────────────────────────────────────────


def test_there_are_enough_mutants_of_every_kind() -> None:
    operators = {m.operator for m in MUTANTS.values()}
    assert len(MUTANTS) >= 600
    assert {"row.drop", "row.stay", "order.swap", "status.swap", "guard.drop", "action.drop"} <= operators
    assert {"timer.double", "legal.add", "legal.drop", "check.dropped", "check.minded", "check.narrow"} <= operators


def test_every_id_has_a_uri() -> None:
    for m in MUTANTS.values():
        assert all(part.isidentifier() for part in m.id.split(".")), m.id
        for profile in m.profiles:
            assert IutUri.parse(m.uri(profile)).kind == "py"


def test_every_mutant_says_one_thing_that_is_other_than_declared() -> None:
    known = catalogue()
    for m in MUTANTS.values():
        assert sum(x is not None for x in (m.machine, m.timer, m.check)) == 1, m.id
        assert m.machine not in known.machines, m.id
        assert m.timer not in known.timers, m.id
        assert all(r in known.requirement for r in m.requirements), m.id


def test_no_two_mutants_of_machines_are_the_same() -> None:
    same: dict[bytes, str] = {}
    for m in MUTANTS.values():
        if m.machine is not None:
            key = msgspec.msgpack.encode(m.machine)
            assert key not in same, (m.id, same[key])
            same[key] = m.id


# ── What a mutant does ───────────────────────────────────────────────────────────────────────────────


@given(st.sampled_from([m for m in MUTANTS.values() if m.check]), st.binary(max_size=80))
@settings(max_examples=200, deadline=None)
def test_a_mistake_in_a_check_leaves_what_is_no_packet_alone(mutant: Mutant, data: bytes) -> None:
    assert mutant.check is not None
    assert hear(mutant.check, data) == (data, None)


@given(st.sampled_from([m for m in MUTANTS.values() if m.check and m.subjects != ("STATE_GET",)]))
@settings(max_examples=50, deadline=None)
def test_a_mistake_in_a_check_leaves_other_types_alone(mutant: Mutant) -> None:
    assert mutant.check is not None
    data = encode(Packet(type=catalogue().packet["STATE_GET"].code, vc=1, txn=7, body=StateGet()))
    assert hear(mutant.check, data) == (data, None)
    assert say(mutant.check, data) == data


def test_a_refusing_mutant_keeps_a_request_of_its_type_from_the_module() -> None:
    check = MUTANTS["check.refused.COUNTERS_GET.request"].check
    assert check is not None
    data = encode(Packet(type=check.code, vc=1, txn=7, body=CountersGet(groups=1)))
    heard, answer = hear(check, data)
    assert heard is None
    assert answer is not None
    assert decode(answer).status == Status.BAD_VALUE


# ── Equivalence ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: m.name)
def test_a_machine_is_equivalent_to_itself(machine: object) -> None:
    found = next(m for m in MACHINES if m is machine)
    assert difference(found, found) is None


@pytest.mark.parametrize("operator", ["status.swap", "legal.add", "legal.drop", "row.stay"])
def test_a_changed_answer_is_never_proved_equivalent_in_a_state_that_is_reached(operator: str) -> None:
    some = [m for m in MUTANTS.values() if m.operator == operator and m.profiles][::60]
    assert some
    assert [m.id for m in some if equivalent(m, USUAL)] == []


def test_rows_whose_guards_exclude_one_another_may_be_swapped() -> None:
    assert equivalent(MUTANTS[PROVED], USUAL)


def test_a_mutant_meets_every_test_once() -> None:
    whole = select(Role.MODULE, Plan.CI)
    found = selfcheck.stages(MUTANTS["timer.double.tKeepAlive"], whole)
    assert sorted(p.id for stage in found.values() for p in stage) == sorted(p.id for p in whole)
    assert all("R-MGT-050" in p.requirements for p in found[Depth.CITING])


# ── Trials ───────────────────────────────────────────────────────────────────────────────────────────

KILLED = (
    "timer.double.tSinkWaitCaps",
    "check.dropped.STATE_GET.request.extensions.tlvs",
    "check.refused.COUNTERS_GET.request",
    "check.misnamed.PWR_BUDGET.request.cause.member",
    "legal.drop.DETACHING.HELLO",
)


@pytest.mark.parametrize("id_", KILLED)
def test_a_test_that_cites_its_requirement_kills_it(id_: str) -> None:
    found = selfcheck.try_mutant(MUTANTS[id_], Depth.CITING)
    assert found.fate is Fate.KILLED, found
    assert set(found.charged) & set(MUTANTS[id_].requirements), found


def test_what_is_proved_equivalent_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "equivalent", lambda *_: False)
    found = selfcheck._try_on(USUAL, MUTANTS[PROVED], Depth.CITING, "")
    assert found.fate is Fate.SURVIVED, found
    assert "none of 0 tests" not in found.why


def test_a_mutant_that_no_profile_can_show_is_out_of_every_profile() -> None:
    outside = structs.replace(MUTANTS["timer.double.tKeepAlive"], needs=("LASER", "!LASER"))
    assert selfcheck.try_mutant(outside).fate is Fate.OUTSIDE


def _for_ever() -> None:
    while True:
        pass


def test_what_never_comes_back_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "_STUCK", 0.05)
    with pytest.raises(StuckError), selfcheck.limited():
        _for_ever()


def test_a_member_of_the_zoo_that_is_not_what_it_should_be_is_a_surprise() -> None:
    member = structs.replace(zoo.members()["CountsByTwo"], causes=("R-PWR-021",))
    assert selfcheck.try_member(member).fate is Fate.SURPRISE
    assert selfcheck.try_member(zoo.members()["CountsByTwo"]).fate is Fate.EXPECTED


# ── What it comes to ─────────────────────────────────────────────────────────────────────────────────


def outcomes(killed: int, survived: int) -> list[Outcome]:
    ids = iter(MUTANTS)
    fates = [Fate.KILLED] * killed + [Fate.SURVIVED] * survived
    return [Outcome(next(ids), "d", Part.MUTANTS, f, Depth.CITING) for f in fates]


def test_less_than_95_of_100_is_not_good() -> None:
    assert selfcheck.good(outcomes(95, 5), whole=False)
    assert not selfcheck.good(outcomes(94, 6), whole=False)


def test_one_false_failure_or_one_surprise_is_not_good() -> None:
    fine = outcomes(20, 0)
    assert not selfcheck.good([*fine, Outcome("seed.x.1", "d", Part.SEEDS, Fate.FAILED)], whole=False)
    assert not selfcheck.good([*fine, Outcome("zoo.X", "d", Part.ZOO, Fate.SURPRISE)], whole=False)


def test_a_whole_run_is_asked_for_a_witness_of_every_must() -> None:
    few = outcomes(20, 0)
    assert selfcheck.good(few, whole=False)
    assert not selfcheck.good(few, whole=True)
    rest = [Outcome(f"zoo.{name}", "d", Part.ZOO, Fate.EXPECTED) for name in zoo.members()]
    assert len(selfcheck.summary([*few, *rest])["must"]["lacking"]) > 700
    rest[0] = structs.replace(rest[0], charged=tuple(selfcheck.testable()))
    assert selfcheck.good([*few, *rest], whole=True)
    assert not selfcheck.good([*few, *rest[:-1]], whole=True)


def test_what_lacks_a_witness_is_said_once_the_zoo_was_tried_whole() -> None:
    part = [Outcome(f"zoo.{name}", "d", Part.ZOO, Fate.EXPECTED) for name in list(zoo.members())[1:]]
    assert selfcheck.summary(part)["must"]["lacking"] is None
    missing = [Outcome(f"zoo.{name}", "d", Part.ZOO, Fate.EXPECTED) for name in list(zoo.members())[:1]]
    must = selfcheck.summary(part, missing)["must"]
    assert len(must["lacking"]) + must["excused"] == must["testable"] == len(selfcheck.testable())


def test_forty_seeds_in_a_row_meet_every_test() -> None:
    whole = select(Role.MODULE, Plan.CI)
    met = [p for seed in range(7, 7 + selfcheck.SHARES) for p in whole[seed % selfcheck.SHARES :: selfcheck.SHARES]]
    assert sorted(p.id for p in met) == sorted(p.id for p in whole)


def test_a_second_run_tries_only_what_has_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    fates = {"a": Fate.EXPECTED, "b": Fate.SURVIVED}

    def attempt(trial: Trial, terms: Terms) -> Outcome:
        tried.append(trial.id)
        return Outcome(trial.id, terms.mark, Part.ZOO, fates[trial.id], Depth.CITING)

    def again(depth: Depth, mark: str) -> list[str]:
        tried.clear()
        found = run.run(both, Terms(depth, mark, tmp_path), lambda *_: None)
        assert [o.id for o in found] == ["a", "b"]
        return list(tried)

    monkeypatch.setattr(run, "attempt", attempt)
    path, both = tmp_path / run.LINES, [Trial(id_, Part.ZOO, id_) for id_ in fates]
    assert again(Depth.CITING, "d") == ["a", "b"]
    assert again(Depth.CITING, "d") == []
    path.write_bytes(path.read_bytes()[:-5])  # cut off while it was written
    assert again(Depth.CITING, "d") == ["b"]
    assert again(Depth.CHAPTER, "d") == ["b"]  # a survivor has to meet more
    assert again(Depth.CITING, "another suite") == ["a", "b"]


def test_several_processes_find_what_one_finds(tmp_path: Path) -> None:
    chosen = run.trials([Part.MUTANTS], only="check.minded.[!P]*")
    assert len(chosen) > 1
    one, two = (
        run.run(chosen, Terms(Depth.CITING, "d", tmp_path / str(jobs)), lambda *_: None, jobs) for jobs in (1, 2)
    )
    assert one == two


def test_a_pattern_of_ids_chooses_among_all_parts() -> None:
    assert {t.part for t in run.trials(list(Part), seeds=1, only="*i*")} == set(Part)
    assert [t.name for t in run.trials(list(Part), seeds=1, only="zoo.Mute")] == ["Mute"]


# ── Beyond any bench ─────────────────────────────────────────────────────────────────────────────────


ASIDE = [m for m in MUTANTS.values() if ".FIRMWARE.STAGED." in m.id and m.profiles]


def test_a_mistake_in_a_state_that_no_bench_brings_about_is_outside_and_says_why() -> None:
    found = selfcheck.try_mutant(next(m for m in ASIDE if all(beyond(m, p) for p in m.profiles)), Depth.CITING)
    assert found.fate is Fate.OUTSIDE, found
    assert found.why in {UNREACHED[place] for place in BEYOND}


def test_a_mistake_in_a_state_that_is_reached_too_is_not_outside() -> None:
    assert not any(beyond(m, USUAL) and equivalent(m, USUAL) for m in ASIDE[::4])
    reached = [m for i, m in MUTANTS.items() if i.startswith("row.drop.FIRMWARE.DOWNLOAD.")]
    assert reached
    assert not any(beyond(m, USUAL) for m in reached[::4])


def test_a_survivor_is_sorted_by_what_the_suite_lacks() -> None:
    assert selfcheck.triage("timer.double.tLosToLaserOff") is selfcheck.Triage.TIMER
    assert selfcheck.triage("legal.drop.HELLO.PENDING") is selfcheck.Triage.PACKET
    assert selfcheck.triage("row.drop.FIRMWARE.APPLY.FW_CONTROL_request") is selfcheck.Triage.UNREACHED
    walked = next(i for i, m in MUTANTS.items() if i.startswith("row.drop.POWER.BOOT.PWR_BUDGET"))
    assert selfcheck.triage(walked) is selfcheck.Triage.UNTOLD


# ── The last result ──────────────────────────────────────────────────────────────────────────────────


def test_numbers_of_another_suite_are_said_to_be_stale(tmp_path: Path) -> None:
    path = selfcheck.record({"digest": sources.digest(), "x": 1}, tmp_path / "kept.json")
    assert selfcheck.stale(selfcheck.recorded(path)) == ""
    old = {**selfcheck.recorded(path), "digest": "0" * 64}
    assert "another suite" in selfcheck.stale(old)
    assert "000000000000" in selfcheck.stale(old)


def test_the_digest_covers_the_stored_walks_and_no_result() -> None:
    covered = {path.name for path in sources.parts()}
    assert {"attach.json", "measure.py", "module.py"} <= covered
    assert selfcheck.RECORD not in covered


def test_the_last_numbers_are_printed_with_what_is_to_be_said_of_their_age(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {"every": 20, "start": 0, "depth": "citing", **selfcheck.summary(outcomes(19, 1))}
    monkeypatch.setattr(selfcheck, "recorded", lambda: numbers)
    printed = CliRunner().invoke(cli, ["selfcheck", "--last"])
    assert printed.exit_code == 0
    assert "19 killed, 1 survived (95.0 %)" in printed.stdout
    assert "another suite" in printed.stdout  # their digest is "d"


def test_what_is_checked_in_has_its_sample_and_its_digest() -> None:
    numbers = selfcheck.recorded()
    assert numbers["digest"]
    assert numbers["every"] >= 1
    assert numbers["mutants"]["total"] >= 50
    assert all(found["triage"] for found in numbers["mutants"]["survived"])


# ── The command ──────────────────────────────────────────────────────────────────────────────────────


def test_the_command_prints_its_numbers_and_says_in_its_exit_code_whether_they_do(tmp_path: Path) -> None:
    options = ["--part", "mutants", "--only", KILLED[1], "--depth", "citing", "--json", "--out", str(tmp_path)]
    result = CliRunner().invoke(cli, ["selfcheck", *options])
    numbers = json.loads(result.stdout)
    assert {"mutants", "must", "zoo", "false_failures"} <= numbers.keys()
    assert numbers["mutants"]["total"] == numbers["mutants"]["killed"] == numbers["must"]["witnessed"] == 1
    assert json.loads((tmp_path / "summary.json").read_text()) == numbers
    assert result.exit_code == 0


def test_a_pattern_that_matches_nothing_is_one_sentence_and_no_success(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["selfcheck", "--only", "nothing.*", "--out", str(tmp_path)])
    assert result.exit_code == 5
    assert result.stderr == "Error: No trial's ID matches 'nothing.*'.\n"
