"""Back end: the envelopes as scapy layers: packet, FLIT, sideband record, bench record.

Plan: an envelope · the packet · which layer a payload is.
"""

from collections.abc import Iterator

from opalink.protocol.generate.python.enums import docstring
from opalink.protocol.generate.python.envelope import CRC_FUNCTIONS, Wrap
from opalink.protocol.generate.python.run import Fixed, Run, has_value
from opalink.protocol.generate.scapy.layers import bare, envelope_name, fields_of
from opalink.protocol.generate.scapy.names import Names
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.write import header_of
from opalink.spec.form import Form

# ── An envelope ──────────────────────────────────────────────────────────────────────────────────────

# The enumerations of the packet header's fields, which the declarations do not tie to one.
_PACKET_TABLES = {"type": "PacketType", "status": "Status", "vc": "VirtualChannel"}


def envelope_source(catalogue: ir.Catalogue, e: ir.Envelope) -> str:
    """The layer of an envelope; what it carries is scapy's payload, and what comes after that a field all the same."""
    crc = next((c for c in catalogue.crcs if c.name == e.crc), None)
    tables = _PACKET_TABLES if e.name == "PACKET" else {}
    named = Wrap(e, crc, tables).run
    header = tuple(bare(p) for p in e.header)
    names = Names(header, ["crc"] if crc else [])
    wrap = Wrap(ir.Envelope(e.name, e.doc, header, e.size, e.crc), crc)
    fields = [x for p in named.parts if isinstance(p, Fixed) for x in _header_fields(p, names)]
    wire = {f.name: names[f.name] for f in ir.fields_of(header) if has_value(f) and f.name != "length"}
    at, size = _place_of_length(wrap.run) if e.size is None else (0, 0)
    lines = [wrap.declarations(), "", "", f"class {envelope_name(e)}({_base(e)}):", f'    """{docstring(e.doc)}"""', ""]
    lines += [f"    name = {f'OPAL {e.name}'!r}", "    fields_desc = [", *(f"        {x}," for x in fields)]
    lines += [f"        _Crc({crc.width // 8}, {CRC_FUNCTIONS[crc.name]}),"] if crc else []
    lines += ["    ]", f"    _wire = {wire!r}", f"    _run = _R_{wrap.run.id}", f"    _head = {wrap.run.size}"]
    lines += [f"    _size = {e.size}" if e.size is not None else f"    _place = {at}, {size}"]
    if e.name == "PACKET":
        lines.append(f"    _succeeded = {tuple(s.value for s in catalogue.statuses if s.success)}")
        lines.append("    _forms = {" + ", ".join(f'"{form}": {{}}' for form in Form) + "}")
    lines += ["", *(f"    {x}" for x in _dissector(wrap, names))]
    return "\n".join(lines)


def _base(e: ir.Envelope) -> str:
    return "_PacketLayer" if e.name == "PACKET" else "_Envelope"


def _header_fields(p: ir.Part, names: Names) -> Iterator[str]:
    """The length is written by what it counts."""
    if isinstance(p, ir.Number) and p.name == "length":
        yield f"_Length({p.size}, {names[p.name]!r})"
    else:
        yield from fields_of(p, names)


def _place_of_length(run: Run) -> tuple[int, int]:
    """Where the length is, and how many bytes it has."""
    at = 0
    for p in run.parts:
        assert isinstance(p, Fixed)
        if p.name == "length":
            return at, p.size
        at += p.size
    raise AssertionError("an envelope without size has a length")


def _dissector(wrap: Wrap, names: Names) -> Iterator[str]:
    """A method that reads the header of a sound envelope and says where its payload ends."""
    yield "def header(_p, data: bytes) -> _Any:"
    yield "    crc = True"
    yield from (f"    {line}" for line in [*wrap.begin(), *wrap.unwrap()])
    found = dict(zip((f.name for f in wrap.fields()), wrap.values(), strict=True))
    values = {names[name]: x for name, x in found.items()}
    length = next((n for n, _ in wrap.run.numbers() if n.name == "length"), None)
    if length:
        values[names["length"]] = wrap.run.raw(length, None)
    if wrap.crc:
        values["crc"] = '_int.from_bytes(_b[_e:], "little")'
    yield f"    _fields(_p, {{{', '.join(f'{name!r}: {x}' for name, x in values.items())}}})"
    yield "    return _e"


# ── Which layer a payload is ─────────────────────────────────────────────────────────────────────────


def bindings_source(catalogue: ir.Catalogue, home: str) -> str:
    """What the packet layer learns of a chapter: the layer of each form, and the header that each layer implies."""
    lines: list[str] = []
    packet = envelope_name(catalogue.envelope["PACKET"])
    for p in (p for p in catalogue.packets if p.group == home):
        forms = dict(p.forms)
        if Form.REQUEST in forms:
            forms.setdefault(Form.ERROR, catalogue.error_layout(p))
        for form, name in forms.items():
            header = ", ".join(f"{k}={v}" for k, v in header_of(catalogue, p, form).items()) if form in p.forms else ""
            lines.append(f'{packet}._forms["{form}"][{p.code}] = "{p.name}.{form}", {name}')
            lines += [f"_bind_top_down({packet}, {name}, {header})"] if header else []
    if lines and (refusal := catalogue.body.get("REFUSAL")):
        failed = catalogue.status["BAD_VALUE"].value
        lines.append(f"_bind_top_down({packet}, {refusal}, rsp=1, status={failed}, txn=1)")
    return "\n".join(lines)
