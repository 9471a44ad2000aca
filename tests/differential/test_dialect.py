"""The dialect by itself: construct enforces what is declared, both ways, and loses nothing.

Plan: what is refused, both ways · what is preserved · nothing is swallowed · accepted is rebuilt identically.
"""

from typing import Any

import construct as c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol.errors import Fault
from opalink.spec import dialect as d
from opalink.spec import wire
from opalink.spec.dialect import (
    bits,
    blob,
    body,
    enum,
    envelope,
    f,
    i8,
    i16,
    i32,
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
    u64,
)
from tests.differential import ours, reference, trial
from tests.differential.dice import Dice
from tests.differential.random_schemas import random_schema
from tests.differential.reference import Refused

COLOUR = enum("Colour", "A colour.", RED=(1, "Red."), GREEN=(2, "Green."), BLUE=(200, "Blue."))
POINT = row("Point", "A point.", f("x", u8, "Across.", hi=9), f("y", u8, "Up."))
PAIR = row("Pair", "Two lists.", rows("left", POINT, "One.", hi=2), rows("right", POINT, "Other.", hi=2))
SPACE = d.Space("things", "Things.")
SPACE.prop(1, "number", i16, "A number.", lo=-5, hi=5)
SPACE.record(2, "thing", "A thing.", f("a", u8, "A."), blob("text", "Text.", hi=3))


def struct(*fields: d.Field) -> Any:
    return body(*fields).schema


# ── What is refused, both ways ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "lo", "hi"),
    [
        (f("n", u8, "N.", lo=3, hi=7), 3, 7),
        (f("n", u24, "N.", lo=70_000), 70_000, (1 << 24) - 1),
        (f("n", i8, "N.", hi=-2), -128, -2),
        (f("n", i32, "N.", lo=-9, hi=9), -9, 9),
        (f("n", u64, "N.", hi=1 << 40), 0, 1 << 40),
        (f("n", u8, "N.", choices=COLOUR, lo=1, hi=199), 1, 199),
    ],
    ids=["both", "lo", "negative", "signed", "hi", "enum"],
)
def test_ranges_hold_both_ways(field: d.Field, lo: int, hi: int) -> None:
    schema = struct(field)
    size = field.sizeof()
    for value in (lo, hi):
        data = schema.build({"n": value})
        assert int(schema.parse(data).n) == value
    for value in (lo - 1, hi + 1):
        with pytest.raises((d.RangeViolation, c.FormatFieldError, c.IntegerError)):
            schema.build({"n": value})
        low, high = (-(1 << 8 * size - 1), 1 << 8 * size - 1) if lo < 0 else (0, 1 << 8 * size)
        if low <= value < high:
            with pytest.raises(d.RangeViolation):
                schema.parse(value.to_bytes(size, "little", signed=lo < 0))


@pytest.mark.parametrize("choices", [None, COLOUR], ids=["number", "enum"])
def test_constants_hold_both_ways(choices: d.Choices | None) -> None:
    schema = struct(f("n", u16, "N.", const=200, choices=choices))
    assert schema.build({}) == b"\xc8\0"
    assert int(schema.parse(b"\xc8\0").n) == 200
    with pytest.raises(d.ConstViolation):
        schema.parse(b"\xc9\0")
    with pytest.raises(d.ConstViolation):
        schema.build({"n": 1})


def test_an_enumeration_takes_its_members_by_name_where_it_is_bounded() -> None:
    schema = struct(f("n", u8, "N.", choices=COLOUR, hi=2))
    assert schema.build({"n": "GREEN"}) == b"\x02"
    with pytest.raises(d.RangeViolation):
        schema.build({"n": "BLUE"})


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (
            rows("n", POINT, "N.", lo=1, hi=2),
            [[{"x": 1, "y": 2}], [{"x": 1, "y": 2}] * 2],
            [[], [{"x": 1, "y": 2}] * 3],
        ),
        (blob("n", "N.", lo=1, hi=2, count=u16), [b"a", b"ab"], [b"", b"abc"]),
        (raw("n", "N.", lo=1, hi=2), [b"a", b"ab"], [b"", b"abc"]),
    ],
    ids=["rows", "blob", "raw"],
)
def test_capacities_hold_both_ways(field: d.Field, good: list[Any], bad: list[Any]) -> None:
    schema = struct(field)
    for value in good:
        assert schema.build(schema.parse(schema.build({"n": value}))) == schema.build({"n": value})
    for value in bad:
        with pytest.raises(d.CapViolation):
            schema.build({"n": value})
    for n in (0, 3):
        data = bytes(n) if isinstance(field.subcon.subcon, d.Rest) else n.to_bytes(2, "little") + bytes(9)
        with pytest.raises(d.CapViolation):
            schema.parse(data)


