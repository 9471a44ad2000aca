"""The messages of SPDM 1.2 that authentication and measurement need, and the numbers in them.

Source: DMTF DSP0274 1.2, the clause that bears each message's name. What is reserved there is a gap here. Sizes: H is
that of the negotiated hash, S that of a signature, M that of the measurement summary hash, 0 if none was asked for.

Plan: codes · capabilities · algorithms · negotiation · identity · measurement · errors.
"""

from enum import IntEnum, IntFlag
from typing import Annotated, ClassVar, Final

from opalink.protocol.spdm.layout import U8, U16, U32, Counted, Known, Message, Number, Octets, Part, Rows, Whole

NONCE_BYTES: Final = 32
SLOTS: Final = 8
LEAST_TRANSFER: Final = 42  # MinDataTransferSize
_OPAQUE: Final = Counted(width=2, hi=1024)
_NONCE: Final = Octets(size=NONCE_BYTES)

# ── Codes ────────────────────────────────────────────────────────────────────────────────────────────


class Code(IntEnum):
    """RequestResponseCode of the messages below; a response's is its request's less 0x80."""

    GET_DIGESTS = 0x81
    GET_CERTIFICATE = 0x82
    CHALLENGE = 0x83
    GET_VERSION = 0x84
    GET_MEASUREMENTS = 0xE0
    GET_CAPABILITIES = 0xE1
    NEGOTIATE_ALGORITHMS = 0xE3
    RESPOND_IF_READY = 0xFF
    ERROR = 0x7F


class ErrorCode(IntEnum):
    """Param1 of ERROR."""

    INVALID_REQUEST = 0x01
    BUSY = 0x03
    UNEXPECTED_REQUEST = 0x04
    UNSPECIFIED = 0x05
    DECRYPT_ERROR = 0x06
    UNSUPPORTED_REQUEST = 0x07
    REQUEST_IN_FLIGHT = 0x08
    INVALID_RESPONSE_CODE = 0x09
    SESSION_LIMIT_EXCEEDED = 0x0A
    SESSION_REQUIRED = 0x0B
    RESET_REQUIRED = 0x0C
    RESPONSE_TOO_LARGE = 0x0D
    REQUEST_TOO_LARGE = 0x0E
    LARGE_RESPONSE = 0x0F
    MESSAGE_LOST = 0x10
    VERSION_MISMATCH = 0x41
    RESPONSE_NOT_READY = 0x42
    REQUEST_RESYNCH = 0x43
    VENDOR_DEFINED = 0xFF


# ── Capabilities ─────────────────────────────────────────────────────────────────────────────────────


class Capability(IntFlag):
    """Flags of GET_CAPABILITIES and of CAPABILITIES. Bits 0, 3 to 5, 18 to 21 are the responder's alone."""

    CACHE = 1 << 0
    CERT = 1 << 1
    CHAL = 1 << 2
    MEAS_UNSIGNED = 1 << 3
    MEAS_SIGNED = 1 << 4
    MEAS_FRESH = 1 << 5
    ENCRYPT = 1 << 6
    MAC = 1 << 7
    MUT_AUTH = 1 << 8
    KEY_EX = 1 << 9
    PSK = 1 << 10
    PSK_WITH_CONTEXT = 1 << 11
    ENCAP = 1 << 12
    HBEAT = 1 << 13
    KEY_UPD = 1 << 14
    HANDSHAKE_IN_THE_CLEAR = 1 << 15
    PUB_KEY_ID = 1 << 16
    CHUNK = 1 << 17
    ALIAS_CERT = 1 << 18
    SET_CERT = 1 << 19
    CSR = 1 << 20
    CERT_INSTALL_RESET = 1 << 21


_TRANSFER: Final = Number(size=4, lo=LEAST_TRANSFER)

# ── Algorithms ───────────────────────────────────────────────────────────────────────────────────────

DMTF_MEASUREMENTS: Final = 0x01  # MeasurementSpecification
OPAQUE_FORMAT_1: Final = 0x02  # OtherParamsSupport: OpaqueDataFmt1
OPAQUE_FORMATS: Final = 0x0F
MAX_NEGOTIATION: Final = 128  # bytes of NEGOTIATE_ALGORITHMS
MAX_EXTENDED: Final = 20  # extended algorithms in one


class MeasurementHash(IntFlag):
    """MeasurementHashAlgo: how the values of measurements are hashed, whatever hash was negotiated."""

    RAW_BIT_STREAM = 1 << 0
    SHA_256 = 1 << 1
    SHA_384 = 1 << 2
    SHA_512 = 1 << 3


