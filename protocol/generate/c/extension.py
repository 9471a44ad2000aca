"""Back end: the C codec as an extension of Python: the same value classes, for what the codec in Python would accept.

Bytes go through the structs of the C codec, which makes every check; what is added here turns structs into values and
back. Whatever is refused, or is not met here, goes to the codec in Python, which says what is wrong: the words of an
error stand in one place. The files `extension*.c` hold what is the same for every catalogue.

Plan: TLVs · envelopes · the module. `convert` is about one layout.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from opalink.protocol.generate.c.codec import Lines, load
from opalink.protocol.generate.c.convert import (
    Convert,
    held,
    of_number,
    slots,
    table,
    take_number,
    to_number,
    value_class,
)
from opalink.protocol.generate.c.envelope import messages
from opalink.protocol.generate.c.header import ordered
from opalink.protocol.generate.c.library import template
from opalink.protocol.generate.c.names import bar, ctype, member
from opalink.protocol.generate.python.enums import all_numbers, members_of
from opalink.protocol.generate.python.envelope import CRC_FUNCTIONS, Wrap, packet_wrap
from opalink.protocol.generate.python.module import layout_homes
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.names import singular

NAME = "_accelerator"  # of the module
_PACKAGE = "opalink.protocol.packets"
_CRC_MODULES = {"_crc32": "fastcrc.crc32", "_crc16": "fastcrc.crc16"}


def one_package(home: str) -> str:
    """Where the codec in Python keeps what is at home in a chapter."""
    return f"{_PACKAGE}.{home}"


# ── TLVs ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Tlvs:
    """The functions that turn TLVs of one space into a tuple of values and back."""

    catalogue: ir.Catalogue
    space: ir.Space

    @property
    def name(self) -> str:
        return self.space.name

    def types(self) -> Iterator[tuple[int, ir.TlvType, ir.Layout, ir.Number | None]]:
        for i, t in enumerate(self.space.types):
            layout = self.catalogue.layout[t.layout]
            yield i, t, layout, ir.lone_number(layout)

    def promises(self) -> Lines:
        return [
            f"static PyObject *opal_value_in_{self.name}(const opal_tlv *t, PyObject **tag, const opal_source *from);",
            f"static bool opal_put_in_{self.name}(unsigned tag, PyObject *value, opal_buffer *out);",
        ]

    def source(self) -> str:
        kind = singular(self.name) + "Tag"
        tags = [f'    {{"{kind}", "{t.name.upper()}", NULL}},' for t in self.space.types]
        lines = [f"static opal_tag_name opal_tags_{self.name}[] = {{", *tags, "};", ""] if tags else []
        return "\n".join([*lines, *self._value(), "", *self._put(), ""])

    def _value(self) -> Lines:
        """The value of one TLV; `tag` becomes its number's member."""
        lines = [self.promises()[0][:-1], "{", "    (void)from;", "    switch (t->tag) {"]
        for i, t, layout, number in self.types():
            value = f"opal_value_{layout.name}(t->value, from)"
            if number:
                raw = load("t->value.at", 0, number.size)
                value = of_number(number, f"({ctype(number.bits, True)}){raw}" if number.signed else raw)
            lines += [f"    case {t.tag}u:", f"        *tag = opal_tag_of(&opal_tags_{self.name}[{i}]);"]
            lines += [f"        return {value};"]
        lines += ["    default:", "        *tag = PyLong_FromLong(t->tag);", "        return opal_bytes(t->value);"]
        return [*lines, "    }", "}"]

    def _put(self) -> Lines:
        """Appends the value of one TLV."""
        numbers = [n for _, _, _, n in self.types() if n]
        lines = [self.promises()[1][:-1], "{", *held(numbers), "", "    (void)value;", "    (void)out;"]
        lines += ["    switch (tag) {"]
        for _, t, layout, n in self.types():
            lines.append(f"    case {t.tag}u:")
            if n:
                lines.append(f"        OPAL_TAKE({to_number(n, 'value')});")
                lines.append(f"        return opal_put_number(out, {n.size}u, {'(uint64_t)y' if n.signed else 'x'});")
            else:
                lines.append(f"        return opal_put_{layout.name}(value, out);")
        return [*lines, "    default:", "        return false;", "    }", "}"]


