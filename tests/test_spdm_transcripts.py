"""A second reading of SPDM 1.2, byte by byte from the tables of DSP0274, and what comes of it when it meets the first.

Nothing of `opalink.protocol.spdm` is used to build or to judge a message here: only struct, hashlib and the signature
of the library. Where both readings agree, a mistake in one must have been made in the other too.

Plan: the tables · what a module says, judged by hand · what a phone asks, answered by hand · transcripts that restart.
"""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from opalink.protocol.packets import TrustLevel
from opalink.protocol.spdm import Asym, Doubt, Expected, Hash, Outcome, Responder
from tests.spdm_material import FIRMWARE, MEASUREMENTS, P256, P384, SESSION, Chain, converse, module, phone

# ── The tables ───────────────────────────────────────────────────────────────────────────────────────

GET_VERSION = bytes.fromhex("10840000")
VERSION = bytes.fromhex("10040000 00 01 0012")
# Param1 and 2, reserved, CTExponent, reserved, Flags, DataTransferSize, MaxSPDMmsgSize
GET_CAPABILITIES = bytes.fromhex("12e10000 00 00 0000 00000000 e00f0000 e00f0000")
GET_DIGESTS = bytes.fromhex("12810000")


def negotiate(asym: int, hash_: int, specification: int = 1, other: int = 2) -> bytes:
    """Param1 (tables), Param2, Length, MeasurementSpecification, OtherParamsSupport, BaseAsymAlgo, BaseHashAlgo,
    12 reserved, ExtAsymCount, ExtHashCount, 2 reserved."""
    return struct.pack("<BBBBHBBII12xBB2x", 0x12, 0xE3, 0, 0, 32, specification, other, asym, hash_, 0, 0)


def get_certificate(offset: int, length: int, slot: int = 0) -> bytes:
    return struct.pack("<BBBBHH", 0x12, 0x82, slot, 0, offset, length)


def challenge(nonce: bytes, summary: int = 0, slot: int = 0) -> bytes:
    return bytes((0x12, 0x83, slot, summary)) + nonce


def get_measurements(operation: int, nonce: bytes | None = None, slot: int = 0) -> bytes:
    if nonce is None:
        return bytes((0x12, 0xE0, 0, operation))
    return bytes((0x12, 0xE0, 1, operation)) + nonce + bytes((slot,))


CHALLENGE_TEXT = b"responder-challenge_auth signing"
MEASUREMENTS_TEXT = b"responder-measurements signing"


def to_be_signed(text: bytes, transcript: bytes, algorithm: str) -> bytes:
    """combined_spdm_prefix: four times the version, zeros, the context, 100 bytes in all; then the digest."""
    prefix = b"dmtf-spdm-v1.2.*dmtf-spdm-v1.2.*dmtf-spdm-v1.2.*dmtf-spdm-v1.2.*"
    combined = prefix + bytes(100 - len(prefix) - len(text)) + text
    assert len(combined) == 100
    return combined + hashlib.new(algorithm, transcript).digest()


@dataclass(frozen=True)
class Suite:
    """What goes with a pair of algorithms."""

    asym: int
    hash: int
    name: str
    digest: hashes.HashAlgorithm
    hash_size: int
    signature_size: int
    chain: Chain

    def signed(self, message: bytes, text: bytes, transcript: bytes) -> bool:
        signature = message[-self.signature_size :]
        half = self.signature_size // 2
        der = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
        key = self.chain.certificates[-1].public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        try:
            key.verify(der, to_be_signed(text, transcript, self.name), ec.ECDSA(self.digest))
        except InvalidSignature:
            return False
        return True

    def sign(self, text: bytes, transcript: bytes) -> bytes:
        r, s = decode_dss_signature(
            self.chain.key.sign(to_be_signed(text, transcript, self.name), ec.ECDSA(self.digest))
        )
        half = self.signature_size // 2
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")

    def hashed(self, data: bytes) -> bytes:
        return hashlib.new(self.name, data).digest()

    @property
    def chain_bytes(self) -> bytes:
        """Length, 2 reserved, RootHash, the certificates from the root to the leaf."""
        ders = [c.public_bytes(Encoding.DER) for c in self.chain.certificates]
        body = self.hashed(ders[0]) + b"".join(ders)
        return struct.pack("<HH", 4 + len(body), 0) + body


