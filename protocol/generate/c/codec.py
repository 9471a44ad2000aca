"""Back end: the straight lines of the C codec: a reader and a writer for each layout.

Neighbouring fixed fields are a run: one look at the window, one condition for everything that can be wrong. A reader
says no more than that something is; see `library` for what explains it. A writer says it itself, since it has the
field in hand.

Plan: reading · TLVs · writing · the functions of a layout.
"""

from dataclasses import dataclass

from opalink.protocol.generate.c.names import (
    any_of,
    capacity,
    ctype,
    field,
    has_value,
    layout_index,
    literal,
    member,
    outside,
    space_index,
)
from opalink.protocol.generate.python.run import Fixed, Run, segments
from opalink.protocol.ir import model as ir

Lines = list[str]

# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────


def at(base: str, offset: int) -> str:
    return f"{base} + {offset}" if offset else base


def load(base: str, offset: int, size: int) -> str:
    """The expression of a little-endian number."""
    return f"{base}[{offset}]" if size == 1 else f"opal_u{8 * size}({at(base, offset)})"


def store(base: str, offset: int, size: int, value: str) -> str:
    """The statement that puts a number down; `value` has the type of so many bytes."""
    return f"{base}[{offset}] = {value};" if size == 1 else f"opal_put{8 * size}({at(base, offset)}, {value});"


def span_of(bits: int, signed: bool) -> tuple[int, int]:
    """What the type of a number of so many bits can hold."""
    width = next(n for n in (8, 16, 32, 64) if bits <= n)
    return (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)


def read_run(run: Run, v: str, p: str = "p") -> tuple[Lines, list[str]]:
    """The statements that read the fixed fields of a run, and the conditions under which they are illegal."""
    lines: Lines = []
    wrong: list[str] = []
    offset = 0
    for part in run.parts:
        match part:
            case ir.Number():
                raw = load(p, offset, part.size)
                if has_value(part):
                    x = f"{v}{member(part.name)}"
                    lines.append(f"{x} = {f'({ctype(part.bits, True)}){raw}' if part.signed else raw};")
                    wrong += outside(x, part, part.span, part.bits)
                else:
                    raw = f"({ctype(part.bits, True)}){raw}" if part.signed else raw
                    wrong += outside(raw, part, part.span, part.bits)
                offset += part.size
            case ir.Bits():
                word = load(p, offset, part.size)
                for f in part.fields:
                    raw = _bits(word, f, part.size)
                    if has_value(f):
                        x = f"{v}{member(f.name)}"
                        lines.append(f"{x} = ({ctype(f.bits)})({raw});")
                        wrong += outside(x, f, f.span, f.bits)
                    else:
                        wrong += outside(f"({raw})", f, f.span, f.bits)
                offset += part.size
            case ir.Octets():
                lines.append(f"memcpy({v}{member(part.name)}, {at(p, offset)}, {part.size});")
                offset += part.size
    return lines, wrong


def _bits(word: str, f: ir.Number, size: int) -> str:
    """The expression of a bit field."""
    shifted = f"{word} >> {f.shift}" if f.shift else word
    if f.shift + f.bits == 8 * size:
        return shifted
    return f"{shifted} & {literal((1 << f.bits) - 1, max(f.bits, 8))}"


