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
        self._sources: dict[str, object] = {}

    # ── Parts ──

    def parts(self, schema: Any, where: str) -> tuple[ir.Part, ...]:
        """The parts of a Struct; the closing Terminated is implied by every layout."""
        if type(schema) is not c.Struct:
            raise SpecError("W01", where, f"{_kind(schema)} is not a Struct")
        return tuple(self.part(sub, where) for sub in schema.subcons if sub is not c.Terminated)

    def part(self, field: Any, where: str) -> ir.Part:
        if not isinstance(field, d.Field):
            raise SpecError("W02", where, f"{_kind(field)} is not a field of the dialect")
        where = f"{where}.{field.name}"
        sub, default = field.subcon, None
        if isinstance(sub, c.Default):
            sub, default = sub.subcon, sub.value
        name, doc, m = str(field.name), str(field.docs), field.meta
        match sub:
            case c.Bytes() if isinstance(sub.length, int):
                return ir.Octets(name, doc, sub.length, bytes(default), m.req, m.since)
            case d.Counted():
                return ir.Blob(name, doc, sub.count.sizeof(), sub.lo, sub.hi, m.text)
            case d.Rest():
                return ir.Raw(name, doc, sub.lo, sub.hi)
            case d.Rows():
                self.layout(sub.row.name, sub.row.doc, sub.row.schema, sub.row)
                return ir.Rows(name, doc, sub.count.sizeof(), sub.lo, sub.hi, sub.row.name, m.req)
            case d.Tlvs():
                self.space(sub.space)
                return ir.Tlvs(name, doc, sub.space.name)
            case c.Transformed():
                return self._bits(name, sub, where)
        return self._number(field, sub, default, where)

    def _bits(self, name: str, sub: Any, where: str) -> ir.Bits:
        if sub.decodefunc is c.swapbytes:
            sub = sub.subcon
        if not (isinstance(sub, c.Transformed) and sub.decodefunc is c.bytes2bits and type(sub.subcon) is c.Struct):
            raise SpecError("W03", where, "a transformation that is no group of bits")
        fields: list[ir.Number] = []
        place = sub.subcon.sizeof()
        for field in sub.subcon.subcons:
            number = self.part(field, where)
            if not isinstance(number, ir.Number):
                raise SpecError("W04", where, f"{number.name} is not a number, yet stands among bits")
            place -= number.bits
            fields.append(structs.replace(number, shift=place))
        return ir.Bits(name, tuple(fields))

    def _number(self, field: d.Field, sub: Any, default: Any, where: str) -> ir.Number:
        m, choices = field.meta, ""
        if isinstance(sub, d.OpenEnum):
            choices = self._enum(sub.choices, where)
            sub = sub.subcon
        match sub:
            case c.BitsInteger() if not sub.swapped and isinstance(sub.length, int):
                bits, signed = sub.length, sub.signed
            case c.FormatField() if sub.fmtstr in _FORMATS:
                bits, signed = _FORMATS[sub.fmtstr]
            case c.BytesInteger() if sub.swapped and isinstance(sub.length, int):
                bits, signed = sub.length * 8, sub.signed
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
            parts = self.parts(schema, name)
            self.layouts[name] = ir.Layout(name, doc, parts)
        return name

    def space(self, space: d.Space) -> str:
        """Walk a TLV space and every record in it."""
        self._once(f"space {space.name}", space, space.name)
        if space.name not in self.spaces:
            # Entered before its records are walked: a record may end in TLVs of its own space.
            self.spaces[space.name] = ir.Space(space.name, space.doc, ())
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
            self.spaces[space.name] = ir.Space(space.name, space.doc, types)
        return space.name

    def envelope(self, e: d.Envelope) -> ir.Envelope:
        """Walk an envelope: marks, header fields, payload, CRC."""
        header = [x for x in e.schema.subcons if isinstance(x, d.Field)]
        others = [str(x.name) for x in e.schema.subcons if not isinstance(x, d.Field) and x is not c.Terminated]
        if others != ["_start", "payload"] + (["_end", "crc"] if e.crc else []):
            raise SpecError("W07", e.name, f"an envelope of {others}")
        parts = tuple(self.part(x, e.name) for x in header)
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
        out = {}
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