@pytest.mark.parametrize(
    ("field", "nearest"),
    [
        (f("n", u8, "N."), 0),
        (f("n", i8, "N.", lo=3), 3),
        (f("n", i8, "N.", hi=-2), -2),
        (f("n", i8, "N.", lo=-4, hi=-3), -3),
        (f("n", i8, "N.", lo=-4, hi=4), 0),
        (f("n", u8, "N.", const=7), 7),
        (f("n", u8, "N.", hi=9, default=9), 9),
    ],
    ids=range(7),
)
def test_a_default_is_the_legal_number_nearest_to_zero(field: d.Field, nearest: int) -> None:
    schema = struct(field)
    assert schema.parse(schema.build({})).n == nearest


# ── What is preserved ────────────────────────────────────────────────────────────────────────────────


@given(st.binary(min_size=1, max_size=1))
def test_unknown_members_reserved_bits_and_unknown_flags_are_preserved(data: bytes) -> None:
    flags = d.flags("Some", "Some.", A=(0, "A."), B=(1, "B."))
    for field in (
        f("n", u8, "N.", choices=COLOUR),
        f("n", u8, "N.", flags=flags),
        rsvd("n", u8),
        bits("n", rsvd("a", 3), f("b", 2, "B.", choices=COLOUR), rsvd("c", 3)),
    ):
        schema = struct(field)
        assert schema.build(schema.parse(data)) == data


def test_reserved_is_sent_as_zero() -> None:
    assert struct(rsvd("n", u32), bits("g", rsvd("a", 15), f("b", 1, "B.", const=1))).build({}) == b"\0\0\0\0\1\0"


@given(st.lists(st.tuples(st.integers(3, 0xFFFF), st.binary(max_size=9)), max_size=5))
def test_unknown_tlvs_are_preserved_in_order(found: list[tuple[int, bytes]]) -> None:
    schema = struct(tlvs("n", SPACE, "N."))
    data = b"".join(tag.to_bytes(2, "little") + len(v).to_bytes(2, "little") + v for tag, v in found)
    assert [(t.tag, t.value) for t in schema.parse(data).n] == found
    assert schema.build(schema.parse(data)) == data


def test_groups_of_bits_are_little_endian_words_from_the_top() -> None:
    schema = struct(bits("g", f("top", 4, "Top."), f("middle", 20, "Middle."), f("low", 8, "Low.")))
    found = reference.plain(schema, schema.parse(0x1ABCDE23.to_bytes(4, "little")))
    assert found == {"top": 1, "middle": 0xABCDE, "low": 0x23, "extensions": []}


@pytest.mark.parametrize("kind", [u8, u16, u24, u32, u64, i8, i16, i32, i64])
@given(data=st.binary(min_size=8, max_size=8))
@settings(max_examples=20)
def test_integers_are_little_endian(kind: Any, data: bytes) -> None:
    signed = kind in (i8, i16, i32, i64)
    assert kind.parse(data) == int.from_bytes(data[: kind.sizeof()], "little", signed=signed)


# ── Nothing is swallowed ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ("02 0101 0a01", "n -> 1 -> x"),  # out of range in the second of two
        ("02 0101 01", "n -> 1 -> y"),  # cut in the second
        ("03", "n -> 0 -> x"),  # fewer than counted
    ],
)
def test_rows_never_swallow_an_error(data: str, path: str) -> None:
    schema = struct(rows("n", POINT, "N.", hi=9))
    with pytest.raises(c.ConstructError) as caught:
        schema.parse(bytes.fromhex(data))
    assert caught.value.path == f"(parsing) -> {path}"


def test_rows_in_rows_say_where() -> None:
    schema = struct(rows("n", PAIR, "N.", hi=9))
    with pytest.raises(d.RangeViolation) as caught:
        schema.parse(bytes.fromhex("02 00 00 00 02 0000 0a00"))
    assert caught.value.path == "(parsing) -> n -> 1 -> right -> 1 -> x"
    with pytest.raises(d.RangeViolation) as caught:
        schema.build({"n": [{"left": [], "right": [{"x": 0, "y": 0}, {"x": 10, "y": 0}]}]})
    assert caught.value.path == "(building) -> n -> 0 -> right -> 1 -> x"