@dataclass(frozen=True)
class Codec:
    """The functions of one layout."""

    catalogue: ir.Catalogue
    layout: ir.Layout

    @property
    def name(self) -> str:
        return self.layout.name

    def segments(self) -> list[Run | ir.Part]:
        return segments(self.layout.parts, self.name)

    def source(self) -> str:
        return "\n".join([*self._reader(), "", *self._writer(), "", *self._public(), ""])

    def _reader(self) -> Lines:
        body: Lines = []
        counted = False
        for p in self.segments():
            match p:
                case Run():
                    counted |= not isinstance(p.parts[-1], Fixed)
                    body += self._read_run(p)
                case ir.Blob():
                    x = f"v->{member(p.name)}"
                    body += ["if ((size_t)(end - p) < n) {", "    return NULL;", "}"]
                    body += [f"{x}.at = p;", f"{x}.n = n;", "p += n;"]
                case ir.Rows():
                    body += self._read_rows(p)
                case ir.Tlvs():
                    x = f"v->{member(p.name)}"
                    body += [f"if (!opal_legal_{p.space}(p, end)) {{", "    return NULL;", "}"]
                    body += [f"{x}.at = p;", f"{x}.n = (size_t)(end - p);", "p = end;"]
        if not any("v->" in x for x in body):
            body.insert(0, "(void)v;")
        if not any("end" in x for x in body):
            body.insert(0, "(void)end;")
        head = [f"static const uint8_t *opal_read_{self.name}(opal_{self.name} *restrict v, const uint8_t *p,"]
        head += [f"{' ' * len(f'static const uint8_t *opal_read_{self.name}(')}const uint8_t *end)", "{"]
        if counted:
            head += ["    size_t n;"]
        if any(isinstance(p, ir.Rows) for p in self.layout.parts):
            head += ["    uint32_t i;"]
        if len(head) > 3:
            head.append("")
        return [*head, *(f"    {x}" for x in body), "    return p;", "}"]

    def _read_run(self, run: Run) -> Lines:
        lines: Lines = []
        size = run.size
        if size:
            lines += [f"if (end - p < {size}) {{", "    return NULL;", "}"]
        read, wrong = read_run(run, "v->")
        lines += read
        match last := run.parts[-1]:
            case ir.Blob() | ir.Rows():
                lines.append(f"n = {load('p', size - last.count, last.count)};")
                wrong += _capped("n", last.lo, last.hi, (1 << 8 * last.count) - 1)
            case ir.Raw():
                lines.append(f"n = (size_t)(end - p){f' - {size}' if size else ''};")
                wrong += _capped("n", last.lo, last.hi, None)
        if wrong:
            lines += [f"if ({any_of(wrong, '        ')}) {{", "    return NULL;", "}"]
        if isinstance(last, ir.Raw):
            x = f"v->{member(last.name)}"
            return [*lines, f"{x}.at = {at('p', size)};", f"{x}.n = n;", "p = end;"]
        return [*lines, f"p += {size};"] if size else lines

    def _read_rows(self, p: ir.Rows) -> Lines:
        x, room = f"v->{member(p.name)}", capacity(self.name, p.name)
        return [
            f"if (n > {room}) {{",
            "    return NULL;",
            "}",
            f"{x}.n = (uint32_t)n;",
            "for (i = 0; i < n; i++) {",
            f"    p = opal_read_{p.row}(&{x}.at[i], p, end);",
            "    if (p == NULL) {",
            "        return NULL;",
            "    }",
            "}",
        ]

    # ── Writing ──

    def _writer(self) -> Lines:
        body: Lines = []
        for p in self.segments():
            match p:
                case Run():
                    body += self._write_run(p)
                    if isinstance(p.parts[-1], ir.Raw):
                        body += self._append(p.parts[-1])
                case ir.Blob():
                    body += self._append(p)
                case ir.Rows():
                    body += self._write_rows(p)
                case ir.Tlvs():
                    x = f"v->{member(p.name)}"
                    body += [f"if ({x}.n != 0 && !opal_legal_{p.space}({x}.at, {x}.at + {x}.n)) {{"]
                    body += [f"    (void)opal_unsound(e, {space_index(p.space)}, {field(p.name)}, {x});"]
                    body += ["    return NULL;", "}", *self._append(p)]
        used = [("v", "v->"), ("end", "end"), ("e", "(e, ")]
        unused = [name for name, sign in used if not any(sign in line for line in body)]
        begin = f"static uint8_t *opal_write_{self.name}("
        head = [f"{begin}const opal_{self.name} *restrict v, uint8_t *p, const uint8_t *end,"]
        head += [f"{' ' * len(begin)}opal_error *restrict e)", "{"]
        if any(isinstance(p, ir.Rows) for p in self.layout.parts):
            head += ["    uint32_t i;", ""]
        body = [*(f"(void){x};" for x in unused), *body]
        return [*head, *(f"    {x}" for x in body), "    return p;", "}"]

    def _append(self, p: ir.Part) -> Lines:
        return [f"p = opal_append(e, p, end, v->{member(p.name)});", "if (p == NULL) {", "    return NULL;", "}"]

    def _write_run(self, run: Run) -> Lines:
        lines = refusals(run, "v->", "return NULL;")
        last, size = run.parts[-1], run.size
        if isinstance(last, ir.Blob | ir.Rows | ir.Raw):
            x = f"v->{member(last.name)}.n"
            lines += refusal(_capped(x, last.lo, last.hi, None), "OPAL_CAP", last.name, "return NULL;")
            if isinstance(last, ir.Rows):
                full = [f"{x} > {capacity(self.name, last.name)}"]
                lines += refusal(full, "OPAL_ROOM", last.name, "return NULL;")
        if not size:
            return lines
        lines += [f"if (end - p < {size}) {{", "    (void)opal_here(e, OPAL_ROOM, NULL);", "    return NULL;", "}"]
        lines += write_run(run, "v->")
        if isinstance(last, ir.Blob | ir.Rows):
            n = f"(uint{8 * last.count}_t)v->{member(last.name)}.n"
            lines.append(store("p", size - last.count, last.count, n))
        return [*lines, f"p += {size};"]

    def _write_rows(self, p: ir.Rows) -> Lines:
        x = f"v->{member(p.name)}"
        return [
            f"for (i = 0; i < {x}.n; i++) {{",
            f"    p = opal_write_{p.row}(&{x}.at[i], p, end, e);",
            "    if (p == NULL) {",
            f"        opal_inside(e, {field(p.name)}, i);",
            "        return NULL;",
            "    }",
            "}",
        ]

    # ── The functions of a layout ──

    def _public(self) -> Lines:
        return [
            f"{decoder(self.name)}",
            "{",
            "    const uint8_t *const end = from.at + from.n;",
            "",
            f"    if (opal_read_{self.name}(v, from.at, end) != end) {{",
            f"        return opal_explain(e, {layout_index(self.name)}, from);",
            "    }",
            "    return OPAL_OK;",
            "}",
            "",
            f"{encoder(self.name)}",
            "{",
            "    const uint8_t *p;",
            "",
            "    e->depth = 0;",
            "    e->fault = OPAL_OK;",
            f"    p = opal_write_{self.name}(v, out->at + out->n, out->at + out->size, e);",
            "    if (p != NULL) {",
            "        out->n = (size_t)(p - out->at);",
            "    }",
            "    return e->fault;",
            "}",
        ]


