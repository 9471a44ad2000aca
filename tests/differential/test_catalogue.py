"""The real catalogue: construct, the checked-in codec and a header read by hand agree on it.

Plan: vectors · bodies · packets · the other envelopes · headers by hand.
"""

from binascii import hexlify
from collections.abc import Iterator
from functools import partial

import pytest
from fastcrc import crc16, crc32

from opalink.protocol import codec
from opalink.protocol.errors import Fault
from opalink.protocol.generate.vectors import jsonable, vectors
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.names import camel
from opalink.protocol.ir.write import checksums, write, write_packet
from opalink.spec import wire
from opalink.spec.form import Form
from tests.differential import mutations, ours
from tests.differential.agreement import BodyCase, Case, FrameCase, ValueCase, encoded, made, plain
from tests.differential.dice import Dice
from tests.differential.reference import Refused
from tests.differential.trial import body_inputs, changed, differences, envelope_inputs, framed, read_envelope

GROUPS = [g.name for g in catalogue().groups]
LAYOUTS = sorted(ours.schemas())
BLOCK = 24


def agree(cases: Iterator[Case]) -> None:
    assert next(differences(cases, ours.module()), None) is None


# ── Vectors ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("group", GROUPS)
def test_vectors_mean_the_same_to_both(group: str) -> None:
    for v in vectors(catalogue(), group):
        case = FrameCase("Packet", ours.read_packet, bytes.fromhex(v.hex), True)
        assert not list(case.differences(ours.module())), v.name
        if isinstance(case.expected, Refused):
            assert v.error, v.name
            assert (case.expected.fault, case.expected.path) == (v.error.fault, v.error.path), v.name
        else:
            assert jsonable(case.expected["body"]) == v.value, v.name


def test_vectors_have_names_of_their_own() -> None:
    names = [v.name for v in ours.all_vectors()]
    assert len(names) == len(set(names))


# ── Bodies ───────────────────────────────────────────────────────────────────────────────────────────


def body_cases(names: list[str], effort: int) -> Iterator[Case]:
    c = catalogue()
    for name in names:
        layout, schema = ours.schemas()[name]
        dice = Dice.seeded(LAYOUTS.index(name))
        for data in body_inputs(dice, c, layout, effort):
            yield BodyCase(c, layout, schema, data)
        yield ValueCase(c, layout, schema, {})
        for change in (mutations.illegal_in, mutations.unencodable):
            value = mutations.legal(dice, c, layout)
            yield ValueCase(c, layout, schema, changed(dice, c, layout, value, _not_const(change)))


def _not_const(change: object) -> object:
    return lambda dice, part, now: None if getattr(part, "const", None) is not None else change(dice, part, now)  # type: ignore[operator]


@pytest.mark.parametrize("first", range(0, len(LAYOUTS), BLOCK))
def test_bodies_mean_the_same_to_both(first: int) -> None:
    agree(body_cases(LAYOUTS[first : first + BLOCK], 2))


def test_plain_is_what_the_public_face_says() -> None:
    for name in LAYOUTS:
        layout, _ = ours.schemas()[name]
        value = mutations.legal(Dice.seeded(len(name)), catalogue(), layout)
        there = made(catalogue(), ours.module(), layout, value)
        assert codec.plain(there) == plain(there) == value
        assert encoded(ours.module(), name, there) == write(catalogue(), layout, value)


# ── Packets ──────────────────────────────────────────────────────────────────────────────────────────


def random_packets(seed: int, n: int) -> Iterator[bytes]:
    c, dice = catalogue(), Dice.seeded(seed)
    messages = list(c.messages())
    for _ in range(n):
        packet, form, layout = dice.pick(messages)
        header = {"t_ns": dice.between(0, (1 << 64) - 1), "instance": dice.between(0, 15)}
        if dice.once_in(4):
            free = [
                f for f in ir.fields_of(c.envelope["PACKET"].header) if isinstance(f, ir.Number) and f.name != "length"
            ]
            f = dice.pick(free)
            header[f.name] = dice.between(*f.span)
        value = mutations.legal(dice, c, layout)
        yield from framed(dice, write_packet(c, packet, form, value, header), checksums(c)["crc32c"], 4)


def test_packets_mean_the_same_to_both() -> None:
    agree(FrameCase("Packet", ours.read_packet, data, True) for data in random_packets(1, 250))


def test_a_refusal_answers_where_a_type_has_no_error_of_its_own() -> None:
    c = catalogue()
    for packet in c.packets:
        if Form.REQUEST in packet.forms:
            layout = c.layout[c.error_layout(packet)]
            found = codec.decode(write_packet(c, packet, Form.ERROR, mutations.legal(Dice.seeded(1), c, layout)))
            assert type(found.body).__name__ == layout.name


