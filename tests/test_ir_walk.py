"""The walker: what it reads is what was declared, and what it cannot read it refuses by number.

Whatever construct accepts and the walker lets pass is read by every back end, so each diagnostic is met here by
declarations that construct is content with.
"""

from types import SimpleNamespace
from typing import Any

import construct as c
import pytest

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.diagnostics import DIAGNOSTICS, SpecError
from opalink.protocol.ir.walk import Walker, walk
from opalink.spec import catalogue as source
from opalink.spec import dialect as d
from opalink.spec import wire
from opalink.spec.dialect import (
    Meta,
    bits,
    blob,
    body,
    enum,
    envelope,
    f,
    flags,
    i8,
    i64,
    octets,
    raw,
    row,
    rows,
    rsvd,
    tlvs,
    u8,
    u16,
    u24,
    u32,
)
from opalink.spec.form import Form, Role

KIND = enum("Kind", "A kind.", ONE=(1, "One."))
POINT = row("Point", "A point.", f("x", u8, "X."))


def walked(*fields: Any) -> tuple[ir.Part, ...]:
    """The parts of a body with these fields, its extensions left out."""
    return Walker().parts(body(*fields).schema, "Body", ends=True)[:-1]


def made(name: str, subcon: c.Construct, **meta: Any) -> d.Field:
    """A field as no helper would make it."""
    return d.Field(name, subcon, "A field.", Meta(**meta))


# ── What is read ─────────────────────────────────────────────────────────────────────────────────────


def test_numbers_keep_what_they_say() -> None:
    some = flags("Some", "Some.", A=(0, "A."))
    found = walked(
        f("a", u24, "A.", unit="mV", scale="0.01", lo=5, hi=9, default=6, req=("R-X-001",), since="1.1"),
        f("b", i64, "B.", choices=KIND),
        f("c", u8, "C.", const=7),
        f("d", u32, "D.", flags=some),
        rsvd("e", u16),
    )
    assert found == (
        ir.Number("a", "A.", 24, lo=5, hi=9, default=6, unit="mV", scale="1/100", req=("R-X-001",), since="1.1"),
        ir.Number("b", "B.", 64, signed=True, choices="Kind"),
        ir.Number("c", "C.", 8, const=7, default=7),
        ir.Number("d", "D.", 32, flags="Some"),
        ir.Number("e", "Reserved.", 16, reserved=True),
    )


def test_groups_give_each_field_its_place() -> None:
    (group,) = walked(bits("g", f("a", 4, "A.", hi=3), rsvd("b", 11), f("c", 17, "C.", choices=KIND)))
    assert group == ir.Bits(
        "g",
        (
            ir.Number("a", "A.", 4, shift=28, hi=3),
            ir.Number("b", "Reserved.", 11, shift=17, reserved=True),
            ir.Number("c", "C.", 17, shift=0, choices="Kind"),
        ),
    )
    assert group.size == 4


def test_the_other_parts_keep_what_they_say() -> None:
    space = d.Space("things", "Things.")
    assert walked(f("a", octets(3), "A.", default=b"xyz"), f("b", octets(2), "B.")) == (
        ir.Octets("a", "A.", 3, b"xyz"),
        ir.Octets("b", "B.", 2, b"\0\0"),
    )
    assert walked(blob("a", "A.", lo=1, hi=9, count=u16, text=True)) == (ir.Blob("a", "A.", 2, 1, 9, True),)
    assert walked(rows("a", POINT, "A.", lo=1, hi=9)) == (ir.Rows("a", "A.", 1, 1, 9, "Point"),)
    w = Walker()
    assert w.parts(body(raw("a", "A.", lo=1, hi=9)).schema, "Body", ends=True) == (ir.Raw("a", "A.", 1, 9),)
    assert w.parts(body(tlvs("a", space, "A.")).schema, "Body", ends=True) == (ir.Tlvs("a", "A.", "things"),)