SUITES = {
    "P-256, SHA-256": Suite(0x10, 1, "sha256", hashes.SHA256(), 32, 64, P256),
    "P-256, SHA-384": Suite(0x10, 2, "sha384", hashes.SHA384(), 48, 64, P256),
    "P-384, SHA-256": Suite(0x80, 1, "sha256", hashes.SHA256(), 32, 96, P384),
    "P-384, SHA-384": Suite(0x80, 2, "sha384", hashes.SHA384(), 48, 96, P384),
}
every_suite = pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)


def measurement_block(index: int, value_type: int, value: bytes) -> bytes:
    """Index, MeasurementSpecification, MeasurementSize, then the DMTF's: type, size, value."""
    return struct.pack("<BBHBH", index, 1, 3 + len(value), value_type, len(value)) + value


BLOCKS = {
    1: measurement_block(1, 1, FIRMWARE),
    2: measurement_block(2, 0x86, b"1.2.0.7"),
    0xE0: measurement_block(0xE0, 3, SESSION),
}

# ── What a module says, judged by hand ───────────────────────────────────────────────────────────────


@dataclass
class Talk:
    """A conversation with a module, and the transcripts of it as they should be."""

    suite: Suite
    responder: Responder
    a: bytes = b""

    @classmethod
    def begun(cls, suite: Suite) -> "Talk":
        talk = cls(suite, module(P256, P384))
        for request in (GET_VERSION, GET_CAPABILITIES, negotiate(suite.asym, suite.hash)):
            talk.a += request + talk.ask(request)
        return talk

    def ask(self, request: bytes) -> bytes:
        return self.responder.respond(request)

    def both(self, request: bytes) -> bytes:
        """Request and response without a signature, as transcripts have them."""
        return request + self.ask(request)


@every_suite
def test_a_module_negotiates_as_the_tables_say(suite: Suite) -> None:
    responder = module(P256, P384)
    assert responder.respond(GET_VERSION) == VERSION
    # CTExponent 17; CERT_CAP, CHAL_CAP, MEAS_CAP 2, MEAS_FRESH_CAP; 4064 twice
    assert responder.respond(GET_CAPABILITIES) == bytes.fromhex("12610000 00 11 0000 36000000 e00f0000 e00f0000")
    # Param1 and 2, Length, MeasurementSpecificationSel, OtherParamsSelection, MeasurementHashAlgo: SHA-256, then
    # BaseAsymSel, BaseHashSel, 12 reserved, ExtAsymSelCount, ExtHashSelCount, 2 reserved
    chosen = struct.pack("<BBBBHBBIII12xBB2x", 0x12, 0x63, 0, 0, 36, 1, 0, 2, suite.asym, suite.hash, 0, 0)
    assert responder.respond(negotiate(suite.asym, suite.hash)) == chosen


@every_suite
def test_a_module_shows_its_chain_as_the_tables_say(suite: Suite) -> None:
    talk = Talk.begun(suite)
    chain = suite.chain_bytes
    assert talk.ask(GET_DIGESTS) == bytes((0x12, 0x01, 0, 1)) + suite.hashed(chain)
    for offset, length in ((0, 100), (100, 1), (len(chain) - 1, 50), (0, 0xFFFF)):
        portion = chain[offset : offset + length]
        head = struct.pack("<BBBBHH", 0x12, 0x02, 0, 0, len(portion), len(chain) - offset - len(portion))
        assert talk.ask(get_certificate(offset, length)) == head + portion


@every_suite
def test_a_challenge_is_signed_over_all_that_was_said(suite: Suite) -> None:
    talk = Talk.begun(suite)
    b = talk.both(GET_DIGESTS) + talk.both(get_certificate(0, 300)) + talk.both(get_certificate(300, 0xFFFF))
    request = challenge(bytes(range(32)))
    response = talk.ask(request)
    h = suite.hash_size
    assert response[:4] == bytes((0x12, 0x03, 0, 1))
    assert response[4 : 4 + h] == suite.hashed(suite.chain_bytes)
    assert response[4 + h + 32 : 4 + h + 34] == bytes(2)  # nothing opaque
    assert len(response) == 4 + h + 32 + 2 + suite.signature_size
    m1 = talk.a + b + request + response[: -suite.signature_size]
    assert suite.signed(response, CHALLENGE_TEXT, m1)
    assert not suite.signed(response, MEASUREMENTS_TEXT, m1)
    assert not suite.signed(response, CHALLENGE_TEXT, m1[1:])


