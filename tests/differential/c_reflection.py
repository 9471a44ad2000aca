"""What a decoded value is, said by C and by Python in the same bytes, and read back by C.

The flat form of a value: each number in 8 bytes, octets as they are, counted and raw bytes behind their number, rows
behind theirs, TLVs behind theirs, each as its tag and its value. The C half is generated test code around the
codec's structs; the Python half is generated too, or else millions of values would take an hour.

Plan: C: giving, taking, targets · Python: giving.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from opalink.protocol.generate.c.envelope import Wrap, messages
from opalink.protocol.generate.c.header import ordered
from opalink.protocol.generate.c.names import has_value, literal, member
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import camel

Flat = Callable[[Any], bytes]

# ── C: giving, taking, targets ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Target:
    """Something that the driver does with bytes: `decode`, `encode` (from the flat form), `envelope`, `bare` (the
    same without CRC). The packet's name is that of its envelope, and its payload is decoded too."""

    what: str
    name: str


def targets(c: ir.Catalogue) -> list[Target]:
    found = [Target(what, x.name) for x in c.layouts for what in ("decode", "encode")]
    for e in c.envelopes:
        found += [Target(what, camel(e.name)) for what in (("envelope", "bare") if e.crc else ("envelope",))]
    return found


def c_source(c: ir.Catalogue) -> str:
    """The functions `opal_target_<i>`, one for each target."""
    lines = []
    for x in ordered(c):
        lines += [f"static void opal_give_{x.name}(const opal_{x.name} *v);"]
    for s in c.spaces:
        if any(isinstance(p, ir.Tlvs) and p.space == s.name for y in c.layouts for p in y.parts):
            lines += _give_tlvs(c, s)
    for x in ordered(c):
        lines += _giver(x.name, list(ir.fields_of(x.parts)))
        lines += _taker(x)
    for e in c.envelopes:
        lines += _giver(camel(e.name), Wrap(c, e).fields())
    for i, t in enumerate(targets(c)):
        lines += _target(c, i, t)
    return "\n".join(lines) + "\n"


def _giver(name: str, fields: list[Any]) -> Iterator[str]:
    yield from (f"static void opal_give_{name}(const opal_{name} *v)", "{", "    (void)v;")
    for f in fields:
        if not has_value(f):
            continue
        x = f"v->{member(f.name)}"
        match f:
            case ir.Number(signed=True):
                yield f"    give_number((uint64_t)(int64_t){x});"
            case ir.Number():
                yield f"    give_number({x});"
            case ir.Octets():
                yield f"    give({x}, {f.size});"
            case ir.Blob() | ir.Raw():
                yield f"    give_span({x}.at, {x}.n);"
            case ir.Rows():
                yield from (f"    give_count({x}.n);", f"    for (uint32_t i = 0; i < {x}.n; i++) {{")
                yield from (f"        opal_give_{f.row}(&{x}.at[i]);", "    }")
            case ir.Tlvs():
                yield f"    opal_give_tlvs_{f.space}({x});"
    yield "}"


def _give_tlvs(c: ir.Catalogue, s: ir.Space) -> Iterator[str]:
    yield from (f"static void opal_give_tlvs_{s.name}(opal_span rest)", "{", "    opal_span all = rest;")
    yield from (
        "    opal_tlv t;",
        "    uint32_t n = 0;",
        "    while (opal_next_tlv(&all, &t)) {",
        "        n++;",
        "    }",
    )
    yield from ("    give_count(n);", "    while (opal_next_tlv(&rest, &t)) {", "        give_tag(t.tag);")
    yield "        switch (t.tag) {"
    for t in s.types:
        layout = c.layout[t.layout]
        lone = ir.lone_number(layout)
        give = f"opal_give_{t.layout}(v)"
        if lone and lone.const is not None:
            give = f"give_number((uint64_t){literal(lone.const & (1 << 64) - 1, 64)})"
        yield from (f"        case {t.tag}: {{", f"            opal_{t.layout} *v = room(sizeof *v);")
        yield from (
            "            opal_error e;",
            f"            if (opal_decode_{t.layout}(v, t.value, &e) != OPAL_OK) {{",
        )
        yield from ("                abort();", "            }", f"            {give};", "            release(v);")
        yield from ("            break;", "        }")
    yield from ("        default:", "            give_span(t.value.at, t.value.n);", "        }", "    }", "}")


