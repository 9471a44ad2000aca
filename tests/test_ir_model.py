"""The representation: its numbers, its sizes, and its JSON, which is the same on every machine.

Plan: numbers · sizes · look-ups · JSON.
"""

import json
import subprocess
import sys
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue, declared
from opalink.protocol.ir.probes import illegal, legal, maximum
from opalink.protocol.ir.write import Lie, Raw, default, write, write_envelope, write_packet
from opalink.spec.form import Form
from tests.differential.dice import Dice
from tests.differential.random_schemas import random_schema

RANDOM = [random_schema(Dice.seeded(seed)).catalogue for seed in range(700, 720)]
LAYOUTS = [x for c in (catalogue(), *RANDOM) for x in c.layouts]


# ── Numbers ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("number", "span", "bounds", "checked"),
    [
        (ir.Number("n", "", 8), (0, 255), (0, 255), False),
        (ir.Number("n", "", 16, signed=True), (-32768, 32767), (-32768, 32767), False),
        (ir.Number("n", "", 24, lo=5), (0, (1 << 24) - 1), (5, (1 << 24) - 1), True),
        (ir.Number("n", "", 3, hi=6), (0, 7), (0, 6), True),
        (ir.Number("n", "", 8, lo=0, hi=255), (0, 255), (0, 255), False),
        (ir.Number("n", "", 64, const=7), (0, (1 << 64) - 1), (7, 7), True),
        (ir.Number("n", "", 8, lo=0, hi=0), (0, 255), (0, 0), True),
    ],
)
def test_numbers_know_their_limits(number: ir.Number, span: Any, bounds: Any, checked: bool) -> None:
    assert (number.span, number.bounds, number.checked) == (span, bounds, checked)


def test_scale_is_exact() -> None:
    assert ir.Number("n", "", 8, scale="1/100").factor == Fraction(1, 100)
    assert {n.factor for x in LAYOUTS for n in ir.fields_of(x.parts) if isinstance(n, ir.Number)} >= {
        1,
        Fraction(1, 10),
    }


def test_fields_open_groups_in_wire_order() -> None:
    a, b, c = (ir.Number(name, "", 4) for name in "abc")
    assert [f.name for f in ir.fields_of((ir.Bits("g", (a, b)), c))] == ["a", "b", "c"]


def test_a_lone_number_is_alone() -> None:
    n = ir.Number("n", "", 8)
    assert ir.lone_number(ir.Layout("L", "", (n,))) is n
    assert ir.lone_number(ir.Layout("L", "", ())) is None
    assert ir.lone_number(ir.Layout("L", "", (n, n))) is None
    assert ir.lone_number(ir.Layout("L", "", (ir.Bits("g", (n,)),))) is None


# ── Sizes ────────────────────────────────────────────────────────────────────────────────────────────


def test_sizes_are_what_the_parts_add_up_to() -> None:
    row = ir.Layout("R", "", (ir.Number("x", "", 24), ir.Blob("b", "", 1, 1, 4)))
    record = ir.Layout("T", "", (ir.Octets("o", "", 5),))
    space = ir.Space("s", "", (ir.TlvType(1, "t", "", "T"),))
    whole = ir.Layout(
        "L",
        "",
        (ir.Bits("g", (ir.Number("a", "", 16),)), ir.Rows("r", "", 2, 1, 3, "R"), ir.Tlvs("t", "", "s")),
    )
    data = ir.Layout("D", "", (ir.Number("a", "", 64), ir.Raw("r", "", 2, 9)))
    c = ir.Catalogue("1.0", (), (), (row, record, whole, data), spaces=(space,))
    assert c.sizes == {"R": (5, 8), "T": (5, 5), "L": (2 + 2 + 5, 2 + 2 + 3 * 8 + 4 + 5), "D": (10, 17)}


@pytest.mark.parametrize("c", [catalogue(), *RANDOM], ids=["ours", *map(str, range(len(RANDOM)))])
def test_sizes_hold_every_value_without_unknown_tlvs(c: ir.Catalogue) -> None:
    for layout in c.layouts:
        least, most = c.sizes[layout.name]
        assert least <= len(write(c, layout, default(c, layout))) <= most
        assert len(write(c, layout, default(c, layout))) == least or any(
            isinstance(p, ir.Tlvs) for p in layout.parts
        ), "the default is the shortest"
        assert least <= len(write(c, layout, maximum(c, layout))) <= most
        fixed = [p for p in layout.parts if isinstance(p, ir.Fixed)]
        assert least >= sum(p.size for p in fixed)


def test_the_greatest_size_is_reached_where_it_fits_a_packet() -> None:
    c = catalogue()
    exact = [x for x in c.layouts if not any(isinstance(p, ir.Tlvs) for p in x.parts) and c.sizes[x.name][1] <= 0xFFFF]
    assert len(exact) > 10
    for layout in exact:
        assert len(write(c, layout, maximum(c, layout))) == c.sizes[layout.name][1]