# ── Envelopes ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Around:
    """The functions of one envelope; `body` is what its payload is called in Python."""

    catalogue: ir.Catalogue
    wrap: Wrap
    module: str
    body: str

    @property
    def name(self) -> str:
        return self.wrap.run.id

    @property
    def fields(self) -> list[ir.Number]:
        return [f for f in self.wrap.fields() if isinstance(f, ir.Number)]

    @cached_property
    def slots(self) -> dict[str, str]:
        return slots([*(f.name for f in self.fields), self.body])

    @property
    def packet(self) -> bool:
        return self.body != "payload"

    def source(self) -> str:
        option = "true" if self.wrap.crc else "false"
        functions = [
            f"static opal_function opal_{verb}r_{self.name} = {{"
            f'{{"{self.module}", "{verb}_{self.name}", NULL}}, {option}, {done}}};'
            for verb, done in (("decode", f"opal_unwrap_{self.name}, NULL"), ("encode", f"NULL, opal_wrap_{self.name}"))
        ]
        names = value_class(self.name, self.module, self.slots)
        lines = [*names, "", *self._unwrap(), "", *self._take(), "", *self._wrap(), "", *functions]
        return "\n".join([*lines, "", f"OPAL_CALLS({self.name})", ""])

    @property
    def _option(self) -> str:
        return "false, " if self.wrap.crc else ""  # here the CRC is the business of Python's function

    def _proof(self) -> str:
        return f"&opal_function_{self.wrap.crc.name}" if self.wrap.crc else ""

    def _unwrap(self) -> Lines:
        """From bytes to a value."""
        body, check = self.slots[self.body], self.wrap.crc_size
        value = "opal_value(opal_message(&v), v.payload, from)" if self.packet else "opal_part(from, v.payload)"
        lines = [f"static PyObject *opal_unwrap_{self.name}(const opal_source *from, bool crc)", "{"]
        lines += [f"    opal_{self.name} v;", "    const opal_span data = {from->at, from->n};", "    opal_error e;"]
        lines += ["    PyObject *made, **slot;", "", "    (void)crc;"]
        lines += [f"    if (opal_decode_{self.name}(&v, data, {self._option}&e) != OPAL_OK) {{"]
        lines += ["        return NULL;", "    }"]
        if self.wrap.crc:
            crc = f"opal_u{8 * check}(data.at + data.n - {check})"
            lines += [f"    if (crc && !opal_proved({self._proof()}, data.at, data.n - {check}u, {crc})) {{"]
            lines += ["        return NULL;", "    }"]
        lines += [f"    made = opal_new(&opal_class_{self.name});", "    if (made == NULL) {", "        return NULL;"]
        lines += ["    }", "    slot = opal_slots(made);", f"    OPAL_SET({body}, {value});"]
        lines += [f"    OPAL_SET({self.slots[f.name]}, {of_number(f, f'v.{member(f.name)}')});" for f in self.fields]
        return [*lines, "    return made;", "failed:", "    Py_DECREF(made);", "    return NULL;", "}"]

    def _take(self) -> Lines:
        """The fields of the header."""
        lines = [f"static bool opal_take_{self.name}(PyObject *const *slot, opal_{self.name} *v)", "{"]
        lines += [*held(self.fields), "", "    (void)slot;", "    (void)v;"]
        for f in self.fields:
            lines += [f"    {x}" for x in take_number(f, self.slots[f.name], f"v->{member(f.name)}")]
        return [*lines, "    return true;", "}"]

    def _wrap(self) -> Lines:
        """From a value to bytes."""
        body, size, check = self.slots[self.body], self.wrap.run.size, self.wrap.crc_size
        lines = [f"static PyObject *opal_wrap_{self.name}(PyObject *value, bool crc)", "{"]
        lines += [f"    opal_{self.name} v;", "    opal_buffer out;", "    opal_error e;"]
        lines += ["    PyObject *made = NULL, **slot;", "", "    (void)crc;"]
        lines += [f"    if (!opal_is(value, &opal_class_{self.name})) {{", "        return NULL;", "    }"]
        lines += ["    slot = opal_slots(value);", f"    if (!opal_take_{self.name}(slot, &v)) {{"]
        lines += ["        return NULL;", "    }", f"    if (opal_span_of({body}, &v.payload)) {{"]
        lines += [f"        made = opal_room({size}u + v.payload.n + {check}u);"]
        if self.packet:
            lines += [f"    }} else if ({body} != NULL) {{"]
            lines += [f"        const opal_class *c = opal_class_of(Py_TYPE({body}));"]
            lines += [f"        made = c == NULL ? NULL : c->pack({body}, &v.payload, {size}u, {check}u);"]
        lines += ["    }", "    if (made == NULL) {", "        return NULL;", "    }"]
        lines += ["    out.at = (uint8_t *)PyBytes_AS_STRING(made);", "    out.n = 0;"]
        lines += ["    out.size = (size_t)PyBytes_GET_SIZE(made);"]
        lines += [f"    if (opal_encode_{self.name}(&v, {self._option}&out, &e) != OPAL_OK) {{"]
        lines += ["        Py_DECREF(made);", "        return NULL;", "    }"]
        returns = f"crc ? opal_prove({self._proof()}, made, {check}u) : made" if self.wrap.crc else "made"
        return [*lines, f"    return {returns};", "}"]


# ── The module ───────────────────────────────────────────────────────────────────────────────────────


def reached(catalogue: ir.Catalogue) -> tuple[list[ir.Layout], list[ir.Space]]:
    """The layouts that packets reach and that are values of their own, rows before what holds them; and the spaces."""
    layouts: set[str] = set()
    spaces: set[str] = set()

    def reach(name: str) -> None:
        if name in layouts:
            return
        layouts.add(name)
        for p in catalogue.layout[name].parts:
            match p:
                case ir.Rows():
                    reach(p.row)
                case ir.Tlvs() if p.space not in spaces:
                    spaces.add(p.space)
                    for t in catalogue.space[p.space].types:
                        if not ir.lone_number(catalogue.layout[t.layout]):
                            reach(t.layout)

    for m in messages(catalogue):
        reach(m.layout)
    return [x for x in ordered(catalogue) if x.name in layouts], [s for s in catalogue.spaces if s.name in spaces]