@every_suite
def test_a_challenge_sums_up_measurements(suite: Suite) -> None:
    for kind, blocks in ((1, BLOCKS[1]), (0xFF, b"".join(BLOCKS.values()))):
        talk = Talk.begun(suite)
        request = challenge(bytes(32), summary=kind)
        response = talk.ask(request)
        h = suite.hash_size
        assert response[4 + h + 32 : 4 + 2 * h + 32] == suite.hashed(blocks)
        assert suite.signed(response, CHALLENGE_TEXT, talk.a + request + response[: -suite.signature_size])


def record(response: bytes) -> tuple[int, bytes, bytes]:
    """NumberOfBlocks, the record, and what follows it."""
    size = int.from_bytes(response[5:8], "little")
    return response[4], response[8 : 8 + size], response[8 + size :]


@every_suite
def test_measurements_are_signed_over_all_since_the_last_signature(suite: Suite) -> None:
    talk = Talk.begun(suite)
    count = get_measurements(0)
    response = talk.ask(count)
    assert response[2] == len(MEASUREMENTS)
    assert record(response)[:2] == (0, b"")
    transcript = count + response
    for index, block in BLOCKS.items():
        one = get_measurements(index)
        response = talk.ask(one)
        blocks, found, rest = record(response)
        assert (response[2], blocks, found) == (0, 1, block)
        assert len(rest) == 32 + 2
        transcript += one + response
    for _ in range(2):
        request = get_measurements(0xFF, bytes(32))
        response = talk.ask(request)
        blocks, found, rest = record(response)
        assert (blocks, found) == (3, b"".join(BLOCKS.values()))
        assert len(rest) == 32 + 2 + suite.signature_size
        l1 = talk.a + transcript + request + response[: -suite.signature_size]
        assert suite.signed(response, MEASUREMENTS_TEXT, l1)
        transcript = b""  # the second time begins anew


# ── What a phone asks, answered by hand ──────────────────────────────────────────────────────────────


@dataclass
class HandMade:
    """A responder written from the tables alone. `blocks` None: it measures nothing."""

    suite: Suite
    blocks: dict[int, bytes] | None = field(default_factory=lambda: dict(BLOCKS))
    opaque: bytes = b""
    other: int = 0
    portion: int = 1000
    digest: bytes = b""  # instead of the chain's in DIGESTS
    head: bytes = bytes((0x12, 0x03, 0, 1))  # of CHALLENGE_AUTH
    shown: bytes = b""  # instead of the chain's digest in CHALLENGE_AUTH
    measures_as: bytes = MEASUREMENTS_TEXT
    a: bytes = b""
    b: bytes = b""
    asked: list[bytes] = field(default_factory=list)

    def respond(self, request: bytes) -> bytes:
        self.asked.append(request)
        answer: Callable[[bytes], bytes] = {
            0x84: self.negotiated,
            0xE1: self.negotiated,
            0xE3: self.negotiated,
            0x81: self.identified,
            0x82: self.identified,
            0x83: self.challenged,
            0xE0: self.measured,
        }[request[1]]
        return answer(request)

    def negotiated(self, request: bytes) -> bytes:
        flags = 0x06 | (0x10 if self.blocks is not None else 0)
        way = (1, 2) if self.blocks is not None else (0, 0)
        response = {
            # Three versions; an update number and a draft of a later one beside the one that counts.
            0x84: bytes.fromhex("10040000 00 03 0011 3012 0113"),
            0xE1: struct.pack("<BBBBBBHIII", 0x12, 0x61, 0, 0, 0, 12, 0, flags, 4064, 4064),
            0xE3: struct.pack(
                "<BBBBHBBIII12xBB2x", 0x12, 0x63, 0, 0, 36, way[0], self.other, way[1], self.suite.asym,
                self.suite.hash, 0, 0,
            ),
        }[request[1]]  # fmt: skip
        self.a += request + response
        return response

    def identified(self, request: bytes) -> bytes:
        chain = self.suite.chain_bytes
        if request[1] == 0x81:
            response = bytes((0x12, 0x01, 0, 1)) + (self.digest or self.suite.hashed(chain))
        else:
            offset, length = struct.unpack("<HH", request[4:])
            portion = chain[offset : offset + min(length, self.portion)]
            remainder = len(chain) - offset - len(portion)
            response = struct.pack("<BBBBHH", 0x12, 0x02, 0, 0, len(portion), remainder) + portion
        self.b += request + response
        return response

    def opaquely(self) -> bytes:
        return struct.pack("<H", len(self.opaque)) + self.opaque

    def challenged(self, request: bytes) -> bytes:
        shown = self.shown or self.suite.hashed(self.suite.chain_bytes)
        response = self.head + shown + b"N" * 32 + self.opaquely()
        return response + self.suite.sign(CHALLENGE_TEXT, self.a + self.b + request + response)

    def measured(self, request: bytes) -> bytes:
        blocks = b"".join((self.blocks or {}).values())
        head = bytes((0x12, 0x60, 0, 0x20, len(self.blocks or {}))) + len(blocks).to_bytes(3, "little")
        response = head + blocks + b"N" * 32 + self.opaquely()
        return response + self.suite.sign(self.measures_as, self.a + request + response)