def _taker(x: ir.Layout) -> Iterator[str]:
    yield from (f"static void opal_take_{x.name}(opal_{x.name} *v)", "{", "    (void)v;")
    for f in ir.fields_of(x.parts):
        if not has_value(f):
            continue
        y = f"v->{member(f.name)}"
        match f:
            case ir.Number():
                width = next(n for n in (8, 16, 32, 64) if f.bits <= n)
                kind = f"{'' if f.signed else 'u'}int{width}_t"
                yield f"    {y} = ({kind})take_number();"
            case ir.Octets():
                yield f"    memcpy({y}, take({f.size}), {f.size});"
            case ir.Blob() | ir.Raw() | ir.Tlvs():
                yield from (f"    {y}.n = take_count();", f"    {y}.at = take({y}.n);")
            case ir.Rows():
                room = f"sizeof {y}.at / sizeof {y}.at[0]"
                yield from (f"    {y}.n = take_count();", f"    for (uint32_t i = 0; i < {y}.n; i++) {{")
                # What there is no room for is taken all the same, so that what follows is found.
                yield from (f"        opal_take_{f.row}(&{y}.at[i < {room} ? i : {room} - 1]);", "    }")
    yield "}"


def _target(c: ir.Catalogue, i: int, t: Target) -> Iterator[str]:
    yield from (f"static void opal_target_{i}(const uint8_t *data, size_t size)", "{", f"    static opal_{t.name} v;")
    yield from (
        "    opal_span from = {data, size};",
        "    opal_buffer out = {written, 0, WRITTEN};",
        "    opal_error e;",
    )
    match t.what:
        case "decode":
            yield from (
                f"    if (opal_decode_{t.name}(&v, from, &e) != OPAL_OK) {{",
                *_refuse("", "data"),
                "        return;",
            )
            yield from ("    }", "    accept();", f"    opal_give_{t.name}(&v);")
            yield from _again(f"opal_encode_{t.name}(&v, &out, &e)", 0)
        case "encode":
            yield from ("    (void)from;", "    begin_taking(data, size);", f"    opal_take_{t.name}(&v);")
            yield from (
                f"    if (opal_encode_{t.name}(&v, &out, &e) != OPAL_OK) {{",
                *_refuse("", "NULL"),
                "        return;",
            )
            yield from ("    }", "    accept();", "    give(written, out.n);", "}")
        case _ if t.name == "Packet":
            yield from _packet_target(t.what == "envelope")
        case _:
            wrap = Wrap(c, next(e for e in c.envelopes if camel(e.name) == t.name))
            crc = f"{str(t.what == 'envelope').lower()}, " if wrap.crc else ""
            yield from (f"    if (opal_decode_{t.name}(&v, from, {crc}&e) != OPAL_OK) {{", *_refuse("", "data"))
            yield from ("        return;", "    }", "    accept();", f"    opal_give_{t.name}(&v);")
            yield "    give_span(v.payload.at, v.payload.n);"
            skip = 0 if t.what == "envelope" else wrap.crc_size
            yield from _again(f"opal_encode_{t.name}(&v, {crc}&out, &e)", skip)


def _packet_target(crc: bool) -> Iterator[str]:
    option = str(crc).lower()
    yield from ("    static opal_body body;", "    uint16_t m;", "    opal_fault fault;")
    yield from (
        f"    if (opal_decode_Packet(&v, from, {option}, &e) != OPAL_OK) {{",
        *_refuse("", "data"),
        "        return;",
    )
    yield from ("    }", "    m = opal_message(&v);", "    fault = opal_decode_body(&body, m, v.payload, &e);")
    yield from (
        "    if (fault != OPAL_OK && fault != OPAL_UNKNOWN) {",
        *_refuse("opal_message_name(m)", "data"),
        "        return;",
    )
    yield from (
        "    }",
        "    accept();",
        "    opal_give_Packet(&v);",
        "    give_tag(m);",
        "    if (fault == OPAL_UNKNOWN) {",
    )
    yield from ("        give_span(v.payload.at, v.payload.n);", "    } else {", "        opal_give_body(m, &body);")
    yield from ("        out.n = HEADER;", "        if (opal_encode_body(&body, m, &out, &e) != OPAL_OK) {")
    yield from ("            abort();", "        }", "        v.payload.at = written + HEADER;")
    yield from ("        v.payload.n = out.n - HEADER;", "        out.n = 0;", "    }")
    yield from _again(f"opal_encode_Packet(&v, {option}, &out, &e)", 0 if crc else 4)