def decoder(name: str) -> str:
    """The signature of a layout's decoder."""
    return f"opal_fault opal_decode_{name}(opal_{name} *v, opal_span from, opal_error *e)"


def encoder(name: str) -> str:
    return f"opal_fault opal_encode_{name}(const opal_{name} *v, opal_buffer *out, opal_error *e)"


def _capped(x: str, lo: int, hi: int, most: int | None) -> list[str]:
    """The conditions that a length is illegal; `most` is what its count can say."""
    below = [f"{x} < {lo}u"] if lo else []
    return below + ([f"{x} > {literal(hi, 32)}"] if most is None or hi < most else [])


def refusal(wrong: list[str], fault: str, name: str, leave: str = "return e->fault;") -> Lines:
    """The statement by which a writer refuses a field and leaves."""
    if not wrong:
        return []
    found = f"(void)opal_found(e, {fault}, NULL, {field(name)}, OPAL_WHOLE);"
    return [f"if ({' || '.join(wrong)}) {{", f"    {found}", f"    {leave}", "}"]


def refusals(run: Run, v: str, leave: str = "return e->fault;") -> Lines:
    """The checks of a run's numbers before they are put down."""
    lines: Lines = []
    for n, _ in run.numbers():
        if has_value(n):
            wrong = outside(f"{v}{member(n.name)}", n, span_of(n.bits, n.signed), n.bits)
            lines += refusal(wrong, "OPAL_RANGE", n.name, leave)
    return lines


