"""Back end: Python value classes and a straight-line codec.

For each layout a frozen `msgspec.Struct` without garbage-collector tracking (measured the fastest of the typed
classes), a decoder and an encoder. Neighbouring fixed fields form a run: one `struct` call and one condition;
what the condition catches, the run's table explains (see `opalink.protocol.runtime`).

Plan: runs · one layout: class, decoder, encoder. `python_enums` makes the enumerations, `python_module` puts the
pieces together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from textwrap import indent

from opalink.protocol.generate.python_enums import docstring, member_lookup
from opalink.protocol.ir import model as ir

_CODES = {(8, False): "B", (16, False): "H", (24, False): "HB", (32, False): "I", (64, False): "Q"}
_CODES |= {(8, True): "b", (16, True): "h", (32, True): "i", (64, True): "q"}
_FIXED = (ir.Number, ir.Bits, ir.Octets)

Fixed = ir.Number | ir.Bits | ir.Octets


def has_value(field: ir.Part) -> bool:
    """Whether a field stands in the value class: a constant is implied."""
    return not (isinstance(field, ir.Number) and field.const is not None)


# ── Runs ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Run:
    """Neighbouring fixed parts, read and written by one `struct` call. `id` makes its names unique."""

    id: str
    parts: tuple[Fixed, ...]

    @property
    def size(self) -> int:
        return sum(p.size for p in self.parts)

    @property
    def format(self) -> str:
        return "<" + "".join(
            f"{p.size}s" if isinstance(p, ir.Octets) else _CODES[p.size * 8, isinstance(p, ir.Number) and p.signed]
            for p in self.parts
        )

    def numbers(self) -> Iterator[tuple[ir.Number, ir.Bits | None]]:
        for p in self.parts:
            if isinstance(p, ir.Bits):
                yield from ((f, p) for f in p.fields)
            elif isinstance(p, ir.Number):
                yield p, None

    def declarations(self) -> str:
        """The packer, its two bound methods, and the table for diagnosis."""
        lines = [f"_S_{self.id} = _Packer({self.format!r})"]
        lines += [f"_U_{self.id}, _P_{self.id} = _S_{self.id}.unpack_from, _S_{self.id}.pack"]
        items, at = [], 0
        for p in self.parts:
            items += [_item(f, at, p) for f in (p.fields if isinstance(p, ir.Bits) else (p,))]
            at += p.size
        return "\n".join([*lines, f"_R_{self.id} = (", *(f"    {x}," for x in items), ")"])

    # ── decode ──

    def targets(self) -> str:
        names = []
        for p in self.parts:
            if isinstance(p, ir.Number) and p.bits == 24:
                names += [f"{p.name}", f"_h_{p.name}"]
            else:
                names.append(f"_w_{p.name}" if isinstance(p, ir.Bits) else p.name)
        return ", ".join(names) + ("," if len(names) == 1 else "")

    def raw(self, n: ir.Number, group: ir.Bits | None) -> str:
        """The expression of a decoded number."""
        if group is None:
            return f"({n.name} | _h_{n.name} << 16)" if n.bits == 24 else n.name
        word = f"_w_{group.name}"
        if n.shift == 0:
            return f"{word} & {(1 << n.bits) - 1}"
        if n.shift + n.bits == group.size * 8:
            return f"{word} >> {n.shift}"
        return f"{word} >> {n.shift} & {(1 << n.bits) - 1}"

    def violations(self) -> list[str]:
        found = []
        for n, group in self.numbers():
            x = self.raw(n, group)
            x = f"({x})" if group else x
            lo, hi = n.bounds
            if n.const is not None:
                found.append(f"{x} != {n.const}")
            elif n.checked:
                if lo > n.span[0] and hi < n.span[1]:
                    found.append(f"not {lo} <= {x} <= {hi}")
                else:
                    found.append(f"{x} < {lo}" if lo > n.span[0] else f"{x} > {hi}")
        return found

    def arguments(self) -> dict[str, str]:
        """Field name → expression of its decoded value."""
        found = {p.name: p.name for p in self.parts if isinstance(p, ir.Octets)}
        for n, group in self.numbers():
            if has_value(n):
                found[n.name] = member_lookup(n, self.raw(n, group))
        return found

    def decode(self, fault: str = "raise _run_fault(_b, _o, _e, _R_{id})") -> list[str]:
        fault = fault.format(id=self.id)
        lines = [f"if _e - _o < {self.size}:", f"    {fault}", f"{self.targets()} = _U_{self.id}(_b, _o)"]
        if conditions := self.violations():
            lines += [f"if {' or '.join(conditions)}:", f"    {fault}"]
        return lines

    # ── encode ──

    def illegal(self, v: str) -> list[str]:
        """Conditions under which `struct` would write something wrong without complaint."""
        found = [f"len({v}{p.name}) != {p.size}" for p in self.parts if isinstance(p, ir.Octets)]
        for n, group in self.numbers():
            if not has_value(n):
                continue
            x, (lo, hi) = v + n.name, n.bounds
            if n.checked:
                found.append(f"not {lo} <= {x} <= {hi}" if lo > n.span[0] or group else f"{x} > {hi}")
            elif group or n.bits == 24:
                found.append(f"{x} >> {n.bits}")
        return found

    def packed(self, v: str) -> str:
        """The expression that packs the run from a value's fields."""
        args = []
        for p in self.parts:
            if isinstance(p, ir.Bits):
                args.append(" | ".join(_shifted(f, v) for f in p.fields if has_value(f) or f.const) or "0")
            else:
                x = str(p.const) if isinstance(p, ir.Number) and p.const is not None else v + p.name
                args.append(f"{x} & 0xFFFF, {x} >> 16" if isinstance(p, ir.Number) and p.bits == 24 else x)
        return f"_P_{self.id}({', '.join(args)})"