def extension_source(c: ir.Catalogue, mark: str, module: Callable[[str], str] = one_package) -> str:
    """The extension; `module` says where the codec in Python keeps what is at home in a chapter."""
    layouts, spaces = reached(c)
    homes = layout_homes(c)
    bodies = list(dict.fromkeys(m.layout for m in messages(c)))
    tlvs = [Tlvs(c, s) for s in spaces]
    records = {t.layout: None for s in spaces for t in s.types if not ir.lone_number(c.layout[t.layout])}
    converts = [Convert(x, module(homes[x.name]), x.name in bodies, x.name in {*bodies, *records}) for x in layouts]
    around = [
        Around(c, packet_wrap(c, e), module("codec"), "body")
        if e.name == "PACKET"
        else Around(c, Wrap(e, next((x for x in c.crcs if x.name == e.crc), None)), module("codec"), "payload")
        for e in c.envelopes
    ]
    return "\n".join([
        mark,
        "#define PY_SSIZE_T_CLEAN",
        "#include <Python.h>",
        "#include <structmember.h>",
        "",
        '#include "opal.c"',
        "",
        f'#define OPAL_ENUMS "{module("enums")}"',
        "",
        template("extension.c"),
        template("extension_layout.c"),
        bar("Tables and functions of Python"),
        *_tables(c, [f for a in around for f in a.fields], module),
        bar("Layouts"),
        *(f"static PyObject *opal_value_{x}(opal_span data, const opal_source *from);" for x in records),
        *(f"static bool opal_put_{x}(PyObject *value, opal_buffer *out);" for x in records),
        *(line for x in tlvs for line in x.promises()),
        "",
        *(x.source() for x in converts),
        *(f"OPAL_PUT({x})" for x in records),
        bar("TLVs"),
        *(x.source() for x in tlvs),
        bar("Bodies"),
        *_bodies(c, bodies),
        bar("Envelopes"),
        *(x.source() for x in around),
        bar("The module"),
        *_module(c, around),
    ])  # fmt: skip


def _tables(c: ir.Catalogue, fields: list[ir.Number], module: Callable[[str], str]) -> Lines:
    """Where numbers find their members, and what computes CRCs; all are there before the first packet."""
    codec = {table(f) for f in fields if f.name in ("type", "status")} | {"opal_table_T_VirtualChannel_4"}
    tables = {table(n): members_of(n) for n in [*all_numbers(c), *fields] if n.choices}
    lines = [
        f'static opal_name {x} = {{"{module("codec" if x in codec else "enums")}", "{name}", NULL}};'
        for x, name in sorted(tables.items())
    ]
    crcs = [x for x in c.crcs if any(e.crc == x.name for e in c.envelopes)]
    for x in crcs:
        source, _, name = CRC_FUNCTIONS[x.name].partition(".")
        lines.append(f'static opal_name opal_function_{x.name} = {{"{_CRC_MODULES[source]}", "{name}", NULL}};')
    lines += ["", "static opal_name *const opal_names[] = {", *(f"    &{x}," for x in sorted(tables))]
    lines += [*(f"    &opal_function_{x.name}," for x in crcs), "    NULL", "};"]
    return [
        *lines,
        *value_class("Tlv", "opalink.protocol.runtime", slots(["tag", "value"])),
        "",
        template("extension_tlvs.c"),
    ]


def _bodies(c: ir.Catalogue, bodies: list[str]) -> Lines:
    """From a message to the value of its payload, and from a value to the bytes of a packet."""
    lines = ["static PyObject *opal_value(uint16_t message, opal_span data, const opal_source *from)", "{"]
    lines += ["    switch (message) {"]
    for x in bodies:
        lines += [*(f"    case {m.macro}:" for m in messages(c) if m.layout == x)]
        lines += [f"        return opal_value_{x}(data, from);"]
    lines += ["    default:", "        return NULL;", "    }", "}", ""]
    lines += [
        "static opal_class *const opal_bodies[] = {",
        *(f"    &opal_class_{x}," for x in bodies),
        "    NULL",
        "};",
    ]
    return [*lines, "", template("extension_bodies.c")]


def _module(c: ir.Catalogue, around: list[Around]) -> Lines:
    lines = ["static PyMethodDef opal_methods[] = {"]
    lines += [f"    OPAL_METHOD({verb}, {a.name})," for a in around for verb in ("decode", "encode")]
    lines += ["    {NULL, NULL, 0, NULL}", "};", "", "static opal_function *const opal_functions[] = {"]
    lines += [f"    &opal_{verb}r_{a.name}," for a in around for verb in ("decode", "encode")]
    lines += ["    NULL", "};", "", f'#define OPAL_FINGERPRINT "{c.fingerprint}"', f'#define OPAL_MODULE "{NAME}"']
    return [*lines, f"#define OPAL_INIT PyInit_{NAME}", "", template("extension_module.c")]