def write_run(run: Run, v: str, p: str = "p") -> Lines:
    """The statements that put down the fixed fields of a run."""
    lines: Lines = []
    offset = 0
    for part in run.parts:
        match part:
            case ir.Number():
                x = literal(part.const & (1 << part.bits) - 1, part.bits) if part.const is not None else None
                x = x or f"{v}{member(part.name)}"
                if part.signed and part.const is None:
                    x = f"({ctype(part.bits)}){x}"
                lines.append(store(p, offset, part.size, x))
                offset += part.size
            case ir.Bits():
                pieces = [_shifted(f, v) for f in part.fields if has_value(f) or f.const] or ["0u"]
                word = any_of(pieces, "    ", "|")
                lines.append(store(p, offset, part.size, f"({ctype(8 * part.size)})({word})"))
                offset += part.size
            case ir.Octets():
                lines.append(f"memcpy({at(p, offset)}, {v}{member(part.name)}, {part.size});")
                offset += part.size
    return lines


def _shifted(f: ir.Number, v: str) -> str:
    if f.const is not None:
        return f"UINT32_C({f.const << f.shift})"
    return f"(uint32_t){v}{member(f.name)}" + (f" << {f.shift}" if f.shift else "")


# ── TLVs ─────────────────────────────────────────────────────────────────────────────────────────────


def legal(space: str) -> str:
    """The signature of the function that says whether TLVs of a space are legal."""
    return f"static bool opal_legal_{space}(const uint8_t *p, const uint8_t *end)"


def legal_space(catalogue: ir.Catalogue, space: ir.Space) -> str:
    """That function. Those of its tags that are read alike share a case."""
    alike: dict[str, Lines] = {}
    scratch: dict[str, None] = {}
    for t in sorted(space.types, key=lambda t: t.tag):
        layout = catalogue.layout[t.layout]
        if not ir.lone_number(layout) and not _roomy(layout):
            scratch[layout.name] = None
        alike.setdefault(_odd_value(layout), []).append(f"        case {t.tag}u: /* {t.name} */")
    cases = []
    for test, labels in alike.items():
        cases += [*labels, f"            if ({test}) {{", "                return false;", "            }"]
        cases += ["            break;"]
    if cases:
        cases = ["        switch (opal_u16(p)) {", *cases, "        default:", "            break;", "        }"]
    room = [f"            opal_{x} {member(x)};" for x in scratch]
    return "\n".join([
        legal(space.name),
        "{",
        "    while (p != end) {",
        *(["        union {", *room, "        } v;"] if room else []),
        "        unsigned n;",
        "",
        "        if (end - p < 4) {",
        "            return false;",
        "        }",
        "        n = opal_u16(p + 2);",
        "        if ((size_t)(end - p - 4) < n) {",
        "            return false;",
        "        }",
        *cases,
        "        p += 4 + n;",
        "    }",
        "    return true;",
        "}",
        "",
    ])  # fmt: skip


def _roomy(layout: ir.Layout) -> bool:
    """Whether a record is checked by its table, since a struct for it would take room."""
    return any(isinstance(p, ir.Rows) for p in layout.parts)


def _odd_value(layout: ir.Layout) -> str:
    """The condition that the `n` bytes at `p + 4` are no legal value: a lone number is looked at in its place, a
    record is read."""
    if number := ir.lone_number(layout):
        raw = load("p", 4, number.size)
        raw = f"({ctype(number.bits, True)}){raw}" if number.signed else raw
        return any_of([f"n != {number.size}u", *outside(raw, number, number.span, number.bits)], "            ")
    if _roomy(layout):
        return f"!opal_sound({layout_index(layout.name)}, p + 4, p + 4 + n)"
    return f"opal_read_{layout.name}(&v.{member(layout.name)}, p + 4, p + 4 + n) != p + 4 + n"
