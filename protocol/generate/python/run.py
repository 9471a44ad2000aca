"""Runs: neighbouring fixed parts of a layout, which the Python codec reads and writes by one `struct` call.

A run may end in the count of a list or of bytes that come after it, or in raw data. Whatever can be wrong with it is
one condition; what that catches, the run's table explains (see `opalink.protocol.runtime`).

Plan: expressions · the run: declarations, decode, encode · a layout as runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from opalink.protocol.generate.python.enums import CODES, member_lookup
from opalink.protocol.ir import model as ir

Fixed = ir.Number | ir.Bits | ir.Octets
Counted = ir.Blob | ir.Rows
InRun = Fixed | Counted | ir.Raw


# ── Expressions ──────────────────────────────────────────────────────────────────────────────────────


def has_value(field: ir.Part) -> bool:
    """Whether a field stands in the value class: a constant is implied."""
    return not (isinstance(field, ir.Number) and field.const is not None)


def outside(x: str, bounds: tuple[int, int], span: tuple[float, float]) -> str:
    """The condition that a number within `span` is out of bounds; nothing if it cannot be."""
    lo, hi = bounds
    below = f"not {x}" if (span[0], lo) == (0, 1) else f"{x} < {lo}" if lo > span[0] else ""
    above = f"{x} > {hi}" if hi < span[1] else ""
    if below and above and not x.replace(".", "").isidentifier():  # what takes time is not asked for twice
        return f"not {lo} <= {x} <= {hi}"
    return " or ".join(filter(None, [below, above]))


# ── The run ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Run:
    """`id` makes the names of a run unique, `prefix` the variables that it is read into. A counted part, always
    the last, stands for its count alone; raw data, always the last too, is beyond what `struct` does."""

    id: str
    parts: tuple[InRun, ...]
    prefix: str = ""

    @property
    def raw_data(self) -> ir.Raw | None:
        return self.parts[-1] if isinstance(self.parts[-1], ir.Raw) else None

    @property
    def size(self) -> int:
        return sum(map(_size, self.parts))

    @property
    def format(self) -> str:
        return "<" + "".join(
            f"{p.size}s" if isinstance(p, ir.Octets) else CODES[_size(p) * 8, isinstance(p, ir.Number) and p.signed]
            for p in self.parts
            if not isinstance(p, ir.Raw)
        )

    def numbers(self) -> Iterator[tuple[ir.Number, ir.Bits | None]]:
        for p in self.parts:
            if isinstance(p, ir.Bits):
                yield from ((f, p) for f in p.fields)
            elif isinstance(p, ir.Number):
                yield p, None

    def declarations(self) -> str:
        """The packer, its two bound methods, and the table for diagnosis."""
        lines = []
        if self.size:
            lines += [f"_S_{self.id} = _Packer({self.format!r})"]
            lines += [f"_U_{self.id}, _P_{self.id} = _S_{self.id}.unpack_from, _S_{self.id}.pack"]
        items, at = [], 0
        for p in self.parts:
            items += [_item(f, at, p) for f in (p.fields if isinstance(p, ir.Bits) else (p,))]
            at += _size(p)
        return "\n".join([*lines, f"_R_{self.id} = (", *(f"    {x}," for x in items), ")"])

    # ── decode ──

    def targets(self) -> str:
        """Its variables: a word of bit fields is `_w_…`, the high part of 24 bits `_h_…`, a count `_n`."""
        names = []
        for p in self.parts:
            if isinstance(p, ir.Raw):
                break
            name = self.prefix + p.name
            names.append("_n" if isinstance(p, Counted) else f"_w_{name}" if isinstance(p, ir.Bits) else name)
            if isinstance(p, ir.Number) and p.bits == 24:
                names.append(f"_h_{name}")
        return ", ".join(names) + ("," if len(names) == 1 else "")

    def read(self, at: str = "_o") -> str:
        if self.format == "<B":
            return f"{self.targets()[:-1]} = _b[{at}]"
        return f"{self.targets()} = _U_{self.id}(_b, {at})"

    def raw(self, n: ir.Number, group: ir.Bits | None) -> str:
        """The expression of a decoded number."""
        name = self.prefix + n.name
        if group is None:
            return f"({name} | _h_{name} << 16)" if n.bits == 24 else name
        word = f"_w_{self.prefix}{group.name}"
        if n.shift == 0:
            return f"{word} & {(1 << n.bits) - 1}"
        if n.shift + n.bits == group.size * 8:
            return f"{word} >> {n.shift}"
        return f"{word} >> {n.shift} & {(1 << n.bits) - 1}"

    def violations(self) -> list[str]:
        found = []
        for n, group in self.numbers():
            x, (lo, hi), span = self.raw(n, group), n.bounds, n.span
            if group and n.shift + n.bits == group.size * 8:  # at the top, where it bounds the word
                x, lo, hi = f"_w_{self.prefix}{group.name}", lo << n.shift, (hi + 1 << n.shift) - 1
                span = 0, (1 << group.size * 8) - 1
            elif group:
                x = f"({x})"
            found.append(f"{x} != {lo}" if lo == hi else outside(x, (lo, hi), span))
        if isinstance(p := self.parts[-1], Counted):
            found.append(outside("_n", (p.lo, p.hi), _span(p)))
        return [x for x in found if x]

    def arguments(self) -> dict[str, str]:
        """Field name → expression of its decoded value."""
        found = {p.name: self.prefix + p.name for p in self.parts if isinstance(p, ir.Octets)}
        if raw := self.raw_data:
            found[raw.name] = f"_b[_o + {self.size} : _e]" if self.size else "_b[_o:_e]"
        for n, group in self.numbers():
            if has_value(n):
                found[n.name] = member_lookup(n, self.raw(n, group))
        return found

    def decode(self, window: str = "") -> list[str]:
        """The look at the window, the reading, the look at the values."""
        least = f"_e - _o < {self.size}"
        if raw := self.raw_data:
            least = f"(_n := _e - _o) < {self.size + raw.lo} or _n > {self.size + raw.hi}"
        refusal = f"    raise _run_fault(_b, _o, _e, _R_{self.id})"
        lines = [f"if {window or least}:", refusal]
        if self.size:
            lines.append(self.read())
        if conditions := self.violations():
            lines += [f"if {' or '.join(conditions)}:", refusal]
        return lines

    # ── encode ──

    def illegal(self, v: str) -> list[str]:
        """Conditions under which `struct` would write something wrong without complaint."""
        found = [f"len({v}{p.name}) != {p.size}" for p in self.parts if isinstance(p, ir.Octets)]
        for n, group in self.numbers():
            if has_value(n):
                # In a word, what is too large goes unnoticed unless it is at the top; what is negative never does.
                alone = n.bits != 24 and (not group or n.shift + n.bits == group.size * 8)
                lo, most = n.span
                found.append(outside(v + n.name, n.bounds, (lo, most if alone else most + 1)))
        last = self.parts[-1]
        x = v + last.name
        if isinstance(last, ir.Rows) and not last.lo:  # in what is not empty, no row has the fields of a row
            found.append(f"not {x} and {x} != () and _unlisted({x})")
        if isinstance(last, ir.Blob | ir.Raw):
            found.append(f"type({x}) is not bytes and _odd({x})")
        if isinstance(last, Counted | ir.Raw):
            found.append(outside(f"len({x})", (last.lo, last.hi), _span(last)))
        return [x for x in found if x]

    def packed(self, v: str) -> str:
        """The expression that packs the run from a value's fields."""
        args = []
        for p in self.parts:
            if isinstance(p, ir.Raw):
                break
            if isinstance(p, Counted):
                args.append(f"len({v}{p.name})")
            elif isinstance(p, ir.Bits):
                args.append(" | ".join(_shifted(f, v) for f in p.fields if has_value(f) or f.const) or "0")
            else:
                x = str(p.const) if isinstance(p, ir.Number) and p.const is not None else v + p.name
                args.append(f"{x} & 0xFFFF, {x} >> 16" if isinstance(p, ir.Number) and p.bits == 24 else x)
        return f"_P_{self.id}({', '.join(args)})" if args else 'b""'