# ── Writing ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_writer_checks_nothing() -> None:
    layout = ir.Layout(
        "L", "", (ir.Number("n", "", 8, hi=3), ir.Blob("b", "", 1, 0, 2), ir.Number("c", "", 8, const=7))
    )
    c = ir.Catalogue("1.0", (), (), (layout,))
    assert write(c, layout, {"n": 300, "b": b"xyz"}) == b"\x2c\x03xyz\x07"
    assert write(c, layout, {"n": -1, "b": Lie(9, b"x"), "c": 8}) == b"\xff\x09x\x08"
    assert write(c, layout, Raw(b"any")) == b"any"


def test_the_writer_fills_in_length_and_crc_unless_told() -> None:
    c = catalogue()
    made = write_envelope(c, c.envelope["SIDEBAND"], {}, bytes(20), {"crc16": lambda _: 0x1234})
    assert made == b"\x4f\x5a\x14\0" + bytes(20) + b"\x34\x12"
    made = write_envelope(c, c.envelope["SIDEBAND"], {"sync": 1, "length": 2, "crc": 3}, b"", {"crc16": lambda _: 0})
    assert made == b"\x01\0\x02\0\x03\0"


def test_the_writer_knows_the_header_of_every_form() -> None:
    c = catalogue()
    packet = next(p for p in c.packets if Form.RESPONSE in p.forms)
    for form, (rsp, txn) in {Form.REQUEST: (0, 1), Form.RESPONSE: (1, 1), Form.ERROR: (1, 1)}.items():
        layout = c.layout[c.error_layout(packet) if form is Form.ERROR else packet.forms[form]]
        data = write_packet(c, packet, form, default(c, layout))
        assert (data[0], data[1], data[6]) == (0x10 | rsp << 3, packet.code, txn)
        assert (data[3] != 0) == (form is Form.ERROR)


# ── Look-ups ─────────────────────────────────────────────────────────────────────────────────────────


def test_look_ups_find_everything_by_its_name() -> None:
    c = catalogue()
    for found, of in (
        (c.layout, c.layouts), (c.packet, c.packets), (c.choices, c.enums), (c.flag_set, c.flags), (c.space, c.spaces),
        (c.envelope, c.envelopes), (c.status, c.statuses), (c.timer, c.timers), (c.channel, c.channels),
        (c.group, c.groups), (c.profile, c.profiles),
    ):  # fmt: skip
        assert list(found.values()) == list(of)
    assert [c.by_code[p.code] for p in c.packets] == list(c.packets)
    assert [c.requirement[r.id] for r in c.requirements] == list(c.requirements)
    assert {c.body[b.name] for b in c.bodies} <= set(c.layout)


def test_what_a_layout_names_exists() -> None:
    for c in (catalogue(), *RANDOM):
        for part in (p for x in c.layouts for p in ir.fields_of(x.parts)):
            match part:
                case ir.Number():
                    assert not part.choices or part.choices in c.choices
                    assert not part.flags or part.flags in c.flag_set
                case ir.Rows():
                    assert part.row in c.layout
                case ir.Tlvs():
                    assert {t.layout for t in c.space[part.space].types} <= set(c.layout)


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("c", [catalogue(), *RANDOM], ids=["ours", *map(str, range(len(RANDOM)))])
def test_json_comes_back_as_it_was(c: ir.Catalogue) -> None:
    again = ir.Catalogue.from_json(c.to_json())
    assert again == c
    assert again.to_json() == c.to_json()
    assert again.fingerprint == c.fingerprint
    assert hash(again.layouts) == hash(c.layouts)


@given(st.binary())
def test_octets_of_any_kind_survive_json(data: bytes) -> None:
    layout = ir.Layout("L", "", (ir.Octets("o", "", len(data), data),))
    c = ir.Catalogue("1.0", (), (), (layout,), bodies=(ir.Body("REFUSAL", "L"),))
    assert ir.Catalogue.from_json(c.to_json()) == c


def test_json_is_canonical() -> None:
    text = catalogue().to_json()
    assert text.endswith(b"\n")
    assert text.isascii() or text.decode()
    reordered = json.dumps(dict(reversed(json.loads(text).items()))).encode()
    assert ir.Catalogue.from_json(reordered).to_json() == text


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version": 1}',
        b'{"version": "1.0", "groups": [], "packets": [], "layouts": [], "more": 1}',
    ],
)
def test_json_that_is_no_export_is_refused(wrong: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        ir.Catalogue.from_json(wrong)


def test_json_that_names_what_is_not_there_is_refused() -> None:
    c = catalogue()
    for gone in ("layouts", "enums", "flags", "spaces", "bodies"):
        torn = msgspec.structs.replace(c, **{gone: getattr(c, gone)[1:]})
        with pytest.raises(msgspec.ValidationError, match="Nothing is called"):
            ir.Catalogue.from_json(torn.to_json())


def test_the_fingerprint_does_not_depend_on_the_process() -> None:
    program = "from opalink.protocol.ir.load import declared; print(declared()[0].fingerprint)"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {declared()[0].fingerprint}


def test_any_change_changes_the_fingerprint() -> None:
    c = catalogue()
    assert msgspec.structs.replace(c, version="9.9").fingerprint != c.fingerprint


def test_probes_of_one_layout_differ() -> None:
    c = catalogue()
    for layout in c.layouts:
        names = [p.name for p in illegal(c, layout)]
        assert len(names) == len(set(names))
        assert all(p.fault is None for p in legal(c, layout))
