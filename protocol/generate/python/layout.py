"""Back end: Python value classes and a straight-line codec.

For each layout a frozen `msgspec.Struct` without garbage-collector tracking (measured the fastest of the typed
classes), a decoder and an encoder. Neighbouring fixed fields are read and written as one: see `run`.

Plan: one layout: class, decoder, encoder · a lone number · the fields of a class. `enums` makes the
enumerations, `module` puts the pieces together.
"""

from dataclasses import dataclass, replace

from opalink.protocol.generate.python.enums import docstring, member_lookup, tables_of
from opalink.protocol.generate.python.run import Run, has_value, segments
from opalink.protocol.ir import model as ir

_SHORT = 4  # a list of so few rows grows as a tuple quicker than it becomes one

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
                    if p.raw_data:
                        open_end = False
                    else:
                        lines.append(f"_o += {p.size}")
                case ir.Blob():
                    lines += ["if _e - _o < _n:", f"    raise _short({p.name!r}, _o, _e, _n)"]
                    lines += [f"{p.name} = bytes(_b[_o : _o + _n])", "_o += _n"]
                case ir.Rows():
                    lines += self._rows(p)
                case ir.Tlvs():
                    values[p.name] = f"() if _o == _e else _decode_tlvs(_b, _o, _e, {p.name!r}, {self._tables(p)})"
                    open_end = False
            if not isinstance(p, Run):
                values.setdefault(p.name, p.name)
        if open_end and not self.is_row:
            lines += ["if _o != _e:", "    raise _long(_o, _e)"]
        made = self._made(values)
        lines.append(f"return {made}, _o" if self.is_row else f"return {made}")
        returns = f"tuple[{self.name}, int]" if self.is_row else self.name
        return _function(f"decode_{self.name}(_b: _Any, _o: int, _e: int) -> {returns}", lines)

    def _made(self, values: dict[str, str]) -> str:
        names = (f.name for f in ir.fields_of(self.layout.parts) if has_value(f))
        return f"{self.name}({', '.join(_arg(values[name]) for name in names)})"

    def _rows(self, p: ir.Rows) -> list[str]:
        """From `_n` rows to a tuple."""
        row = self.catalogue.layout[p.row]
        found = f"_rows__{p.name}"  # each list has rows of its own type; no field is called so in a row
        match segments(row.parts, row.name):
            case [Run() as run]:
                return self._rows_of_run(p, run, row)
        return [
            f"{found}: list[{p.row}] = []",
            "for _i in range(_n):",
            "    try:",
            f"        _row_{p.name}, _o = decode_{p.row}(_b, _o, _e)",
            "    except _DecodeError as _error:",
            f"        raise _error.under(f{p.name + '[{_i}]'!r}) from None",
            f"    {found}.append(_row_{p.name})",
            f"{p.name} = tuple({found})",
        ]

    def _rows_of_run(self, p: ir.Rows, run: Run, row: ir.Layout) -> list[str]:
        """Rows of one run, read in place: in one sweep, unless there is something to look at in each."""
        window = [
            f"_w = _o + _n * {run.size}",
            "if _w > _e:",
            f"    raise _rows_fault(_b, _o, _e, _R_{run.id}, {p.name!r})",
        ]
        if not run.violations():
            each = f"{_row_of(run, row)} for {run.targets()} in _S_{run.id}.iter_unpack(_b[_o:_w])"
            return [*window, f"{p.name} = tuple([{each}])", "_o = _w"]
        short = p.hi <= _SHORT
        found = p.name if short else f"_rows__{p.name}"
        run = replace(run, prefix=f"_{p.name}_")  # not the variables around them
        return [
            *window,
            f"{found}: tuple[{p.row}, ...] = ()" if short else f"{found}: list[{p.row}] = []",
            "while _o < _w:",
            f"    {run.read()}",
            f"    if {' or '.join(run.violations())}:",
            f"        raise _run_fault(_b, _o, _e, _R_{run.id}).under(f'{p.name}[{{len({found})}}]')",
            f"    {found} += ({_row_of(run, row)},)" if short else f"    {found}.append({_row_of(run, row)})",
            f"    _o += {run.size}",
            *([] if short else [f"{p.name} = tuple({found})"]),
        ]

    def _encoder(self, parts: list[Run | ir.Part], runs: list[Run]) -> str:
        rows = [p for p in parts if isinstance(p, ir.Rows)]
        table = " + ".join(f"_R_{r.id}" for r in runs) or "()"
        refuse = f"_refuse({', '.join(['_v', self.name, table, *(f'{p.name}=encode_{p.row}' for p in rows)])})"
        illegal = [x for r in runs for x in r.illegal("_v.")]
        lines = [f"if {' or '.join(illegal)}:", f"    {refuse}"] if illegal else []
        more, made = self._pieces(parts) if rows else ([], " + ".join(map(self._piece, parts)) or "bytes()")
        lines += more
        raw = runs[-1].raw_data if runs else None
        verb, returns = ("split", "tuple[bytes, _Buffer]") if raw else ("encode", "bytes")
        lines.append(f"return {made}, _v.{raw.name}" if raw else f"return {made}")
        body = ["try:", *(f"    {x}" for x in lines)]
        body += ["except (_PackError, TypeError, AttributeError):", f"    {refuse}"]
        source = _function(f"{verb}_{self.name}(_v: {self.name}) -> {returns}", body)
        if raw:  # which stays apart, so that a packet copies it once; and which may be a view of a buffer
            whole = [f'return b"".join(split_{self.name}(_v))']
            source += "\n\n\n" + _function(f"encode_{self.name}(_v: {self.name}) -> bytes", whole)
        return source

    def _piece(self, p: Run | ir.Part) -> str:
        """The expression of a part's bytes, where there are no lists."""
        match p:
            case Run():
                return p.packed("_v.")
            case ir.Tlvs():
                return f'(b"".join({self._encoded_tlvs(p)}) if _v.{p.name} or _v.{p.name} != () else b"")'
        return f"_v.{p.name}"

    def _pieces(self, parts: list[Run | ir.Part]) -> tuple[list[str], str]:
        """The statements that gather the parts in `_out`, where there are lists, and the expression of the whole."""
        lines = [f"_out = [{self._piece(parts[0])}]"]
        for p in parts[1:]:
            match p:
                case ir.Rows():
                    lines += self._packed_rows(p)
                case ir.Tlvs():
                    lines += [f"if _v.{p.name} or _v.{p.name} != ():", f"    _out += {self._encoded_tlvs(p)}"]
                case _:
                    lines.append(f"_out.append({self._piece(p)})")
        return lines, 'b"".join(_out)'

    def _encoded_tlvs(self, p: ir.Tlvs) -> str:
        return f"_encode_tlvs(_v.{p.name}, {p.name!r}, {self._tables(p)})"

    def _tables(self, p: ir.Tlvs) -> str:
        return tables_of(self.catalogue, p.space)

    def _packed_rows(self, p: ir.Rows) -> list[str]:
        row = self.catalogue.layout[p.row]
        match segments(row.parts, row.name):
            case [Run() as run]:
                one = f"_row_{p.name}"
                lines = [f"for {one} in _v.{p.name}:"]
                if illegal := run.illegal(f"{one}."):
                    lines += [f"    if {' or '.join(illegal)}:", "        raise TypeError  # _refuse finds it again"]
                return [*lines, f"    _out.append({run.packed(f'{one}.')})"]
        return [f"_out += _encode_rows(_v.{p.name}, {p.name!r}, encode_{p.row})"]


def _row_of(run: Run, row: ir.Layout) -> str:
    values = run.arguments()
    return f"{row.name}({', '.join(values[f.name] for f in ir.fields_of(row.parts) if has_value(f))})"


def number_source(name: str, n: ir.Number) -> str:
    """Decoder and encoder of a TLV whose value is one number: no class, the number itself."""
    run = Run(name, (n,))
    lines = [f"{n.name}: int", *run.decode(f"_e - _o != {run.size}"), f"return {member_lookup(n, run.raw(n, None))}"]
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
