"""Purposes: that the catalogue leaves none out, that none moves or has two faults, and what selects them.

Plan: identities · completeness · stimuli · conditions · selection · verdicts.
"""

import contextlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opalink.conformance.generated import Suite, generated
from opalink.conformance.purposes import Class, Damage, Exchange, Oracle, Plan, Purpose, included, unmet
from opalink.conformance.scenarios import scenario_of, scenarios
from opalink.conformance.selection import BadExpression, expression, purposes, select
from opalink.conformance.tester.matrix import GATEWAY, STATES, TRAINING
from opalink.conformance.tester.stimuli import stimulus
from opalink.conformance.verdicts import EXITS, Conclusion, Exit, Verdict, conclude, worst
from opalink.protocol import codec
from opalink.protocol.errors import DecodeError, Fault
from opalink.protocol.ir.load import catalogue
from opalink.protocol.packets import OperationTag
from opalink.spec import form
from opalink.spec.form import Form, Role

ALL = purposes(Role.MODULE)
GENERATED = generated(Role.MODULE)
SUITE = Suite(catalogue(), Role.MODULE)

# ── Identities ───────────────────────────────────────────────────────────────────────────────────────


def test_no_two_purposes_have_one_id() -> None:
    assert [name for name, n in Counter(p.id for p in ALL).items() if n > 1] == []


def test_an_id_is_made_of_role_area_subject_and_class() -> None:
    for p in ALL:
        role, _, subject, name = p.id.split("/")
        assert role == "MOD"
        assert subject.isupper()
        assert p.class_ in Class
        assert name[3:].startswith(("g.", "gf.")) is (not isinstance(p.run, str)), p.id


def test_ids_name_files_on_every_system() -> None:
    for p in ALL:
        assert not set(p.id) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-"), p.id


def test_the_same_catalogue_gives_the_same_purposes() -> None:
    assert generated.__wrapped__(Role.MODULE) == GENERATED


def test_purposes_exist_for_phones_too() -> None:
    made = generated(Role.PHONE)
    assert len({p.id for p in made}) == len(made) > 500
    assert all(p.id.startswith("PHN/") for p in made)


def test_every_requirement_that_is_cited_exists() -> None:
    for p in ALL:
        assert p.requirements, p.id
        assert not set(p.requirements) - set(catalogue().requirement), p.id


def test_every_feature_and_operation_that_is_needed_exists() -> None:
    features = {m.name for m in catalogue().flag_set["Feature"].members}
    for p in ALL:
        assert {w.lstrip("!") for word in p.needs for w in word.split("|")} <= features, p.id
        assert {o.upper() for o in p.operations} <= set(OperationTag.__members__), p.id


def test_every_scenario_has_its_function() -> None:
    for p in scenarios(Role.MODULE):
        assert scenario_of(p).__name__ == p.run


def test_sentences_are_in_tplan_form() -> None:
    for p in ALL:
        assert p.sentence.startswith("with {"), p.id
        assert "} ensure that {when {" in p.sentence, p.id
        assert p.sentence.endswith("}}"), p.id


# ── Completeness ─────────────────────────────────────────────────────────────────────────────────────


def test_every_generated_obligation_on_a_module_has_a_test() -> None:
    cited = {r for p in ALL for r in p.requirements}
    received = {p.name for p in SUITE.requests()}
    missing = [
        r.key
        for r in catalogue().requirements
        if r.key and r.test is form.Testability.ACTIVE and r.id not in cited
        if r.key.split(".")[0] in received or r.key.split(".")[0] in catalogue().space
    ]
    # A message that is too short violates its cap, which says BAD_VALUE: one of the two sentences must go.
    assert missing in ([], ["SPDM.request.short"])


