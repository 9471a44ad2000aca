"""From construct objects to the intermediate representation, by a whitelist.

The walker knows the few shapes that `opalink.spec.dialect` makes and refuses everything else with a numbered
diagnostic, so that nothing can be declared which a back end would silently leave out.

Plan: names · parts · layouts · the catalogue.
"""

from typing import Any

import construct as c
from msgspec import structs

from opalink.protocol.ir import model as ir
from opalink.protocol.ir.diagnostics import SpecError
from opalink.protocol.ir.names import camel, singular
from opalink.spec import dialect as d
from opalink.spec.form import Form, Profile, Requirement


class Walker:
    """Collects layouts, and the enumerations, flags and rows that they mention, each once and in order."""

    def __init__(self) -> None:
        self.layouts: dict[str, ir.Layout] = {}
        self.enums: dict[str, ir.Choices] = {}
        self.flags: dict[str, ir.Flags] = {}
        self.spaces: dict[str, ir.Space] = {}
        self._open: list[str] = []  # spaces that are being walked, from the outermost
        # The names that the generated tables have.
        self._sources: dict[str, object] = dict.fromkeys(("PacketType", "Status", "VirtualChannel", "Tlv"), "a table")

    # ── Parts ──

    def parts(self, schema: Any, where: str, *, ends: bool) -> tuple[ir.Part, ...]:
        """The parts of a Struct. `ends` says whether a closing Terminated belongs there: not in a row."""
        if type(schema) is not c.Struct:
            raise SpecError("W01", where, f"{_kind(schema)} is not a Struct")
        *subs, last = [*schema.subcons] if ends else [*schema.subcons, c.Terminated]
        if last is not c.Terminated:
            raise SpecError("W01", where, "nothing refuses what is left over at its end")
        names = [sub.name for sub in subs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise SpecError("W06", where, f"two parts are called {twice}")
        return tuple(self.part(sub, where) for sub in subs)

    def part(self, field: Any, where: str, *, among_bits: bool = False) -> ir.Part:
        if not isinstance(field, d.Field):
            raise SpecError("W02", where, f"{_kind(field)} is not a field of the dialect")
        where = f"{where}.{field.name}"
        sub, default = field.subcon, None  # groups of bits alone have no default of their own
        if isinstance(sub, c.Default):
            sub, default = sub.subcon, sub.value
        name, doc, m = str(field.name), str(field.docs), field.meta
        match sub:
            case c.Bytes() if isinstance(sub.length, int):
                return ir.Octets(name, doc, sub.length, bytes(default or sub.length), m.req, m.since)
            case d.Counted():
                return ir.Blob(name, doc, self._count(sub.count, where), sub.lo, sub.hi, m.text)
            case d.Rest():
                return ir.Raw(name, doc, sub.lo, sub.hi)
            case d.Rows():
                self.layout(sub.row.name, sub.row.doc, sub.row.schema, sub.row)
                return ir.Rows(name, doc, self._count(sub.count, where), sub.lo, sub.hi, sub.row.name, m.req)
            case d.Tlvs():
                self.space(sub.space)
                return ir.Tlvs(name, doc, sub.space.name)
            case c.Transformed():
                return self._bits(name, sub, where)
        return self._number(field, sub, default, where, among_bits=among_bits)

    def _count(self, sub: Any, where: str) -> int:
        if sub not in (d.u8, d.u16):
            raise SpecError("W05", where, "a count is not u8 or u16")
        return int(sub.sizeof())

    def _bits(self, name: str, sub: Any, where: str) -> ir.Bits:
        swapped = sub.decodefunc is c.swapbytes
        if swapped:
            sub = sub.subcon
        if not (isinstance(sub, c.Transformed) and sub.decodefunc is c.bytes2bits and type(sub.subcon) is c.Struct):
            raise SpecError("W03", where, "a transformation that is no group of bits")
        if sub.subcon.sizeof() not in (8, 16, 32):
            raise SpecError("W03", where, f"{sub.subcon.sizeof()} bits are no word")
        if swapped != (sub.subcon.sizeof() > 8):
            raise SpecError("W03", where, "the word is not little-endian")
        fields: list[ir.Number] = []
        place = sub.subcon.sizeof()
        for field in sub.subcon.subcons:
            number = self.part(field, where, among_bits=True)
            if not isinstance(number, ir.Number):
                raise SpecError("W04", where, f"{number.name} is not a number, yet stands among bits")
            place -= number.bits
            fields.append(structs.replace(number, shift=place))
        return ir.Bits(name, tuple(fields))

    def _number(self, field: d.Field, sub: Any, default: Any, where: str, *, among_bits: bool) -> ir.Number:
        m, choices = field.meta, ""
        if isinstance(sub, d.OpenEnum):
            choices = self._enum(sub.choices, where)
            sub = sub.subcon
        match sub:
            case c.BitsInteger() if among_bits and isinstance(sub.length, int) and not (sub.swapped or sub.signed):
                bits, signed = sub.length, False
            case c.FormatField() if not among_bits and sub.fmtstr in _FORMATS:
                bits, signed = _FORMATS[sub.fmtstr]
            case c.BytesInteger() if not among_bits and (sub.length, sub.signed, sub.swapped) == (3, False, True):
                bits, signed = 24, False
            case _:
                raise SpecError("W05", where, f"{_kind(sub)} is not an integer of the dialect")
        return ir.Number(
            str(field.name),
            str(field.docs),
            bits,
            signed,
            lo=m.lo,
            hi=m.hi,
            const=m.const,
            default=int(default or 0),
            unit=m.unit,
            scale=str(m.scale),
            choices=choices,
            flags=self._flag_set(m.flags, where) if m.flags else "",
            reserved=m.reserved,
            req=m.req,
            since=m.since,
        )

    # ── Named things: each name stands for one declaration ──

    def _once(self, name: str, source: object, where: str) -> bool:
        """Whether `name` is new; an error if it already stands for something else."""
        known = self._sources.setdefault(name, source)
        if known is not source:
            raise SpecError("W06", where, f"{name} is declared twice")
        return True

    def _enum(self, e: d.Choices, where: str) -> str:
        self._once(e.name, e, where)
        self.enums[e.name] = ir.Choices(e.name, e.doc, e.members)
        return e.name

    def _flag_set(self, e: d.Flags, where: str) -> str:
        self._once(e.name, e, where)
        self.flags[e.name] = ir.Flags(e.name, e.doc, e.members)
        return e.name

    def layout(self, name: str, doc: str, schema: Any, source: object) -> str:
        """Walk a layout under the name of its value class; returns the name."""
        self._once(name, source, name)
        if name not in self.layouts:
            parts = self.parts(schema, name, ends=not isinstance(source, d.Row))
            self.layouts[name] = ir.Layout(name, doc, parts)
        return name

    def space(self, space: d.Space) -> str:
        """Walk a TLV space and every record in it."""
        self._once(f"space {space.name}", space, space.name)
        self._once(f"{singular(space.name)}Tag", space, space.name)
        if space.name not in self.spaces:
            if space.name in self._open:
                raise SpecError("W08", space.name, f"found again inside {' inside '.join(reversed(self._open))}")
            self._open.append(space.name)
            types = tuple(
                ir.TlvType(
                    r.tag,
                    r.name,
                    r.doc,
                    self.layout(camel(r.name) + singular(space.name), r.doc, r.schema, r),
                    r.needs,
                    r.access,
                    r.latency,
                )
                for r in space.records
            )
            self._open.pop()
            self.spaces[space.name] = ir.Space(space.name, space.doc, types)
        return space.name

    def envelope(self, e: d.Envelope) -> ir.Envelope:
        """Walk an envelope: marks, header fields, payload, CRC."""
        header = [x for x in e.schema.subcons if isinstance(x, d.Field)]
        others = [str(x.name) for x in e.schema.subcons if not isinstance(x, d.Field)]
        if others != ["_start", "payload", *(["_end", "crc"] if e.crc else []), str(c.Terminated.name)]:
            raise SpecError("W07", e.name, f"an envelope of {others}")
        self._once(camel(e.name), e, e.name)
        parts = self.parts(c.Struct(*header), e.name, ends=False)
        if not all(isinstance(p, ir.Fixed) for p in parts):
            raise SpecError("W07", e.name, "a header with parts that are not fixed")
        length = [p for p in parts if p.name == "length"]
        if e.size is None and not any(isinstance(p, ir.Number) and not p.signed for p in length):
            raise SpecError("W07", e.name, "neither a size nor a field `length`")
        if e.size is not None and length:
            raise SpecError("W07", e.name, "a size and a field `length`")
        return ir.Envelope(e.name, e.doc, parts, e.size, e.crc.name if e.crc else "")

    def packet(self, p: d.Packet, group: str) -> ir.Packet:
        """Walk a packet type: a layout for each of its forms."""
        base = camel(p.name)
        names = {
            Form.REQUEST: base,
            Form.RESPONSE: base + "Response",
            Form.ERROR: base + "Error",
            Form.EVENT: base + "Event" if Form.REQUEST in p.bodies else base,
        }
        forms = {
            form: self.layout(names[form], body.doc or p.doc, body.schema, body) for form, body in p.bodies.items()
        }
        return ir.Packet(
            p.code, p.name, p.doc, group, p.channel, p.sender, forms, p.needs, p.optional, p.statuses, p.lanes
        )

    # ── Profiles: their descriptors are declared as wire values, and travel as JSON can carry them ──

    def profile(self, p: Profile) -> Profile:
        """A profile whose descriptor holds text for text and hexadecimal for other bytes."""
        types = {t.name: t.layout for t in self.spaces["records"].types}
        return structs.replace(
            p,
            descriptor=tuple(
                (name, self._jsonable(self.layouts.get(types.get(name, "")), v)) for name, v in p.descriptor
            ),
        )

    def _jsonable(self, layout: ir.Layout | None, value: dict[str, Any]) -> dict[str, Any]:
        parts = {f.name: f for f in ir.fields_of(layout.parts)} if layout else {}
        out: dict[str, Any] = {}
        for name, v in value.items():
            part = parts.get(name)
            if isinstance(v, bytes):
                out[name] = v.decode() if isinstance(part, ir.Blob) and part.text else v.hex()
            elif isinstance(part, ir.Rows):
                out[name] = [self._jsonable(self.layouts[part.row], row) for row in v]
            else:
                out[name] = v
        return out


_FORMATS = {"<B": (8, False), "<H": (16, False), "<L": (32, False), "<Q": (64, False)}
_FORMATS |= {"<b": (8, True), "<h": (16, True), "<l": (32, True), "<q": (64, True)}


def _kind(x: object) -> str:
    return type(x).__name__


def walk(source: Any) -> ir.Catalogue:
    """The representation of a catalogue module such as `opalink.spec.catalogue`, without generated requirements.

    Raises SpecError with the number of the diagnostic for anything outside the dialect."""
    w = Walker()
    w._flag_set(source.FEATURES, "features")
    bodies = tuple(
        ir.Body(name, w.layout(camel(name), body.doc or doc, body.schema, body))
        for name, (body, doc) in source.BODIES.items()
    )
    packets = tuple(w.packet(p, group.name) for group in source.GROUPS for p in group.packets)
    for space in source.SPACES:
        w.space(space)
    envelopes = tuple(w.envelope(e) for e in source.ENVELOPES)
    requirements: tuple[Requirement, ...] = tuple(r for group in source.GROUPS for r in group.requirements)
    return ir.Catalogue(
        version=source.VERSION,
        groups=tuple(ir.Group(g.name, g.area, g.doc) for g in source.GROUPS),
        packets=packets,
        layouts=tuple(w.layouts.values()),
        bodies=bodies,
        enums=tuple(w.enums.values()),
        flags=tuple(w.flags.values()),
        spaces=tuple(w.spaces.values()),
        envelopes=envelopes,
        crcs=source.CRCS,
        statuses=source.STATUSES,
        general=tuple(s.name for s in source.GENERAL),
        timers=source.TIMERS,
        limits=source.LIMITS,
        channels=source.CHANNELS,
        gears=source.GEARS,
        machines=source.MACHINES,
        profiles=tuple(w.profile(p) for p in source.PROFILES),
        requirements=requirements,
    )