def _shifted(n: ir.Number, v: str) -> str:
    if n.const is not None:
        return str(n.const << n.shift)
    return f"{v}{n.name} << {n.shift}" if n.shift else f"{v}{n.name}"


def _item(f: ir.Number | ir.Octets, at: int, part: Fixed) -> str:
    if isinstance(f, ir.Octets):
        return f"_Item({f.name!r}, {at}, {f.size}, 0, -1)"
    lo, hi = f.bounds if f.const is None else f.span
    text = f"_Item({f.name!r}, {at}, {part.size}, {lo}, {hi}"
    text += f", const={f.const}" if f.const is not None else ""
    text += ", signed=True" if f.signed else ""
    text += f", shift={f.shift}, bits={f.bits}" if isinstance(part, ir.Bits) else ""
    return text + ")"


def segments(parts: tuple[ir.Part, ...], name: str) -> list[Run | ir.Part]:
    """A layout as runs and the parts between them."""
    out: list[Run | ir.Part] = []
    for fixed, group in groupby(parts, lambda p: isinstance(p, _FIXED)):
        if fixed:
            out.append(Run(f"{name}_{len(out)}" if out else name, tuple(p for p in group if isinstance(p, _FIXED))))
        else:
            out += list(group)
    return out


# ── One layout ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class LayoutCode:
    """The source of one layout. `rows` are the layouts that stand in lists: their decoders return where they ended."""

    catalogue: ir.Catalogue
    layout: ir.Layout
    is_row: bool

    @property
    def name(self) -> str:
        return self.layout.name

    def source(self) -> str:
        parts = segments(self.layout.parts, self.name)
        runs = [p for p in parts if isinstance(p, Run)]
        pieces = [r.declarations() for r in runs]
        return "\n".join([self._class(), *pieces, "\n", self._decoder(parts), "\n", self._encoder(parts, runs)])

    def _class(self) -> str:
        lines = [f"class {self.name}(_Struct, frozen=True, gc=False):", f'    """{docstring(self.layout.doc)}"""', ""]
        for f in ir.fields_of(self.layout.parts):
            if has_value(f):
                lines += [f"    {f.name}: {annotation(f)} = {default_of(self.catalogue, f)}{_remark(f)}"]
        if len(lines) == 3:
            lines.pop()
        return "\n".join(lines) + "\n\n"

    def _decoder(self, parts: list[Run | ir.Part]) -> str:
        lines: list[str] = []
        values: dict[str, str] = {}
        open_end = True  # whether bytes may be left over
        for p in parts:
            match p:
                case Run():
                    lines += p.decode()
                    values |= p.arguments()
                    lines.append(f"_o += {p.size}")
                case ir.Blob():
                    lines += [*self._count(p), f"_o += {p.count}", "if _e - _o < _n:"]
                    lines += [f"    raise _short({p.name!r}, _o, _e, _n)"]
                    lines += [f"{p.name} = bytes(_b[_o : _o + _n])", "_o += _n"]
                case ir.Raw():
                    lines += [f"if not {p.lo} <= _e - _o <= {p.hi}:"]
                    lines += [f"    raise _cap({p.name!r}, _o, _e - _o, {p.lo}, {p.hi})"]
                    values[p.name], open_end = "_b[_o:_e]", False
                case ir.Rows():
                    lines += [*self._count(p), f"_o += {p.count}", *self._rows(p)]
                case ir.Tlvs():
                    values[p.name] = f"() if _o == _e else _decode_tlvs(_b, _o, _e, {p.name!r}, _K_{p.space})"
                    open_end = False
            if not isinstance(p, Run):
                values.setdefault(p.name, p.name)
        if open_end and not self.is_row:
            lines += ["if _o != _e:", "    raise _long(_o, _e)"]
        made = (
            f"{self.name}({', '.join(_arg(values[f.name]) for f in ir.fields_of(self.layout.parts) if has_value(f))})"
        )
        lines.append(f"return {made}, _o" if self.is_row else f"return {made}")
        returns = f"tuple[{self.name}, int]" if self.is_row else self.name
        return _function(f"decode_{self.name}(_b: _Any, _o: int, _e: int) -> {returns}", lines)

    def _count(self, p: ir.Blob | ir.Rows) -> list[str]:
        read = "_b[_o]" if p.count == 1 else "_b[_o] | _b[_o + 1] << 8"
        span = f"{p.lo} <= _n <= {p.hi}" if p.lo else f"_n <= {p.hi}"
        lines = [f"if _e - _o < {p.count}:", f"    raise _short({p.name!r}, _o, _e, {p.count})", f"_n = {read}"]
        if p.lo or p.hi < (1 << 8 * p.count) - 1:
            lines += [f"if not {span}:", f"    raise _cap({p.name!r}, _o, _n, {p.lo}, {p.hi})"]
        return lines

    def _rows(self, p: ir.Rows) -> list[str]:
        row = self.catalogue.layout[p.row]
        parts = segments(row.parts, row.name)
        found, one = f"_rows_{p.name}", f"_row_{p.name}"  # each list has rows of its own type
        slow = [
            f"{found} = []",
            "for _i in range(_n):",
            "    try:",
            f"        {one}, _o = decode_{p.row}(_b, _o, _e)",
            "    except _DecodeError as _error:",
            f"        raise _error.under(f{p.name + '[{_i}]'!r}) from None",
            f"    {found}.append({one})",
            f"{p.name} = tuple({found})",
        ]
        if len(parts) != 1 or not isinstance(parts[0], Run) or parts[0].violations():
            return slow
        # Rows of one run that nothing can violate are read in one sweep.
        run = parts[0]
        args = ", ".join(run.arguments()[f.name] for f in ir.fields_of(row.parts) if has_value(f))
        return [
            f"_w = _o + _n * {run.size}",
            "if _w > _e:",
            *indent("\n".join(slow), "    ").split("\n"),
            "else:",
            f"    {p.name} = tuple([{row.name}({args}) for {run.targets()} in _S_{run.id}.iter_unpack(_b[_o:_w])])",
            "    _o = _w",
        ]

    def _encoder(self, parts: list[Run | ir.Part], runs: list[Run]) -> str:
        pieces, illegal = [], []
        for p in parts:
            match p:
                case Run():
                    pieces.append(p.packed("_v."))
                    illegal += p.illegal("_v.")
                case ir.Blob():
                    pieces.append(f"_counted(_v.{p.name}, {p.name!r}, {p.count}, {p.lo}, {p.hi})")
                case ir.Raw():
                    pieces.append(f"_checked(_v.{p.name}, {p.name!r}, {p.lo}, {p.hi})")
                case ir.Rows():
                    args = f"_v.{p.name}, {p.name!r}, {p.count}, {p.lo}, {p.hi}, encode_{p.row}"
                    pieces.append(f"_encode_rows({args})")
                case ir.Tlvs():
                    tail = f'_encode_tlvs(_v.{p.name}, {p.name!r}, _K_{p.space}) if _v.{p.name} != () else b""'
                    pieces.append(f"({tail})" if len(parts) > 1 else tail)
        table = " + ".join(f"_R_{r.id}" for r in runs) or "()"
        refuse = f"_refuse(_v, {self.name}, {table})"
        lines = [f"    if {' or '.join(illegal)}:", f"        {refuse}"] if illegal else []
        # Raw data alone may be a view of a buffer.
        alone = len(parts) == 1 and isinstance(parts[0], ir.Raw)
        made = f"bytes({pieces[0]})" if alone else " + ".join(pieces) or "bytes()"
        lines = ["try:", *lines, f"    return {made}"]
        lines += ["except (_PackError, TypeError, AttributeError):", f"    {refuse}"]
        return _function(f"encode_{self.name}(_v: {self.name}) -> bytes", lines)