@pytest.mark.parametrize(
    ("data", "error", "path"),
    [
        ("f0ff 0100 ff 0000 00", c.StreamError, "n -> 1"),  # the header of the second is cut
        ("f0ff 0300 0102", c.StreamError, "n -> 0"),  # the value is cut
        ("0100 0100 01", c.StreamError, "n -> 0 -> value"),  # a number that is too short
        ("0100 0300 010000", c.TerminatedError, "n -> 0"),  # and too long
        ("0100 0200 0600", d.RangeViolation, "n -> 0 -> value"),
        ("0200 0300 01 04 00", d.CapViolation, "n -> 0 -> text"),
        ("0200 0400 01 00 0000", c.StreamError, "n -> 0 -> extensions -> 0"),
    ],
)
def test_tlvs_never_swallow_an_error(data: str, error: type[c.ConstructError], path: str) -> None:
    schema = struct(tlvs("n", SPACE, "N."))
    with pytest.raises(c.ConstructError) as caught:
        schema.parse(bytes.fromhex(data))
    assert type(caught.value) is error
    assert caught.value.path == f"(parsing) -> {path}"


def test_a_tlv_that_cannot_be_built_says_where() -> None:
    with pytest.raises(d.RangeViolation) as caught:
        struct(tlvs("n", SPACE, "N.")).build({"n": [{"tag": 9, "value": b""}, {"tag": 1, "value": {"value": 6}}]})
    assert caught.value.path == "(building) -> n -> 1 -> value"


def test_what_extends_a_body_is_not_extended_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(d.EXTENSIONS, "records", [])
    record = d.EXTENSIONS.record(1, "later", "What a later version added.", f("a", u8, "A."), f("b", u8, "B."))
    assert [x.name for x in reference.fields(record.schema)] == ["a", "b"]
    schema = struct(f("n", u8, "N."))
    assert schema.parse(bytes.fromhex("05 0100 0200 0304")).extensions[0].value.b == 4


# ── Accepted is rebuilt identically ──────────────────────────────────────────────────────────────────


@given(st.integers(0, 400), st.data())
@settings(max_examples=40, deadline=None)
def test_what_construct_accepts_it_rebuilds(seed: int, data: st.DataObject) -> None:
    schema = random_schema(Dice.seeded(seed))
    for packet, form, declared in schema.bodies():
        layout = schema.catalogue.layout[packet.forms[form]]
        for tried in trial.body_inputs(Dice.drawn(data.draw), schema.catalogue, layout, 1):
            found = reference.read(declared.schema, tried)
            if not isinstance(found, Refused):
                assert reference.written(declared.schema, found) == tried


@pytest.mark.parametrize("name", sorted(ours.schemas()))
def test_the_default_of_every_body_comes_back(name: str) -> None:
    _, schema = ours.schemas()[name]
    data = schema.build({})
    assert schema.build(schema.parse(data)) == data


def test_envelopes_check_their_crc_and_their_end() -> None:
    schema = envelope("E", "E.", f("length", u8, "Bytes of payload."), f("o", octets(2), "O."), crc=wire.CRC16).schema
    data = schema.build({"length": 3, "payload": b"abc"})
    assert schema.parse(data).payload == b"abc"
    for i in range(len(data)):
        with pytest.raises((c.ChecksumError, c.StreamError, c.TerminatedError)):
            schema.parse(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
    with pytest.raises(c.TerminatedError):
        schema.parse(data + b"\0")


@pytest.mark.parametrize("crc", wire.CRCS, ids=lambda x: x.name)
@given(data=st.binary(max_size=64))
def test_the_reference_crc_is_the_declared_one(crc: Any, data: bytes) -> None:
    """Bit by bit, from the parameters alone: a third computation beside the table and the library."""
    value = crc.init
    for byte in data:
        for i in range(8):
            bit = byte >> i & 1 if crc.refin else byte >> 7 - i & 1
            top = value >> crc.width - 1 & 1
            value = (value << 1 & (1 << crc.width) - 1) ^ (crc.poly if top != bit else 0)
    if crc.refout:
        value = int(f"{value:0{crc.width}b}"[::-1], 2)
    assert d.reference_crc(crc)(data) == value ^ crc.xorout
    assert d.reference_crc(crc)(b"123456789") == crc.check


def test_every_violation_is_an_error_of_construct() -> None:
    assert {Fault.RANGE, Fault.CONST, Fault.CAP} == {
        reference.FAULTS[x] for x in (d.RangeViolation, d.ConstViolation, d.CapViolation)
    }
    assert all(issubclass(x, c.ConstructError) for x in reference.FAULTS)
