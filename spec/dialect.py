"""The dialect: the few ways in which something laid out in bytes may be written down.

This is the face that the chapters import from: the words for the parts of a body stand in `parts`, those for what
carries a body here. The walker of `opalink.protocol.ir` accepts exactly what is made by them, and all other code is
derived from what it reads.

The shape of every body is the same: a fixed part, then counted lists and counted bytes, then TLVs. A body that
carries raw data ends in it and takes no TLVs. Extension is by TLV alone.

Plan: packets and groups · envelopes with their CRC.
"""

from dataclasses import dataclass, field
from typing import Any

import construct as c

from opalink.spec.crc import reference_crc
from opalink.spec.form import Crc, Form, Kind, Level, Requirement, Role, Status, Testability

from opalink.spec.parts import (  # isort: skip
    EXTENSIONS, Body, CapViolation, Choices, ConstViolation, Counted, Field, Flags, Meta, OpenEnum, RangeViolation,
    Rest, Row, Rows, Space, TlvRecord, Tlvs, bits, blob, body, enum, f, flags, i8, i16, i32, i64, octets, raw, row,
    rows, rsvd, tlvs, u8, u16, u24, u32, u64,
)  # fmt: skip

__all__ = [
    "EXTENSIONS", "Body", "CapViolation", "Choices", "ConstViolation", "Counted", "Envelope", "Field", "Flags",
    "Group", "Meta", "OpenEnum", "Packet", "RangeViolation", "Rest", "Row", "Rows", "Space", "TlvRecord", "Tlvs",
    "bits", "blob", "body", "enum", "envelope", "f", "flags", "i8", "i16", "i32", "i64", "octets", "raw", "row",
    "rows", "rsvd", "tlvs", "u8", "u16", "u24", "u32", "u64",
]  # fmt: skip

# ── Packets and groups ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Packet:
    """A packet type: one code, and the bodies of the forms in which it travels.

    `sender` sends the request or event (its peer the response). `needs` are the features any of which makes the
    type mandatory; `optional` types need not exist even then. `statuses` are the results that its responses
    may carry beside the general ones. `lanes` are where it travels."""

    code: int
    name: str
    doc: str
    channel: str
    sender: Role
    bodies: dict[Form, Body]
    needs: tuple[str, ...] = ()
    optional: bool = False
    statuses: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ("laser",)


@dataclass
class Group:
    """A chapter of the protocol: its packets, its requirements' area, its usual virtual channel."""

    name: str
    area: str
    channel: str
    doc: str
    packets: list[Packet] = field(default_factory=list)
    requirements: list[Requirement] = field(default_factory=list)

    def packet(
        self,
        code: int,
        name: str,
        doc: str,
        *,
        sender: Role,
        request: Body | None = None,
        response: Body | None = None,
        error: Body | None = None,
        event: Body | None = None,
        channel: str = "",
        needs: tuple[str, ...] = (),
        optional: bool = False,
        statuses: tuple[Status, ...] = (),
        lanes: tuple[str, ...] = ("laser",),
    ) -> Packet:
        """Declare a packet type. A request has a response; without `error` the common refusal answers it."""
        given = {Form.REQUEST: request, Form.RESPONSE: response, Form.ERROR: error, Form.EVENT: event}
        declared = Packet(
            code,
            name,
            doc,
            channel or self.channel,
            sender,
            {form: body for form, body in given.items() if body is not None},
            needs,
            optional,
            tuple(s.name for s in statuses),
            lanes,
        )
        self.packets.append(declared)
        return declared

    def require(
        self,
        number: int,
        text: str,
        *,
        level: Level = Level.MUST,
        role: Role = Role.BOTH,
        kind: Kind = Kind.BEHAVIOUR,
        test: Testability = Testability.ACTIVE,
        packet: Packet | None = None,
        needs: tuple[str, ...] = (),
        reason: str = "",
        source: str = "",
    ) -> str:
        """State an obligation that no table implies; returns its ID, for use in `req=`.

        Numbers below 100 are given by hand, those from 100 on by the lock to generated sentences."""
        made = Requirement(
            f"R-{self.area}-{number:03}",
            text,
            level,
            role,
            kind,
            test,
            needs or (packet.needs if packet else ()),
            packet.name if packet else "",
            reason=reason,
            source=source,
        )
        self.requirements.append(made)
        return made.id


# ── Envelopes ────────────────────────────────────────────────────────────────────────────────────────


class Covered:
    """The bytes between two marks: everything of the envelope that stands before its CRC."""

    def __call__(self, context: Any) -> bytes:
        stream = context["_io"]
        here = stream.tell()
        stream.seek(context["_start"])
        data: bytes = stream.read(context["_end"] - context["_start"])
        stream.seek(here)
        return data


@dataclass(frozen=True)
class Envelope:
    """A header, a payload, and a CRC over both: the packet, the FLIT, the sideband record, the bench record.

    `size` is the payload's fixed number of bytes; None where the header's `length` field says it."""

    name: str
    doc: str
    schema: c.Struct
    size: int | None
    crc: Crc | None


def envelope(name: str, doc: str, *header: Field, size: int | None = None, crc: Crc | None = None) -> Envelope:
    """Declare an envelope. Without `size`, the header has a field `length`: the payload's bytes."""
    parts: list[Any] = ["_start" / c.Tell, *header, "payload" / c.Bytes(c.this.length if size is None else size)]
    if crc is not None:
        word = u32 if crc.width == 32 else u16
        parts += ["_end" / c.Tell, "crc" / c.Checksum(word, reference_crc(crc), Covered())]
    return Envelope(name, doc, c.Struct(*parts, c.Terminated), size, crc)
