"""Every rule of `opalink spec check` finds what breaks it, and finds nothing else.

Each case changes the real catalogue in one place so that one rule alone is broken, in every way in which the rule
looks. The catalogue itself breaks none.

Plan: changes · layouts · packets · numbers and codes · machines · profiles · requirements · the tests.
"""

from typing import Any

import pytest
from msgspec import structs

from opalink.protocol.check import RULES, check
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.diagnostics import DIAGNOSTICS
from opalink.protocol.ir.load import catalogue, declared
from opalink.spec import form
from opalink.spec.form import (
    Answer,
    Choice,
    Do,
    Expired,
    Form,
    Kind,
    Level,
    Line,
    Local,
    Received,
    Requirement,
    Role,
    Row,
    Scope,
    Send,
    Signal,
    Start,
    State,
    Status,
    Stop,
    Term,
)
from tests.changes import Change, altered, chain, machine, new, part

REAL = catalogue()

# ── Changes ──────────────────────────────────────────────────────────────────────────────────────────


def frame(*rows: Row, **more: Any) -> Change:
    """The phone's FRAME machine with further rows."""
    return machine("FRAME", Role.PHONE, rows=lambda old: old + rows, **more)


NEW_TYPE = ir.Packet(0xEF, "NEW_TYPE", "A new type.", "wire", "LINK", Role.PHONE, {Form.EVENT: "Empty"})
EMPTY = ir.Layout("Empty", "Nothing.", ())
TAIL = ir.Tlvs("tail", "Extensions.", "extensions")


def tlv(**fields: Any) -> Change:
    """The properties with one more type, which holds nothing."""
    made = structs.replace(ir.TlvType(0x7777, "new_type", "A new type.", "Empty"), **fields)
    return chain(new(layouts=EMPTY), altered("spaces", "properties", types=lambda old: (*old, made)))


def packet(**fields: Any) -> Change:
    """One more packet type: an event that holds nothing, and that is legal somewhere."""
    made = structs.replace(NEW_TYPE, **fields)

    def allow(states: tuple[State, ...]) -> tuple[State, ...]:
        return (*states[:-1], structs.replace(states[-1], allows=(*states[-1].allows, made.name)))

    return chain(new(layouts=EMPTY), new(packets=made), machine("ATTACH", Role.MODULE, states=allow))


def spaces_in_spaces(c: ir.Catalogue) -> ir.Catalogue:
    """TLVs in TLVs in TLVs."""
    inner = {"one": "two", "two": "three"}
    for name in ("one", "two", "three"):
        types = (ir.TlvType(1, "inner", "What is inside.", f"Holds_{inner[name]}"),) if name in inner else ()
        c = new(spaces=ir.Space(name, "A space.", types))(c)
        c = new(layouts=ir.Layout(f"Holds_{name}", "A body.", (ir.Tlvs("inside", "TLVs.", name),)))(c)
    return c


def unknown_in(layout: str, *parts: ir.Part) -> Change:
    return altered("layouts", layout, parts=lambda old: old + parts)


def sentence(text: str, /, **fields: Any) -> Change:
    """One more requirement."""
    made = Requirement(
        "R-PWR-099", text, Level.MUST, Role.MODULE, Kind.BEHAVIOUR, form.Testability.ACTIVE, packet="PWR_READY"
    )
    return new(requirements=structs.replace(made, **fields))


def descriptor(record: str, /, **fields: Any) -> Change:
    """A profile whose descriptor has one more record."""
    return altered("profiles", "macro-tube", descriptor=lambda old: (*old, (record, fields)))


def excused(c: ir.Catalogue) -> ir.Catalogue:
    """Every tenth MUST rests on a reason."""
    musts = [r for r in c.requirements if r.level is Level.MUST]
    chosen = {r.id for r in musts[::10]}
    changed = {"test": form.Testability.UNTESTABLE, "reason": "Nobody can see it."}
    return structs.replace(
        c, requirements=tuple(structs.replace(r, **changed) if r.id in chosen else r for r in c.requirements)
    )


def without_key(c: ir.Catalogue) -> ir.Catalogue:
    gone = c.by_key["PWR_REQUEST.request.object.range"]
    return structs.replace(c, requirements=tuple(r for r in c.requirements if r is not gone))


ON = ("FILLING",)
BLOCK = Received("FRAME_BLOCK", Form.EVENT)
LOST = Local("session_closed")
NOWHERE = State("NOWHERE", "A state.")
OVER = ("PARTIAL",)
ALIVE = Received("KEEPALIVE", Form.REQUEST)

# ── Cases: the rule that is broken, and how ──────────────────────────────────────────────────────────