def test_spaces_bring_their_records() -> None:
    space = d.Space("properties", "Properties.")
    space.prop(1, "exposure_time", u32, "Time.", unit="us", lo=1, access="rw", latency=2, needs=("SENSOR",))
    space.record(2, "window", "A window.", f("a", u8, "A."))
    w = Walker()
    assert w.space(space) == "properties"
    assert w.spaces["properties"].types == (
        ir.TlvType(1, "exposure_time", "Time.", "ExposureTimeProperty", ("SENSOR",), "rw", 2),
        ir.TlvType(2, "window", "A window.", "WindowProperty"),
    )
    assert ir.lone_number(w.layouts["ExposureTimeProperty"]) == ir.Number(
        "value", "Time.", 32, lo=1, default=1, unit="us"
    )
    assert ir.lone_number(w.layouts["WindowProperty"]) is None


def test_a_packet_has_a_layout_for_each_form() -> None:
    group = d.Group("g", "G", "CONTROL", "G.")
    packet = group.packet(
        7,
        "LENS_MOVE",
        "Moves.",
        sender=Role.PHONE,
        request=body(doc="Asks."),
        response=body(),
        error=body(),
        event=body(),
    )
    w = Walker()
    assert w.packet(packet, "g").forms == {
        Form.REQUEST: "LensMove",
        Form.RESPONSE: "LensMoveResponse",
        Form.ERROR: "LensMoveError",
        Form.EVENT: "LensMoveEvent",
    }
    assert w.layouts["LensMove"].doc == "Asks."
    assert w.layouts["LensMoveResponse"].doc == "Moves."
    alone = d.Group("h", "H", "EVENT", "H.").packet(8, "READY", "Ready.", sender=Role.MODULE, event=body())
    assert w.packet(alone, "h").forms == {Form.EVENT: "Ready"}


def test_envelopes_keep_their_crc_and_their_size() -> None:
    w = Walker()
    assert w.envelope(
        envelope("E", "E.", f("length", u24, "Bytes."), f("o", octets(2), "O."), crc=wire.CRC16)
    ) == ir.Envelope("E", "E.", (ir.Number("length", "Bytes.", 24), ir.Octets("o", "O.", 2, b"\0\0")), None, "crc16")
    assert w.envelope(envelope("F", "F.", f("n", u8, "N."), size=9)).size == 9


def test_the_same_declaration_may_be_used_again() -> None:
    found = walked(f("a", u8, "A.", choices=KIND), f("b", u32, "B.", choices=KIND), rows("c", POINT, "C.", hi=1))
    assert [p.name for p in found] == ["a", "b", "c"]


def test_the_whole_catalogue_is_read_the_same_twice() -> None:
    assert walk(source) == walk(source)


# ── What is refused ──────────────────────────────────────────────────────────────────────────────────


def space_in_itself() -> d.Space:
    space = d.Space("loop", "A loop.")
    space.record(1, "again", "Again.", tlvs("inner", space, "Inner."))
    return space


def spaces_in_each_other() -> d.Space:
    one, other = d.Space("ones", "One."), d.Space("others", "Other.")
    one.record(1, "there", "There.", tlvs("inner", other, "Inner."))
    other.record(1, "back", "Back.", tlvs("inner", one, "Inner."))
    return one


def refused_envelope(schema: c.Struct, size: int | None = None, name: str = "E") -> Any:
    return lambda: Walker().envelope(d.Envelope(name, "E.", schema, size, None))


def twice(first: Any, second: Any) -> Any:
    return lambda: walked(f("a", u8, "A.", **first), f("b", u8, "B.", **second))


def rows_of(name: str) -> d.Field:
    return rows("a", row(name, "Another.", f("y", u8, "Y.")), "A.", hi=1)


def among_bits(subcon: c.Construct) -> Any:
    return lambda: walked(made("g", c.BitStruct(made("a", c.Default(subcon, 0)), c.Padding(8 - subcon.sizeof()))))


