"""What holds for every packet: CRCs, the packet header, the FLIT, the sideband record, the wire rules.

Plan: CRCs · packet · refusal · FLIT · sideband record · rules, each one obligation.

A payload is never split over packets in this version: every list has pages, no layout outgrows its channel, and a
packet that does not fit a FLIT goes on in the next one of its virtual channel. MORE is kept for a later version, which
can rely on being told NOT_SUPPORTED by this one rather than on half a payload being taken for a whole.
"""

from typing import Final

from opalink.spec import limits
from opalink.spec.dialect import Group, bits, body, enum, envelope, f, rsvd, u8, u16, u32, u64
from opalink.spec.form import Crc, Kind, Testability

# ── CRCs ─────────────────────────────────────────────────────────────────────────────────────────────

CRC32C: Final = Crc(
    "crc32c", 32, 0x1EDC6F41, 0xFFFFFFFF, True, True, 0xFFFFFFFF, 0xE3069283,
    "Castagnoli's CRC-32, as in iSCSI (RFC 3720, B.4).",
)  # fmt: skip
CRC16: Final = Crc("crc16", 16, 0x1021, 0xFFFF, False, False, 0, 0x29B1, "CRC-16/IBM-3740, also called CCITT-FALSE.")

CRCS: Final = (CRC32C, CRC16)

# ── The packet (L3) ──────────────────────────────────────────────────────────────────────────────────

PACKET: Final = envelope(
    "PACKET",
    "What every exchange consists of: a header of 16 bytes, a payload, CRC-32C over both.",
    bits(
        "ver_flags",
        f("major", 4, "Major version of the protocol.", const=limits.VERSION_MAJOR),
        f("rsp", 1, "1 in a response."),
        rsvd("spare2", 1),
        f("more", 1, "1 where the payload goes on in a further packet: never in this version."),
        rsvd("spare0", 1),
    ),
    f("type", u8, "The packet type's code."),
    bits(
        "chan",
        f("vc", 4, "Virtual channel."),
        f("instance", 4, "Position in the accessory stack; 0 is next to the phone."),
    ),
    f("status", u8, "Result, in a response; 0 elsewhere."),
    f("length", u16, "Bytes of payload.", unit="B"),
    f("txn", u16, "Transaction number of a request and of its response; 0 in an event."),
    f("t_ns", u64, "Link time of launch; in an event, of what it reports.", unit="ns"),
    crc=CRC32C,
)

REFUSAL: Final = body(
    f(
        "at",
        u16,
        "Offset in the request's payload of what was refused; 65535 if nothing there.",
        unit="B",
        default=0xFFFF,
    ),
    f("retry_after", u32, "Ask again no sooner than this; 0 where asking again is of no use.", unit="us"),
    doc="What answers a request that failed, unless its type declares another error form.",
)

# ── The FLIT (L2) ────────────────────────────────────────────────────────────────────────────────────

AckKind: Final = enum(
    "AckKind",
    "What a FLIT says about those it has received.",
    NONE=(0, "Nothing: `ack_seq` has no meaning."),
    ACK=(1, "Everything up to `ack_seq` has arrived."),
    NAK=(2, "Everything up to `ack_seq` has arrived; send again from the one after it."),
    SELECTIVE=(3, "The FLIT `ack_seq` alone is missing; it acknowledges nothing else."),
)

FlitKind: Final = enum(
    "FlitKind",
    "What a FLIT carries.",
    DATA=(0, "Packets; takes a sequence number and a credit."),
    IDLE=(1, "Nothing; repeats the last sequence number and is never replayed."),
    CONTROL=(2, "Acknowledgement and credit alone; sequenced like IDLE."),
    REPLAY=(3, "A DATA FLIT sent again, under its first sequence number."),
)

FLIT: Final = envelope(
    "FLIT",
    "640 bytes on the laser: a header of 12 bytes, 624 of payload, CRC-32C over both. The packets in the payload "
    "end before the first header whose version byte is zero; a packet that does not fit goes on in the next FLIT of "
    "its virtual channel.",
    f("seq", u16, "Sequence number."),
    f("ack_seq", u16, "The FLIT that `ack` speaks of."),
    bits(
        "ctl",
        f("ack", 2, "Acknowledgement.", choices=AckKind),
        f("kind", 2, "What the FLIT carries.", choices=FlitKind),
        f("epoch", 1, "Parity of the link epoch."),
        rsvd("spare", 3),
    ),
    f("vc", u8, "Virtual channel of the payload."),
    f("credit_vc", u8, "Virtual channel that `credit_cum` speaks of."),
    bits(
        "health",
        f("corrected", 4, "Corrected symbols since the last FLIT, as a power of two."),
        f("severity", 4, "Thermal severity of the sender.", hi=6),
    ),
    f("credit_cum", u16, "Credits granted on that channel since the epoch began: a lost update heals.", unit="FLIT"),
    f("first_off", u16, "Offset of the first packet header in the payload; 624 if none begins here.", hi=624, unit="B"),
    size=limits.FLIT_PAYLOAD,
    crc=CRC32C,
)

