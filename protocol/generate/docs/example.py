"""An example for the document: the bytes of a vector, each with the field that it belongs to.

Plan: the choice of an example · its fields · the table.
"""

from collections.abc import Iterator

from opalink.protocol.generate.docs.words import quantity, table
from opalink.protocol.generate.vectors import Vector, vectors
from opalink.protocol.ir import model as ir
from opalink.spec.form import Form

_MOST = 112  # bytes that are still read with pleasure

# ── The choice of an example ─────────────────────────────────────────────────────────────────────────


def samples(catalogue: ir.Catalogue) -> dict[str, Vector]:
    """For every message by name and form, the vector that shows most: of those that are not long, the one of the most
    different bytes. A message without a short one has its shortest."""
    found: dict[str, Vector] = {}
    for group in catalogue.groups:
        for v in vectors(catalogue, group.name):
            message = ".".join(v.name.split(".")[:2])
            told = v.error is None and ".extensions." not in v.name  # what an unknown TLV looks like, `wire` tells
            if told and (message not in found or _shows(v) > _shows(found[message])):
                found[message] = v
    return found


def _shows(v: Vector) -> tuple[bool, int, int]:
    short = len(v.hex) <= 2 * _MOST
    return short, len(set(bytes.fromhex(v.hex)[16:-4])) if short else 0, -len(v.hex)


# ── Its fields ───────────────────────────────────────────────────────────────────────────────────────

Found = tuple[int, bytes, str, str]  # offset, bytes, field, value


class _Walk:
    """Walks a layout over bytes that are known to be legal."""

    def __init__(self, catalogue: ir.Catalogue, data: bytes, at: int) -> None:
        self.catalogue, self.data, self.at = catalogue, data, at

    def take(self, n: int) -> tuple[int, bytes]:
        start, self.at = self.at, self.at + n
        return start, self.data[start : self.at]

    def layout(self, parts: tuple[ir.Part, ...], path: str, end: int) -> Iterator[Found]:
        for part in parts:
            name = f"{path}{part.name}"
            match part:
                case ir.Number():
                    at, raw = self.take(part.size)
                    yield at, raw, name, self.number(part, int.from_bytes(raw, "little", signed=part.signed))
                case ir.Bits():
                    at, raw = self.take(part.size)
                    word = int.from_bytes(raw, "little")
                    bits = [(f, word >> f.shift & (1 << f.bits) - 1) for f in part.fields if not f.reserved]
                    for f, value in bits:
                        yield at, raw, f"{path}{f.name}", self.number(f, value)
                case ir.Octets():
                    at, raw = self.take(part.size)
                    yield at, raw, name, f"{part.size} bytes"
                case ir.Blob():
                    at, raw = self.take(part.count)
                    n = int.from_bytes(raw, "little")
                    yield at, raw, f"{name}, count", str(n)
                    if n:
                        at, raw = self.take(n)
                        yield at, raw, name, f"{n} bytes"
                case ir.Raw():
                    at, raw = self.take(end - self.at)
                    yield at, raw, name, f"{len(raw)} bytes"
                case ir.Rows():
                    at, raw = self.take(part.count)
                    n = int.from_bytes(raw, "little")
                    yield at, raw, f"{name}, count", str(n)
                    for i in range(n):
                        yield from self.layout(self.catalogue.layout[part.row].parts, f"{name}[{i}].", end)
                case ir.Tlvs():
                    while self.at < end:
                        yield from self.tlv(part, name, end)

    def tlv(self, part: ir.Tlvs, path: str, end: int) -> Iterator[Found]:
        at, head = self.take(ir.TLV_HEADER)
        tag, length = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:], "little")
        known = next((t for t in self.catalogue.space[part.space].types if t.tag == tag), None)
        name = known.name if known else "unknown tag"
        yield at, head, f"{path}, tag and length", f"{tag} ({name}), {length} bytes"
        stop = min(self.at + length, end)
        if known:
            yield from self.layout(self.catalogue.layout[known.layout].parts, f"{name}.", stop)
        elif length:
            at, raw = self.take(length)
            yield at, raw, name, f"{length} bytes"

    def number(self, number: ir.Number, value: int) -> str:
        if number.choices:
            known = {m.value: m.name for m in self.catalogue.choices[number.choices].members}
            return f"{value}, `{known[value]}`" if value in known else f"{value}, no known member"
        if number.flags and value:
            members = self.catalogue.flag_set[number.flags].members
            names = [m.name for m in members if value >> m.value & 1]
            return f"{value:#x}" + (f", `{' '.join(names)}`" if names else "")
        if number.factor != 1:
            return f"{value}, that is {quantity(number, value)}"
        return quantity(number, value)


# ── The table ────────────────────────────────────────────────────────────────────────────────────────


def annotated(catalogue: ir.Catalogue, packet: ir.Packet, form: Form, vector: Vector) -> list[str]:
    """The bytes of an example in order, with their fields and values."""
    data = bytes.fromhex(vector.hex)
    name = catalogue.layout[packet.forms[form] if form in packet.forms else catalogue.error_layout(packet)]
    envelope = catalogue.envelope["PACKET"]
    check = next((c.width // 8 for c in catalogue.crcs if c.name == envelope.crc), 0)
    walk = _Walk(catalogue, data, 0)
    found = list(walk.layout(envelope.header, "", len(data)))
    body = list(walk.layout(name.parts, f"{form}.", len(data) - check))
    found = [*found, *body, (walk.at, data[walk.at :], "crc", f"{envelope.crc}, over all before it")]
    rows, last = [], (-1, b"")
    for at, raw, field, value in found:
        again = (at, raw) == last  # another field of the same word
        shown = f"`{_hex(raw)}`" if raw and not again else ""
        rows.append(("" if again else str(at), shown, f"`{field}`", _value(field, value, packet)))
        last = at, raw
    return [f"The vector `{vector.name}`, {len(data)} bytes:", "", "```text", *_dump(data), "```", "",
            *table(("Offset", "Bytes", "Field", "Value"), rows, "opal-example")]  # fmt: skip


def _value(field: str, value: str, packet: ir.Packet) -> str:
    return f"{value}, `{packet.name}`" if field == "type" else value


def _hex(raw: bytes) -> str:
    return raw.hex(" ") if len(raw) <= 16 else f"{raw[:12].hex(' ')} … {raw[-2:].hex(' ')}"


def _dump(data: bytes) -> list[str]:
    return [f"{at:04x}  {data[at : at + 16].hex(' ')}" for at in range(0, len(data), 16)]