BROKEN = [
    ("W01", "a sequence", lambda: Walker().parts(c.Sequence(u8), "Body", ends=True)),
    ("W01", "a subclass", lambda: Walker().parts(type("Mine", (c.Struct,), {})(c.Terminated), "Body", ends=True)),
    ("W01", "a number", lambda: Walker().parts(u8, "Body", ends=True)),
    ("W01", "an open end", lambda: Walker().parts(c.Struct(f("a", u8, "A.")), "Body", ends=True)),
    ("W02", "an end in the middle", lambda: Walker().parts(c.Struct(c.Terminated, c.Terminated), "Body", ends=True)),
    ("W02", "a row that ends", lambda: walked(rows("a", d.Row("Bad", "Bad.", c.Struct(c.Terminated)), "A.", hi=1))),
    ("W02", "a name alone", lambda: Walker().parts(c.Struct("a" / u8, c.Terminated), "Body", ends=True)),
    ("W02", "padding", lambda: Walker().parts(c.Struct(c.Padding(2), c.Terminated), "Body", ends=True)),
    ("W02", "padding among bits", lambda: walked(made("g", c.BitStruct(f("a", 3, "A."), c.Padding(5))))),
    ("W03", "another transformation", lambda: walked(made("g", c.BitsSwapped(c.Bytes(2))))),
    ("W03", "swapped bytes", lambda: walked(made("g", c.ByteSwapped(c.Bytes(2))))),
    ("W03", "a big-endian group", lambda: walked(made("g", c.BitStruct(f("a", 16, "A."))))),
    ("W03", "24 bits", lambda: walked(bits("g", f("a", 24, "A.")))),
    ("W03", "64 bits", lambda: walked(bits("g", f("a", 64, "A.")))),
    ("W04", "octets among bits", lambda: walked(made("g", c.BitStruct(made("a", c.Bytes(8)))))),
    ("W05", "bits alone", lambda: walked(f("a", 8, "A."))),
    ("W05", "a big-endian number", lambda: walked(f("a", c.Int16ub, "A."))),
    ("W05", "a big-endian u24", lambda: walked(f("a", c.Int24ub, "A."))),
    ("W05", "a native number", lambda: walked(f("a", c.FormatField("=", "H"), "A."))),
    ("W05", "a float", lambda: walked(f("a", c.Float32l, "A."))),
    ("W05", "a signed u24", lambda: walked(f("a", c.Int24sl, "A."))),
    ("W05", "40 bits", lambda: walked(f("a", c.BytesInteger(5, swapped=True), "A."))),
    ("W05", "a flag", lambda: walked(made("a", c.Flag))),
    ("W05", "flags that lose bits", lambda: walked(made("a", c.FlagsEnum(u8, a=1)))),
    ("W05", "an enumeration of construct's", lambda: walked(made("a", c.Enum(u8, A=1)))),
    ("W05", "variable length", lambda: walked(made("a", c.VarInt))),
    ("W05", "greedy bytes", lambda: walked(made("a", c.GreedyBytes))),
    ("W05", "bytes of another field's length", lambda: walked(made("a", c.Bytes(c.this.n)))),
    ("W05", "a list of construct's", lambda: walked(made("a", c.PrefixedArray(u8, u8)))),
    ("W05", "a count of four bytes", lambda: walked(blob("a", "A.", hi=9, count=u32))),
    ("W05", "a big-endian count", lambda: walked(rows("a", POINT, "A.", hi=9, count=c.Int16ub))),
    ("W05", "a signed count", lambda: walked(rows("a", POINT, "A.", hi=9, count=i8))),
    ("W05", "a byte among bits", lambda: walked(made("g", c.BitStruct(*(f(f"a{i}", u8, "A.") for i in range(8)))))),
    ("W05", "signed bits", lambda: walked(bits("g", f("a", c.BitsInteger(8, signed=True), "A.")))),
    (
        "W05",
        "swapped bits",
        lambda: walked(made("g", c.ByteSwapped(c.BitStruct(made("a", c.BitsInteger(16, swapped=True)))))),
    ),
    ("W06", "two enumerations", twice({"choices": KIND}, {"choices": enum("Kind", "Another.", ONE=(1, "One."))})),
    ("W06", "an enumeration and flags", twice({"choices": KIND}, {"flags": flags("Kind", "Another.", A=(0, "A."))})),
    ("W06", "an enumeration and a row", lambda: walked(f("k", u8, "K.", choices=KIND), rows_of("Kind"))),
    ("W06", "a table's name", lambda: walked(rows_of("Status"))),
    ("W06", "two fields", lambda: walked(f("a", u8, "A."), f("a", u8, "A."))),
    ("W06", "a field and a group", lambda: walked(f("a", u8, "A."), bits("a", f("b", 8, "B.")))),
    ("W06", "a row and its tags", lambda: Walker().space(tagged())),
    ("W06", "two spaces", lambda: walk(with_spaces(d.Space("s", "S."), d.Space("s", "Another.")))),
    ("W06", "a row and an envelope", lambda: walk(with_spaces(rowed(row("Packet", "P.", f("a", u8, "A.")))))),
    (
        "W07",
        "a length that counts nothing",
        refused_envelope(c.Struct("_start" / c.Tell, "payload" / c.Bytes(3), c.Terminated)),
    ),
    ("W07", "no payload", refused_envelope(c.Struct("_start" / c.Tell, f("length", u8, "L."), c.Terminated))),
    ("W07", "an open end", refused_envelope(c.Struct("_start" / c.Tell, "payload" / c.Bytes(3)), 3)),
    (
        "W07",
        "a trailer",
        refused_envelope(c.Struct("_start" / c.Tell, "payload" / c.Bytes(3), "more" / u8, c.Terminated), 3),
    ),
    (
        "W07",
        "a list in the header",
        lambda: Walker().envelope(envelope("E", "E.", rows("a", POINT, "A.", hi=1), size=3)),
    ),
    ("W07", "a signed length", lambda: Walker().envelope(envelope("E", "E.", f("length", i8, "L.")))),
    ("W07", "a length beside a size", lambda: Walker().envelope(envelope("E", "E.", f("length", u8, "L."), size=3))),
    ("W08", "a space in itself", lambda: Walker().space(space_in_itself())),
    ("W08", "spaces in each other", lambda: Walker().space(spaces_in_each_other())),
]