def _again(encode: str, skip: int) -> Iterator[str]:
    """What was accepted must encode to the same bytes again, but for the last `skip`."""
    yield from (
        f"    size = {encode} == OPAL_OK && size == out.n ? size : SIZE_MAX;",
        f"    check(data, size, {skip});",
        "}",
    )


def _refuse(message: str, base: str) -> Iterator[str]:
    place = "0" if base == "NULL" else f"(size_t)(e.at - {base})"
    yield "        size_t n = opal_path(&e, path, sizeof path);"
    yield f"        refuse((int)e.fault, {place}, {message or 'NULL'}, n);"


def body_source(c: ir.Catalogue) -> str:
    """`opal_give_body`: the member of the union that a message has made valid."""
    by_layout: dict[str, list[str]] = {}
    for m in messages(c):
        by_layout.setdefault(m.layout, []).append(m.macro)
    lines = ["static void opal_give_body(uint16_t m, const opal_body *v)", "{", "    switch (m) {"]
    for layout, macros in by_layout.items():
        lines += [
            *(f"    case {m}:" for m in macros),
            f"        opal_give_{layout}(&v->{member(layout)});",
            "        break;",
        ]
    return "\n".join([*lines, "    }", "}", ""])


# ── Python: giving ───────────────────────────────────────────────────────────────────────────────────


def flats(c: ir.Catalogue) -> dict[str, Flat]:
    """For each layout and envelope, what gives a value class's flat form; of an envelope, the header's."""
    lines = ["from struct import Struct as _Packer", "_count = _Packer('<I').pack", "_tag = _Packer('<H').pack"]
    lines += ["_number = _Packer('<q').pack", "_whole = _Packer('<Q').pack"]
    for s in c.spaces:
        lines += [f"def tlvs_{s.name}(found):", "    out = [_count(len(found))]", "    for t in found:"]
        lines += ["        tag, value = t.tag, t.value", "        out.append(_tag(tag))"]
        lines += [f"        give = _tags_{s.name}.get(tag)"]
        lines += ["        out.append(give(value) if give else _count(len(value)) + value)", "    return b''.join(out)"]
    for x in c.layouts:
        lines += _python_flat(x.name, list(ir.fields_of(x.parts)))
    for e in c.envelopes:
        lines += _python_flat(camel(e.name), Wrap(c, e).fields())
    for s in c.spaces:
        lines.append(f"_tags_{s.name} = {{")
        for t in s.types:
            lone = ir.lone_number(c.layout[t.layout])
            give = f"flat_{t.layout}" if lone is None else "_number" if lone.signed else "_whole"
            lines.append(f"    {t.tag}: {give},")
        lines.append("}")
    found: dict[str, Any] = {}
    exec(compile("\n".join(lines), "flat", "exec"), found)  # noqa: S102 (made here)
    names = [x.name for x in c.layouts] + [camel(e.name) for e in c.envelopes]
    return {name: found[f"flat_{name}"] for name in names}


def _python_flat(name: str, fields: list[Any]) -> Iterator[str]:
    """One function; neighbouring numbers and octets are one call."""
    groups: list[tuple[str, list[str]]] = []
    pieces: list[str] = []
    for f in fields:
        if not has_value(f):
            continue
        x = f"v.{f.name}"
        if isinstance(f, ir.Number | ir.Octets):
            code = f"{f.size}s" if isinstance(f, ir.Octets) else "q" if f.signed else "Q"
            if not pieces or not pieces[-1].startswith("_P"):
                groups.append(("", []))
                pieces.append(f"_P_{name}_{len(groups) - 1}")
            text, arguments = groups[-1]
            groups[-1] = text + code, [*arguments, x]
        elif isinstance(f, ir.Rows):
            pieces.append(f"_count(len({x})) + b''.join([flat_{f.row}(r) for r in {x}])")
        elif isinstance(f, ir.Tlvs):
            pieces.append(f"(tlvs_{f.space}({x}) if {x} else b'\\0\\0\\0\\0')")
        else:
            pieces.append(f"_count(len({x})) + bytes({x})")
    for i, (text, arguments) in enumerate(groups):
        yield f"_P_{name}_{i} = _Packer('<{text}').pack"
        at = pieces.index(f"_P_{name}_{i}")
        pieces[at] = f"_P_{name}_{i}({', '.join(arguments)})"
    yield f"def flat_{name}(v): return {' + '.join(pieces) or repr(b'')}"