# ── The sideband record ──────────────────────────────────────────────────────────────────────────────

SIDEBAND: Final = envelope(
    "SIDEBAND",
    "A packet on the power contacts, at 1 Mb/s, while the laser is off.",
    f("sync", u16, "Marks the beginning.", const=0x5A4F),
    f("length", u16, "Bytes of the packet.", unit="B", lo=limits.PACKET_OVERHEAD, hi=limits.SIDEBAND_PACKET),
    crc=CRC16,
)

# ── Rules for every packet ───────────────────────────────────────────────────────────────────────────

GROUP: Final = Group("wire", area="WIRE", channel="LINK", doc="What holds for every packet.")
_must = GROUP.require

_must(1, "A receiver MUST drop a packet whose CRC-32C is wrong and answer nothing.", kind=Kind.ROBUSTNESS)
_must(2, "A receiver MUST count each packet it drops for a wrong CRC in the counter BAD_CRC.", kind=Kind.ROBUSTNESS)
_must(3, "A receiver MUST NOT answer an event, whatever is wrong with it.")
_must(4, "A receiver MUST NOT answer a response, whether or not it matches an open request.")
_must(5, "A receiver MUST answer a request of a type or form that it does not know with NOT_SUPPORTED.")
_must(6, "A receiver MUST answer a request whose type only the receiver's own side sends with NOT_SUPPORTED.")
_must(7, "A receiver MUST answer a request of another major version with BAD_VERSION.")
_must(
    8,
    "A receiver MUST answer a request of a repeated transaction and type with the stored response and MUST NOT act "
    "again.",
)
_must(9, "A responder MUST give its response the transaction number of the request.")
_must(10, "A responder MUST give its response the type of the request.")
_must(
    11,
    "A sender MUST set the virtual channel that its packet type declares.",
    kind=Kind.SYNTAX,
    test=Testability.PASSIVE,
)
_must(12, "A receiver MUST answer a request on another virtual channel than its type declares with BAD_VALUE.")
_must(13, "A sender MUST send reserved bits as 0.", kind=Kind.SYNTAX, test=Testability.PASSIVE)
_must(14, "A receiver MUST treat a packet with reserved header bits set as if they were 0.")
_must(15, "A receiver MUST skip TLVs whose tag it does not know.")
_must(16, "A sender MUST give status 0 in a packet that is not a response.", kind=Kind.SYNTAX, test=Testability.PASSIVE)
_must(
    17,
    "A sender MUST give transaction 0 to an event and no other transaction to it.",
    kind=Kind.SYNTAX,
    test=Testability.PASSIVE,
)
_must(18, "A responder MUST answer a request addressed to a stack position where no element is with NO_SUCH_ID.")
_must(19, "A responder MUST NOT answer with UNSPECIFIED.", test=Testability.PASSIVE)
_must(
    20,
    "A responder MUST NOT answer BAD_LENGTH, BAD_VALUE or NOT_SUPPORTED to a request whose every field is legal and "
    "whose type, form and feature it has.",
)
_must(21, "A receiver MUST go on working after any sequence of bytes.", kind=Kind.ROBUSTNESS)
_must(
    22,
    "A responder MUST use no status but those of its type, the general ones, and NO_SUCH_ID for a stack position.",
    test=Testability.PASSIVE,
)
_must(23, "A responder MUST answer a request within tResponse, or with PENDING within tPendingFirst.", kind=Kind.TIMING)
_must(24, "A sender MUST put nothing on the wire that does not decode.", kind=Kind.SYNTAX, test=Testability.PASSIVE)
_must(
    25,
    "A receiver MUST make its checks in this order: CRC, version, repeated transaction, type, form, `more`, direction, "
    "feature, virtual channel, stack position, lane, state, fields of the payload in wire order, members of "
    "enumerations.",
)
_must(
    26,
    "A sender MUST NOT send a packet whose payload exceeds the limit of its virtual channel.",
    kind=Kind.CAPACITY,
    test=Testability.PASSIVE,
)
_must(27, "A responder MUST answer a request that is not legal in its present state with BAD_STATE.")
_must(28, "A receiver MUST answer a request on another lane than its type declares with BAD_STATE.", needs=("LASER",))
_must(
    29,
    "A receiver MUST ignore an event whose type only its own side sends, or that comes on another lane than its type "
    "declares.",
)
_must(
    30,
    "A sender MUST NOT send a request or an event of a type that only the other side sends.",
    kind=Kind.SYNTAX,
    test=Testability.PASSIVE,
)
_must(
    31,
    "A sender MUST NOT send a request or an event on another lane than its type declares.",
    kind=Kind.SYNTAX,
    test=Testability.PASSIVE,
)
_must(32, "A sender MUST send `more` as 0.", kind=Kind.SYNTAX, test=Testability.PASSIVE)
_must(33, "A receiver MUST answer a request with `more` set with NOT_SUPPORTED.")