CASES: list[tuple[str, Change]] = [
    ("L01", part("PwrRequest", "operating", name="max")),
    ("L01", part("PwrRequest", "mismatch", name="max")),
    ("L01", altered("envelopes", "FLIT", header=lambda old: (structs.replace(old[0], name="vc"), *old[1:]))),
    ("L02", altered("layouts", "PwrSourceCaps", parts=lambda old: (old[2], *old[:2], *old[3:]))),
    ("L02", unknown_in("PwrSourceCaps", TAIL)),
    ("L03", part("Offer", "flags", fields=lambda old: old[1:])),
    ("L04", part("PwrReady", "voltage", doc="voltage at the contacts.")),
    ("L04", part("PwrReady", "voltage", doc="Voltage at the contacts")),
    ("L04", altered("packets", "PWR_READY", doc="")),
    ("L04", altered("timers", "tHello", doc="The time")),
    ("L04", altered("enums", "OfferKind", members=lambda old: (structs.replace(old[0], doc="x"), *old[1:]))),
    ("L05", part("PwrReady", "object", default=7)),
    ("L05", part("Offer", "min", lo=30_000)),
    ("L05", part("Offer", "min", hi=0x1_0000)),
    ("L06", altered("enums", "OfferKind", members=lambda old: (*old, structs.replace(old[0], name="AGAIN")))),
    ("L06", altered("enums", "OfferKind", members=lambda old: (*old, structs.replace(old[0], value=99)))),
    ("L06", altered("enums", "OfferKind", members=lambda old: (*old, structs.replace(old[0], name="BIG", value=256)))),
    ("L06", altered("flags", "Feature", members=lambda old: (*old, structs.replace(old[0], name="BIG", value=64)))),
    ("L07", part("PwrReady", "voltage", name="Voltage")),
    ("L07", part("PwrReady", "voltage", name="_voltage")),
    ("L07", part("PwrReady", "voltage", name="class")),
    ("L07", part("PwrReady", "voltage", name="unsigned")),
    ("L07", part("PwrReady", "voltage", name="payload")),
    ("L07", tlv(name="new-type")),
    ("L07", packet(name="NewType")),
    ("L08", unknown_in("Offer", TAIL)),
    ("L09", tlv(tag=REAL.space["properties"].types[0].tag)),
    ("L09", tlv(name=REAL.space["properties"].types[0].name)),
    ("L09", tlv(tag=0xFFF0)),
    ("L09", tlv(tag=0)),
    ("L10", part("PwrSourceCaps", "offers", hi=256)),
    ("L10", part("PwrSourceCaps", "offers", lo=9, hi=8)),
    ("L11", spaces_in_spaces),
    ("L12", chain(new(layouts=EMPTY), part("PwrSourceCaps", "offers", row="Empty"))),
    ("P01", packet(code=REAL.packet["PWR_READY"].code)),
    ("P01", packet(name="STATS", code=0xEF)),
    ("P01", packet(code=256)),
    ("P02", packet(forms={Form.RESPONSE: "Empty"})),
    ("P02", packet(forms={Form.EVENT: "Empty", Form.ERROR: "Empty"})),
    ("P02", packet(forms={})),
    ("P03", packet(channel="NONE")),
    ("P03", packet(needs=("WINGS",))),
    ("P03", packet(statuses=("NOPE",))),
    ("P03", packet(statuses=("BAD_CRC",))),
    ("P03", packet(statuses=("OK",))),
    ("P03", packet(lanes=())),
    ("P03", packet(lanes=("radio",))),
    ("P04", altered("channels", "POWER", payload_max=1)),
    ("P04", altered("channels", "RT", payload_max=100)),
    ("N01", altered("statuses", "BUSY", value=REAL.status["NO_MEMORY"].value)),
    ("N01", altered("gears", "G5", name="G4")),
    ("N01", altered("limits", "nak_rounds", name="streams")),
    ("N01", altered("channels", "VENDOR", value=0)),
    ("N01", new(timers=REAL.timer["tHello"])),
    ("N02", new(statuses=Status("LONELY", 0xE0, (Scope.RESPONSE,), "Nobody answers it."))),
    ("N03", altered("timers", "tKeepAlive", min=300, max=200)),
    ("N03", altered("timers", "tKeepAlive", min=0)),
    ("N03", altered("timers", "tHello", max=None)),
    ("N03", altered("timers", "tKeepAlive", min=None)),
    ("N03", altered("timers", "tDetachNotice", min=None)),
    ("N04", altered("crcs", "crc16", check=0)),
    ("N04", altered("crcs", "crc32c", poly=0x04C11DB7)),
    ("N05", new(timers=structs.replace(REAL.timer["tHello"], name="tLonely"))),
    ("N05", new(timers=structs.replace(REAL.timer["tHello"], name="tHell"))),
    ("F01", altered("profiles", "macro-tube", requires=("WINGS",))),
    ("F01", altered("profiles", "macro-tube", allows=lambda old: (*old, "STACK", "STACK"), requires=())),
    ("F02", descriptor("wings")),
    ("F02", descriptor("identity", wings=1)),
    ("F02", descriptor("identity", built=-1)),
    ("F02", descriptor("identity", built="yesterday")),
    ("F02", descriptor("identity", serial="00")),
    ("F02", descriptor("identity", serial="no hexadecimal")),
    ("F02", descriptor("identity", model_name="x" * 300)),
    ("F02", descriptor("sensor", cfa="PURPLE")),
    ("F02", descriptor("rings", rings=[{}] * 300)),
    ("F02", descriptor("rings", rings=[{"counts": -1}])),
    ("R01", sentence("The module MUST hold and MUST fold.")),
    ("R01", sentence("The module SHOULD hold.")),
    ("R01", sentence("The module holds.")),
    ("R01", sentence("The module MUST hold. It folds.")),
    ("R01", sentence("The module MUST hold")),
    ("R02", sentence("The module MUST hold.", id="R-PWR-001")),
    ("R02", sentence("The module MUST hold.", id="R-WINGS-001")),
    ("R02", sentence("The module MUST hold.", id="R-PWR-1")),
    ("R03", part("PwrReady", "limit", req=("R-PWR-999",))),
    ("R03", frame(Row(("PARTIAL",), LOST, req=("R-FRM-999",)))),
    ("R04", sentence("The module MUST hold.", packet="PWR_WINGS")),
    ("R04", sentence("The module MUST hold.", needs=("WINGS",))),
    ("R04", sentence("The module MUST hold.", needs=("!WINGS",))),
    ("R05", sentence("The module MUST hold.", reason="Nobody can see it.")),
    ("R05", sentence("The module MUST hold.", test=form.Testability.INSPECT)),
    ("R06", excused),
    ("R07", without_key),
    ("M01", frame(Row(("NOWHERE",), LOST))),
    ("M01", frame(Row(("PARTIAL",), LOST, next="NOWHERE"))),
    ("M01", machine("FRAME", Role.PHONE, states=lambda old: (*old, old[0]))),
    ("M01", new(machines=next(m for m in REAL.machines if m.name == "FRAME"))),
    ("M02", frame(Row(ON, Received("PWR_WINGS", Form.EVENT)))),
    ("M02", frame(Row(ON, Received("FRAME_BLOCK", Form.RESPONSE)))),
    ("M02", frame(Row(ON, Received("FRAME_BLOCK", Form.ERROR)))),
    ("M02", frame(Row(ON, Received("TRUST_POLICY", Form.EVENT)))),
    ("M02", frame(Row(("PARTIAL",), LOST, actions=(Send("FRAME_BLOCK", Form.EVENT),)))),
    ("M03", frame(Row(("PARTIAL",), LOST, guards=("!undeclared",)))),
    ("M03", frame(Row(("PARTIAL",), LOST, actions=(Do("undeclared"),)))),
    ("M03", frame(Row(("PARTIAL",), Line("undeclared")))),
    ("M03", frame(guards=lambda old: (*old, Term("unused", "Never asked.")))),
    ("M03", frame(effects=lambda old: (*old, Term("unused", "Never done.")))),
    ("M04", frame(Row(("PARTIAL",), LOST, actions=(Start("tWings"),)), Row(("PARTIAL",), Expired("tWings")))),
    ("M04", frame(Row(("PARTIAL",), Expired("tHello")))),
    ("M04", frame(Row(("PARTIAL",), LOST, actions=(Start("tHello"),)))),
    ("M04", frame(Row(("PARTIAL",), LOST, actions=(Stop("tHello"),)))),
    ("M05", machine("FRAME", Role.PHONE, states=lambda old: (*old, NOWHERE))),
    ("M06", frame(Row(("PARTIAL",), Received("READY", Form.EVENT), actions=(Answer("OK"),)))),
    ("M06", frame(Row(("PARTIAL",), Received("KEEPALIVE", Form.REQUEST)))),
    ("M06", frame(Row(("PARTIAL",), Received("KEEPALIVE", Form.REQUEST), actions=(Answer("OK"), Answer("OK"))))),
    ("M06", frame(Row(("PARTIAL",), Received("KEEPALIVE", Form.REQUEST), actions=(Answer("FW_ROLLBACK"),)))),
    ("M07", frame(Row(ON, BLOCK))),
    ("M08", frame(Row(("PARTIAL",), LOST, actions=(Signal("cry"),)), locals=lambda old: (*old, Term("cry", "A cry.")))),
    ("M09", machine("ATTACH", Role.PHONE, states=lambda old: (structs.replace(old[0], allows=("WINGS",)), *old[1:]))),
    ("M10", chain(new(layouts=EMPTY), new(packets=NEW_TYPE))),
    ("M10", frame(Row(("PARTIAL",), Received("PWR_RESERVE", Form.REQUEST), actions=(Answer("OK"),)))),
    ("M10", frame(Row(("PARTIAL",), ALIVE, guards=("aborted",), actions=(Answer("OK"),)))),
    ("M10", machine("ATTACH", Role.PHONE, rows=lambda old: (*old, Row(("DETACHED",), ALIVE, actions=(Answer("OK"),))))),
    ("M11", frame(Row(OVER, LOST, ("aborted",), next="ABORTED"), Row(OVER, LOST, ("crc_good",), next="COMPLETE"))),
    ("M11", frame(Row(OVER, LOST, ("crc_good",), next="ABORTED"), Row(OVER, LOST, ("!aborted",), next="COMPLETE"))),
    ("M12", frame(Row(OVER, LOST, actions=(Start("tNakDelay"),)))),
    ("M12", frame(Row(OVER, LOST, actions=(Stop("tNakDelay"),)))),
    ("M12", frame(Row(("WAIT_LEADER",), Expired("tNakDelay")))),
    ("M13", frame(needs=("WINGS",))),
    ("M13", frame(Row(OVER, LOST, needs=("WINGS",)))),
    ("M13", frame(choices=lambda old: (*old, Choice(("aborted", "wings"))))),
    ("M13", frame(choices=lambda old: (*old, Choice(("aborted",))))),
    ("M14", frame(guards=lambda old: (structs.replace(old[0], doc="no phrase."), *old[1:]))),
    ("M14", frame(effects=lambda old: (structs.replace(old[0], doc="No full stop"), *old[1:]))),
    ("M14", frame(states=lambda old: (*old[:-1], structs.replace(old[-1], doc="")))),
    ("M15", frame(Row(OVER, LOST, ("aborted", "!aborted")))),
    ("M15", frame(Row(OVER, LOST, ("fills_last", "opens_gap")))),
    ("M15", frame(Row(OVER, LOST, actions=(Send("BLOCK_NAK", Form.REQUEST, ("BAD_CRC",)),)))),
    ("M15", frame(Row(OVER, LOST, actions=(Send("BLOCK_NAK", Form.REQUEST, ("WINGS",)),)))),
    ("M16", new(statuses=Status("LONELY", 0xE0, (Scope.EVENT,), "No event carries it."))),
    ("M16", new(statuses=Status("LONELY", 0xE0, (Scope.LOCAL,), "Nobody counts it."))),
    ("M16", chain(
        new(statuses=Status("LONELY", 0xE0, (Scope.RESPONSE,), "Nobody answers it.")),
        altered("packets", "PWR_READY", statuses=("LONELY",)),
    )),
    ("M17", frame(locals=lambda old: (structs.replace(old[0], doc="It is over."), *old[1:]))),
]  # fmt: skip


# ── The tests ────────────────────────────────────────────────────────────────────────────────────────


def test_the_real_catalogue_breaks_no_rule() -> None:
    assert check(declared()[0]) == []


def test_the_generated_catalogue_breaks_no_rule() -> None:
    assert check(REAL) == []


@pytest.mark.parametrize(("code", "change"), CASES, ids=[f"{code}-{i}" for i, (code, _) in enumerate(CASES)])
def test_a_rule_finds_what_breaks_it_and_no_other_does(code: str, change: Change) -> None:
    findings = check(change(REAL))
    assert {f.code for f in findings} == {code}, [str(f) for f in findings]
    assert all(f.where and f.detail for f in findings)


def test_every_rule_has_a_case() -> None:
    assert {code for code, _ in CASES} == RULES.keys()


def test_rules_and_diagnostics_have_numbers_of_their_own_and_a_sentence() -> None:
    assert not RULES.keys() & DIAGNOSTICS.keys()
    for code, doc in ({r.code: r.doc for r in RULES.values()} | DIAGNOSTICS).items():
        assert code[0] in "LPNMFRW"
        assert code[1:].isdecimal()
        assert doc[0].isupper()
        assert doc.endswith(".")