@pytest.mark.parametrize("packet", SUITE.requests(), ids=lambda p: p.name)
def test_every_request_is_tried_in_every_way(packet: object) -> None:
    name = packet.name  # type: ignore[attr-defined]
    names = {p.id.rpartition("/")[2] for p in GENERATED if p.id.split("/")[2] == name}
    assert {"BV-g.default", "BV-g.maximum", "RB-g.crc", "BI-g.major", "BI-g.vc", "BI-g.instance"} <= names
    assert {"BV-g.spare0", "BV-g.spare2", "BV-g.repeated"} <= names
    on_the_bench = packet.name not in GATEWAY  # type: ignore[attr-defined]
    assert ({"RB-g.cut", "RB-g.tail"} <= names) is on_the_bench
    assert ("NP-g.absent" in names) is bool(packet.needs)  # type: ignore[attr-defined]


def test_every_unassigned_code_is_tried() -> None:
    tried = {p.run.packet for p in GENERATED if isinstance(p.run, Exchange)}
    assert tried == set(range(256))


def test_every_cell_of_state_and_request_has_one_outcome() -> None:
    refused = {p.id for p in GENERATED if p.class_ is Class.BO}
    for packet in SUITE.requests():
        cells = SUITE.matrix.cells(packet)
        assert set(cells) == set(STATES)
        for state, passes in cells.items():
            assert not (passes and any(i.endswith(f"/{packet.name}/BO-g.{state}") for i in refused))


def test_what_the_gateway_answers_is_for_the_flit_plane() -> None:
    for p in GENERATED:
        subject = p.id.split("/")[2]
        by_light = "-gf." in p.id or (isinstance(p.run, Exchange) and p.run.state in TRAINING)
        assert (p.planes == ("flit",)) is (subject in GATEWAY or by_light), p.id


# ── Stimuli ──────────────────────────────────────────────────────────────────────────────────────────


def _exchanges(*oracles: Oracle) -> list[tuple[Purpose, Exchange]]:
    return [(p, p.run) for p in GENERATED if isinstance(p.run, Exchange) and p.run.oracle in oracles]


def _found(x: Exchange) -> DecodeError | None:
    try:
        codec.decode(stimulus(x, 7, 0))
    except DecodeError as error:
        return error
    return None


def test_what_must_be_accepted_decodes() -> None:
    for p, x in _exchanges(Oracle.ACCEPTED, Oracle.REPEATED):
        assert _found(x) is None, p.id


def test_a_bad_length_is_one_and_a_bad_value_is_another() -> None:
    for p, x in _exchanges(Oracle.REFUSED):
        error = _found(x)
        if x.statuses == ("BAD_LENGTH",):
            assert error is not None, p.id
            assert error.fault in (Fault.SHORT, Fault.LONG), p.id
        elif x.statuses == ("BAD_VALUE",) and error is not None:
            assert error.fault in (Fault.RANGE, Fault.CONST, Fault.CAP), p.id


def test_a_control_is_the_stimulus_without_its_fault() -> None:
    for p, x in _exchanges(Oracle.REFUSED):
        if x.control is not None:
            plain = Exchange(x.packet, x.control, Oracle.ACCEPTED)
            assert _found(plain) is None, p.id


@pytest.mark.parametrize("damage", [Damage.CRC, Damage.CUT, Damage.TAIL])
def test_damage_is_seen(damage: Damage) -> None:
    error = _found(Exchange(0x21, b"", Oracle.DROPPED, damage=damage))
    assert error is not None
    assert error.packet is None


def test_another_major_version_keeps_its_crc() -> None:
    error = _found(Exchange(0x21, b"", Oracle.REFUSED, header=(("major", 2),)))
    assert error is not None
    assert (error.fault, error.path) == (Fault.CONST, "major")


def test_an_event_has_no_transaction() -> None:
    assert codec.decode(stimulus(Exchange(0x4A, bytes(3), Oracle.SILENT, Form.EVENT), 9, 0)).txn == 0