def number_source(name: str, n: ir.Number) -> str:
    """Decoder and encoder of a TLV whose value is one number: no class, the number itself."""
    run = Run(name, (n,))
    lines = [f"{n.name}: int", *run.decode(), f"if _e - _o != {run.size}:", f"    raise _long(_o + {run.size}, _e)"]
    lines += [f"return {member_lookup(n, run.raw(n, None))}"]
    decoder = _function(f"decode_{name}(_b: _Any, _o: int, _e: int) -> int", lines)
    illegal = run.illegal("") if has_value(n) else [f"{n.name} != {n.const}"]
    refuse = f"_refuse_number({n.name}, _R_{name})"
    lines = [f"    if {' or '.join(illegal)}:", f"        {refuse}"] if illegal else []
    lines = ["try:", *lines, f"    return {run.packed('')}", "except (_PackError, TypeError):", f"    {refuse}"]
    encoder = _function(f"encode_{name}({n.name}: int) -> bytes", lines)
    return f"{run.declarations()}\n\n\n{decoder}\n\n\n{encoder}"


def default_of(catalogue: ir.Catalogue, f: ir.Part) -> str:
    """The expression of what a field is without an argument."""
    match f:
        case ir.Number():
            if f.choices:
                members = {m.value: m.name for m in catalogue.choices[f.choices].members}
                if f.default in members:
                    return f"{f.choices}.{members[f.default]}"
            return str(f.default)
        case ir.Octets():
            return f"bytes({f.size})" if not any(f.default) else repr(f.default)
        case ir.Blob() | ir.Raw():
            return f"bytes({f.lo})" if f.lo else 'b""'
        case ir.Rows() if f.lo:
            return f"({f.row}(),) * {f.lo}"
    return "()"


def annotation(f: ir.Part) -> str:
    match f:
        case ir.Number():
            return f"{f.choices} | int" if f.choices else "int"
        case ir.Octets() | ir.Blob():
            return "bytes"
        case ir.Raw():
            return "_Buffer"
        case ir.Rows():
            return f"tuple[{f.row}, ...]"
    return "tuple[_Tlv, ...]"


def _arg(expression: str) -> str:
    return f"({expression})" if " if " in expression else expression


def _remark(f: ir.Part) -> str:
    """The comment beside a field: its unit and scale."""
    if isinstance(f, ir.Number) and f.unit:
        return f"  # {f.unit}" if f.scale == "1" else f"  # {f.scale} {f.unit}"
    return ""


def _function(signature: str, lines: list[str]) -> str:
    return f"def {signature}:\n" + "\n".join(f"    {x}" for x in lines)


def layout_source(
    catalogue: ir.Catalogue, layout: ir.Layout, row_names: frozenset[str], tlv_names: frozenset[str]
) -> str:
    """The source of a layout, in whichever of the three ways it is used."""
    number = ir.lone_number(layout) if layout.name in tlv_names else None
    if number:
        return number_source(layout.name, number)
    return LayoutCode(catalogue, layout, layout.name in row_names).source()
