"""Back end: vectors, the same for every implementation in every language.

One JSON file a chapter. A vector is a whole packet in hexadecimal. A positive one gives its plain value, and must
encode to the same bytes again; a negative one gives the class and the field of the error that a decoder must
report, with the CRC repaired so that the check behind it is reached. Bytes inside values are hexadecimal too.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from opalink.protocol.errors import Fault
from opalink.protocol.ir import model as ir
from opalink.protocol.ir.probes import Probe, illegal, legal, maximum
from opalink.protocol.ir.write import Plain, Raw, checksums, default, write_envelope, write_packet
from opalink.spec.form import Form, Record


class Expected(Record, frozen=True):
    """The error that a negative vector must raise."""

    fault: Fault
    path: str


class Vector(Record, frozen=True):
    """`name` is packet, form and probe; exactly one of `value` and `error` is given."""

    name: str
    hex: str
    value: Any = None
    error: Expected | None = None


def vectors(catalogue: ir.Catalogue, group: str) -> Iterator[Vector]:
    """The vectors of a chapter, in order of declaration; those of the envelopes belong to `wire`."""
    if group == "wire":
        yield from _header_vectors(catalogue)
    for packet in catalogue.packets:
        if packet.group != group:
            continue
        forms = dict(packet.forms)
        if Form.REQUEST in forms:
            forms.setdefault(Form.ERROR, catalogue.error_layout(packet))
        for form, name in forms.items():
            yield from _message_vectors(catalogue, packet, form, catalogue.layout[name])


def _message_vectors(catalogue: ir.Catalogue, packet: ir.Packet, form: Form, layout: ir.Layout) -> Iterator[Vector]:
    prefix = f"{packet.name}.{form}"
    room = catalogue.channel[packet.channel].payload_max
    extremes = {"default": default(catalogue, layout), "maximum": maximum(catalogue, layout, room)}
    probes = [Probe(name, "", "", value) for name, value in extremes.items()]
    for probe in [*probes, *legal(catalogue, layout), *illegal(catalogue, layout)]:
        data = write_packet(catalogue, packet, form, probe.value)
        if len(data) > 0xFFFF:
            continue  # no packet can be as long as this probe would need
        if probe.fault:
            expected = Expected(probe.fault, f"{prefix}.{probe.path}")
            yield Vector(f"{prefix}.{probe.name}", data.hex(), error=expected)
        else:
            assert not isinstance(probe.value, Raw)
            yield Vector(f"{prefix}.{probe.name}", data.hex(), jsonable(probe.value))


def _header_vectors(catalogue: ir.Catalogue) -> Iterator[Vector]:
    """What can be wrong with a packet before its payload is looked at."""
    envelope, sums = catalogue.envelope["PACKET"], checksums(catalogue)
    good = write_envelope(catalogue, envelope, {"type": 0xEE}, b"payload", sums)

    def made(value: Plain) -> bytes:
        return write_envelope(catalogue, envelope, {"type": 0xEE} | value, b"payload", sums)

    yield Vector("PACKET.unknown_type", good.hex(), "7061796c6f6164")
    broken = {
        "cut_header": (good[:15], Fault.SHORT, "t_ns"),
        "cut_payload": (good[:20], Fault.SHORT, "payload"),
        "cut_crc": (good[:-1], Fault.SHORT, "crc"),
        "length_over": (made({"length": 8}), Fault.SHORT, "crc"),
        "length_under": (made({"length": 6}), Fault.CRC, "crc"),
        "crc_flipped": (good[:-1] + bytes([good[-1] ^ 1]), Fault.CRC, "crc"),
        "trailing": (good + b"\0", Fault.LONG, ""),
        "major": (made({"major": 2}), Fault.CONST, "major"),
    }
    for name, (data, fault, path) in broken.items():
        yield Vector(f"PACKET.{name}", data.hex(), error=Expected(fault, path))


def jsonable(value: Any) -> Any:
    """A plain value with its bytes as hexadecimal."""
    match value:
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case dict():
            return {k: jsonable(v) for k, v in value.items()}
        case list() | tuple():
            return [jsonable(v) for v in value]
    return value


def files(catalogue: ir.Catalogue) -> dict[str, bytes]:
    """`vectors-<chapter>.json` for each chapter that has any."""
    out = {}
    for group in catalogue.groups:
        found = list(vectors(catalogue, group.name))
        if found:
            lines = b",\n".join(msgspec.json.encode(v, order="deterministic") for v in found)
            head = msgspec.json.encode({"catalogue": catalogue.fingerprint, "chapter": group.name})[1:-1]
            out[f"vectors-{group.name}.json"] = b"{" + head + b',"vectors":[\n' + lines + b"\n]}\n"
    return out
