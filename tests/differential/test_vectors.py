"""The vectors leave nothing out: every check of the representation, every member, every tag, every line.

What must be covered is read from the model alone. What is covered is seen from outside: in the values that the
vectors give, and in where the decoder was when it refused. Named bodies, which travel in no packet of their own,
have no vectors; their samples are the probes.

Plan: samples · what must be covered · what is covered · lines.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from types import CodeType, FrameType
from typing import Any

import pytest

from opalink.protocol.errors import DecodeError, Fault
from opalink.protocol.generate.vectors import vectors
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.load import catalogue
from opalink.protocol.ir.probes import illegal, legal, maximum
from opalink.protocol.ir.write import default, write
from opalink.spec.form import Form
from tests.differential import ours
from tests.differential.agreement import plain

NESTING = 2
MOST = 0xFFFF  # of a payload, as its header can say

Chain = tuple[str, ...]
Point = tuple[str, Chain, str, str]  # where it begins, the layouts down to the field, the field, what about it

# ── Samples ──────────────────────────────────────────────────────────────────────────────────────────


@cache
def samples() -> dict[str, tuple[ir.Layout, list[bytes]]]:
    """The bodies to decode, by packet and form or by the name of the body."""
    c = catalogue()
    found: dict[str, tuple[ir.Layout, list[bytes]]] = {}
    for packet in c.packets:
        forms = dict(packet.forms)
        if Form.REQUEST in forms:
            forms[Form.ERROR] = c.error_layout(packet)
        for form, name in forms.items():
            found[f"{packet.name}.{form}"] = (c.layout[name], [])
    for v in (v for group in c.groups for v in vectors(c, group.name)):
        where = ".".join(v.name.split(".")[:2])
        if where in found:
            found[where][1].append(bytes.fromhex(v.hex)[16:-4])
    for body in c.bodies:
        found[body.name] = (c.layout[body.layout], probes(c.layout[body.layout]))
    return found


def probes(layout: ir.Layout) -> list[bytes]:
    c = catalogue()
    values = [p.value for p in (*legal(c, layout), *illegal(c, layout))]
    return [write(c, layout, value) for value in (default(c, layout), maximum(c, layout), *values)]


# ── What must be covered ─────────────────────────────────────────────────────────────────────────────


def due(where: str, layout: ir.Layout, chain: Chain = (), depth: int = 0) -> Iterator[Point]:
    """Every check and every thing worth seeing, of a layout, of its rows and of its TLVs."""
    c, chain = catalogue(), (*chain, layout.name)
    if ir.lone_number(layout) and depth:
        yield where, chain, "", Fault.LONG
    for part in layout.parts:
        if not isinstance(part, ir.Raw):
            first = part.fields[0] if isinstance(part, ir.Bits) else part
            yield where, chain, first.name, Fault.SHORT
        for f in part.fields if isinstance(part, ir.Bits) else [part]:
            yield from ((where, chain, f.name, what) for what in _about(f))
        if isinstance(part, ir.Rows) and part.hi:
            yield from due(where, c.layout[part.row], chain, depth)
        elif isinstance(part, ir.Tlvs) and depth < NESTING:
            for t in c.space[part.space].types:
                yield from due(where, c.layout[t.layout], chain, depth + 1)


def _about(f: ir.Part) -> Iterator[str]:
    """What there is to see of one field."""
    match f:
        case ir.Number(const=int()):
            yield Fault.CONST
        case ir.Number():
            (lo, hi), (least, most) = f.bounds, f.span
            yield from ["below"] * (least < lo) + ["above"] * (hi < most)
            yield from _values(f)
        case ir.Octets():
            yield from ("zeros", "ones")
        case ir.Blob() | ir.Raw() | ir.Rows():
            can_say = MOST if isinstance(f, ir.Raw) else (1 << 8 * f.count) - 1
            yield from ["under"] * (f.lo > 0) + ["over"] * (f.hi < can_say)
            yield "shortest"
            size = catalogue().sizes[f.row][0] if isinstance(f, ir.Rows) else 1
            yield from ["longest"] * (f.hi * size < MOST // 2)
        case ir.Tlvs():
            yield from ("none", "unknown tag", "empty", "overrun")
            yield from (f"tag {t.tag}" for t in catalogue().space[f.space].types)


def _values(n: ir.Number) -> Iterator[str]:
    lo, hi = n.bounds
    members = catalogue().choices[n.choices].members if n.choices else ()
    bits = catalogue().flag_set[n.flags].members if n.flags else ()
    if n.reserved:
        yield "reserved bits set"
    elif n.choices:
        yield from (f"is {m.value}" for m in members if lo <= m.value <= hi)
        if hi - lo + 1 > len(members):
            yield "unknown member"
    elif n.flags:
        yield from (f"bit {m.value}" for m in bits if lo <= 1 << m.value <= hi)
    else:
        yield from {f"is {lo}", f"is {hi}"}


# ── What is covered ──────────────────────────────────────────────────────────────────────────────────


def seen(where: str, layout: ir.Layout, data: bytes) -> Iterator[Point]:
    try:
        value = ours.module()[f"decode_{layout.name}"](data, 0, len(data))
    except DecodeError as error:
        yield from _refusal(where, error)
    else:
        yield from _content(where, layout, plain(value), ())


def _refusal(where: str, error: DecodeError) -> Iterator[Point]:
    """The layouts that the decoder was in, and what it said."""
    frames = []
    at = error.__traceback__
    while at:
        if at.tb_frame not in frames:
            frames.append(at.tb_frame)
        at = at.tb_next
    called = [f.f_code.co_name.removeprefix("decode_") for f in frames if f.f_code.co_name.startswith("decode_")]
    *steps, tail = [*error.path.split("."), ""] if error.fault is Fault.LONG else error.path.split(".")
    chain = _chain([name for name in called if name in catalogue().layout], [x for x in steps if x])
    name, _, index = tail.partition("[")
    what = str(error.fault)
    layout = catalogue().layout[chain[-1]]
    part = next((f for f in ir.fields_of(layout.parts) if f.name == name), None)
    if error.fault is Fault.RANGE:
        assert isinstance(part, ir.Number)
        assert error.value is not None
        what = "below" if error.value < part.bounds[0] else "above"
    elif error.fault is Fault.CAP:
        assert isinstance(part, (ir.Blob, ir.Raw, ir.Rows))
        assert error.value is not None
        what = "under" if error.value < part.lo else "over"
    elif error.fault is Fault.LONG:
        name = ""
    elif (
        index
        and frames[-1].f_code.co_name == "_decode_any"
        and frames[-1].f_locals.get("stop", -1) > frames[-1].f_locals["end"]
    ):
        what = "overrun"
    yield where, chain, name, what


def _chain(called: list[str], steps: list[str]) -> Chain:
    """The layouts on a path: for rows the representation knows them, for TLVs the decoders that were called do."""
    c = catalogue()
    tlvs = {t.layout for s in c.spaces for t in s.types}
    records = iter(name for name in called[1:] if name in tlvs)
    chain = called[:1]
    for step in steps:
        part = next(p for p in c.layout[chain[-1]].parts if p.name == step.partition("[")[0])
        chain.append(part.row if isinstance(part, ir.Rows) else next(records))
    return tuple(chain)


def _content(where: str, layout: ir.Layout, value: Any, chain: Chain) -> Iterator[Point]:
    c, chain = catalogue(), (*chain, layout.name)
    lone = ir.lone_number(layout)
    if lone and not isinstance(value, dict):
        value = {lone.name: value}
    for f in ir.fields_of(layout.parts):
        if f.name not in value:
            continue
        found = value[f.name]
        yield from ((where, chain, f.name, what) for what in _shows(f, found))
        if isinstance(f, ir.Rows):
            for row in found:
                yield from _content(where, c.layout[f.row], row, chain)
        elif isinstance(f, ir.Tlvs):
            known = {t.tag: t.layout for t in c.space[f.space].types}
            for tag, inner in found:
                if tag in known:
                    yield from _content(where, c.layout[known[tag]], inner, chain)


def _shows(f: ir.Part, found: Any) -> Iterator[str]:
    match f:
        case ir.Number():
            yield f"is {found}"
            yield from (f"bit {i}" for i in range(f.bits) if f.flags and found == 1 << i)
            if f.reserved and found:
                yield "reserved bits set"
            if f.choices and found not in {m.value for m in catalogue().choices[f.choices].members}:
                yield "unknown member"
        case ir.Octets():
            yield from ["zeros"] * (not any(found)) + ["ones"] * (set(found) == {0xFF})
        case ir.Blob() | ir.Raw() | ir.Rows():
            yield from ["shortest"] * (len(found) == f.lo) + ["longest"] * (len(found) == f.hi)
        case ir.Tlvs():
            known = {t.tag for t in catalogue().space[f.space].types}
            yield from ["none"] * (not found)
            for tag, inner in found:
                yield f"tag {tag}" if tag in known else "unknown tag"
                yield from ["empty"] * (inner == b"")


@pytest.fixture(scope="module")
def covered() -> set[Point]:
    return {
        point for where, (layout, bodies) in samples().items() for data in bodies for point in seen(where, layout, data)
    }


@pytest.mark.parametrize("where", samples())
def test_every_check_and_every_value_has_a_vector(where: str, covered: set[Point]) -> None:
    assert set(due(where, samples()[where][0])) - covered == set()


def test_the_points_are_many(covered: set[Point]) -> None:
    wanted = {point for where, (layout, _) in samples().items() for point in due(where, layout)}
    assert len(wanted) > 5000
    assert {what for *_, what in wanted} >= {Fault.SHORT, Fault.LONG, Fault.CONST, "below", "above", "under", "over"}
    assert len(wanted & covered) == len(wanted)


def test_every_form_of_every_type_has_one_that_is_accepted() -> None:
    c = catalogue()
    accepted = {v.name.rsplit(".", 1)[0] for g in c.groups for v in vectors(c, g.name) if not v.error}
    assert {f"{p.name}.{form}" for p, form, _ in c.messages()} <= accepted


# ── Lines ────────────────────────────────────────────────────────────────────────────────────────────


def _lines(code: CodeType) -> set[int]:
    found = {line for *_, line in code.co_lines() if line}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found |= _lines(inner)
    return found - {code.co_firstlineno}


def test_every_line_of_every_decoder_runs() -> None:
    ran: dict[str, set[int]] = defaultdict(set)
    files = {m.__file__: name for name, m in ours.chapters().items() if name != "codec"}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            ran[frame.f_code.co_filename].add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for layout, bodies in [*samples().values(), *((x, probes(x)) for x in catalogue().layouts)]:
            decode = ours.module()[f"decode_{layout.name}"]
            for data in bodies:
                try:
                    decode(data, 0, len(data))
                except DecodeError:
                    continue
    finally:
        sys.settrace(before)
    missed = []
    for file, name in files.items():
        with open(file, encoding="utf-8") as opened:  # noqa: PTH123
            text = opened.read().splitlines()
        for decoder in (f for n, f in vars(ours.chapters()[name]).items() if n.startswith("decode_")):
            if decoder.__code__.co_filename == file:
                missed += [
                    f"{name}:{i} {decoder.__name__}: {text[i - 1].strip()}"
                    for i in sorted(_lines(decoder.__code__) - ran[file])
                ]
    assert missed == []