# ── The other envelopes ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("envelope", [e for e in ours.DECLARED.ENVELOPES if e.name != "PACKET"], ids=lambda e: e.name)
def test_envelopes_mean_the_same_to_both(envelope: object) -> None:
    found = envelope_inputs(Dice.seeded(2), catalogue(), catalogue().envelope[envelope.name], 40)  # type: ignore[attr-defined]
    crc = envelope.crc is not None  # type: ignore[attr-defined]
    agree(FrameCase(camel(envelope.name), partial(read_envelope, envelope), data, crc) for data in found)  # type: ignore[attr-defined]


# ── Headers by hand ──────────────────────────────────────────────────────────────────────────────────
# Written from the prose of the protocol, byte by byte: a reading that shares nothing with the other two.


def packet_by_hand(data: bytes) -> dict[str, int | bytes] | str:
    """A packet's header and payload, or the class of what is wrong with it."""
    if len(data) < 16:
        return "short"
    length = data[4] + 256 * data[5]
    if len(data) < 16 + length + 4:
        return "short"
    crc = sum(data[16 + length + i] << 8 * i for i in range(4))
    if crc != crc32.iscsi(data[: 16 + length]):
        return "crc"
    if len(data) > 16 + length + 4:
        return "long"
    if data[0] // 16 != 1:
        return "const"
    return {
        "rsp": data[0] // 8 % 2, "spare2": data[0] // 4 % 2, "more": data[0] // 2 % 2, "spare0": data[0] % 2,
        "type": data[1], "vc": data[2] // 16, "instance": data[2] % 16, "status": data[3],
        "txn": data[6] + 256 * data[7], "t_ns": int(hexlify(data[15:7:-1]), 16), "payload": data[16 : 16 + length],
    }  # fmt: skip


def flit_by_hand(data: bytes) -> dict[str, int | bytes] | str:
    if len(data) != 640:
        return "short" if len(data) < 640 else "crc or long"
    if int(hexlify(data[:635:-1]), 16) != crc32.iscsi(data[:636]):
        return "crc or long"
    ctl, health, first = data[4], data[7], data[10] + 256 * data[11]
    if health % 16 > 6 or first > 624:
        return "range"
    return {
        "seq": data[0] + 256 * data[1], "ack_seq": data[2] + 256 * data[3],
        "ack": ctl // 64, "kind": ctl // 16 % 4, "epoch": ctl // 8 % 2, "spare": ctl % 8,
        "vc": data[5], "credit_vc": data[6], "corrected": health // 16, "severity": health % 16,
        "credit_cum": data[8] + 256 * data[9], "first_off": first, "payload": data[12:636],
    }  # fmt: skip


def sideband_by_hand(data: bytes) -> dict[str, int | bytes] | str:
    if len(data) < 4:
        return "short"
    length = data[2] + 256 * data[3]
    if len(data) < 4 + length + 2:
        return "short"
    if data[4 + length] + 256 * data[5 + length] != crc16.ibm_3740(data[: 4 + length]):
        return "crc"
    if len(data) > 6 + length:
        return "long"
    if data[:2] != b"\x4f\x5a":
        return "const"
    return {"payload": data[4 : 4 + length]} if 20 <= length <= 1024 else "range"


def test_packet_headers_are_what_the_prose_says() -> None:
    outcomes = set()
    for data in random_packets(3, 400):
        expected = packet_by_hand(data)
        found = ours.read_packet(data)
        if isinstance(expected, dict):
            assert not isinstance(found, Refused) or "." in found.path
            packet = codec.decode(data) if not isinstance(found, Refused) else None
            if packet:
                assert plain(packet) | {"body": 0} == {k: v for k, v in expected.items() if k != "payload"} | {
                    "body": 0
                }
            outcomes.add("accepted")
        else:
            assert isinstance(found, Refused)
            assert found.fault == expected
            outcomes.add(expected)
    assert outcomes == {"accepted", "short", "crc", "long", "const"}


@pytest.mark.parametrize(
    ("envelope", "by_hand"), [(wire.FLIT, flit_by_hand), (wire.SIDEBAND, sideband_by_hand)], ids=["FLIT", "SIDEBAND"]
)
def test_other_headers_are_what_the_prose_says(envelope: object, by_hand: object) -> None:
    c, outcomes = catalogue(), set()
    for data in envelope_inputs(Dice.seeded(4), c, c.envelope[envelope.name], 80):  # type: ignore[attr-defined]
        expected, found = by_hand(data), read_envelope(envelope, data)  # type: ignore[arg-type, operator]
        if isinstance(found, Refused):
            assert found.fault.value in expected.split(" or "), data.hex()
            outcomes.add(found.fault)
        else:
            assert found == expected
    assert {Fault.SHORT, Fault.CRC, Fault.LONG, Fault.RANGE} <= outcomes