def _size(p: InRun) -> int:
    return 0 if isinstance(p, ir.Raw) else p.count if isinstance(p, Counted) else p.size


def _span(p: Counted | ir.Raw) -> tuple[float, float]:
    """What an encoder need not look for: `struct` refuses a count that does not fit, but nobody a length."""
    return (0, (1 << 8 * p.count) - 1) if isinstance(p, Counted) else (-inf, inf)


def _shifted(n: ir.Number, v: str) -> str:
    if n.const is not None:
        return str(n.const << n.shift)
    return f"{v}{n.name} << {n.shift}" if n.shift else f"{v}{n.name}"


def _item(f: ir.Number | ir.Octets | Counted | ir.Raw, at: int, part: InRun) -> str:
    if isinstance(f, ir.Octets):
        return f"_Item({f.name!r}, {at}, {f.size}, 0, -1)"
    if isinstance(f, Counted | ir.Raw):
        return f"_Item({f.name!r}, {at}, {_size(f)}, {f.lo}, {f.hi}, counts={type(f).__name__.lower()!r})"
    lo, hi = f.bounds if f.const is None else f.span
    text = f"_Item({f.name!r}, {at}, {_size(part)}, {lo}, {hi}"
    text += f", const={f.const}" if f.const is not None else ""
    text += ", signed=True" if f.signed else ""
    text += f", shift={f.shift}, bits={f.bits}" if isinstance(part, ir.Bits) else ""
    return text + ")"


# ── A layout as runs ─────────────────────────────────────────────────────────────────────────────────


def segments(parts: tuple[ir.Part, ...], name: str) -> list[Run | ir.Part]:
    """A layout as runs and what is between them: counted parts, after the run that ends in their count, and TLVs."""
    out: list[Run | ir.Part] = []
    run: list[InRun] = []
    for p in [*parts, None]:
        if isinstance(p, InRun):
            run.append(p)
        if run and not isinstance(p, Fixed):
            out.append(Run(f"{name}_{len(out)}" if out else name, tuple(run)))
            run = []
        if isinstance(p, Counted | ir.Tlvs):
            out.append(p)
    return out
