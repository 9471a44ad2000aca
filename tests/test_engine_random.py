"""Whatever arrives, the module goes on working, answers requests alone, and answers them with what it may.

Plan: random bytes · legal packets in any state · operations at random · every probe in a session.
"""

from functools import cache
from typing import Any

import pytest
from fastcrc import crc32
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol import codec, packets
from opalink.protocol.codec import DecodeError, Fault, Packet, PacketType, Status
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.probes import illegal, legal
from opalink.protocol.ir.write import write_packet
from opalink.protocol.packets import (
    Condition,
    ConditionOperation,
    Lane,
    OperationTag,
    StateGet,
    StreamConfigure,
    StreamSetup,
)
from opalink.protocol.runtime import Tlv
from opalink.spec.form import Form
from tests.engine_phone import Phone

GENERAL = set(catalogue().general)


@cache
def probes(kind: str) -> list[tuple[Form, bytes]]:
    """Packets of every type and form that just pass a check, or just fail one."""
    c = catalogue()
    out = []
    for packet, form, layout in c.messages():
        for probe in legal(c, layout) if kind == "legal" else illegal(c, layout):
            data = write_packet(c, packet, form, probe.value)
            if len(data) < 5000:
                out.append((form, data))
    return out


def numbered(data: bytes, txn: int) -> bytes:
    """A packet under another transaction number."""
    data = data[:6] + txn.to_bytes(2, "little") + data[8:-4]
    return data + crc32.iscsi(data).to_bytes(4, "little")


def begun(profile: str, how: int) -> Phone:
    """A phone on its way into a session, or in one."""
    phone = Phone(profile)
    if how == 1:
        phone.attach()
    elif how == 2:
        phone.meet()
    elif how == 3:
        phone.open()
    elif how == 4:
        phone.ready()
    return phone


def judged(sent: list[Packet], came: list[Packet]) -> None:
    """Only requests are answered, each once at most, by their type, with a status that the type may have."""
    asked = {(p.txn, p.type) for p in sent if p.txn and not p.rsp}
    c = catalogue()
    for p in came:
        if not p.rsp:
            assert p.status is Status.OK
            continue
        assert (p.txn, p.type) in asked
        if isinstance(p.type, PacketType):
            assert isinstance(p.status, Status)
            assert p.status.name in GENERAL | set(c.packet[p.type.name].statuses), p


def alive(phone: Phone) -> None:
    if phone.module.around.contacts and Lane.SIDEBAND not in phone.module.around.blocked:
        phone.txn = 40_000
        assert phone.ask(StateGet(), Lane.SIDEBAND).status is Status.OK


def header(data: bytes) -> Packet | None:
    try:
        return codec.decode(data)
    except DecodeError as error:
        return error.packet


PROFILES = st.sampled_from(["four-thirds", "macro-tube", "variable-nd", "standalone"])
LANES = st.sampled_from([Lane.SIDEBAND, Lane.LASER])


@settings(max_examples=60, deadline=None)
@given(PROFILES, st.integers(0, 4), st.lists(st.tuples(LANES, st.binary(max_size=80)), max_size=20))
def test_random_bytes_are_dropped(profile: str, how: int, noise: list[tuple[Lane, bytes]]) -> None:
    phone = begun(profile, how)
    for lane, data in noise:
        assert phone.deliver(data, lane) == []
    phone.run(1)
    alive(phone)


@settings(max_examples=150, deadline=None)
@given(st.data(), PROFILES, st.integers(0, 4), st.sampled_from(["legal", "illegal"]))
def test_every_packet_in_any_state(data: st.DataObject, profile: str, how: int, kind: str) -> None:
    phone = begun(profile, how)
    steps = st.tuples(st.sampled_from(probes(kind)), LANES, st.integers(1, 0xFFFF), st.sampled_from([0, 1, 60]))
    sent: list[Packet] = []
    for (form, probe), lane, txn, wait in data.draw(st.lists(steps, min_size=1, max_size=25)):
        packet = numbered(probe, txn) if form is Form.REQUEST else probe
        sent += [p for p in (header(packet),) if p is not None]
        start = len(phone.heard)
        phone.deliver(packet, lane)
        phone.run(wait)
        judged(sent, [p for _, _, p in phone.heard[start:]])
    alive(phone)


@settings(max_examples=60, deadline=None)
@given(st.data(), PROFILES)
def test_operations_and_packets_at_random(data: st.DataObject, profile: str) -> None:
    phone = Phone(profile)
    conditions = st.builds(ConditionOperation, st.sampled_from(list(Condition)), st.integers(0, 1))
    chance = {
        OperationTag.ATTACH: _some("Attach"),
        OperationTag.DETACH: _some("Detach"),
        OperationTag.LANE_DOWN: _some("LaneDown", lane=Lane.LASER),
        OperationTag.LANE_UP: _some("LaneUp", lane=Lane.LASER),
        OperationTag.RESET: _some("Reset"),
        OperationTag.STACK: _some("Stack", elements=1),
        OperationTag.RING: _some("Ring", delta=5),
        OperationTag.TEMPERATURE: _some("Temperature", temperature=900),
    }
    for _ in range(data.draw(st.integers(1, 25))):
        match data.draw(st.integers(0, 3)):
            case 0:
                tag = data.draw(st.sampled_from(list(chance)))
                phone.operate(tag, chance[tag])
            case 1:
                phone.module.operate(Tlv(OperationTag.CONDITION, data.draw(conditions)), phone.now)
            case 2:
                phone.deliver(data.draw(st.sampled_from(probes("legal")))[1], data.draw(LANES))
            case _:
                phone.run(data.draw(st.sampled_from([0, 1, 30, 300, 2500])))
    alive(phone)


def _some(name: str, **fields: Any) -> Any:
    return getattr(packets, f"{name}Operation")(**fields)


# ── Every probe in a session ─────────────────────────────────────────────────────────────────────────

_STAYS = {Status.BAD_STATE, Status.NOT_SUPPORTED}  # refused before anybody looks at values
_LEAVES = {"RESET", "EJECT", "HELLO", "LINK_PM", "RETRAIN_REQ", "PWR_ROLE_SWAP"}  # end the session or the light


@pytest.mark.parametrize("profile", ["four-thirds", "variable-nd", "standalone"])
def test_a_legal_request_is_never_called_malformed_and_an_illegal_one_always_is(profile: str) -> None:
    c = catalogue()
    phone = begun(profile, 4)
    if phone.module.has("SENSOR"):
        phone.ask(StreamConfigure(streams=(StreamSetup(mode=3, width=64, height=8),)))
    for packet, form, layout in c.messages():
        if form is not Form.REQUEST or packet.name in _LEAVES:
            continue
        for probe in (*legal(c, layout), *illegal(c, layout)):
            data = write_packet(c, packet, form, probe.value, {"txn": phone.txn % 0xFFFF + 1})
            phone.txn = phone.txn % 0xFFFF + 1
            answers = [p.status for p in phone.deliver(data) if p.rsp and p.txn == phone.txn]
            if probe.fault:
                short = probe.fault in (Fault.SHORT, Fault.LONG)
                assert answers[0] in {Status.BAD_LENGTH if short else Status.BAD_VALUE, *_STAYS}, probe.name
            elif probe.operator == "unknown_member":
                assert answers[0] in {Status.BAD_VALUE, *_STAYS}, probe.name
            else:
                assert not {Status.BAD_VALUE, Status.BAD_LENGTH}.intersection(answers), probe.name
            phone.run(0 if answers else 1)
            phone.heard.clear()
