"""Back end: the envelopes of the C codec, their CRCs, and the messages that a packet's payload can be.

An envelope is decoded to its header and a span of its payload; a packet's payload is decoded by the message that
its header says it is. A firmware that knows what to expect calls the decoder of that layout instead, and never
needs room for the largest of all.

Plan: CRCs · envelopes · messages.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from opalink.protocol.generate.c.codec import Lines, load, read_run, refusal, refusals, store, write_run
from opalink.protocol.generate.c.names import any_of, layout_index, literal, member
from opalink.protocol.generate.python.envelope import FORM_PLACE
from opalink.protocol.generate.python.run import Fixed, Run, has_value
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import camel
from opalink.spec.form import Crc, Form

# ── CRCs ─────────────────────────────────────────────────────────────────────────────────────────────


def crc_source(crc: Crc) -> str:
    """A table of 256 entries and the loop over it, unless the build names a function of its own."""
    bits, macro = crc.width, f"OPAL_{crc.name.upper()}"
    kind = f"uint{bits}_t"
    table = [f"{x:#0{bits // 4 + 2}x}{'u' if bits <= 16 else 'ul'}," for x in crc_table(crc)]
    per_line = 8 if bits > 16 else 12
    if crc.refin:
        step = f"crc = ({kind})(opal_table_{crc.name}[(crc ^ data[i]) & 255u] ^ crc >> 8);"
    else:
        step = f"crc = ({kind})(opal_table_{crc.name}[(crc >> {bits - 8} ^ data[i]) & 255u] ^ crc << 8);"
    return "\n".join([
        f"#ifndef {macro}",
        f"#define {macro}(data, n) opal_{crc.name}(data, n)",
        f"static const {kind} opal_table_{crc.name}[256] = {{",
        *("    " + " ".join(table[i : i + per_line]) for i in range(0, 256, per_line)),
        "};",
        "",
        f"static {kind} opal_{crc.name}(const uint8_t *data, size_t n)",
        "{",
        f"    {kind} crc = {literal(crc.init, bits)};",
        "    size_t i;",
        "",
        "    for (i = 0; i < n; i++) {",
        f"        {step}",
        "    }",
        f"    return crc ^ {literal(crc.xorout, bits)};" if crc.xorout else "    return crc;",
        "}",
        "#endif",
        "",
    ])  # fmt: skip


def crc_table(crc: Crc) -> list[int]:
    """What each byte does to a remainder. Reflected in and out alike, as all declared CRCs are."""
    assert crc.refin is crc.refout
    mask, top = (1 << crc.width) - 1, 1 << crc.width - 1
    poly = int(f"{crc.poly:0{crc.width}b}"[::-1], 2) if crc.refin else crc.poly
    out = []
    for byte in range(256):
        x = byte if crc.refin else byte << crc.width - 8
        for _ in range(8):
            out_bit = x & (1 if crc.refin else top)
            x = (x >> 1 if crc.refin else x << 1 & mask) ^ (poly if out_bit else 0)
        out.append(x)
    return out


LENGTH = r"v->length\b"  # the header's field, which is no member: the payload implies it

# ── Envelopes ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Wrap:
    """The functions of one envelope."""

    catalogue: ir.Catalogue
    envelope: ir.Envelope

    @property
    def name(self) -> str:
        return camel(self.envelope.name)

    @cached_property
    def crc(self) -> Crc | None:
        return next((c for c in self.catalogue.crcs if c.name == self.envelope.crc), None)

    @cached_property
    def run(self) -> Run:
        return Run(self.name, tuple(p for p in self.envelope.header if isinstance(p, Fixed)))

    @property
    def size(self) -> int:
        return self.run.size

    @property
    def crc_size(self) -> int:
        return self.crc.width // 8 if self.crc else 0

    def fields(self) -> list[ir.Part]:
        """Header fields that stand in the struct: the payload implies its length."""
        return [f for f in ir.fields_of(self.run.parts) if has_value(f) and f.name != "length"]

    def length(self) -> tuple[ir.Number, int] | None:
        """The field that says how long the payload is, and its place."""
        at = 0
        for p in self.envelope.header:
            if isinstance(p, ir.Number) and p.name == "length" and self.envelope.size is None:
                return p, at
            if isinstance(p, Fixed):
                at += p.size
        return None

    def bounds(self) -> tuple[int, int]:
        """Least and greatest payload."""
        found = self.length()
        size = self.envelope.size or 0
        return found[0].bounds if found else (size, size)

    def decoder(self) -> str:
        option = "bool crc, " if self.crc else ""
        return f"opal_fault opal_decode_{self.name}(opal_{self.name} *v, opal_span from, {option}opal_error *e)"

    def encoder(self) -> str:
        option = "bool crc, " if self.crc else ""
        return f"opal_fault opal_encode_{self.name}(const opal_{self.name} *v, {option}opal_buffer *out, opal_error *e)"

    def source(self) -> str:
        return "\n".join([*self._decode(), "", *self._encode(), ""])

    def _decode(self) -> Lines:
        size, check = self.size, self.crc_size
        found = self.length()
        extent = load("p", found[1], found[0].size) if found else literal(self.envelope.size or 0, 32)
        read, wrong = read_run(self.run, "v->")
        # The length is no member, only what it is compared with.
        read = [x for x in read if not re.match(LENGTH, x)]
        wrong = [re.sub(LENGTH, "n", x) for x in wrong]
        index = layout_index(self.envelope.name)
        lines = [self.decoder(), "{", "    const uint8_t *const p = from.at;"]
        lines += ["    uint64_t n = 0;"]
        lines += ["    bool damaged = false;", "    bool framed = false;"] if self.crc else ["    bool framed = false;"]
        lines += ["", f"    if (from.n >= {size}u) {{", f"        n = {extent};"]
        lines += [f"        framed = from.n >= {size + check}u && from.n - {size + check}u == n;"]
        if self.crc:
            lines += [f"        if (crc && from.n - {size}u >= n && from.n - {size}u - n >= {check}u) {{"]
            covered = f"{size}u + (size_t)n"
            computed = f"OPAL_{self.crc.name.upper()}(p, {covered})"
            lines += [f"            damaged = {computed} != opal_u{8 * check}(p + {covered});", "        }"]
        lines += ["    }"]
        test = "!framed || damaged" if self.crc else "!framed"
        says = "damaged" if self.crc else "false"
        explain = f"return opal_misframed(e, {index}, from, {size}u, n, {check}u, {says});"
        lines += [f"    if ({test}) {{", f"        {explain}", "    }", *(f"    {x}" for x in read)]
        if wrong:
            explain = explain.replace(", damaged)", ", false)")
            lines += [f"    if ({any_of(wrong, '        ')}) {{", f"        {explain}", "    }"]
        return [*lines, f"    v->payload.at = p + {size};", "    v->payload.n = (size_t)n;", "    return OPAL_OK;", "}"]

    def _encode(self) -> Lines:
        (lo, hi), size, check = self.bounds(), self.size, self.crc_size
        n = "v->payload.n"
        wrong = [f"{n} != {lo}u"] if lo == hi else [*([f"{n} < {lo}u"] if lo else [])]
        if lo != hi and hi <= 0xFFFFFFFE:
            wrong.append(f"{n} > {literal(hi, 32)}")
        checks = refusals(_without_length(self.run), "v->")
        checks += refusal(wrong, "OPAL_CAP", "payload")
        lines = [self.encoder(), "{", "    uint8_t *const p = out->at + out->n;"]
        lines += ["    const size_t begun = out->n;", "", "    e->depth = 0;", *(f"    {x}" for x in checks)]
        lines += [f"    if (out->size - begun < {size + check}u || out->size - begun - {size + check}u < {n}) {{"]
        lines += ["        return opal_here(e, OPAL_ROOM, NULL);", "    }"]
        lines += [f"    (void)opal_append(e, p + {size}, out->at + out->size, v->payload);"]
        lines += [f"    out->n += {size} + {n};"]
        found = self.length()
        for x in write_run(self.run, "v->"):
            # Its type is what the bounds were checked for.
            cast = f"(uint{_width(found[0].bits)}_t){n}" if found else ""
            lines.append(f"    {re.sub(LENGTH, cast, x)}" if found else f"    {x}")
        if self.crc:
            computed = f"crc ? OPAL_{self.crc.name.upper()}(p, out->n - begun) : 0u"
            if check == 2:
                computed = f"(uint16_t)({computed})"
            lines += [f"    {store('(out->at + out->n)', 0, check, computed)}", f"    out->n += {check};"]
        return [*lines, "    return OPAL_OK;", "}"]


def _width(bits: int) -> int:
    return next(n for n in (8, 16, 32, 64) if bits <= n)


def _without_length(run: Run) -> Run:
    return Run(run.id, tuple(p for p in run.parts if p.name != "length"))


# ── Messages ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Message:
    """A form of a packet type; a failed request without an error form of its own is answered by the refusal."""

    packet: ir.Packet
    form: Form
    layout: str

    @property
    def number(self) -> int:
        return self.packet.code << 2 | FORM_PLACE[self.form]

    @property
    def macro(self) -> str:
        return f"OPAL_MESSAGE_{self.packet.name}_{self.form.upper()}"


def messages(catalogue: ir.Catalogue) -> Iterator[Message]:
    """Every message, in order of declaration."""
    for packet in catalogue.packets:
        forms = dict(packet.forms)
        if Form.REQUEST in forms:
            forms.setdefault(Form.ERROR, catalogue.error_layout(packet))
        for form in FORM_PLACE:
            if form in forms:
                yield Message(packet, form, forms[form])


def message_source(catalogue: ir.Catalogue) -> str:
    """From a header to its message, and from a message to its layout."""
    succeeded = " || ".join(f"packet->status == {s.value}u" for s in catalogue.statuses if s.success)
    lines = ["uint16_t opal_message(const opal_Packet *packet)", "{", "    unsigned place;", ""]
    places = {form: f"{place}u" for form, place in FORM_PLACE.items()}
    lines += ["    if (packet->rsp != 0) {", f"        place = {succeeded} ? {places[Form.RESPONSE]}"]
    lines[-1] += f" : {places[Form.ERROR]};"
    lines += ["    } else {", f"        place = packet->txn != 0 ? {places[Form.REQUEST]} : {places[Form.EVENT]};"]
    lines += ["    }", "    return (uint16_t)((unsigned)packet->type << 2 | place);", "}", ""]
    by_layout: dict[str, list[Message]] = {}
    for m in messages(catalogue):
        by_layout.setdefault(m.layout, []).append(m)
    for verb, v, other in (("decode", "opal_body *v", "opal_span from"), ("encode", "const opal_body *v", "")):
        argument = other or "opal_buffer *out"
        lines += [f"opal_fault opal_{verb}_body({v}, uint16_t message, {argument}, opal_error *e)", "{"]
        lines += ["    switch (message) {"]
        for layout, found in by_layout.items():
            lines += [f"    case {m.macro}:" for m in found]
            lines += [
                f"        return opal_{verb}_{layout}(&v->{member(layout)}, {argument.split('*')[-1].split()[-1]}, e);"
            ]
        lines += ["    default:", "        e->depth = 0;", "        return opal_here(e, OPAL_UNKNOWN, NULL);", "    }"]
        lines += ["}", ""]
    return "\n".join(lines)