def _fixed(known: Known) -> int:
    return int(known["count"]) >> 4


def _external(known: Known) -> int:
    return 4 * (int(known["count"]) & 0x0F)


class AlgorithmTable(Part, frozen=True, kw_only=True):
    """AlgStructure: what one side can, or both will, use for one purpose that needs a session."""

    type: Annotated[int, Number(size=1, lo=2, hi=5)]
    count: Annotated[int, Number(size=1, lo=0x20, hi=0x2F)] = 0x20  # AlgCount: bytes of `fixed`, number of `external`
    fixed: Annotated[bytes, Octets(size=_fixed)]
    external: Annotated[bytes, Octets(size=_external)] = b""


# ── Negotiation ──────────────────────────────────────────────────────────────────────────────────────


class GetVersion(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.GET_VERSION
    VERSION: ClassVar[int] = 0x10
    TAIL: ClassVar[int] = 2


class Version(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.GET_VERSION - 0x80
    VERSION: ClassVar[int] = 0x10
    count: Annotated[int, Number(size=1, gap=3, lo=1)]
    entries: Annotated[tuple[int, ...], Rows(count="count", row=U16)]  # major, minor, update, alpha: 4 bits each


class GetCapabilities(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.GET_CAPABILITIES
    ct_exponent: Annotated[int, Number(size=1, gap=3, hi=31)] = 0  # 2^n µs
    flags: Annotated[int, Number(size=4, gap=2)] = 0
    data_transfer_size: Annotated[int, _TRANSFER]
    max_message_size: Annotated[int, _TRANSFER]


class Capabilities(GetCapabilities, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.GET_CAPABILITIES - 0x80


class NegotiateAlgorithms(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.NEGOTIATE_ALGORITHMS
    table_count: Annotated[int, U8] = 0
    length: Annotated[int, Whole(gap=1)] = 0
    measurement_specification: Annotated[int, U8]
    other_params: Annotated[int, U8]
    base_asym: Annotated[int, U32]
    base_hash: Annotated[int, U32]
    ext_asym_count: Annotated[int, Number(size=1, gap=12, hi=MAX_EXTENDED)] = 0
    ext_hash_count: Annotated[int, Number(size=1, hi=MAX_EXTENDED)] = 0
    ext_asym: Annotated[tuple[int, ...], Rows(gap=2, count="ext_asym_count", row=U32)] = ()
    ext_hash: Annotated[tuple[int, ...], Rows(count="ext_hash_count", row=U32)] = ()
    tables: Annotated[tuple[AlgorithmTable, ...], Rows(count="table_count", row=AlgorithmTable)] = ()


class Algorithms(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.NEGOTIATE_ALGORITHMS - 0x80
    table_count: Annotated[int, U8] = 0
    length: Annotated[int, Whole(gap=1)] = 0
    measurement_specification: Annotated[int, U8]
    other_params: Annotated[int, U8]
    measurement_hash: Annotated[int, U32]
    base_asym: Annotated[int, U32]
    base_hash: Annotated[int, U32]
    ext_asym_count: Annotated[int, Number(size=1, gap=12, hi=1)] = 0
    ext_hash_count: Annotated[int, Number(size=1, hi=1)] = 0
    ext_asym: Annotated[tuple[int, ...], Rows(gap=2, count="ext_asym_count", row=U32)] = ()
    ext_hash: Annotated[tuple[int, ...], Rows(count="ext_hash_count", row=U32)] = ()
    tables: Annotated[tuple[AlgorithmTable, ...], Rows(count="table_count", row=AlgorithmTable)] = ()


# ── Identity ─────────────────────────────────────────────────────────────────────────────────────────


def _filled(known: Known) -> int:
    return int(known["slot_mask"]).bit_count()


class GetDigests(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.GET_DIGESTS
    TAIL: ClassVar[int] = 2


class Digests(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.GET_DIGESTS - 0x80
    slot_mask: Annotated[int, Number(size=1, gap=1)]
    digests: Annotated[tuple[bytes, ...], Rows(count=_filled, row=Octets(size="H"))]  # in the order of the slots

    @property
    def by_slot(self) -> dict[int, bytes]:
        return dict(zip((n for n in range(SLOTS) if self.slot_mask >> n & 1), self.digests, strict=True))


class GetCertificate(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.GET_CERTIFICATE
    slot: Annotated[int, U8]  # bits 4 to 7 are reserved
    offset: Annotated[int, Number(size=2, gap=1)]
    length: Annotated[int, U16]


class Certificate(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.GET_CERTIFICATE - 0x80
    slot: Annotated[int, U8]
    portion_length: Annotated[int, Number(size=2, gap=1)]
    remainder_length: Annotated[int, U16]
    portion: Annotated[bytes, Octets(size="portion_length")]


class Summary(IntEnum):
    """Which measurements a challenge asks to be summed up."""

    NONE = 0x00
    TCB = 0x01
    ALL = 0xFF


class Challenge(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.CHALLENGE
    slot: Annotated[int, U8]
    summary: Annotated[int, U8]
    nonce: Annotated[bytes, _NONCE]


class ChallengeAuth(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.CHALLENGE - 0x80
    attributes: Annotated[int, U8]  # bits 0 to 3: the slot; bit 7: basic mutual authentication, deprecated
    slot_mask: Annotated[int, U8]
    chain_hash: Annotated[bytes, Octets(size="H")]
    nonce: Annotated[bytes, _NONCE]
    summary_hash: Annotated[bytes, Octets(size="M")] = b""
    opaque: Annotated[bytes, _OPAQUE] = b""
    signature: Annotated[bytes, Octets(size="S")] = b""


# ── Measurement ──────────────────────────────────────────────────────────────────────────────────────

SIGNED: Final = 0x01  # attribute: the response is to be signed
NO_MEASUREMENT: Final = 0x00  # operation: only how many there are
ALL_MEASUREMENTS: Final = 0xFF  # operation: all of them


class ValueType(IntEnum):
    """DMTFSpecMeasurementValueType without its bit 7, which says that the value is no digest but the bytes."""

    IMMUTABLE_ROM = 0
    MUTABLE_FIRMWARE = 1
    HARDWARE_CONFIGURATION = 2
    FIRMWARE_CONFIGURATION = 3
    MANIFEST = 4
    DEVICE_MODE = 5
    VERSION = 6
    SECURE_VERSION_NUMBER = 7


RAW: Final = 0x80  # DMTFSpecMeasurementValueType: the bytes themselves


class MeasurementBlock(Part, frozen=True, kw_only=True):
    """A measurement in the form of the DMTF: the only one there is."""

    index: Annotated[int, Number(size=1, lo=1, hi=0xFE)]
    specification: Annotated[int, Number(size=1, lo=DMTF_MEASUREMENTS, hi=DMTF_MEASUREMENTS)] = DMTF_MEASUREMENTS
    size: Annotated[int, Number(size=2, lo=3)]
    value_type: Annotated[int, U8]
    value_size: Annotated[int, U16]
    value: Annotated[bytes, Octets(size="value_size")]


def _signed(known: Known) -> bool:
    return bool(known["attributes"] & SIGNED)


def _nonce_if_signed(known: Known) -> int:
    return NONCE_BYTES if _signed(known) else 0


class GetMeasurements(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.GET_MEASUREMENTS
    attributes: Annotated[int, U8]
    operation: Annotated[int, U8]
    nonce: Annotated[bytes, Octets(size=_nonce_if_signed)] = b""
    slot: Annotated[int, Number(size=1, when=_signed)] = 0  # bits 4 to 7 are reserved


class Measurements(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.GET_MEASUREMENTS - 0x80
    total: Annotated[int, U8] = 0  # only where no measurement was asked for
    slot: Annotated[int, U8] = 0  # bits 4 and 5: whether what was measured has changed since
    block_count: Annotated[int, U8] = 0
    record: Annotated[bytes, Counted(width=3, hi=0xFFFFFF)] = b""
    nonce: Annotated[bytes, _NONCE]
    opaque: Annotated[bytes, _OPAQUE] = b""
    signature: Annotated[bytes, Octets(size="S")] = b""


# ── Errors ───────────────────────────────────────────────────────────────────────────────────────────


class Error(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.ERROR
    error: Annotated[int, U8]
    data: Annotated[int, U8] = 0
    extended: Annotated[bytes, Counted(hi=32)] = b""


class NotReady(Part, frozen=True, kw_only=True):
    """ExtendedErrorData of ResponseNotReady: ready in 2^exponent µs, gone `multiplier` times later."""

    exponent: Annotated[int, Number(size=1, hi=31)]
    request: Annotated[int, U8]
    token: Annotated[int, U8]
    multiplier: Annotated[int, U8]


class RespondIfReady(Message, frozen=True, kw_only=True):
    CODE: ClassVar[int] = Code.RESPOND_IF_READY
    request: Annotated[int, U8]
    token: Annotated[int, U8]