# ── Conditions ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("needs", "features", "word"),
    [
        ((), (), None),
        (("LASER",), ("LASER",), None),
        (("LASER",), (), "LASER"),
        (("!LASER",), (), None),
        (("!LASER",), ("LASER",), "!LASER"),
        (("LENS|SENSOR",), ("SENSOR",), None),
        (("LENS|SENSOR", "OIS"), ("SENSOR",), "OIS"),
    ],
)
def test_conditions(needs: tuple[str, ...], features: tuple[str, ...], word: str | None) -> None:
    assert unmet(needs, features) == word


# ── Selection ────────────────────────────────────────────────────────────────────────────────────────


def test_each_plan_contains_the_one_before() -> None:
    quick, ci, bench, cert = ({p.id for p in select(Role.MODULE, plan)} for plan in Plan)
    assert quick < ci <= bench <= cert
    assert included(Plan.QUICK, Plan.CERT)
    assert not included(Plan.CI, Plan.QUICK)


def test_a_whole_id_selects_one_purpose_whatever_the_plan() -> None:
    (found,) = select(Role.MODULE, Plan.QUICK, "MOD/MGT/EJECT/BI-g.phase.unknown_member")
    assert found.id == "MOD/MGT/EJECT/BI-g.phase.unknown_member"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("eject", True),
        ("EJECT and not phase", False),
        ("pwr or (mgt and phase)", True),
        ("not (pwr or cap)", True),
        ("R-MGT-167", True),
        ("r-mgt-167 and BI-g", True),
        ("R-MGT-16", False),
    ],
)
def test_expressions(text: str, holds: bool) -> None:
    purpose = Purpose("MOD/MGT/EJECT/BI-g.phase.unknown_member", ("R-MGT-167",), "", "")
    assert expression(text)(purpose) is holds


@given(st.text(alphabet="()ab ndort", max_size=30))
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    with contextlib.suppress(BadExpression):
        expression(text)


@pytest.mark.parametrize("text", ["and", "a and", "not", "(a", "a)", "a b", "or a", "()"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(BadExpression, match=r" is no selection: .*\.$"):
        expression(text)


# ── Verdicts ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_worst_verdict_wins() -> None:
    assert worst([]) is None
    assert worst([Verdict.PASS]) is Verdict.PASS
    assert worst([Verdict.PASS, Verdict.INCONC]) is Verdict.INCONC
    assert worst([Verdict.FAIL, Verdict.INCONC]) is Verdict.FAIL


@pytest.mark.parametrize(
    ("counts", "conclusion", "code"),
    [
        ({}, Conclusion.NOTHING_RAN, 5),
        ({Verdict.NA: 9}, Conclusion.NOTHING_RAN, 5),
        ({Verdict.NOTRUN: 9}, Conclusion.NOTHING_RAN, 5),
        ({Verdict.PASS: 1, Verdict.NA: 1}, Conclusion.CONFORMANT, 0),
        ({Verdict.PASS: 1, Verdict.NOTRUN: 1}, Conclusion.INCONCLUSIVE, 3),
        ({Verdict.PASS: 1, Verdict.INCONC: 1}, Conclusion.INCONCLUSIVE, 3),
        ({Verdict.INCONC: 1}, Conclusion.INCONCLUSIVE, 3),
        ({Verdict.PASS: 1, Verdict.ERROR: 1}, Conclusion.TESTER_FAULT, 4),
        ({Verdict.PASS: 9, Verdict.FAIL: 1, Verdict.ERROR: 1}, Conclusion.NON_CONFORMANT, 1),
    ],
)
def test_the_conclusion(counts: dict[Verdict, int], conclusion: Conclusion, code: int) -> None:
    assert conclude(counts) is conclusion
    assert EXITS[conclusion] == Exit(code)


@given(st.dictionaries(st.sampled_from(Verdict), st.integers(0, 3)))
def test_nothing_is_conformant_that_did_not_pass(counts: dict[Verdict, int]) -> None:
    if conclude(counts) is Conclusion.CONFORMANT:
        assert counts[Verdict.PASS]
        assert not any(n for v, n in counts.items() if v not in (Verdict.PASS, Verdict.NA))
