"""Back end: one layout of the extension of Python: from its struct to a value and back.

A value class keeps one object for each field, in the order of the fields' names; numbers find the members of their
enumerations in the tables of the codec in Python.

Plan: numbers and classes · a layout.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from opalink.protocol.generate.c.codec import Lines
from opalink.protocol.generate.c.names import capacity, ctype, has_value, literal, member
from opalink.protocol.generate.python.enums import members_of
from opalink.protocol.ir import model as ir

# ── Numbers and classes ──────────────────────────────────────────────────────────────────────────────


def table(n: ir.Number) -> str:
    """The variable of the table in which a number finds its member."""
    return f"opal_table{members_of(n)}"


def _in_tuple(n: ir.Number) -> bool:
    return members_of(n).startswith("_T_")


def of_number(n: ir.Number, x: str) -> str:
    """The expression of a number as a Python object."""
    if n.choices and _in_tuple(n):
        return f"opal_listed(&{table(n)}, {x})"
    if n.bits <= 16 or (n.bits <= 32 and n.signed):
        made = f"PyLong_FromLong({x})"
    elif n.bits <= 32:
        made = f"PyLong_FromUnsignedLong({x})"
    else:
        made = f"PyLong_From{'' if n.signed else 'Unsigned'}LongLong({x})"
    return f"opal_member(&{table(n)}, {made})" if n.choices else made


def held(numbers: Iterable[ir.Number]) -> Lines:
    """The variables in which numbers are held before their fields are."""
    kinds = {n.signed: ("    int64_t y;" if n.signed else "    uint64_t x;") for n in numbers}
    return [kinds[sign] for sign in sorted(kinds)]


def to_number(n: ir.Number, object_: str) -> str:
    """The expression that a Python object is a number that its field can hold; then it is in `x`, or `y`."""
    lo, hi = n.span
    if n.signed:
        return f"opal_signed({object_}, {literal(lo, 64, signed=True)}, {literal(hi, 64, signed=True)}, &y)"
    return f"opal_unsigned({object_}, {literal(hi, 64)}, &x)"


def take_number(n: ir.Number, slot: str, x: str) -> Lines:
    """The statements that take a number into its field."""
    return [f"OPAL_TAKE({to_number(n, slot)});", f"{x} = ({ctype(n.bits, n.signed)}){'y' if n.signed else 'x'};"]


def slots(names: Iterable[str]) -> dict[str, str]:
    """Where the fields of a value are: in the order of their names."""
    return {name: f"slot[{i}]" for i, name in enumerate(sorted(names))}


def value_class(name: str, module: str, fields: Iterable[str], pack: str = "NULL") -> Lines:
    """The class of a value."""
    listed = ", ".join([*(f'"{x}"' for x in fields), "NULL"])
    return [
        f"static const char *const opal_fields_{name}[] = {{{listed}}};",
        f"static opal_class opal_class_{name} = {{",
        f'    {{"{module}", "{name}", NULL}}, opal_fields_{name}, {pack}, NULL, false',
        "};",
    ]


# ── A layout ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Convert:
    """The functions that turn one layout's struct into a value and back. One that is `whole` is found by itself in
    some bytes, and a `body` in a packet; others are rows."""

    layout: ir.Layout
    module: str
    body: bool
    whole: bool

    @property
    def name(self) -> str:
        return self.layout.name

    @cached_property
    def fields(self) -> list[ir.Field]:
        return [f for f in ir.fields_of(self.layout.parts) if has_value(f)]

    @cached_property
    def slots(self) -> dict[str, str]:
        return slots(f.name for f in self.fields)

    def source(self) -> str:
        pack = f"opal_pack_{self.name}" if self.body else "NULL"
        lines = [f"static opal_pack {pack};"] if self.body else []
        lines += [*value_class(self.name, self.module, self.slots, pack), "", *self._make(), "", *self._take()]
        lines += ["", *self._size(), *([f"OPAL_PACK({self.name})"] if self.body else [])]
        lines += ["", f"OPAL_VALUE({self.name})"] if self.whole else []
        return "\n".join([*lines, ""])

    # ── from a struct ──

    def _make(self) -> Lines:
        lines = [f"static PyObject *opal_make_{self.name}(const opal_{self.name} *v, const opal_source *from)", "{"]
        lines += [f"    PyObject *made = opal_new(&opal_class_{self.name}), **slot;", "", "    (void)from;"]
        lines += ["    if (made == NULL) {", "        return NULL;", "    }", "    slot = opal_slots(made);"]
        lines += [f"    {self._set(f, self.slots[f.name], f'v->{member(f.name)}')}" for f in self.fields]
        if not self.fields:
            return [*lines, "    (void)slot;", "    (void)v;", "    return made;", "}"]
        return [*lines, "    return made;", "failed:", "    Py_DECREF(made);", "    return NULL;", "}"]

    def _set(self, f: ir.Field, slot: str, x: str) -> str:
        match f:
            case ir.Rows():
                return f"OPAL_SET_ROWS({slot}, {x}, {f.row});"
            case ir.Number():
                return f"OPAL_SET({slot}, {of_number(f, x)});"
            case ir.Octets():
                return f"OPAL_SET({slot}, PyBytes_FromStringAndSize((const char *){x}, {f.size}));"
            case ir.Blob():
                return f"OPAL_SET({slot}, opal_bytes({x}));"
            case ir.Raw():
                return f"OPAL_SET({slot}, opal_part(from, {x}));"
            case ir.Tlvs():
                return f"OPAL_SET({slot}, opal_make_tlvs({x}, from, opal_value_in_{f.space}));"

    # ── to a struct ──

    def _take(self) -> Lines:
        lines = [f"static bool opal_take_{self.name}(PyObject *value, opal_{self.name} *v, opal_buffer *tlvs)", "{"]
        lines += ["    PyObject *const *slot;", *held(f for f in self.fields if isinstance(f, ir.Number))]
        lines += ["", "    (void)tlvs;", f"    OPAL_TAKE(opal_is(value, &opal_class_{self.name}));"]
        lines += ["    slot = opal_slots(value);"]
        for f in self.fields:
            lines += [f"    {x}" for x in self._taken(f, self.slots[f.name], f"v->{member(f.name)}")]
        return [*lines, *([] if self.fields else ["    (void)slot;", "    (void)v;"]), "    return true;", "}"]

    def _taken(self, f: ir.Field, slot: str, x: str) -> Lines:
        match f:
            case ir.Number():
                return take_number(f, slot, x)
            case ir.Octets():
                return [f"OPAL_TAKE(opal_octets_of({slot}, {x}, {f.size}));"]
            case ir.Rows():
                return [f"OPAL_TAKE_ROWS({slot}, {x}, {f.row}, {capacity(self.name, f.name)});"]
            case ir.Tlvs():
                return [f"OPAL_TAKE(opal_take_tlvs({slot}, &{x}, tlvs, opal_put_in_{f.space}));"]
        return [f"OPAL_TAKE(opal_span_of({slot}, &{x}));"]

    def _size(self) -> Lines:
        """How long the bytes of a struct will be."""
        fixed, lines = 0, []
        for p in self.layout.parts:
            x = f"v->{member(p.name)}"
            match p:
                case ir.Number() | ir.Bits() | ir.Octets():
                    fixed += p.size
                case ir.Blob():
                    fixed += p.count
                    lines.append(f"    size += {x}.n;")
                case ir.Rows():
                    fixed += p.count
                    lines.append(f"    OPAL_ADD_ROWS(size, {x}, {p.row});")
                case _:
                    lines.append(f"    size += {x}.n;")
        head = f"static inline size_t opal_size_{self.name}(const opal_{self.name} *v)"
        return [head, "{", f"    size_t size = {fixed};", "", "    (void)v;", *lines, "    return size;", "}"]