def outcome(peer: HandMade, expected: Expected | None = None) -> Outcome:
    requester = phone(P256, P384, expected=expected or Expected(SESSION, {1: FIRMWARE}))
    converse(requester, peer.respond)
    assert requester.outcome
    return requester.outcome


@every_suite
def test_a_phone_believes_a_responder_made_by_hand(suite: Suite) -> None:
    peer = HandMade(suite)
    assert outcome(peer).level is TrustLevel.MEASURED
    first, capabilities, algorithms, digests, *portions, last, measured = peer.asked
    assert (first, capabilities, digests) == (GET_VERSION, GET_CAPABILITIES, GET_DIGESTS)
    assert algorithms == negotiate(0x90, 3)
    size = len(suite.chain_bytes)
    assert portions == [get_certificate(offset, 4056) for offset in range(0, size, 1000)]
    assert (last[:4], len(last)) == (challenge(b"")[:4], 36)
    assert (measured[:4], measured[-1], len(measured)) == (bytes((0x12, 0xE0, 1, 0xFF)), 0, 37)
    assert last[4:] != measured[4:36]  # each has a nonce of its own


@every_suite
def test_a_module_that_measures_nothing_is_genuine(suite: Suite) -> None:
    assert outcome(HandMade(suite, blocks=None)).level is TrustLevel.GENUINE


def test_opaque_data_is_taken_where_a_format_was_agreed_on() -> None:
    suite = SUITES["P-256, SHA-256"]
    assert outcome(HandMade(suite, opaque=b"xyz", other=2)).level is TrustLevel.MEASURED
    assert outcome(HandMade(suite, opaque=bytes(1024), other=2)).level is TrustLevel.MEASURED
    assert outcome(HandMade(suite, opaque=bytes(1025), other=2)).doubt is Doubt.MALFORMED
    assert outcome(HandMade(suite, opaque=b"xyz")).doubt is Doubt.MALFORMED
    assert outcome(HandMade(suite, other=1)).doubt is Doubt.ALGORITHM


@pytest.mark.parametrize(
    "blocks",
    [
        {1: BLOCKS[1] + b"\0"},
        {1: BLOCKS[1][:-1]},
        {1: BLOCKS[1], 2: BLOCKS[1]},
        {1: measurement_block(0, 1, FIRMWARE)},
        {1: measurement_block(0xFF, 1, FIRMWARE)},
        {1: struct.pack("<BBHBH", 1, 1, 36, 1, 32) + FIRMWARE},
        {1: struct.pack("<BBHBH", 1, 2, 35, 1, 32) + FIRMWARE},
        {1: b""},
    ],
    ids=["long", "short", "twice", "index 0", "index 255", "two sizes", "another specification", "nothing"],
)
def test_a_record_that_is_malformed_is_a_doubt_however_well_it_is_signed(blocks: dict[int, bytes]) -> None:
    assert outcome(HandMade(SUITES["P-256, SHA-256"], blocks=blocks)).doubt is Doubt.MALFORMED