def tagged() -> d.Space:
    space = d.Space("things", "Things.")
    space.record(1, "one", "One.", rows_of("ThingTag"))
    return space


def rowed(of: d.Row) -> d.Space:
    space = d.Space("things", "Things.")
    space.record(1, "one", "One.", rows("a", of, "A.", hi=1))
    return space


def with_spaces(*spaces: d.Space) -> Any:
    """The real catalogue with other spaces."""
    return SimpleNamespace(**{**vars(source), "SPACES": spaces})


@pytest.mark.parametrize(
    ("code", "declare"), [(code, what) for code, _, what in BROKEN], ids=[f"{a}-{b}" for a, b, _ in BROKEN]
)
def test_what_no_back_end_could_read_is_refused(code: str, declare: Any) -> None:
    with pytest.raises(SpecError) as caught:
        declare()
    assert caught.value.code == code
    assert caught.value.where
    assert str(caught.value) == f"{code} {caught.value.where}: {caught.value.detail}"


def test_every_diagnostic_is_met() -> None:
    assert {code for code, *_ in BROKEN} == set(DIAGNOSTICS) - {"W09"}  # the lock's, not the walker's
    assert all(text.endswith(".") for text in DIAGNOSTICS.values())


def test_the_place_of_an_error_is_the_path_of_its_field() -> None:
    with pytest.raises(SpecError) as caught:
        walked(rows("list", row("Bad", "Bad.", bits("g", f("a", c.BitsInteger(8, signed=True), "A."))), "A.", hi=1))
    assert caught.value.where == "Bad.g.a"