@pytest.mark.parametrize(
    ("peer", "doubt"),
    [
        (HandMade(SUITES["P-256, SHA-256"], digest=bytes(32)), Doubt.DIGEST),
        (HandMade(SUITES["P-256, SHA-256"], digest=bytes(32), shown=bytes(32)), Doubt.DIGEST),
        (HandMade(SUITES["P-256, SHA-256"], shown=bytes(32)), Doubt.DIGEST),
        (HandMade(SUITES["P-256, SHA-256"], head=bytes((0x12, 0x03, 0x80, 1))), Doubt.MALFORMED),
        (HandMade(SUITES["P-256, SHA-256"], head=bytes((0x12, 0x03, 1, 1))), Doubt.MALFORMED),
        (HandMade(SUITES["P-256, SHA-256"], head=bytes((0x12, 0x03, 0, 3))), Doubt.MALFORMED),
        (HandMade(SUITES["P-256, SHA-256"], measures_as=CHALLENGE_TEXT), Doubt.SIGNATURE),
    ],
    ids=[
        "another digest",
        "another digest, twice",
        "another chain",
        "mutual authentication",
        "another slot",
        "other slots",
        "a signature of another kind",
    ],
)
def test_a_lie_that_is_signed_is_a_lie(peer: HandMade, doubt: Doubt) -> None:
    assert outcome(peer).doubt is doubt


def test_portions_without_end_are_given_up() -> None:
    assert outcome(HandMade(SUITES["P-256, SHA-256"], portion=1)).doubt is Doubt.GAVE_UP
    assert outcome(HandMade(SUITES["P-256, SHA-256"], portion=0)).doubt is Doubt.MALFORMED


# ── Transcripts that restart ─────────────────────────────────────────────────────────────────────────

SUITE = SUITES["P-384, SHA-384"]


def test_digests_begin_b_anew() -> None:
    talk = Talk.begun(SUITE)
    talk.both(GET_DIGESTS)
    talk.both(get_certificate(0, 10))
    b = talk.both(GET_DIGESTS)
    request = challenge(bytes(32))
    response = talk.ask(request)
    assert SUITE.signed(response, CHALLENGE_TEXT, talk.a + b + request + response[:-96])


def test_a_measurement_before_the_challenge_gives_b_up() -> None:
    talk = Talk.begun(SUITE)
    talk.both(GET_DIGESTS)
    talk.ask(get_measurements(1))
    request = challenge(bytes(32))
    response = talk.ask(request)
    assert SUITE.signed(response, CHALLENGE_TEXT, talk.a + request + response[:-96])


def test_a_second_challenge_has_a_b_of_its_own() -> None:
    talk = Talk.begun(SUITE)
    talk.both(GET_DIGESTS)
    talk.ask(challenge(bytes(32)))
    for between in ((), (get_certificate(5, 9),)):
        b = b"".join(map(talk.both, between))
        request = challenge(bytes(32))
        response = talk.ask(request)
        assert SUITE.signed(response, CHALLENGE_TEXT, talk.a + b + request + response[:-96])


@pytest.mark.parametrize(
    "between",
    [GET_DIGESTS, get_certificate(0, 10), challenge(bytes(32)), get_measurements(99), get_measurements(1)[:3]],
    ids=["digests", "certificate", "challenge", "an index that is not there", "a measurement request cut short"],
)
def test_measurements_do_not_span_what_lies_between_them(between: bytes) -> None:
    talk = Talk.begun(SUITE)
    talk.ask(get_measurements(1))
    talk.ask(between)
    request = get_measurements(2, bytes(32))
    response = talk.ask(request)
    assert SUITE.signed(response, MEASUREMENTS_TEXT, talk.a + request + response[:-96])


@pytest.mark.parametrize(
    "refused",
    [
        get_certificate(0xFFFF, 1),
        challenge(bytes(32), slot=3),
        bytes((0x12, 0xC0, 0, 0)),
        b"\x12\x81\x00",
        b"\x11\x81\0\0",
    ],
    ids=["beyond the chain", "an empty slot", "an unknown code", "cut short", "another version"],
)
def test_what_is_refused_leaves_no_trace(refused: bytes) -> None:
    talk = Talk.begun(SUITE)
    b = talk.both(GET_DIGESTS)
    assert talk.ask(refused)[1] == 0x7F
    request = challenge(bytes(32))
    response = talk.ask(request)
    assert SUITE.signed(response, CHALLENGE_TEXT, talk.a + b + request + response[:-96])


def test_the_enumerations_are_the_standard_s() -> None:
    assert {(a.name, a.value, a.size) for a in Asym} == {("ECDSA_P256", 0x10, 64), ("ECDSA_P384", 0x80, 96)}
    assert {(h.name, h.value, h.size) for h in Hash} == {("SHA_256", 1, 32), ("SHA_384", 2, 48)}
